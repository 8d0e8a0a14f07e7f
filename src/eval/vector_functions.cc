// Arrays of floats as vectors: products, distances, norms. Sums as Spark makes them: in single
// precision, eight at a time. And arrays made by counting.
#include <cmath>
#include <limits>

#include "eval/list_rows.h"
#include "eval/map_rows.h"
#include "plan/calendar.h"

namespace weir::eval {

namespace {

class FloatLists {
 public:
  explicit FloatLists(const Vector& vector)
      : lists_(vector), elements_{lists_.values(), false}, values_(elements_) {}
  bool valid(int64_t row) const { return lists_.valid[row]; }
  int64_t size(int64_t row) const { return lists_.count(row); }
  bool complete(int64_t row) const {
    for (int64_t i = lists_.begin(row); i < lists_.end(row); ++i) {
      if (!values_.valid[i]) return false;
    }
    return true;
  }
  float at(int64_t row, int64_t i) const { return values_[lists_.begin(row) + i]; }

 private:
  ListReader lists_;
  Vector elements_;
  FixedReader<float> values_;
};

// The sum of term(0) … term(count - 1).
template <typename Term>
float sum_of(int64_t count, Term&& term) {
  float sum = 0;
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    float part = term(i);
    for (int64_t k = 1; k < 8; ++k)
      part += term(i + k);
    sum += part;
  }
  for (; i < count; ++i)
    sum += term(i);
  return sum;
}

float root(float x) { return static_cast<float>(std::sqrt(static_cast<double>(x))); }

enum class Pair { kCosine, kProduct, kDistance };

template <Pair what>
Result<ArrayPtr> pair_of(KernelCall& call, Operands arguments) {
  const FloatLists a(arguments[0]), b(arguments[1]);
  FixedWriter<float> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!a.valid(row) || !b.valid(row)) {
      writer.set_null(row);
      continue;
    }
    const int64_t count = a.size(row);
    if (count != b.size(row)) {
      return call
          .fail("VECTOR_DIMENSION_MISMATCH", "22000",
                fmt::format("Vectors passed to {} must have the same dimension, but got {} and {}.",
                            call.call.function->name, count, b.size(row)))
          .with_parameter("functionName", fmt::format("`{}`", call.call.function->name))
          .with_parameter("leftDim", std::to_string(count))
          .with_parameter("rightDim", std::to_string(b.size(row)));
    }
    if (!a.complete(row) || !b.complete(row) || (what == Pair::kCosine && count == 0)) {
      writer.set_null(row);
      continue;
    }
    const auto product = [&](const FloatLists& x, const FloatLists& y) {
      return sum_of(count, [&](int64_t i) { return x.at(row, i) * y.at(row, i); });
    };
    if (what == Pair::kProduct) {
      writer.set(row, product(a, b));
    } else if (what == Pair::kDistance) {
      writer.set(row, root(sum_of(count, [&](int64_t i) {
                   const float d = a.at(row, i) - b.at(row, i);
                   return d * d;
                 })));
    } else {
      const float norms = root(product(a, a) * product(b, b));
      if (norms < std::numeric_limits<float>::min()) {
        writer.set_null(row);
      } else {
        writer.set(row, product(a, b) / norms);
      }
    }
  }
  return writer.finish(call.arrow_type);
}

Result<float> norm_of(const KernelCall& call, const FloatLists& a, int64_t row, float degree) {
  const int64_t count = a.size(row);
  if (degree == 1) return sum_of(count, [&](int64_t i) { return std::fabs(a.at(row, i)); });
  if (degree == 2)
    return root(sum_of(count, [&](int64_t i) { return a.at(row, i) * a.at(row, i); }));
  if (std::isinf(degree) && degree > 0) {
    float most = 0;
    for (int64_t i = 0; i < count; ++i)
      most = std::fabs(a.at(row, i)) > most ? std::fabs(a.at(row, i)) : most;
    return most;
  }
  return call
      .fail("INVALID_VECTOR_NORM_DEGREE", "22023",
            fmt::format("Invalid norm degree for {}: {}. Supported values are 1.0 (L1 norm), 2.0 "
                        "(L2 norm), float('inf') (infinity norm).",
                        call.call.function->name, degree))
      .with_parameter("functionName", fmt::format("`{}`", call.call.function->name))
      .with_parameter("degree", fmt::format("{}", degree));
}

