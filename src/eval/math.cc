// Mathematics on doubles, rounding of every numeric type.
#include <cmath>
#include <numbers>

#include "eval/cast.h"
#include "eval/map_rows.h"
#include "plan/calendar.h"

namespace weir::eval {

using plan::Int128;

namespace {

using Function1 = double (*)(double);

template <Function1 f>
Result<ArrayPtr> map1(KernelCall& call, Operands arguments) {
  return map_fixed<double>(
      call, [](double x) { return f(x); }, FixedReader<double>(arguments[0]));
}

// A logarithm: NULL at or below `limit`.
template <Function1 f, int limit>
Result<ArrayPtr> logarithm(KernelCall& call, Operands arguments) {
  return map_nullable<double>(
      call,
      [](double x, double& out) {
        if (x <= limit) return false;
        out = f(x);
        return true;
      },
      FixedReader<double>(arguments[0]));
}

Result<ArrayPtr> log_base(KernelCall& call, Operands arguments) {
  if (arguments.size() == 1) return logarithm<std::log, 0>(call, arguments);
  return map_nullable<double>(
      call,
      [](double base, double x, double& out) {
        if (x <= 0 || base <= 0) return false;
        out = std::log(x) / std::log(base);
        return true;
      },
      FixedReader<double>(arguments[0]), FixedReader<double>(arguments[1]));
}

using Function2 = double (*)(double, double);
template <Function2 f>
Result<ArrayPtr> map2(KernelCall& call, Operands arguments) {
  return map_fixed<double>(
      call, [](double x, double y) { return f(x, y); }, FixedReader<double>(arguments[0]),
      FixedReader<double>(arguments[1]));
}

// StrictMath.pow: pow(1, NaN) and pow(-1, ±inf) are NaN in Java.
double java_pow(double x, double y) {
  if (std::isnan(y) || (std::fabs(x) == 1.0 && std::isinf(y)))
    return std::numeric_limits<double>::quiet_NaN();
  return std::pow(x, y);
}
// In more digits, so that the last one is right.
double exact_cbrt(double x) { return static_cast<double>(std::cbrt(static_cast<long double>(x))); }
double java_sign(double x) { return std::isnan(x) || x == 0 ? x : x > 0 ? 1.0 : -1.0; }
double to_degrees(double x) { return x * 57.29577951308232; }
double to_radians(double x) { return x * 0.017453292519943295; }
double log2_of(double x) { return std::log(x) / std::log(2.0); }
// -0.0 counts as 0.0.
double atan2_of(double y, double x) { return std::atan2(y + 0.0, x + 0.0); }

// The second only where the first is NaN.
Result<ArrayPtr> nanvl(KernelCall& call, Operands arguments) {
  const FixedReader<double> first(arguments[0]), second(arguments[1]);
  FixedWriter<double> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    const bool other = first.valid[row] && std::isnan(first[row]);
    if (!first.valid[row] || (other && !second.valid[row])) {
      writer.set_null(row);
    } else {
      writer.set(row, other ? second[row] : first[row]);
    }
  }
  return writer.finish(call.arrow_type);
}

template <int which>
Result<ArrayPtr> constant(KernelCall& call, Operands) {
  FixedWriter<double> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.set(row, which == 0 ? std::numbers::pi : std::numbers::e);
  return writer.finish(call.arrow_type);
}

int64_t saturated_long(double value) {
  if (std::isnan(value)) return 0;
  if (value >= 9.2233720368547758e18) return INT64_MAX;
  if (value <= -9.2233720368547758e18) return INT64_MIN;
  return static_cast<int64_t>(value);
}

int32_t scale_of(Operands arguments);

// Decimals to so many digits.
template <bool up>
Result<ArrayPtr> to_digits(KernelCall& call, Operands arguments) {
  const auto& from = call.type_of(0);
  const int scale = scale_of(arguments);
  const int drop = std::min(from.scale() - scale, 38);
  const Int128 limit = power_of_ten(call.type().precision());
  FixedWriter<Int128> writer(call.rows);
  const FixedReader<Int128> values(arguments[0]);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!values.valid[row]) {
      writer.set_null(row);
      continue;
    }
    Int128 value = values[row];
    if (drop > 0) {
      const Int128 unit = power_of_ten(drop);
      const Int128 rest = value % unit;
      value = value / unit + (up ? rest > 0 : -(rest < 0));
      if (scale < 0 && value != 0) {
        const bool fits = -scale <= 38 && value < limit && value > -limit &&
                          !__builtin_mul_overflow(value, power_of_ten(-scale), &value);
        if (!fits) value = limit;
      }
    }
    if (value < limit && value > -limit) {
      writer.set(row, value);
    } else if (call.ansi()) {
      return call.fail("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "22003",
                       fmt::format("The rounded value cannot be represented as Decimal({}, {}).",
                                   call.type().precision(), call.type().scale()));
    } else {
      writer.set_null(row);
    }
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> sign(KernelCall& call, Operands arguments) {
  const auto of_integer = [](auto x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0; };
  if (call.type_of(0).is(TypeKind::kDayTimeInterval))
    return map_fixed<double>(call, of_integer, FixedReader<int64_t>(arguments[0]));
  if (call.type_of(0).is(TypeKind::kYearMonthInterval))
    return map_fixed<double>(call, of_integer, FixedReader<int32_t>(arguments[0]));
  return map1<java_sign>(call, arguments);
}

template <bool up>
Result<ArrayPtr> to_whole(KernelCall& call, Operands arguments) {
  if (arguments.size() == 2) return to_digits<up>(call, arguments);
  const auto& from = call.type_of(0);
  if (from.is(TypeKind::kLong)) {
    return map_fixed<int64_t>(
        call, [](int64_t x) { return x; }, FixedReader<int64_t>(arguments[0]));
  }
  if (from.is(TypeKind::kDouble)) {
    return map_fixed<int64_t>(
        call, [](double x) { return saturated_long(up ? std::ceil(x) : std::floor(x)); },
        FixedReader<double>(arguments[0]));
  }
  const Int128 unit = power_of_ten(from.scale());
  return map_fixed<Int128>(
      call,
      [unit](Int128 x) {
        const Int128 whole = x / unit;
        const Int128 rest = x % unit;
        return whole + (up ? rest > 0 : -(rest < 0));
      },
      FixedReader<Int128>(arguments[0]));
}

// x at `drop` digits less, half away from zero or half to even.
template <bool half_even>
Int128 drop_digits(Int128 x, int drop) {
  if (drop > 38) return 0;
  const Int128 unit = power_of_ten(drop);
  Int128 whole = x / unit;
  const Int128 rest = x % unit;
  const Int128 magnitude = rest < 0 ? -rest : rest;
  const Int128 other = unit - magnitude;
  const bool away = magnitude > other || (magnitude == other && (!half_even || whole % 2 != 0));
  if (away) whole += x < 0 ? -1 : 1;
  return whole;
}

// Below -100 no number has digits left: no need to count them further.
int32_t scale_of(Operands arguments) {
  return arguments.size() < 2 || arguments[1].array->IsNull(0)
             ? 0
             : std::max(FixedReader<int32_t>(arguments[1])[0], -100);
}

template <bool half_even, typename T>
Result<ArrayPtr> round_integral(KernelCall& call, Operands arguments) {
  const int32_t scale = scale_of(arguments);
  const FixedReader<T> values(arguments[0]);
  return map_failing<T>(
      call,
      [&](T x, std::optional<T>& out) -> Result<void> {
        if (scale >= 0) return out = x, base::ok();
        const Int128 rounded =
            -scale > 20 ? 0 : drop_digits<half_even>(x, -scale) * power_of_ten(-scale);
        if (rounded < std::numeric_limits<T>::min() || rounded > std::numeric_limits<T>::max()) {
          if (call.ansi()) {
            return call.fail("ARITHMETIC_OVERFLOW", "22003",
                             "Overflow. If necessary set \"spark.sql.ansi.enabled\" to \"false\" "
                             "to bypass this error.");
          }
        }
        out = static_cast<T>(rounded);
        return {};
      },
      values);
}

// BigDecimal(text of the double).setScale(scale, mode)
template <bool half_even, typename T>
Result<ArrayPtr> round_floating(KernelCall& call, Operands arguments) {
  const int32_t scale = scale_of(arguments);
  return map_fixed<T>(
      call,
      [&](T x) -> T {
        if (!std::isfinite(x) || scale > 30 || scale < -37)
          return scale < -37 && std::isfinite(x) ? T{0} : x;
        if (std::fabs(static_cast<double>(x)) >= 1e18) return x;
        Int128 digits = 0;
        bool fits = false;
        // Two roundings must not happen: read every digit there is (a double of this size has at
        // most 17 + exponent).
        const auto text = plan::format_double(static_cast<double>(x));
        constexpr int kDigits = 19;
        if (std::fabs(static_cast<double>(x)) < 1e-19) return T{0};
        parse_decimal(text, 38, kDigits, digits, fits);
        if (!fits || scale >= kDigits) return x;
        const Int128 rounded = drop_digits<half_even>(digits, kDigits - scale);
        T out{};
        const auto result = scale >= 0
                                ? plan::format_decimal(rounded, scale)
                                : plan::format_decimal(rounded, 0) + "E" + std::to_string(-scale);
        parse_floating(result, out);
        return out;
      },
      FixedReader<T>(arguments[0]));
}

template <bool half_even>
Result<ArrayPtr> round(KernelCall& call, Operands arguments) {
  const auto& type = call.type_of(0);
  switch (type.kind()) {
    case TypeKind::kByte:
      return round_integral<half_even, int8_t>(call, arguments);
    case TypeKind::kShort:
      return round_integral<half_even, int16_t>(call, arguments);
    case TypeKind::kInteger:
      return round_integral<half_even, int32_t>(call, arguments);
    case TypeKind::kLong:
      return round_integral<half_even, int64_t>(call, arguments);
    case TypeKind::kFloat:
      return round_floating<half_even, float>(call, arguments);
    case TypeKind::kDouble:
      return round_floating<half_even, double>(call, arguments);
    default:
      break;
  }
  const int32_t scale = scale_of(arguments);
  const int kept = call.type().scale();
  return map_failing<Int128>(
      call,
      [&](Int128 x, std::optional<Int128>& out) -> Result<void> {
        Int128 rounded =
            scale >= type.scale() ? x : drop_digits<half_even>(x, type.scale() - scale);
        if (scale < 0) rounded *= power_of_ten(std::min(-scale, 38));
        (void)kept;
        if (rounded < power_of_ten(call.type().precision()) &&
            rounded > -power_of_ten(call.type().precision())) {
          out = rounded;
        } else if (call.ansi()) {
          return call.fail(
              "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "22003",
              fmt::format("The rounded value cannot be represented as {}.", call.type().sql()));
        }
        return {};
      },
      FixedReader<Int128>(arguments[0]));
}

constexpr KernelEntry kKernels[] = {
    {"ceil", to_whole<true>},
    {"floor", to_whole<false>},
    {"round", round<false>},
    {"bround", round<true>},
    {"rint", map1<std::nearbyint>},
    {"sqrt", map1<std::sqrt>},
    {"cbrt", map1<exact_cbrt>},
    {"exp", map1<std::exp>},
    {"expm1", map1<std::expm1>},
    {"ln", logarithm<std::log, 0>},
    {"log", log_base},
    {"log10", logarithm<std::log10, 0>},
    {"log2", logarithm<log2_of, 0>},
    {"log1p", logarithm<std::log1p, -1>},
    {"sign", sign},
    {"sin", map1<std::sin>},
    {"cos", map1<std::cos>},
    {"tan", map1<std::tan>},
    {"asin", map1<std::asin>},
    {"acos", map1<std::acos>},
    {"atan", map1<std::atan>},
    {"sinh", map1<std::sinh>},
    {"cosh", map1<std::cosh>},
    {"tanh", map1<std::tanh>},
    {"degrees", map1<to_degrees>},
    {"radians", map1<to_radians>},
    {"pow", map2<java_pow>},
    {"atan2", map2<atan2_of>},
    {"hypot", map2<std::hypot>},
    {"nanvl", nanvl},
    {"pi", constant<0>},
    {"e", constant<1>},
};

}  // namespace

std::span<const KernelEntry> math_kernels() { return kKernels; }

}  // namespace weir::eval
