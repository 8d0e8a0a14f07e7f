#include "eval/intervals.h"

#include <cmath>

#include "eval/cast.h"
#include "eval/map_rows.h"

namespace weir::eval {

using plan::Int128;

namespace {

bool is_interval(const DataType& type) {
  return type.is(TypeKind::kDayTimeInterval) || type.is(TypeKind::kYearMonthInterval);
}
bool trying(const KernelCall& call) { return call.call.function->name.starts_with("try_"); }

base::Error overflow(const KernelCall& call) {
  return call.fail("INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "22015",
                   "Integer overflow while operating with intervals.");
}
base::Error zero(const KernelCall& call) {
  return call.fail("INTERVAL_DIVIDED_BY_ZERO", "22012",
                   "Division by zero. Use `try_divide` to tolerate divisor being 0 and return "
                   "NULL instead.");
}

int64_t value_at(const DataType& type, const Vector& vector, int64_t row) {
  return type.is(TypeKind::kYearMonthInterval) ? FixedReader<int32_t>(vector)[row]
                                               : FixedReader<int64_t>(vector)[row];
}
bool fits(const DataType& type, Int128 value) {
  return type.is(TypeKind::kYearMonthInterval) ? value == static_cast<int32_t>(value)
                                               : value == static_cast<int64_t>(value);
}

Int128 half_up(Int128 a, Int128 b) {
  if (b < 0) {
    a = -a;
    b = -b;
  }
  const Int128 whole = a / b, rest = a % b;
  const Int128 magnitude = rest < 0 ? -rest : rest;
  return whole + (magnitude >= b - magnitude ? (a < 0 ? -1 : 1) : 0);
}

}  // namespace

Result<ArrayPtr> scale_interval(KernelCall& call, Operands arguments, bool divide) {
  const size_t at = is_interval(call.type_of(0)) ? 0 : 1;
  const auto& type = call.type_of(at);
  const auto& by = call.type_of(1 - at);
  const auto& interval = arguments[at];
  const auto& number = arguments[1 - at];
  const Validity valid(interval), number_valid(number);
  std::vector<std::optional<int64_t>> results;
  for (int64_t row = 0; row < call.rows; ++row) {
    results.emplace_back();
    if (!valid[row] || !number_valid[row]) continue;
    const int64_t value = value_at(type, interval, row);
    Int128 result = 0;
    bool good = true, by_zero = false;
    if (by.is(TypeKind::kDouble)) {
      const double factor = FixedReader<double>(number)[row];
      by_zero = divide && factor == 0;
      const double scaled = std::round(divide ? static_cast<double>(value) / factor
                                              : static_cast<double>(value) * factor);
      good = !by_zero && std::isfinite(scaled) && std::fabs(scaled) < 1e19;
      if (good) result = static_cast<Int128>(scaled);
    } else {
      const bool decimal = by.is(TypeKind::kDecimal);
      const Int128 factor =
          decimal ? FixedReader<Int128>(number)[row] : FixedReader<int64_t>(number)[row];
      const Int128 unit = decimal ? power_of_ten(by.scale()) : 1;
      by_zero = divide && factor == 0;
      Int128 product = 0;
      good = !by_zero &&
             !__builtin_mul_overflow(static_cast<Int128>(value), divide ? unit : factor, &product);
      if (good) result = half_up(product, divide ? factor : unit);
    }
    good = good && fits(type, result);
    if (good) {
      results.back() = static_cast<int64_t>(result);
    } else if (!trying(call)) {
      return by_zero ? zero(call) : overflow(call);
    }
  }
  const auto fill = [&](auto sample) {
    FixedWriter<decltype(sample)> writer(call.rows);
    for (int64_t row = 0; row < call.rows; ++row) {
      const auto& one = results[static_cast<size_t>(row)];
      if (one) {
        writer.set(row, static_cast<decltype(sample)>(*one));
      } else {
        writer.set_null(row);
      }
    }
    return writer.finish(call.arrow_type);
  };
  return type.is(TypeKind::kYearMonthInterval) ? fill(int32_t{}) : fill(int64_t{});
}

Result<ArrayPtr> divide_intervals(KernelCall& call, Operands arguments) {
  const auto& type = call.type_of(0);
  const Validity a(arguments[0]), b(arguments[1]);
  FixedWriter<int64_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!a[row] || !b[row]) {
      writer.set_null(row);
      continue;
    }
    const int64_t divisor = value_at(type, arguments[1], row);
    if (divisor == 0) {
      if (call.ansi()) return zero(call);
      writer.set_null(row);
      continue;
    }
    const int64_t dividend = value_at(type, arguments[0], row);
    if (dividend == INT64_MIN && divisor == -1) return overflow(call);
    writer.set(row, dividend / divisor);
  }
  return writer.finish(call.arrow_type);
}

}  // namespace weir::eval
