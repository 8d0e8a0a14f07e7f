// + - * / % div pmod, signs and bits, over integers, floating point, decimals, dates and intervals.
#include <cmath>
#include <limits>

#include "eval/cast.h"
#include "eval/interval_math.h"
#include "eval/map_rows.h"
#include "eval/node.h"
#include "eval/wide_decimal.h"
#include "plan/calendar.h"

namespace weir::eval {

using plan::Int128;

namespace {

bool is_try(const KernelCall& call) { return call.call.function->name.starts_with("try_"); }

base::Error divide_by_zero(const KernelCall& call) {
  return call.fail("DIVIDE_BY_ZERO", "22012",
                   "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL "
                   "instead. If necessary set "
                   "\"spark.sql.ansi.enabled\" to \"false\" to bypass this error.");
}

base::Error remainder_by_zero(const KernelCall& call) {
  return call.fail("REMAINDER_BY_ZERO", "22012",
                   "Remainder by zero. Use `try_mod` to tolerate divisor being 0 and return NULL "
                   "instead. If necessary set "
                   "\"spark.sql.ansi.enabled\" to \"false\" to bypass this error.");
}

template <typename T>
base::Error overflow(const KernelCall& call) {
  if constexpr (sizeof(T) < 4) {
    return call.fail("BINARY_ARITHMETIC_OVERFLOW", "22003",
                     fmt::format("A value of \"{}\" caused overflow. Use a wider type, or a try_ "
                                 "function to return NULL instead.",
                                 call.type().sql()));
  }
  return call.fail("ARITHMETIC_OVERFLOW", "22003",
                   fmt::format("{} overflow. Use a 'try_' function to tolerate overflow and return "
                               "NULL instead. If necessary set "
                               "\"spark.sql.ansi.enabled\" to \"false\" to bypass this error.",
                               sizeof(T) == 8 ? "long" : "integer"));
}

base::Error decimal_overflow(const KernelCall& call, const std::string& shown) {
  return call.fail("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "22003",
                   fmt::format("{} cannot be represented as Decimal({}, {}). If necessary set "
                               "\"spark.sql.ansi.enabled\" to "
                               "\"false\" to bypass this error, and return NULL instead.",
                               shown, call.type().precision(), call.type().scale()));
}

enum class Op { kAdd, kSubtract, kMultiply };

template <Op op, typename T>
bool checked(T a, T b, T& out) {
  if constexpr (op == Op::kAdd) return !__builtin_add_overflow(a, b, &out);
  if constexpr (op == Op::kSubtract) return !__builtin_sub_overflow(a, b, &out);
  return !__builtin_mul_overflow(a, b, &out);
}

template <Op op, typename T>
Result<ArrayPtr> integral(const KernelCall& call, Operands arguments) {
  const FixedReader<T> a(arguments[0]), b(arguments[1]);
  if (is_try(call)) {
    return map_nullable<T>(
        call, [](T x, T y, T& out) { return checked<op>(x, y, out); }, a, b);
  }
  bool overflowed = false;
  auto array = map_fixed<T>(
      call,
      [&overflowed](T x, T y) {
        T out;
        overflowed |= !checked<op>(x, y, out);  // the builtins wrap around
        return out;
      },
      a, b);
  if (overflowed && call.ansi()) return overflow<T>(call);
  return array;
}

template <Op op, typename T>
Result<ArrayPtr> floating(const KernelCall& call, Operands arguments) {
  return map_fixed<T>(
      call,
      [](T x, T y) {
        if constexpr (op == Op::kAdd) return x + y;
        if constexpr (op == Op::kSubtract) return x - y;
        return x * y;
      },
      FixedReader<T>(arguments[0]), FixedReader<T>(arguments[1]));
}

// A decimal result, in place: NULL or the error where it does not fit.
Result<void> settle(const KernelCall& call, bool fits, Int128 value, std::optional<Int128>& out) {
  if (fits) {
    out = value;
  } else if (call.ansi() && !is_try(call)) {
    return decimal_overflow(call, "The result");
  }
  return {};
}

template <Op op>
Result<ArrayPtr> decimal(const KernelCall& call, Operands arguments) {
  const int s1 = call.type_of(0).scale(), s2 = call.type_of(1).scale();
  const int precision = call.type().precision(), scale = call.type().scale();
  return map_failing<Int128>(
      call,
      [&](Int128 a, Int128 b, std::optional<Int128>& out) -> Result<void> {
        Int128 value = 0;
        bool fits = false;
        if constexpr (op == Op::kMultiply) {
          fits = multiply_decimals(a, b, s1 + s2, precision, scale, value);
        } else {
          fits = add_decimals(a, s1, op == Op::kSubtract ? -b : b, s2, precision, scale, value);
        }
        return settle(call, fits, value, out);
      },
      FixedReader<Int128>(arguments[0]), FixedReader<Int128>(arguments[1]));
}

// Months added to a local date: the day is at most the month's last.
int64_t add_months_to_days(int64_t days, int64_t months) {
  const auto date = plan::civil_from_days(days);
  const int64_t total = date.year * 12 + date.month - 1 + months;
  const int64_t year = plan::floor_div(total, 12);
  const int month = static_cast<int>(plan::floor_mod(total, 12)) + 1;
  return plan::days_from_civil(year, month, std::min(date.day, plan::days_in_month(year, month)));
}

base::Error time_overflow(const KernelCall& call) {
  return call.fail("ARITHMETIC_OVERFLOW", "22003",
                   fmt::format("long overflow in a value of type {}.", call.type().sql()));
}

// Days of the interval are days of the zone (none for local times), the rest is elapsed time.
bool shift_by_interval(Zone* zone, int64_t t, int64_t interval, int64_t& out) {
  const int64_t whole = interval / plan::kMicrosPerDay * plan::kMicrosPerDay;
  if (zone == nullptr || whole == 0) return !__builtin_add_overflow(t, interval, &out);
  int64_t local = 0;
  if (__builtin_add_overflow(zone->to_local(t), whole, &local)) return false;
  return !__builtin_add_overflow(zone->to_utc(local), interval - whole, &out);
}

// One operand is a date or timestamp, the other an interval or days.
Result<ArrayPtr> shift_time(KernelCall& call, const Vector& time, const DataType& time_type,
                            const Vector& delta, const DataType& delta_type, int sign) {
  if (time_type.is(TypeKind::kDate) && delta_type.is(TypeKind::kDayTimeInterval)) {
    return map_fixed<int32_t>(
        call,
        [&](int32_t d, int64_t us) {
          return static_cast<int32_t>(d + sign * (us / plan::kMicrosPerDay));
        },
        FixedReader<int32_t>(time), FixedReader<int64_t>(delta));
  }
  if (time_type.is(TypeKind::kDate)) {
    const FixedReader<int32_t> days(time), by(delta);
    const bool months = delta_type.is(TypeKind::kYearMonthInterval);
    return map_fixed<int32_t>(
        call,
        [&](int32_t d, int32_t n) {
          return static_cast<int32_t>(months ? add_months_to_days(d, int64_t{sign} * n)
                                             : d + int64_t{sign} * n);
        },
        days, by);
  }
  const bool instant = time_type.is(TypeKind::kTimestamp);
  const FixedReader<int64_t> us(time);
  if (delta_type.is(TypeKind::kDayTimeInterval)) {
    return map_failing<int64_t>(
        call,
        [&](int64_t t, int64_t interval, std::optional<int64_t>& out) -> Result<void> {
          int64_t total = 0, moved = 0;
          if (__builtin_mul_overflow(int64_t{sign}, interval, &total) ||
              !shift_by_interval(instant ? &call.zone : nullptr, t, total, moved))
            return time_overflow(call);
          out = moved;
          return {};
        },
        us, FixedReader<int64_t>(delta));
  }
  return map_failing<int64_t>(
      call,
      [&](int64_t t, int32_t months, std::optional<int64_t>& out) -> Result<void> {
        const int64_t local = instant ? call.zone.to_local(t) : t;
        const int64_t days = plan::floor_div(local, plan::kMicrosPerDay);
        int64_t moved = 0;
        if (!plan::micros_of(add_months_to_days(days, int64_t{sign} * months),
                             plan::floor_mod(local, plan::kMicrosPerDay), moved))
          return time_overflow(call);
        out = instant ? call.zone.to_utc(moved) : moved;
        return {};
      },
      us, FixedReader<int32_t>(delta));
}

bool is_datetime(const DataType& type) {
  return type.is(TypeKind::kDate) || type.is(TypeKind::kTimestamp) ||
         type.is(TypeKind::kTimestampNtz);
}

template <Op op>
Result<ArrayPtr> temporal(KernelCall& call, Operands arguments) {
  const auto& a = call.type_of(0);
  const auto& b = call.type_of(1);
  if (a.is_interval() && b.is_interval()) {
    return a.is(TypeKind::kDayTimeInterval) ? integral<op, int64_t>(call, arguments)
                                            : integral<op, int32_t>(call, arguments);
  }
  if (is_datetime(a) && is_datetime(b)) {  // the difference, as an interval
    if (a.is(TypeKind::kDate)) {
      return map_failing<int64_t>(
          call,
          [&](int32_t x, int32_t y, std::optional<int64_t>& out) -> Result<void> {
            int64_t us = 0;
            if (!plan::micros_of(int64_t{x} - y, 0, us)) return time_overflow(call);
            out = us;
            return {};
          },
          FixedReader<int32_t>(arguments[0]), FixedReader<int32_t>(arguments[1]));
    }
    const bool instants = a.is(TypeKind::kTimestamp);
    return map_failing<int64_t>(
        call,
        [&](int64_t x, int64_t y, std::optional<int64_t>& out) -> Result<void> {
          int64_t us = 0;
          if (__builtin_sub_overflow(instants ? call.zone.to_local(x) : x,
                                     instants ? call.zone.to_local(y) : y, &us))
            return time_overflow(call);
          out = us;
          return {};
        },
        FixedReader<int64_t>(arguments[0]), FixedReader<int64_t>(arguments[1]));
  }
  if (is_datetime(a))
    return shift_time(call, arguments[0], a, arguments[1], b, op == Op::kSubtract ? -1 : 1);
  return shift_time(call, arguments[1], b, arguments[0], a, 1);
}

template <Op op>
Result<ArrayPtr> arithmetic(KernelCall& call, Operands arguments) {
  const auto& a = call.type_of(0);
  const auto& b = call.type_of(1);
  if (op == Op::kMultiply && (a.is_interval() || b.is_interval()))
    return scale_interval(call, arguments, false);
  if (is_datetime(a) || a.is_interval() || is_datetime(b) || b.is_interval())
    return temporal<op>(call, arguments);
  switch (call.type().kind()) {
    case TypeKind::kByte:
      return integral<op, int8_t>(call, arguments);
    case TypeKind::kShort:
      return integral<op, int16_t>(call, arguments);
    case TypeKind::kInteger:
      return integral<op, int32_t>(call, arguments);
    case TypeKind::kLong:
      return integral<op, int64_t>(call, arguments);
    case TypeKind::kFloat:
      return floating<op, float>(call, arguments);
    case TypeKind::kDouble:
      return floating<op, double>(call, arguments);
    default:
      return decimal<op>(call, arguments);
  }
}

Result<ArrayPtr> divide(KernelCall& call, Operands arguments) {
  if (call.type_of(0).is_interval()) return scale_interval(call, arguments, true);
  const bool strict = call.ansi() && !is_try(call);
  if (call.type().is(TypeKind::kDouble)) {
    return map_failing<double>(
        call,
        [&](double a, double b, std::optional<double>& out) -> Result<void> {
          if (b != 0) {
            out = a / b;
          } else if (strict) {
            return divide_by_zero(call);
          }
          return {};
        },
        FixedReader<double>(arguments[0]), FixedReader<double>(arguments[1]));
  }
  const int s1 = call.type_of(0).scale(), s2 = call.type_of(1).scale();
  return map_failing<Int128>(
      call,
      [&](Int128 a, Int128 b, std::optional<Int128>& out) -> Result<void> {
        if (b == 0) {
          if (strict) return divide_by_zero(call);
          return {};
        }
        Int128 value = 0;
        const bool fits =
            divide_decimals(a, s1, b, s2, call.type().precision(), call.type().scale(), value);
        return settle(call, fits, value, out);
      },
      FixedReader<Int128>(arguments[0]), FixedReader<Int128>(arguments[1]));
}

// f(a, b) for b other than zero.
template <typename T, typename F>
Result<ArrayPtr> remainder_of(const KernelCall& call, Operands arguments, F&& f) {
  return map_failing<T>(
      call,
      [&](T a, T b, std::optional<T>& out) -> Result<void> {
        if (b != 0) {
          out = f(a, b);
        } else if (call.ansi() && !is_try(call)) {
          return remainder_by_zero(call);
        }
        return {};
      },
      FixedReader<T>(arguments[0]), FixedReader<T>(arguments[1]));
}

template <bool positive>
Result<ArrayPtr> remainder(KernelCall& call, Operands arguments) {
  const auto whole = [](auto a, auto b) {
    using T = decltype(a);
    if (b == static_cast<T>(-1)) return T{0};  // the least value divided by -1 traps
    T rest = static_cast<T>(a % b);
    if (positive && rest < 0) {
      using Sum = decltype(rest + b);  // int of a byte, as in Java; wraps around as there
      using Bits = std::make_unsigned_t<Sum>;
      rest = static_cast<T>(static_cast<Sum>(static_cast<Bits>(rest) + static_cast<Bits>(b)) % b);
    }
    return rest;
  };
  const auto real = [](auto a, auto b) {
    auto rest = std::fmod(a, b);
    if (positive && rest < 0) rest = std::fmod(rest + b, b);
    return rest;
  };
  switch (call.type().kind()) {
    case TypeKind::kByte:
      return remainder_of<int8_t>(call, arguments, whole);
    case TypeKind::kShort:
      return remainder_of<int16_t>(call, arguments, whole);
    case TypeKind::kInteger:
      return remainder_of<int32_t>(call, arguments, whole);
    case TypeKind::kLong:
      return remainder_of<int64_t>(call, arguments, whole);
    case TypeKind::kFloat:
      return remainder_of<float>(call, arguments, real);
    case TypeKind::kDouble:
      return remainder_of<double>(call, arguments, real);
    default:
      break;
  }
  const int s1 = call.type_of(0).scale(), s2 = call.type_of(1).scale();
  return map_failing<Int128>(
      call,
      [&](Int128 a, Int128 b, std::optional<Int128>& out) -> Result<void> {
        if (b == 0) {
          if (call.ansi() && !is_try(call)) return remainder_by_zero(call);
          return {};
        }
        Int128 value = 0;
        const bool fits = remainder_decimals(a, s1, b, s2, positive, call.type().precision(),
                                             call.type().scale(), value);
        return settle(call, fits, value, out);
      },
      FixedReader<Int128>(arguments[0]), FixedReader<Int128>(arguments[1]));
}

Result<ArrayPtr> integral_divide(KernelCall& call, Operands arguments) {
  if (call.type_of(0).is_interval()) return interval_quotient(call, arguments);
  const auto fail_or_null = [&](std::optional<int64_t>&) -> Result<void> {
    if (call.ansi()) return divide_by_zero(call);
    return {};
  };
  if (call.type_of(0).is(TypeKind::kDecimal)) {
    return map_failing<int64_t>(
        call,
        [&](Int128 a, Int128 b, std::optional<int64_t>& out) -> Result<void> {
          if (b == 0) return fail_or_null(out);
          out = static_cast<int64_t>(a / b);
          return {};
        },
        FixedReader<Int128>(arguments[0]), FixedReader<Int128>(arguments[1]));
  }
  return map_failing<int64_t>(
      call,
      [&](int64_t a, int64_t b, std::optional<int64_t>& out) -> Result<void> {
        if (b == 0) return fail_or_null(out);
        if (b == -1) {
          int64_t negated = 0;
          if (__builtin_sub_overflow(int64_t{0}, a, &negated) && call.ansi())
            return overflow<int64_t>(call);
          out = negated;
        } else {
          out = a / b;
        }
        return {};
      },
      FixedReader<int64_t>(arguments[0]), FixedReader<int64_t>(arguments[1]));
}

template <typename T, bool absolute>
Result<ArrayPtr> turn_integral(const KernelCall& call, Operands arguments) {
  bool overflowed = false;
  auto array = map_fixed<T>(
      call,
      [&](T a) -> T {
        if (absolute && a >= 0) return a;
        T out;
        overflowed |= __builtin_sub_overflow(T{0}, a, &out);
        return out;
      },
      FixedReader<T>(arguments[0]));
  if (overflowed && call.ansi()) {
    // Negation of a byte or short is a plain overflow in Spark.
    return overflow<std::conditional_t<sizeof(T) < 4, int32_t, T>>(call);
  }
  return array;
}

template <bool absolute>
Result<ArrayPtr> turn(KernelCall& call, Operands arguments) {
  switch (call.type().kind()) {
    case TypeKind::kByte:
      return turn_integral<int8_t, absolute>(call, arguments);
    case TypeKind::kShort:
      return turn_integral<int16_t, absolute>(call, arguments);
    case TypeKind::kInteger:
    case TypeKind::kYearMonthInterval:
      return turn_integral<int32_t, absolute>(call, arguments);
    case TypeKind::kFloat:
      return map_fixed<float>(
          call, [](float a) { return absolute ? std::fabs(a) : -a; },
          FixedReader<float>(arguments[0]));
    case TypeKind::kDouble:
      return map_fixed<double>(
          call, [](double a) { return absolute ? std::fabs(a) : -a; },
          FixedReader<double>(arguments[0]));
    case TypeKind::kDecimal:
      return map_fixed<Int128>(
          call, [](Int128 a) { return absolute && a >= 0 ? a : -a; },
          FixedReader<Int128>(arguments[0]));
    default:
      return turn_integral<int64_t, absolute>(call, arguments);
  }
}

Result<ArrayPtr> positive(KernelCall& call, Operands arguments) {
  return materialize(arguments[0], call.rows);
}

template <typename F>
Result<ArrayPtr> bits(const KernelCall& call, F&& f) {
  switch (call.type().kind()) {
    case TypeKind::kByte:
      return f(int8_t{});
    case TypeKind::kShort:
      return f(int16_t{});
    case TypeKind::kInteger:
      return f(int32_t{});
    default:
      return f(int64_t{});
  }
}

template <char op>
Result<ArrayPtr> bitwise(KernelCall& call, Operands arguments) {
  return bits(call, [&]<typename T>(T) -> Result<ArrayPtr> {
    const FixedReader<T> a(arguments[0]);
    if constexpr (op == '~') {
      return map_fixed<T>(
          call, [](T x) { return static_cast<T>(~x); }, a);
    } else {
      return map_fixed<T>(
          call,
          [](T x, T y) {
            if constexpr (op == '&') return static_cast<T>(x & y);
            if constexpr (op == '|') return static_cast<T>(x | y);
            return static_cast<T>(x ^ y);
          },
          a, FixedReader<T>(arguments[1]));
    }
  });
}

template <bool left>
Result<ArrayPtr> shift_bits(KernelCall& call, Operands arguments) {
  return bits(call, [&]<typename T>(T) -> Result<ArrayPtr> {
    return map_fixed<T>(
        call,
        [](T x, int32_t by) {
          const int distance = by & (sizeof(T) == 8 ? 63 : 31);  // as the JVM does
          return left ? static_cast<T>(static_cast<std::make_unsigned_t<T>>(x) << distance)
                      : static_cast<T>(x >> distance);
        },
        FixedReader<T>(arguments[0]), FixedReader<int32_t>(arguments[1]));
  });
}

constexpr KernelEntry kKernels[] = {
    {"+", arithmetic<Op::kAdd>},
    {"-", arithmetic<Op::kSubtract>},
    {"*", arithmetic<Op::kMultiply>},
    {"try_add", arithmetic<Op::kAdd>},
    {"try_subtract", arithmetic<Op::kSubtract>},
    {"try_multiply", arithmetic<Op::kMultiply>},
    {"/", divide},
    {"try_divide", divide},
    {"%", remainder<false>},
    {"try_mod", remainder<false>},
    {"pmod", remainder<true>},
    {"div", integral_divide},
    {"negative", turn<false>},
    {"abs", turn<true>},
    {"positive", positive},
    {"&", bitwise<'&'>},
    {"|", bitwise<'|'>},
    {"^", bitwise<'^'>},
    {"~", bitwise<'~'>},
    {"shiftleft", shift_bits<true>},
    {"shiftright", shift_bits<false>},
};

}  // namespace

std::span<const KernelEntry> arithmetic_kernels() { return kKernels; }

}  // namespace weir::eval