template <bool normalize>
Result<ArrayPtr> norm(KernelCall& call, Operands arguments) {
  const FloatLists a(arguments[0]);
  const auto degree_at = [&](int64_t row) -> std::optional<float> {
    if (arguments.size() < 2) return 2.0F;
    const FixedReader<float> degrees(arguments[1]);
    if (!degrees.valid[row]) return std::nullopt;
    return degrees[row];
  };
  FixedWriter<float> norms(call.rows);
  ListOffsets offsets(call.rows);
  std::vector<float> parts;
  for (int64_t row = 0; row < call.rows; ++row) {
    const auto degree = degree_at(row);
    bool null = !a.valid(row) || !degree || !a.complete(row);
    float length = 0;
    if (!null) {
      WEIR_ASSIGN(length, norm_of(call, a, row, *degree));
    }
    if (normalize) {
      const int64_t count = null ? 0 : a.size(row);
      null = null || (count > 0 && length < std::numeric_limits<float>::min());
      for (int64_t i = 0; !null && i < count; ++i)
        parts.push_back(a.at(row, i) / length);
      if (null) {
        offsets.add_null(static_cast<int64_t>(parts.size()));
      } else {
        offsets.end_row(static_cast<int64_t>(parts.size()));
      }
    } else if (null) {
      norms.set_null(row);
    } else {
      norms.set(row, length);
    }
  }
  if (!normalize) return norms.finish(call.arrow_type);
  FixedWriter<float> values(static_cast<int64_t>(parts.size()));
  for (size_t i = 0; i < parts.size(); ++i)
    values.set(static_cast<int64_t>(i), parts[i]);
  return offsets.finish(call.arrow_type, values.finish(arrow::float32()));
}

// ---- sequence

base::Error bad_sequence(const KernelCall& call, std::string_view why) {
  return base::error(base::ErrorKind::kInvalidArgument, "{}: {}", call.call.function->name, why);
}

constexpr int64_t kElementsMax = 2147483632;

int64_t number_at(const DataType& type, const Vector& vector, int64_t row) {
  switch (type.kind()) {
    case TypeKind::kByte:
      return FixedReader<int8_t>(vector)[row];
    case TypeKind::kShort:
      return FixedReader<int16_t>(vector)[row];
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return FixedReader<int32_t>(vector)[row];
    default:
      return FixedReader<int64_t>(vector)[row];
  }
}

// One row's numbers.
Result<void> count_up(const KernelCall& call, int64_t first, int64_t last, int64_t step,
                      std::vector<int64_t>& out) {
  const bool right = first == last || (step > 0 && first < last) || (step < 0 && first > last);
  if (!right) {
    return bad_sequence(
        call, fmt::format("Illegal sequence boundaries: {} to {} by {}", first, last, step));
  }
  const __int128 count = first == last ? 1 : (static_cast<__int128>(last) - first) / step + 1;
  if (count > kElementsMax || static_cast<__int128>(out.size()) + count > (1 << 28)) {
    return call.fail("COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER", "54000",
                     fmt::format("Can't create array with {} elements which exceeding the array "
                                 "size limit {}.",
                                 static_cast<int64_t>(count), kElementsMax));
  }
  for (__int128 i = 0; i < count; ++i)
    out.push_back(static_cast<int64_t>(first + i * step));
  return {};
}

// One row's times: months and days are steps of the calendar in the session's zone.
Result<void> walk_times(KernelCall& call, bool instant, int64_t first, int64_t last, int64_t months,
                        int64_t step_us, std::vector<int64_t>& out) {
  const int64_t days = step_us / plan::kMicrosPerDay, rest = step_us % plan::kMicrosPerDay;
  if (months == 0 && (days == 0 || !instant)) return count_up(call, first, last, step_us, out);
  const bool forward = months > 0 || step_us > 0;
  if (first != last && forward != (first < last))
    return bad_sequence(call, "Illegal sequence boundaries: the step leads away from the last");
  const int64_t local = instant ? call.zone.to_local(first) : first;
  const auto date = plan::civil_from_days(plan::floor_div(local, plan::kMicrosPerDay));
  const int64_t time = plan::floor_mod(local, plan::kMicrosPerDay);
  const auto begun = out.size();
  for (int64_t i = 0; out.size() - begun < 100'000'000; ++i) {
    const int64_t total = date.year * 12 + date.month - 1 + i * months;
    const int64_t year = plan::floor_div(total, 12);
    const int month = static_cast<int>(plan::floor_mod(total, 12)) + 1;
    const int64_t day =
        plan::days_from_civil(year, month, std::min(date.day, plan::days_in_month(year, month)));
    // Near the ends of what 64 bits hold it is only the sum that fits, or nothing: then it is past
    // the last.
    const plan::Int128 moved = plan::Int128{day + i * days} * plan::kMicrosPerDay + time;
    if (moved != static_cast<int64_t>(moved)) return {};
    plan::Int128 at = moved;
    if (instant) at = call.zone.to_utc(static_cast<int64_t>(moved));
    at += plan::Int128{i} * rest;
    if (forward ? at > last : at < last) return {};
    out.push_back(static_cast<int64_t>(at));
  }
  return call.fail("COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER", "54000",
                   "A sequence of more than 100 million times.");
}

