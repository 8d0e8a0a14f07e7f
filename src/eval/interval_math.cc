#include "eval/interval_math.h"

#include <cmath>
#include <limits>

#include "columnar/arrow_types.h"
#include "eval/cast.h"

namespace weir::eval {

using plan::Int128;

namespace {

// Months or microseconds of a row.
class IntervalReader {
 public:
  IntervalReader(const Vector& vector, const DataType& type) {
    if (type.is(TypeKind::kYearMonthInterval)) {
      months_.emplace(vector);
    } else {
      us_.emplace(vector);
    }
  }
  bool valid(int64_t row) const { return months_ ? months_->valid[row] : us_->valid[row]; }
  int64_t operator[](int64_t row) const { return months_ ? (*months_)[row] : (*us_)[row]; }

 private:
  std::optional<FixedReader<int32_t>> months_;
  std::optional<FixedReader<int64_t>> us_;
};

// a / b, half away from zero.
Int128 rounded_quotient(Int128 a, Int128 b) {
  const Int128 whole = a / b;
  const Int128 rest = a % b;
  const Int128 twice = (rest < 0 ? -rest : rest) * 2;
  if (twice < (b < 0 ? -b : b)) return whole;
  return whole + ((a < 0) == (b < 0) ? 1 : -1);
}

bool product(int64_t interval, Int128 number, int scale, Int128& out) {
  Int128 exact = 0;
  if (__builtin_mul_overflow(Int128{interval}, number, &exact)) return false;
  out = scale == 0 ? exact : rounded_quotient(exact, power_of_ten(scale));
  return true;
}

bool quotient(int64_t interval, Int128 number, int scale, Int128& out) {
  Int128 exact = 0;
  if (__builtin_mul_overflow(Int128{interval}, power_of_ten(scale), &exact)) return false;
  out = rounded_quotient(exact, number);
  return true;
}

bool real_result(int64_t interval, double number, bool divide, Int128& out) {
  const double value =
      divide ? static_cast<double>(interval) / number : static_cast<double>(interval) * number;
  if (!std::isfinite(value) || std::fabs(value) > 1e30) return false;
  out = static_cast<Int128>(std::round(value));
  return true;
}

base::Error divided_by_zero(const KernelCall& call) {
  return call.fail("INTERVAL_DIVIDED_BY_ZERO", "22012",
                   "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL "
                   "instead.");
}

base::Error interval_overflow(const KernelCall& call) {
  return call.fail("INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "22015",
                   "Integer overflow while operating with intervals. Try devising appropriate "
                   "values for the interval parameters.");
}

}  // namespace

Result<ArrayPtr> scale_interval(KernelCall& call, Operands arguments, bool divide) {
  const size_t at = call.type_of(0).is_interval() ? 0 : 1;
  const auto& number_type = call.type_of(1 - at);
  const IntervalReader intervals(arguments[at], call.type_of(at));
  const Vector& numbers = arguments[1 - at];
  const bool real = number_type.is(TypeKind::kDouble);
  const bool decimal = number_type.is(TypeKind::kDecimal);
  std::optional<FixedReader<double>> reals;
  std::optional<FixedReader<Int128>> decimals;
  std::optional<FixedReader<int64_t>> wholes;
  if (real) {
    reals.emplace(numbers);
  } else if (decimal) {
    decimals.emplace(numbers);
  } else {
    wholes.emplace(numbers);
  }
  const bool tolerant = call.call.function->name.starts_with("try_");
  const bool months = call.type().is(TypeKind::kYearMonthInterval);
  const Int128 most = months ? Int128{std::numeric_limits<int32_t>::max()}
                             : Int128{std::numeric_limits<int64_t>::max()};
  FixedWriter<int32_t> month_writer(months ? call.rows : 0);
  FixedWriter<int64_t> us_writer(months ? 0 : call.rows);
  const auto set_null = [&](int64_t row) {
    months ? month_writer.set_null(row) : us_writer.set_null(row);
  };
  const Validity valid(numbers);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!valid[row] || !intervals.valid(row)) {
      set_null(row);
      continue;
    }
    const int64_t interval = intervals[row];
    const Int128 number = real ? Int128{0} : decimal ? (*decimals)[row] : Int128{(*wholes)[row]};
    const int scale = decimal ? number_type.scale() : 0;
    const bool zero = real ? (*reals)[row] == 0 : number == 0;
    if (divide && zero) {
      if (!tolerant) return divided_by_zero(call);
      set_null(row);
      continue;
    }
    Int128 out = 0;
    const bool fits = real     ? real_result(interval, (*reals)[row], divide, out)
                      : divide ? quotient(interval, number, scale, out)
                               : product(interval, number, scale, out);
    if (!fits || out > most || out < -most - 1) {
      if (!tolerant) return interval_overflow(call);
      set_null(row);
    } else if (months) {
      month_writer.set(row, static_cast<int32_t>(out));
    } else {
      us_writer.set(row, static_cast<int64_t>(out));
    }
  }
  return months ? month_writer.finish(call.arrow_type) : us_writer.finish(call.arrow_type);
}

Result<ArrayPtr> interval_quotient(KernelCall& call, Operands arguments) {
  const IntervalReader a(arguments[0], call.type_of(0)), b(arguments[1], call.type_of(1));
  FixedWriter<int64_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!a.valid(row) || !b.valid(row)) {
      writer.set_null(row);
    } else if (b[row] == 0) {
      return divided_by_zero(call);
    } else if (b[row] == -1 && a[row] == std::numeric_limits<int64_t>::min()) {
      return interval_overflow(call);
    } else {
      writer.set(row, a[row] / b[row]);
    }
  }
  return writer.finish(call.arrow_type);
}

}  // namespace weir::eval
