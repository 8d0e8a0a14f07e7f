#include "codec/java_number.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace weir::codec {

namespace {

template <typename T>
T parse(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc::result_out_of_range) return value;
  // Out of range says nothing of the direction: the text is short of digits that matter, so strtod
  // is exact enough.
  const std::string copy(text);
  if constexpr (std::is_same_v<T, float>) return std::strtof(copy.c_str(), nullptr);
  return static_cast<T>(std::strtod(copy.c_str(), nullptr));
}

}  // namespace

double java_parse_double(std::string_view text) { return parse<double>(text); }
float java_parse_float(std::string_view text) { return parse<float>(text); }

std::string java_double_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (value == 0) return std::signbit(value) ? "-0.0" : "0.0";
  char buffer[32];
  const auto [end, code] =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string text(buffer, end);
  std::string sign;
  if (text[0] == '-') {
    sign = "-";
    text.erase(0, 1);
  }
  const size_t e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  std::string digits = text.substr(0, e);
  std::erase(digits, '.');
  if (exponent < -3 || exponent >= 7) {
    std::string fraction = digits.size() > 1 ? digits.substr(1) : "0";
    return sign + digits[0] + "." + fraction + "E" + std::to_string(exponent);
  }
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  while (digits.size() < static_cast<size_t>(exponent) + 2)
    digits += '0';
  return sign + digits.substr(0, static_cast<size_t>(exponent) + 1) + "." +
         digits.substr(static_cast<size_t>(exponent) + 1);
}

std::string java_number_text(std::string_view number) {
  if (number == "NaN") return "\"NaN\"";
  if (number.ends_with("INF") || number.ends_with("Infinity"))
    return number.starts_with('-') ? "\"-Infinity\"" : "\"Infinity\"";
  const double value = java_parse_double(number);
  if (std::isinf(value)) return value < 0 ? "\"-Infinity\"" : "\"Infinity\"";
  return java_double_text(value);
}

}  // namespace weir::codec
