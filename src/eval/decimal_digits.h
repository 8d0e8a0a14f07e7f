// The digits of a number as Java prints it, for texts by pattern.
#pragma once

#include <string>
#include <string_view>

namespace weir::eval {

// value = 0.d1d2d3… × 10^exponent; no digits: zero.
struct DecimalDigits {
  bool negative = false;
  std::string digits;
  int exponent = 0;

  // Of "-12.50", "1.0E-5".
  static DecimalDigits of(std::string_view text);
  bool is_zero() const { return digits.empty(); }
  // Rounded half up to so many digits after the point.
  void round_fraction(int places);
  // Rounded half up to so many digits in all.
  void round_digits(int count);
  // With exactly so many digits after the point; no sign.
  std::string plain(int places) const;
};

// A comma between each three digits before the point.
std::string with_thousands(std::string_view number);

}  // namespace weir::eval
