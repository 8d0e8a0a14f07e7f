// Numbers, typed literals and intervals of the expression parser.
#include <charconv>
#include <limits>
#include <map>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "columnar/datetime_text.h"
#include "plan/calendar.h"
#include "plan/temporal_text.h"
#include "sql/expression_parser.h"

namespace weir::sql {

using columnar::DataType;
using columnar::TypeKind;
using plan::Int128;

namespace {

constexpr int kDecimalDigitsMax = 38;

base::Error number_error(const Token& token, std::string_view type, const plan::Origin& origin) {
  return base::Error(
             base::ErrorKind::kInvalidArgument,
             fmt::format(
                 "Numeric literal {} is outside the valid range of \"{}\". SQLSTATE: 42820{}",
                 token.text, type, plan::origin_context(origin)))
      .with_class("INVALID_NUMERIC_LITERAL_RANGE");
}

// Digits with at most one point and one exponent, as a decimal; false where it has more than 38
// digits.
bool to_decimal(std::string_view digits, bool negative, plan::Literal& literal) {
  int exponent = 0;
  if (const auto e = digits.find_first_of("eE"); e != std::string_view::npos) {
    auto text = digits.substr(e + 1);
    if (text.starts_with('+')) text.remove_prefix(1);
    if (std::from_chars(text.data(), text.data() + text.size(), exponent).ec != std::errc() ||
        std::abs(exponent) > 100) {
      return false;
    }
    digits = digits.substr(0, e);
  }
  Int128 unscaled = 0;
  int count = 0, scale = -exponent;
  bool fraction = false;
  for (const char c : digits) {
    if (c == '.') {
      fraction = true;
      continue;
    }
    if (count > 0 || c != '0') ++count;
    if (count > kDecimalDigitsMax) return false;
    unscaled = unscaled * 10 + (c - '0');
    scale += fraction ? 1 : 0;
  }
  while (scale < 0) {
    if (++count > kDecimalDigitsMax) return false;
    unscaled *= 10;
    ++scale;
  }
  if (scale > kDecimalDigitsMax) return false;
  literal.type = DataType::decimal(std::max({count, scale, 1}), scale);
  literal.value = negative ? -unscaled : unscaled;
  return true;
}

struct IntervalUnit {
  int64_t months = 0;
  int64_t us = 0;
};

const IntervalUnit* find_unit(std::string word) {
  boost::to_lower(word);
  static const std::map<std::string, IntervalUnit, std::less<>> kUnits = {
      {"year", {12, 0}},
      {"month", {1, 0}},
      {"week", {0, 7 * plan::kMicrosPerDay}},
      {"day", {0, plan::kMicrosPerDay}},
      {"hour", {0, 3'600'000'000}},
      {"minute", {0, 60'000'000}},
      {"second", {0, 1'000'000}},
      {"millisecond", {0, 1000}},
      {"microsecond", {0, 1}}};
  auto found = kUnits.find(word);
  if (found == kUnits.end() && word.size() > 1 && word.back() == 's') {
    word.pop_back();
    found = kUnits.find(word);
  }
  return found == kUnits.end() ? nullptr : &found->second;
}

// "12", "-1.5" times the unit; false on overflow or junk.
bool scaled(std::string_view text, int64_t unit, int64_t& result) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int64_t whole = 0;
  const auto point = text.find('.');
  const auto digits = text.substr(0, point);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), whole);
  if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size())
    return false;
  if (__builtin_mul_overflow(whole, unit, &result)) return false;
  if (point != std::string_view::npos) {
    int64_t part = unit;
    for (const char c : text.substr(point + 1)) {
      if (c < '0' || c > '9' || unit != plan::kMicrosPerSecond) return false;
      part /= 10;
      if (__builtin_add_overflow(result, (c - '0') * part, &result)) return false;
    }
  }
  if (negative) result = -result;
  return true;
}

