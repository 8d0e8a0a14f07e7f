// INTERVAL literals: '1 day 2 hours', 1 DAY 2 HOURS, '1 02:03' DAY TO MINUTE.
#include <array>
#include <map>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/trim.hpp>
#include <fmt/format.h>

#include "plan/calendar.h"
#include "sql/expression_parser.h"

namespace weir::sql {

using columnar::DataType;
using columnar::TypeKind;
using plan::Int128;

namespace {

// One of months and nanoseconds is set.
struct IntervalUnit {
  int64_t months = 0;
  int64_t ns = 0;
};

const IntervalUnit* find_unit(std::string word) {
  boost::to_lower(word);
  static const std::map<std::string, IntervalUnit, std::less<>> kUnits = {
      {"year", {12, 0}},
      {"month", {1, 0}},
      {"week", {0, 7 * plan::kMicrosPerDay * 1000}},
      {"day", {0, plan::kMicrosPerDay * 1000}},
      {"hour", {0, 3'600'000'000'000}},
      {"minute", {0, 60'000'000'000}},
      {"second", {0, 1'000'000'000}},
      {"millisecond", {0, 1'000'000}},
      {"microsecond", {0, 1000}},
      {"nanosecond", {0, 1}}};
  auto found = kUnits.find(word);
  if (found == kUnits.end() && word.size() > 1 && word.back() == 's') {
    word.pop_back();
    found = kUnits.find(word);
  }
  return found == kUnits.end() ? nullptr : &found->second;
}

struct Total {
  Int128 months = 0;
  Int128 us = 0;
  bool has_months = false;
  bool has_us = false;
  int first_unit = 3;  // the coarsest and the finest unit given, as DataType numbers them
  int last_unit = 0;

  void note_unit(std::string_view word) {
    std::string name(word);
    boost::to_lower(name);
    if (name.ends_with('s') && name.size() > 1) name.pop_back();
    const auto unit = columnar::interval_unit(name == "week" ? "day" : name);
    const int number = unit ? unit->second : 3;  // milliseconds and finer are parts of seconds
    first_unit = std::min(first_unit, number);
    last_unit = std::max(last_unit, number);
  }
};

enum class Problem { kNone, kNumber, kFraction, kOverflow };

// Adds "12", "+1", "- 1.5" units. Only seconds have a fraction.
Problem add(std::string_view text, const IntervalUnit& unit, bool negative, Total& total) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    if (text[0] == '-') negative = !negative;
    text.remove_prefix(1);
    while (!text.empty() && text.front() == ' ')
      text.remove_prefix(1);
  }
  const auto point = text.find('.');
  const auto digits = text.substr(0, point);
  const auto fraction =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (digits.find_first_not_of("0123456789") != std::string_view::npos ||
      fraction.find_first_not_of("0123456789") != std::string_view::npos ||
      (digits.empty() && fraction.empty()))
    return Problem::kNumber;
  if (point != std::string_view::npos && unit.ns != 1'000'000'000) return Problem::kFraction;
  if (digits.size() > 19 || fraction.size() > 9) return Problem::kOverflow;
  Int128 value = 0;
  for (const char c : digits)
    value = value * 10 + (c - '0');
  if (unit.months) {
    total.has_months = true;
    total.months += (negative ? -value : value) * unit.months;
    return Problem::kNone;
  }
  Int128 ns = value * unit.ns;
  int64_t part = unit.ns;
  for (const char c : fraction) {
    part /= 10;
    ns += (c - '0') * part;
  }
  total.has_us = true;
  total.us += (negative ? -ns : ns) / 1000;
  return Problem::kNone;
}

// The fields of "from TO to", their separators and how Spark describes the form.
struct Range {
  std::string_view from, to, form;
};
constexpr std::array<std::string_view, 4> kDayTime = {"day", "hour", "minute", "second"};
constexpr std::array<Range, 7> kRanges = {{{"year", "month", "y-m"},
                                           {"day", "hour", "d h"},
                                           {"day", "minute", "d h:m"},
                                           {"day", "second", "d h:m:s.n"},
                                           {"hour", "minute", "h:m"},
                                           {"hour", "second", "h:m:s.n"},
                                           {"minute", "second", "m:s.n"}}};

// The number up to `end` of text, taken off; -1 where there is none or it has too many digits.
int64_t take_number(std::string_view& text, size_t digits_max) {
  size_t count = 0;
  int64_t value = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9' && count < 18) {
    value = value * 10 + (text[count] - '0');
    ++count;
  }
  if (count == 0 || count > digits_max) return -1;
  text.remove_prefix(count);
  return value;
}

// "1-2", "1 02:03:04.5" as the range says; false where the text has not its form.
bool read_range(std::string_view text, const Range& range, bool negative, Total& total) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    if (text[0] == '-') negative = !negative;
    text.remove_prefix(1);
  }
  const auto take = [&](char c) {
    if (text.empty() || text[0] != c) return false;
    text.remove_prefix(1);
    return true;
  };
  if (range.from == "year") {
    const auto years = take_number(text, 18);
    if (years < 0 || !take('-')) return false;
    const auto months = take_number(text, 2);
    if (months < 0 || months > 11 || !text.empty()) return false;
    total.has_months = true;
    total.months = (Int128{years} * 12 + months) * (negative ? -1 : 1);
    return true;
  }
  size_t field = 0;
  while (kDayTime[field] != range.from)
    ++field;
  Int128 us = 0;
  bool first = true;
  while (true) {
    const auto value = take_number(text, first ? 18 : 2);
    if (value < 0) return false;
    if (!first && value > (field == 1 ? 23 : 59)) return false;
    us += Int128{value} * find_unit(std::string(kDayTime[field]))->ns / 1000;
    if (kDayTime[field] == range.to) break;
    if (!take(field == 0 ? ' ' : ':')) return false;
    first = false;
    ++field;
  }
  if (range.to == "second" && take('.')) {
    int64_t part = 1'000'000;
    if (text.empty() || text.size() > 9) return false;
    for (const char c : text) {
      if (c < '0' || c > '9') return false;
      part /= 10;
      us += (c - '0') * part;
    }
    text = {};
  }
  if (!text.empty()) return false;
  total.has_us = true;
  total.us = negative ? -us : us;
  return true;
}

base::Error format_error(std::string_view subclass, std::string_view message,
                         const std::string& input, const plan::Origin& origin) {
  return parse_error(fmt::format("INVALID_INTERVAL_FORMAT.{}", subclass), "22006",
                     fmt::format("Error parsing '{}' to interval: {}", input, message), origin)
      .with_parameter("input", input);
}

base::Error range_error(const Range& range, const std::string& input, const plan::Origin& origin) {
  const bool year = range.from == "year";
  const std::string kind = year ? "year-month" : "day-time";
  const auto type = fmt::format("interval {} to {}", range.from, range.to);
  const auto supported =
      fmt::format("`[+|-]{}`, `INTERVAL [+|-]'[+|-]{}' {}`", range.form, range.form,
                  boost::to_upper_copy(fmt::format("{} TO {}", range.from, range.to)));
  return format_error(year ? "UNMATCHED_FORMAT_STRING" : "UNMATCHED_FORMAT_STRING_WITH_NOTICE",
                      fmt::format("the text does not match {} as {} of {}", supported, type, kind),
                      input, origin)
      .with_parameter("intervalStr", kind)
      .with_parameter("supportedFormat", supported)
      .with_parameter("typeName", type);
}

base::Error problem_error(Problem problem, const std::string& value, const std::string& unit,
                          const plan::Origin& origin) {
  if (problem == Problem::kFraction) {
    return format_error("INVALID_FRACTION", unit + " cannot have a fractional part", value, origin)
        .with_parameter("unit", unit);
  }
  if (problem == Problem::kOverflow)
    return format_error("ARITHMETIC_EXCEPTION", "the number is too large", value, origin);
  return format_error("UNRECOGNIZED_NUMBER", "unrecognized number '" + value + "'", value, origin)
      .with_parameter("number", value);
}

// The literal of a total, or the error that Spark has for it.
base::Result<plan::Literal> to_literal(const Total& total, const std::string& text,
                                       const plan::Origin& origin) {
  if (total.has_months && total.has_us) {
    return parse_error("_LEGACY_ERROR_TEMP_0029", "",
                       fmt::format("Cannot mix year-month and day-time fields: {}", text), origin)
        .with_parameter("literal", text);
  }
  const bool months = total.has_months;
  const Int128 value = months ? total.months : total.us;
  const Int128 most = months ? Int128{INT32_MAX} : Int128{INT64_MAX};
  if (value > most || value < -most - 1)
    return format_error("ARITHMETIC_EXCEPTION", "the interval is too long", text, origin);
  const auto kind = months ? TypeKind::kYearMonthInterval : TypeKind::kDayTimeInterval;
  return plan::Literal{DataType::interval(kind, total.first_unit, total.last_unit),
                       static_cast<int64_t>(value)};
}

// "1 day -2 hours": values and units in turn; false where the text has not this form.
bool read_words(const std::string& text, Total& total) {
  std::string_view rest = text;
  const auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  const auto skip = [&] {
    while (!rest.empty() && blank(rest.front()))
      rest.remove_prefix(1);
  };
  skip();
  if (boost::to_lower_copy(std::string(rest.substr(0, 8))) == "interval" && rest.size() > 8 &&
      blank(rest[8])) {
    rest.remove_prefix(8);
    skip();
  }
  if (rest.empty()) return false;
  while (!rest.empty()) {
    size_t end = 0;
    if (rest[0] == '-' || rest[0] == '+') {
      ++end;
      while (end < rest.size() && blank(rest[end]))
        ++end;
    }
    while (end < rest.size() &&
           (std::isdigit(static_cast<unsigned char>(rest[end])) || rest[end] == '.'))
      ++end;
    const auto value = rest.substr(0, end);
    rest.remove_prefix(end);
    if (rest.empty() || !blank(rest[0])) return false;
    skip();
    end = 0;
    while (end < rest.size() && !blank(rest[end]))
      ++end;
    const auto* unit = find_unit(std::string(rest.substr(0, end)));
    if (!unit || unit->ns == 1 || add(value, *unit, false, total) != Problem::kNone) return false;
    total.note_unit(rest.substr(0, end));
    rest.remove_prefix(end);
    skip();
  }
  return true;
}

}  // namespace

// After INTERVAL stands a value: a string, or a number and its unit.
bool ExpressionParser::at_interval() const {
  const size_t sign = cursor_.is_symbol("-", 1) || cursor_.is_symbol("+", 1) ? 1 : 0;
  const auto& value = cursor_.peek(1 + sign);
  const auto& unit = cursor_.peek(2 + sign);
  const bool has_unit = unit.kind == TokenKind::kWord && find_unit(unit.text);
  if (value.kind == TokenKind::kString) return sign == 0 || has_unit;
  return value.kind == TokenKind::kNumber && has_unit;
}

ExpressionParser::Made ExpressionParser::interval() {
  const uint32_t begin = cursor_.take().begin;
  const auto& unit = cursor_.peek(1);
  if (at_string() && !(unit.kind == TokenKind::kWord && find_unit(unit.text))) {
    const Token value = cursor_.take();
    return interval_text(value, begin);
  }
  return interval_units(begin);
}

ExpressionParser::Made ExpressionParser::interval_text(const Token& value, uint32_t begin) {
  Total total;
  const auto origin = cursor_.origin_since(begin);
  if (!read_words(value.text, total)) {
    return parse_error("INVALID_TYPED_LITERAL", "42604",
                       fmt::format("The value of the typed literal \"INTERVAL\" is invalid: '{}'",
                                   value.text),
                       origin)
        .with_parameter("valueType", "\"INTERVAL\"")
        .with_parameter("value", "'" + value.text + "'");
  }
  WEIR_ASSIGN(auto literal, to_literal(total, "'" + value.text + "'", origin));
  return make(std::move(literal), begin);
}

ExpressionParser::Made ExpressionParser::interval_units(uint32_t begin) {
  Total total;
  bool first = true;
  while (true) {
    const size_t sign = cursor_.is_symbol("-") || cursor_.is_symbol("+") ? 1 : 0;
    const Token value = cursor_.peek(sign);
    const Token unit = cursor_.peek(sign + 1);
    if ((value.kind != TokenKind::kNumber && value.kind != TokenKind::kString) ||
        unit.kind != TokenKind::kWord || !find_unit(unit.text))
      break;
    const bool negative = cursor_.is_symbol("-");
    const uint32_t part_begin = cursor_.peek().begin;
    for (size_t i = 0; i < sign + 2; ++i)
      cursor_.take();
    if (cursor_.accept_word("TO")) {
      WEIR_ASSIGN(auto last, name());
      const auto origin = cursor_.origin_since(part_begin);
      const auto from = boost::to_lower_copy(unit.text);
      boost::to_lower(last);
      const Range* range = nullptr;
      for (const auto& one : kRanges)
        range = one.from == from && one.to == last ? &one : range;
      if (!range || !first) {
        return parse_error("_LEGACY_ERROR_TEMP_0028", "",
                           fmt::format("Intervals FROM {} TO {} are not supported", from, last),
                           origin)
            .with_parameter("from", from)
            .with_parameter("to", last);
      }
      if (!read_range(value.text, *range, negative, total))
        return range_error(*range, value.text, origin);
      total.note_unit(range->from);
      total.note_unit(range->to);
      break;
    }
    const auto problem = add(value.text, *find_unit(unit.text), negative, total);
    if (problem != Problem::kNone) {
      return problem_error(problem, value.text, boost::to_lower_copy(unit.text),
                           cursor_.origin_since(part_begin));
    }
    total.note_unit(unit.text);
    first = false;
  }
  if (!total.has_months && !total.has_us) return cursor_.unexpected();
  const auto origin = cursor_.origin_since(begin);
  WEIR_ASSIGN(auto literal, to_literal(total, cursor_.source_since(begin), origin));
  return make(std::move(literal), begin);
}

}  // namespace weir::sql
