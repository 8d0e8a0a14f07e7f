#include "eval/wide_decimal.h"

#include <boost/multiprecision/cpp_int.hpp>

#include "eval/cast.h"

namespace weir::eval {

using plan::Int128;
using Wide = boost::multiprecision::number<boost::multiprecision::cpp_int_backend<
    512, 512, boost::multiprecision::signed_magnitude, boost::multiprecision::unchecked, void>>;

namespace {

const Wide& wide_power(int exponent) {
  static const auto powers = [] {
    std::vector<Wide> list{1};
    for (int i = 1; i <= 120; ++i)
      list.push_back(list.back() * 10);
    return list;
  }();
  return powers[static_cast<size_t>(exponent)];
}

// numerator / denominator, rounded half up, if it fits.
bool round_quotient(const Wide& numerator, const Wide& denominator, int precision, Int128& result) {
  Wide quotient = numerator / denominator;
  const Wide rest = abs(Wide(numerator % denominator));
  if (rest * 2 >= abs(denominator)) quotient += (numerator < 0) != (denominator < 0) ? -1 : 1;
  if (abs(quotient) >= wide_power(precision)) return false;
  result = static_cast<Int128>(quotient);
  return true;
}

bool fits(Int128 value, int precision) {
  const Int128 limit = power_of_ten(precision);
  return value < limit && value > -limit;
}

}  // namespace

bool add_decimals(Int128 a, int a_scale, Int128 b, int b_scale, int precision, int scale,
                  Int128& result) {
  if (a_scale == b_scale && a_scale == scale && !__builtin_add_overflow(a, b, &result))
    return fits(result, precision);
  const int wide_scale = std::max(a_scale, b_scale);
  const Wide sum =
      Wide(a) * wide_power(wide_scale - a_scale) + Wide(b) * wide_power(wide_scale - b_scale);
  if (scale >= wide_scale)
    return round_quotient(sum * wide_power(scale - wide_scale), 1, precision, result);
  return round_quotient(sum, wide_power(wide_scale - scale), precision, result);
}

bool multiply_decimals(Int128 a, Int128 b, int exact_scale, int precision, int scale,
                       Int128& result) {
  if (exact_scale == scale && !__builtin_mul_overflow(a, b, &result))
    return fits(result, precision);
  const Wide product = Wide(a) * Wide(b);
  if (scale >= exact_scale)
    return round_quotient(product * wide_power(scale - exact_scale), 1, precision, result);
  return round_quotient(product, wide_power(exact_scale - scale), precision, result);
}

bool divide_decimals(Int128 a, int a_scale, Int128 b, int b_scale, int precision, int scale,
                     Int128& result) {
  // a / 10^as / (b / 10^bs) * 10^scale
  const int shift = scale - a_scale + b_scale;
  if (shift >= 0) return round_quotient(Wide(a) * wide_power(shift), Wide(b), precision, result);
  return round_quotient(Wide(a), Wide(b) * wide_power(-shift), precision, result);
}

bool remainder_decimals(Int128 a, int a_scale, Int128 b, int b_scale, bool positive, int precision,
                        int scale, Int128& result) {
  const int wide_scale = std::max(a_scale, b_scale);
  const Wide left = Wide(a) * wide_power(wide_scale - a_scale);
  const Wide right = Wide(b) * wide_power(wide_scale - b_scale);
  Wide rest = left % right;
  if (positive && rest < 0) rest = (rest + right) % right;
  if (scale >= wide_scale)
    return round_quotient(rest * wide_power(scale - wide_scale), 1, precision, result);
  return round_quotient(rest, wide_power(wide_scale - scale), precision, result);
}

}  // namespace weir::eval