// "1 02:03:04.5", "02:03", "1-2" by the fields from `first` on.
bool compound(std::string_view text, bool year_month, std::string first, int64_t& result) {
  bool negative = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  result = 0;
  static const std::vector<std::string> kDayTime = {"day", "hour", "minute", "second"};
  static const std::vector<std::string> kYearMonth = {"year", "month"};
  const auto& fields = year_month ? kYearMonth : kDayTime;
  boost::to_lower(first);
  size_t field = 0;
  while (field < fields.size() && fields[field] != first)
    ++field;
  while (true) {
    if (field >= fields.size()) return false;
    const auto* unit = find_unit(fields[field]);
    const auto end = text.find_first_of(year_month ? "-" : " :");
    int64_t part = 0;
    if (text.starts_with('-') ||
        !scaled(text.substr(0, end), year_month ? unit->months : unit->us, part))
      return false;
    if (__builtin_add_overflow(result, part, &result)) return false;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    ++field;
  }
  if (negative) result = -result;
  return true;
}

}  // namespace

ExpressionParser::Made ExpressionParser::number(bool negative) {
  const Token token = cursor_.take();
  std::string text = boost::to_lower_copy(token.text);
  std::string suffix;
  while (!text.empty() && std::isalpha(static_cast<unsigned char>(text.back()))) {
    suffix.insert(suffix.begin(), text.back());
    text.pop_back();
  }
  const auto origin = cursor_.origin_of(token);
  if (text.empty() || text.find_first_not_of("0123456789.e+-") != std::string::npos) {
    return syntax_error(token.text, "no number has this form", origin);
  }
  const bool whole = text.find_first_not_of("0123456789") == std::string::npos;
  const std::string sign = negative ? "-" : "";
  plan::Literal literal{DataType::of(TypeKind::kInteger), int64_t{0}};
  static const std::map<std::string, std::pair<TypeKind, std::pair<int64_t, int64_t>>> kIntegral = {
      {"y", {TypeKind::kByte, {INT8_MIN, INT8_MAX}}},
      {"s", {TypeKind::kShort, {INT16_MIN, INT16_MAX}}},
      {"l", {TypeKind::kLong, {INT64_MIN, INT64_MAX}}},
      {"", {TypeKind::kInteger, {INT32_MIN, INT32_MAX}}}};
  const auto integral = kIntegral.find(suffix);
  if (whole && integral != kIntegral.end()) {
    int64_t value = 0;
    const auto signed_text = sign + text;
    const bool fits =
        std::from_chars(signed_text.data(), signed_text.data() + signed_text.size(), value).ec ==
        std::errc();
    const auto [low, high] = integral->second.second;
    literal.type = DataType::of(integral->second.first);
    if (fits && value >= low && value <= high) {
      literal.value = value;
    } else if (!suffix.empty()) {
      return number_error(token, literal.type.simple_string(), origin);
    } else if (fits) {
      literal = {DataType::of(TypeKind::kLong), value};
    } else if (!to_decimal(text, negative, literal)) {
      return number_error(token, "decimal(38,0)", origin);
    }
    return make(std::move(literal), token.begin);
  }
  const bool exponent = text.find('e') != std::string::npos;
  if (suffix == "bd" || (suffix.empty() && !exponent)) {
    if (!to_decimal(text, negative, literal)) return number_error(token, "decimal(38,18)", origin);
    return make(std::move(literal), token.begin);
  }
  if (suffix.empty() || suffix == "d" || suffix == "f") {
    double value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
      return number_error(token, "double", origin);
    if (suffix == "f") {
      float narrow = 0;
      if (std::from_chars(text.data(), text.data() + text.size(), narrow).ec != std::errc()) {
        return number_error(token, "float", origin);
      }
      value = narrow;
    }
    literal = {DataType::of(suffix == "f" ? TypeKind::kFloat : TypeKind::kDouble),
               negative ? -value : value};
    return make(std::move(literal), token.begin);
  }
  return syntax_error(token.text, "no number has this form", origin);
}

