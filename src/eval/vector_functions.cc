// Arrays of floats as vectors: products, distances, norms. Sums as Spark makes them: in single
// precision, eight at a time.
#include <cmath>
#include <limits>

#include "eval/list_rows.h"
#include "eval/map_rows.h"

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

constexpr KernelEntry kKernels[] = {
    {"vector_cosine_similarity", pair_of<Pair::kCosine>},
    {"vector_inner_product", pair_of<Pair::kProduct>},
    {"vector_l2_distance", pair_of<Pair::kDistance>},
    {"vector_norm", norm<false>},
    {"vector_normalize", norm<true>},
};

}  // namespace

std::span<const KernelEntry> vector_kernels() { return kKernels; }

}  // namespace weir::eval