Result<ArrayPtr> sequence(KernelCall& call, Operands arguments) {
  const auto& type = call.type_of(0);
  const bool date = type.is(TypeKind::kDate);
  const bool times = date || type.is(TypeKind::kTimestamp) || type.is(TypeKind::kTimestampNtz);
  const bool stepped = arguments.size() > 2;
  const Validity first_valid(arguments[0]), last_valid(arguments[1]);
  ListOffsets offsets(call.rows);
  std::vector<int64_t> all, row_values;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!first_valid[row] || !last_valid[row] || (stepped && !Validity(arguments[2])[row])) {
      offsets.add_null(static_cast<int64_t>(all.size()));
      continue;
    }
    const int64_t first = number_at(type, arguments[0], row);
    const int64_t last = number_at(type, arguments[1], row);
    int64_t step = first <= last ? 1 : -1;
    if (stepped) step = number_at(call.type_of(2), arguments[2], row);
    if (!times) {
      WEIR_TRY(count_up(call, first, last, step, all));
    } else {
      const bool by_months = stepped && call.type_of(2).is(TypeKind::kYearMonthInterval);
      if (!stepped) step *= plan::kMicrosPerDay;
      if (step == 0) return bad_sequence(call, "the step must not be 0");
      const int64_t unit = date ? plan::kMicrosPerDay : 1;
      if (date && !by_months && step % plan::kMicrosPerDay != 0) {
        return bad_sequence(call,
                            "the step must be an interval of day granularity if start and end "
                            "values are dates");
      }
      row_values.clear();
      WEIR_TRY(walk_times(call, type.is(TypeKind::kTimestamp), first * unit, last * unit,
                          by_months ? step : 0, by_months ? 0 : step, row_values));
      for (const auto value : row_values)
        all.push_back(value / unit);
    }
    offsets.end_row(static_cast<int64_t>(all.size()));
  }
  const auto fill = [&](auto sample) {
    FixedWriter<decltype(sample)> writer(static_cast<int64_t>(all.size()));
    for (size_t i = 0; i < all.size(); ++i)
      writer.set(static_cast<int64_t>(i), static_cast<decltype(sample)>(all[i]));
    return writer.finish(call.arrow_type->field(0)->type());
  };
  ArrayPtr values;
  switch (type.kind()) {
    case TypeKind::kByte:
      values = fill(int8_t{});
      break;
    case TypeKind::kShort:
      values = fill(int16_t{});
      break;
    case TypeKind::kInteger:
    case TypeKind::kDate:
      values = fill(int32_t{});
      break;
    default:
      values = fill(int64_t{});
  }
  return offsets.finish(call.arrow_type, values);
}

Result<ArrayPtr> quote(KernelCall& call, Operands arguments) {
  return map_text(
      call,
      [](std::string_view text, std::string& out) {
        out += '\'';
        for (const char c : text) {
          if (c == '\'') out += '\\';
          out += c;
        }
        out += '\'';
      },
      TextReader(arguments[0]));
}

constexpr KernelEntry kKernels[] = {
    {"sequence", sequence},
    {"quote", quote},
    {"vector_cosine_similarity", pair_of<Pair::kCosine>},
    {"vector_inner_product", pair_of<Pair::kProduct>},
    {"vector_l2_distance", pair_of<Pair::kDistance>},
    {"vector_norm", norm<false>},
    {"vector_normalize", norm<true>},
};

}  // namespace

std::span<const KernelEntry> vector_kernels() { return kKernels; }

}  // namespace weir::eval