ExpressionParser::Made ExpressionParser::typed_literal(std::string_view kind) {
  const Token token = cursor_.take();
  const uint32_t begin = token.begin - static_cast<uint32_t>(kind.size());
  const auto invalid = [&](std::string_view type) {
    return base::Error(
               base::ErrorKind::kInvalidArgument,
               fmt::format(
                   "The value of the typed literal \"{}\" is invalid: '{}'. SQLSTATE: 42604{}",
                   type, token.text, plan::origin_context(cursor_.origin_of(token))))
        .with_class("INVALID_TYPED_LITERAL");
  };
  if (kind == "X") {
    std::string text = token.text.size() % 2 ? "0" + token.text : token.text;
    std::string bytes;
    for (size_t i = 0; i < text.size(); i += 2) {
      unsigned value = 0;
      const auto parsed = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
      if (parsed.ptr != text.data() + i + 2) return invalid("X");
      bytes += static_cast<char>(value);
    }
    return make(plan::Literal{DataType::of(TypeKind::kBinary), std::move(bytes)}, begin);
  }
  if (kind == "DATE") {
    const auto days = columnar::parse_date(token.text);
    if (!days) return invalid("DATE");
    return make(plan::Literal{DataType::of(TypeKind::kDate), int64_t{*days}}, begin);
  }
  const auto parsed = plan::parse_timestamp(token.text);
  if (!parsed || !parsed->has_date) return invalid(kind);
  if (kind == "TIMESTAMP_NTZ") {
    if (!parsed->zone.empty()) return invalid(kind);
    return make(plan::Literal{DataType::of(TypeKind::kTimestampNtz), parsed->local_us}, begin);
  }
  if (const auto offset = columnar::zone_offset_seconds(parsed->zone)) {
    const int64_t us = parsed->local_us - *offset * plan::kMicrosPerSecond;
    return make(plan::Literal{DataType::of(TypeKind::kTimestamp), us}, begin);
  }
  // Without a zone, or in a named one, it is a time of the session's zone: worked out where that is
  // known.
  WEIR_ASSIGN(auto text,
              make(plan::Literal{DataType::of(TypeKind::kString), token.text}, token.begin));
  return make(plan::CastTo{text, DataType::of(TypeKind::kTimestamp), false}, begin);
}

ExpressionParser::Made ExpressionParser::interval() {
  const uint32_t begin = cursor_.take().begin;
  int64_t months = 0, us = 0;
  bool has_months = false, has_us = false;
  const auto bad = [&](std::string_view hint) { return cursor_.unexpected(hint); };
  const auto add = [&](const std::string& value, const std::string& word) {
    const auto* unit = find_unit(word);
    if (!unit) return false;
    int64_t part = 0;
    int64_t& total = unit->months ? months : us;
    (unit->months ? has_months : has_us) = true;
    return scaled(value, unit->months ? unit->months : unit->us, part) &&
           !__builtin_add_overflow(total, part, &total);
  };
  while (true) {
    const bool negative = cursor_.is_symbol("-") && cursor_.peek(1).kind == TokenKind::kNumber;
    if (negative) cursor_.take();
    const Token value = cursor_.peek();
    if (value.kind != TokenKind::kNumber && value.kind != TokenKind::kString) break;
    const bool unit_follows =
        cursor_.peek(1).kind == TokenKind::kWord && find_unit(cursor_.peek(1).text);
    if (!unit_follows) {
      if (value.kind != TokenKind::kString || has_months || has_us) break;
      // INTERVAL '1 day 2 hours'
      cursor_.take();
      std::vector<std::string> words;
      std::string word;
      for (const char c : value.text + " ") {
        if (c == ' ') {
          if (!word.empty()) words.push_back(std::exchange(word, {}));
        } else {
          word += c;
        }
      }
      if (!words.empty() && boost::to_lower_copy(words[0]) == "interval")
        words.erase(words.begin());
      if (words.empty() || words.size() % 2 != 0)
        return bad("the interval has no form that is known");
      for (size_t i = 0; i < words.size(); i += 2) {
        if (!add(words[i], words[i + 1])) return bad("the interval has no form that is known");
      }
      break;
    }
    cursor_.take();
    const std::string unit = cursor_.take().text;
    if (cursor_.accept_word("TO")) {
      const auto* first = find_unit(unit);
      WEIR_TRY(name());
      int64_t total = 0;
      if (!compound(value.text, first->months != 0, unit, total))
        return bad("the interval has no form that is known");
      (first->months ? months : us) += total;
      (first->months ? has_months : has_us) = true;
      break;
    }
    if (!add(negative ? "-" + value.text : value.text, unit))
      return bad("the interval's value does not fit its unit");
  }
  if (has_months && has_us) return cursor_.unsupported("interval that mixes months and days");
  if (!has_months && !has_us) return bad("an interval needs a value and a unit");
  const auto kind = has_months ? TypeKind::kYearMonthInterval : TypeKind::kDayTimeInterval;
  return make(plan::Literal{DataType::of(kind), has_months ? months : us}, begin);
}

}  // namespace weir::sql
