// Numbers and typed literals of the expression parser.
#include <algorithm>
#include <charconv>
#include <limits>
#include <map>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/trim.hpp>
#include <fmt/format.h>

#include "columnar/datetime_text.h"
#include "plan/calendar.h"
#include "plan/temporal_text.h"
#include "sql/expression_parser.h"

namespace weir::sql {

using columnar::DataType;
using columnar::TypeKind;
using plan::ExpressionPtr;
using plan::Int128;

namespace {

constexpr int kDecimalDigitsMax = 38;

base::Error number_error(const Token& token, std::string_view type, const plan::Origin& origin) {
  return parse_error("INVALID_NUMERIC_LITERAL_RANGE", "22003",
                     fmt::format("Numeric literal {} is outside the valid range of \"{}\"",
                                 token.text, type),
                     origin)
      .with_parameter("rawStrippedQualifier", token.text)
      .with_parameter("typeName", std::string(type));
}

base::Error digits_error(const Token& token, const plan::Origin& origin) {
  const auto digits = std::count_if(token.text.begin(), token.text.end(),
                                    [](char c) { return c >= '0' && c <= '9'; });
  return parse_error("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", "22003",
                     fmt::format("Decimal precision {} exceeds max precision {}", digits,
                                 kDecimalDigitsMax),
                     origin)
      .with_parameter("precision", std::to_string(digits))
      .with_parameter("maxPrecision", std::to_string(kDecimalDigitsMax));
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
      return digits_error(token, origin);
    }
    return make(std::move(literal), token.begin);
  }
  const bool exponent = text.find('e') != std::string::npos;
  if (suffix == "bd" || (suffix.empty() && !exponent)) {
    if (!to_decimal(text, negative, literal)) return digits_error(token, origin);
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

// 'epoch', 'now', 'today', 'yesterday', 'tomorrow', which a zone may follow
ExpressionParser::Made ExpressionParser::special_time(const std::string& kind, const Token& token,
                                                      uint32_t begin, bool& is_special) {
  auto text = boost::to_lower_copy(boost::trim_copy(token.text));
  text = text.substr(0, text.find_first_of(" "));
  const TypeKind type = kind == "DATE"            ? TypeKind::kDate
                        : kind == "TIMESTAMP_NTZ" ? TypeKind::kTimestampNtz
                                                  : TypeKind::kTimestamp;
  if (text == "epoch") return make(plan::Literal{DataType::of(type), int64_t{0}}, begin);
  ExpressionPtr made;
  if (text == "now" && type != TypeKind::kDate) {
    WEIR_ASSIGN(made, make(plan::Call{"current_timestamp", {}}, begin));
  } else if (text == "now" || text == "today" || text == "yesterday" || text == "tomorrow") {
    WEIR_ASSIGN(made, make(plan::Call{"current_date", {}}, begin));
  } else {
    is_special = false;
    return cursor_.unexpected();
  }
  if (text == "yesterday" || text == "tomorrow") {
    const int64_t days = text == "tomorrow" ? 1 : -1;
    WEIR_ASSIGN(auto offset, make(plan::Literal{DataType::of(TypeKind::kInteger), days}, begin));
    WEIR_ASSIGN(made, make(plan::Call{"date_add", {made, offset}}, begin));
  }
  if (type == TypeKind::kDate) return made;
  return make(plan::CastTo{made, DataType::of(type), false}, begin);
}

// TYPE 'text'
ExpressionParser::Made ExpressionParser::typed_literal(const std::string& kind) {
  const uint32_t begin = cursor_.take().begin;
  const Token token = cursor_.take();
  const auto invalid = [&](std::string_view type) {
    return parse_error("INVALID_TYPED_LITERAL", "42604",
                       fmt::format("The value of the typed literal \"{}\" is invalid: '{}'", type,
                                   token.text),
                       cursor_.origin_since(begin))
        .with_parameter("valueType", fmt::format("\"{}\"", type))
        .with_parameter("value", "'" + token.text + "'");
  };
  if (kind == "TIME") return cursor_.unsupported("type TIME");
  if (kind != "X" && kind != "DATE" && kind != "TIMESTAMP" && kind != "TIMESTAMP_NTZ" &&
      kind != "TIMESTAMP_LTZ") {
    const std::string known =
        "\"DATE\", \"TIMESTAMP_NTZ\", \"TIMESTAMP_LTZ\", \"TIMESTAMP\", \"INTERVAL\", \"X\", "
        "\"TIME\"";
    return parse_error("UNSUPPORTED_TYPED_LITERAL", "0A000",
                       fmt::format("Literals of the type \"{}\" are not supported. Supported types "
                                   "are {}",
                                   kind, known),
                       cursor_.origin_since(begin))
        .with_parameter("unsupportedType", "\"" + kind + "\"")
        .with_parameter("supportedTypes", known);
  }
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
  if (kind != "X") {
    bool is_special = true;
    auto made = special_time(kind, token, begin, is_special);
    if (is_special) return made;
  }
  if (kind == "DATE") {
    const auto days = columnar::parse_date(token.text);
    if (!days) return invalid("DATE");
    return make(plan::Literal{DataType::of(TypeKind::kDate), int64_t{*days}}, begin);
  }
  const auto parsed = plan::parse_timestamp(token.text);
  if (!parsed) return invalid(kind);
  if (!parsed->has_date) {  // a time of today
    const auto target = kind == "TIMESTAMP_NTZ" ? TypeKind::kTimestampNtz : TypeKind::kTimestamp;
    WEIR_ASSIGN(auto time, text_literal(token.text, token.begin));
    return make(plan::CastTo{time, DataType::of(target), false}, begin);
  }
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

}  // namespace weir::sql
