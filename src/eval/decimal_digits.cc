#include "eval/decimal_digits.h"

#include <charconv>

namespace weir::eval {

DecimalDigits DecimalDigits::of(std::string_view text) {
  DecimalDigits made;
  if (text.starts_with('-')) {
    made.negative = true;
    text.remove_prefix(1);
  }
  if (const auto e = text.find('E'); e != std::string_view::npos) {
    std::from_chars(text.data() + e + 1, text.data() + text.size(), made.exponent);
    text = text.substr(0, e);
  }
  const auto point = std::min(text.find('.'), text.size());
  made.exponent += static_cast<int>(point);
  for (const char c : text) {
    if (c != '.') made.digits += c;
  }
  const auto zeros = std::min(made.digits.find_first_not_of('0'), made.digits.size());
  made.digits.erase(0, zeros);
  made.exponent -= static_cast<int>(zeros);
  while (made.digits.ends_with('0'))
    made.digits.pop_back();
  if (made.digits.empty()) made.exponent = 0;
  return made;
}

void DecimalDigits::round_digits(int count) {
  if (count >= static_cast<int>(digits.size())) return;
  if (count < 0) {
    digits.clear();
    exponent = 0;
    return;
  }
  const bool up = digits[static_cast<size_t>(count)] >= '5';
  digits.resize(static_cast<size_t>(count));
  if (up) {
    while (!digits.empty() && digits.back() == '9')
      digits.pop_back();
    if (digits.empty()) {
      digits = "1";
      ++exponent;
    } else {
      ++digits.back();
    }
  }
  while (digits.ends_with('0'))
    digits.pop_back();
  if (digits.empty()) exponent = 0;
}

void DecimalDigits::round_fraction(int places) {
  if (!is_zero()) round_digits(exponent + places);
}

std::string DecimalDigits::plain(int places) const {
  std::string out;
  for (int i = 0; i < exponent; ++i)
    out += static_cast<size_t>(i) < digits.size() ? digits[static_cast<size_t>(i)] : '0';
  if (out.empty()) out = "0";
  if (places <= 0) return out;
  out += '.';
  for (int i = exponent; i < exponent + places; ++i) {
    out += i >= 0 && static_cast<size_t>(i) < digits.size() && !is_zero()
               ? digits[static_cast<size_t>(i)]
               : '0';
  }
  return out;
}

std::string with_thousands(std::string_view number) {
  const auto point = std::min(number.find('.'), number.size());
  std::string out;
  for (size_t i = 0; i < point; ++i) {
    if (i > 0 && (point - i) % 3 == 0) out += ',';
    out += number[i];
  }
  out += number.substr(point);
  return out;
}

}  // namespace weir::eval
