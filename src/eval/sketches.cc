#include "eval/sketches.h"

#include <cmath>

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/list_rows.h"
#include "eval/vector.h"

namespace weir::eval {

namespace {

using columnar::DataType;
using columnar::TypeKind;
using plan::Int128;

// ---- bitmaps of 4096 bytes

constexpr size_t kBitmapBytes = 4096;

BatchFunction bitmap_of_positions(std::shared_ptr<const plan::Typed> expression) {
  return [expression](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const ListReader lists(vector);
    const Vector values{lists.values(), false};
    const FixedReader<int64_t> positions(values);
    TextWriter writer(batch.num_rows());
    std::string bitmap;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      bitmap.assign(kBitmapBytes, '\0');
      for (int64_t i = lists.begin(row); lists.valid[row] && i < lists.end(row); ++i) {
        const int64_t at = positions[i];
        if (at < 0 || at >= static_cast<int64_t>(8 * kBitmapBytes)) {
          return kernel_error(
                     "INVALID_BITMAP_POSITION", "22003",
                     fmt::format("The 0-indexed bitmap position {} is out of bounds. The bitmap "
                                 "has {} bits ({} bytes).",
                                 at, 8 * kBitmapBytes, kBitmapBytes),
                     expression->origin)
              .with_parameter("bitPosition", std::to_string(at))
              .with_parameter("bitmapNumBits", std::to_string(8 * kBitmapBytes))
              .with_parameter("bitmapNumBytes", std::to_string(kBitmapBytes));
        }
        auto& byte = bitmap[static_cast<size_t>(at / 8)];
        byte = static_cast<char>(static_cast<unsigned char>(byte) | 1U << (at % 8));
      }
      writer.add(bitmap);
    }
    return writer.finish(arrow::binary());
  };
}

// A shorter bitmap is filled with zeros.
BatchFunction bitmap_of_bitmaps(bool all) {
  return [all](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const ListReader lists(vector);
    const Vector values{lists.values(), false};
    const TextReader bitmaps(values);
    TextWriter writer(batch.num_rows());
    std::string made;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      made.assign(kBitmapBytes, all ? '\xFF' : '\0');
      for (int64_t i = lists.begin(row); lists.valid[row] && i < lists.end(row); ++i) {
        const auto other = bitmaps[i];
        for (size_t k = 0; k < kBitmapBytes; ++k) {
          const auto byte = static_cast<unsigned char>(k < other.size() ? other[k] : '\0');
          const auto have = static_cast<unsigned char>(made[k]);
          made[k] = static_cast<char>(all ? have & byte : have | byte);
        }
      }
      writer.add(made);
    }
    return writer.finish(arrow::binary());
  };
}

// ---- Count-Min sketch, in the bytes of Spark's CountMinSketchImpl

// java.util.Random
class JavaRandom {
 public:
  explicit JavaRandom(int64_t seed)
      : state_((static_cast<uint64_t>(seed) ^ 0x5DEECE66DULL) & kMask) {}
  int32_t next_int(int32_t bound) {
    while (true) {
      const auto bits = static_cast<int32_t>(next(31));
      const int32_t value = bits % bound;
      if (static_cast<int64_t>(bits) - value + (bound - 1) <= INT32_MAX) return value;
    }
  }
  double next_double() {
    const uint64_t high = next(26);
    return static_cast<double>((high << 27) + next(27)) * 0x1.0p-53;
  }

 private:
  static constexpr uint64_t kMask = (uint64_t{1} << 48) - 1;
  uint64_t next(int bits) {
    state_ = (state_ * 0x5DEECE66DULL + 0xBULL) & kMask;
    return state_ >> (48 - bits);
  }
  uint64_t state_;
};

void append_big(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i)
    out += static_cast<char>(value >> (8 * i));
}

// Murmur3_x86_32.hashUnsafeBytes: what is left of the last word goes in byte by byte, signed.
int32_t murmur(std::string_view bytes, int32_t seed) {
  const auto rotate = [](uint32_t x, int by) { return x << by | x >> (32 - by); };
  auto hash = static_cast<uint32_t>(seed);
  const auto mix = [&](uint32_t word) {
    word = rotate(word * 0xCC9E2D51U, 15) * 0x1B873593U;
    hash = rotate(hash ^ word, 13) * 5 + 0xE6546B64U;
  };
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + at, 4);
    mix(word);
  }
  for (; at < bytes.size(); ++at)
    mix(static_cast<uint32_t>(static_cast<int32_t>(static_cast<signed char>(bytes[at]))));
  hash ^= static_cast<uint32_t>(bytes.size());
  hash ^= hash >> 16;
  hash *= 0x85EBCA6BU;
  hash ^= hash >> 13;
  hash *= 0xC2B2AE35U;
  hash ^= hash >> 16;
  return static_cast<int32_t>(hash);
}

struct CountMin {
  CountMin(double error, double confidence, int64_t seed)
      : depth(static_cast<int32_t>(std::ceil(-std::log1p(-confidence) / std::log(2.0)))),
        width(static_cast<int32_t>(std::ceil(2 / error))),
        table(static_cast<size_t>(depth) * static_cast<size_t>(width), 0) {
    JavaRandom random(seed);
    for (int32_t i = 0; i < depth; ++i)
      factors.push_back(random.next_int(INT32_MAX));
  }
  void add(int64_t item) {
    for (int32_t i = 0; i < depth; ++i) {
      auto hash = static_cast<int64_t>(static_cast<uint64_t>(factors[static_cast<size_t>(i)]) *
                                       static_cast<uint64_t>(item));
      hash += hash >> 32;
      hash &= INT32_MAX;
      count(i, static_cast<int32_t>(hash) % width);
    }
    ++total;
  }
  void add(std::string_view item) {
    const int32_t first = murmur(item, 0), second = murmur(item, first);
    for (int32_t i = 0; i < depth; ++i) {
      const auto sum = static_cast<int32_t>(
          static_cast<uint32_t>(first) + static_cast<uint32_t>(i) * static_cast<uint32_t>(second));
      count(i, std::abs(sum % width));
    }
    ++total;
  }
  std::string bytes() const {
    std::string out;
    append_big(out, 1, 4);
    append_big(out, static_cast<uint64_t>(total), 8);
    append_big(out, static_cast<uint64_t>(depth), 4);
    append_big(out, static_cast<uint64_t>(width), 4);
    for (const auto factor : factors)
      append_big(out, static_cast<uint64_t>(factor), 8);
    for (const auto cell : table)
      append_big(out, static_cast<uint64_t>(cell), 8);
    return out;
  }

  int32_t depth, width;
  int64_t total = 0;
  std::vector<int64_t> factors;
  std::vector<int64_t> table;

 private:
  void count(int32_t row, int32_t column) {
    ++table[static_cast<size_t>(row) * static_cast<size_t>(width) + static_cast<size_t>(column)];
  }
};

Result<ArrayPtr> constant_of(const plan::TypedPtr& expression, const EvalContext& context) {
  WEIR_ASSIGN(const auto program, compile(expression));
  const auto one =
      arrow::RecordBatch::Make(arrow::schema({}), 1, std::vector<std::shared_ptr<arrow::Array>>{});
  return program.evaluate(*one, context);
}

// An integral value whatever its width.
int64_t integer_at(const DataType& type, const Vector& values, int64_t i) {
  switch (type.kind()) {
    case TypeKind::kByte:
      return FixedReader<int8_t>(values)[i];
    case TypeKind::kShort:
      return FixedReader<int16_t>(values)[i];
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return FixedReader<int32_t>(values)[i];
    default:
      return FixedReader<int64_t>(values)[i];
  }
}

Result<BatchFunction> count_min(const plan::TypedCall& call, const EvalContext& context,
                                const plan::Origin& origin) {
  std::vector<ArrayPtr> given;
  for (size_t i = 1; i < 4; ++i) {
    WEIR_ASSIGN(auto value, constant_of(call.arguments[i], context));
    if (value->null_count() > 0) {
      return plan::analysis_error("DATATYPE_MISMATCH.UNEXPECTED_NULL", "42K09",
                                  "The arguments of count_min_sketch must not be null.", origin);
    }
    given.push_back(std::move(value));
  }
  const Vector e{given[0], true}, c{given[1], true}, s{given[2], true};
  const double error = FixedReader<double>(e)[0], confidence = FixedReader<double>(c)[0];
  const int64_t seed = FixedReader<int32_t>(s)[0];
  if (!(error > 0) || !(confidence > 0 && confidence < 1) || 2 / error > 1e8) {
    return plan::analysis_error("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "42K09",
                                "count_min_sketch needs an error above 0 and a confidence "
                                "between 0 and 1.",
                                origin);
  }
  const auto type = call.arguments[0]->type;
  return BatchFunction([=](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const ListReader lists(vector);
    const Vector values{lists.values(), false};
    TextWriter writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      CountMin sketch(error, confidence, seed);
      for (int64_t i = lists.begin(row); lists.valid[row] && i < lists.end(row); ++i) {
        if (plan::is_integral(type)) {
          sketch.add(integer_at(type, values, i));
        } else {
          sketch.add(TextReader(values)[i]);
        }
      }
      writer.add(sketch.bytes());
    }
    return writer.finish(arrow::binary());
  });
}

// ---- histogram_numeric: Ben-Haim and Tom-Tov, the closest two bins made one

class Histogram {
 public:
  explicit Histogram(size_t most) : most_(most), random_(31183) {}
  struct Bin {
    double x, y;
  };
  void add(double value) {
    size_t left = 0, right = bins_.size();
    while (left < right) {
      const size_t middle = (left + right) / 2;
      if (bins_[middle].x > value) {
        right = middle;
      } else if (bins_[middle].x < value) {
        left = middle + 1;
      } else {
        ++bins_[middle].y;
        return;
      }
    }
    bins_.insert(bins_.begin() + static_cast<std::ptrdiff_t>(left), {value, 1});
    while (bins_.size() > most_)
      merge_closest();
  }
  const std::vector<Bin>& bins() const { return bins_; }

 private:
  void merge_closest() {
    double least = bins_[1].x - bins_[0].x;
    size_t place = 0;
    int ties = 1;
    for (size_t i = 1; i + 1 < bins_.size(); ++i) {
      const double distance = bins_[i + 1].x - bins_[i].x;
      if (distance < least) {
        least = distance;
        place = i;
        ties = 1;
      } else if (distance == least && random_.next_double() <= 1.0 / ++ties) {
        place = i;
      }
    }
    auto& bin = bins_[place];
    const auto& next = bins_[place + 1];
    const double count = bin.y + next.y;
    bin.x *= bin.y / count;
    bin.x += next.x / count * next.y;
    bin.y = count;
    bins_.erase(bins_.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }

  size_t most_;
  JavaRandom random_;
  std::vector<Bin> bins_;
};

double number_at(const DataType& type, const Vector& values, int64_t i) {
  switch (type.kind()) {
    case TypeKind::kFloat:
      return FixedReader<float>(values)[i];
    case TypeKind::kDouble:
      return FixedReader<double>(values)[i];
    case TypeKind::kDecimal:
      return static_cast<double>(FixedReader<Int128>(values)[i]) / std::pow(10.0, type.scale());
    default:
      return static_cast<double>(integer_at(type, values, i));
  }
}

// The bins' middles as the value's type holds them.
Result<ArrayPtr> middles(const std::vector<Histogram::Bin>& bins, const DataType& type) {
  const auto count = static_cast<int64_t>(bins.size());
  const auto fill = [&](auto sample, double factor) {
    FixedWriter<decltype(sample)> writer(count);
    for (int64_t i = 0; i < count; ++i)
      writer.set(i, static_cast<decltype(sample)>(bins[static_cast<size_t>(i)].x * factor));
    return writer.finish(columnar::to_arrow(type));
  };
  switch (type.kind()) {
    case TypeKind::kByte:
      return fill(int8_t{}, 1);
    case TypeKind::kShort:
      return fill(int16_t{}, 1);
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return fill(int32_t{}, 1);
    case TypeKind::kFloat:
      return fill(float{}, 1);
    case TypeKind::kDouble:
      return fill(double{}, 1);
    case TypeKind::kDecimal:
      return fill(Int128{}, std::pow(10.0, type.scale()));
    default:
      return fill(int64_t{}, 1);
  }
}

Result<BatchFunction> histogram(const plan::Typed& expression, const plan::TypedCall& call,
                                const EvalContext& context) {
  WEIR_ASSIGN(const auto given, constant_of(call.arguments[1], context));
  const Vector wanted{given, true};
  const int32_t most = given->null_count() > 0 ? 0 : FixedReader<int32_t>(wanted)[0];
  if (most < 2) {
    return plan::analysis_error("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "42K09",
                                "histogram_numeric needs at least 2 bins.", expression.origin);
  }
  const auto type = call.arguments[0]->type;
  const auto result = expression.type;
  return BatchFunction([=](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const ListReader lists(vector);
    const Vector values{lists.values(), false};
    ListOffsets offsets(batch.num_rows());
    std::vector<Histogram::Bin> all;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (!lists.valid[row] || lists.count(row) == 0) {
        offsets.add_null(static_cast<int64_t>(all.size()));
        continue;
      }
      Histogram made(static_cast<size_t>(most));
      for (int64_t i = lists.begin(row); i < lists.end(row); ++i)
        made.add(number_at(type, values, i));
      all.insert(all.end(), made.bins().begin(), made.bins().end());
      offsets.end_row(static_cast<int64_t>(all.size()));
    }
    WEIR_ASSIGN(const auto x, middles(all, type));
    FixedWriter<double> heights(static_cast<int64_t>(all.size()));
    for (size_t i = 0; i < all.size(); ++i)
      heights.set(static_cast<int64_t>(i), all[i].y);
    const auto arrow_type = columnar::to_arrow(result);
    const auto y = heights.finish(arrow::float64());
    const auto bins = arrow::MakeArray(arrow::ArrayData::Make(
        arrow_type->field(0)->type(), x->length(), {nullptr}, {x->data(), y->data()}, 0));
    return offsets.finish(arrow_type, bins);
  });
}

// ---- sums and means of vectors

BatchFunction vectors_together(std::shared_ptr<const plan::Typed> expression, bool mean) {
  return [expression, mean](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const ListReader groups(vector);
    const Vector inner{groups.values(), false};
    const ListReader vectors(inner);
    const Vector elements{vectors.values(), false};
    const FixedReader<float> numbers(elements);
    ListOffsets offsets(batch.num_rows());
    std::vector<float> all;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      std::vector<float> sum;
      int64_t seen = 0;
      for (int64_t v = groups.begin(row); groups.valid[row] && v < groups.end(row); ++v) {
        bool complete = true;
        for (int64_t i = vectors.begin(v); complete && i < vectors.end(v); ++i)
          complete = numbers.valid[i];
        if (!complete) continue;  // a vector with NULL inside counts as NULL
        const auto size = static_cast<size_t>(vectors.count(v));
        if (seen > 0 && size != sum.size()) {
          const auto name = std::get<plan::TypedCall>(expression->node).function->name;
          return kernel_error(
              "VECTOR_DIMENSION_MISMATCH", "22000",
              fmt::format("Vectors passed to {} must have the same dimension, but got {} and {}.",
                          name, sum.size(), size),
              expression->origin);
        }
        sum.resize(size, 0.0F);
        ++seen;
        for (size_t i = 0; i < size; ++i) {
          const float number = numbers[vectors.begin(v) + static_cast<int64_t>(i)];
          sum[i] += mean ? (number - sum[i]) / static_cast<float>(seen) : number;
        }
      }
      if (seen == 0) {
        offsets.add_null(static_cast<int64_t>(all.size()));
        continue;
      }
      all.insert(all.end(), sum.begin(), sum.end());
      offsets.end_row(static_cast<int64_t>(all.size()));
    }
    FixedWriter<float> writer(static_cast<int64_t>(all.size()));
    for (size_t i = 0; i < all.size(); ++i)
      writer.set(static_cast<int64_t>(i), all[i]);
    return offsets.finish(columnar::to_arrow(expression->type), writer.finish(arrow::float32()));
  };
}

}  // namespace

Result<BatchFunction> sketch_finisher(const plan::Typed& expression, const EvalContext& context) {
  const auto& call = std::get<plan::TypedCall>(expression.node);
  const auto name = call.function->name;
  const auto shared = std::make_shared<const plan::Typed>(expression);
  if (name == "bitmap_construct_agg") return bitmap_of_positions(shared);
  if (name == "bitmap_or_agg" || name == "bitmap_and_agg")
    return bitmap_of_bitmaps(name == "bitmap_and_agg");
  if (name == "count_min_sketch") return count_min(call, context, expression.origin);
  if (name == "histogram_numeric") return histogram(expression, call, context);
  if (name == "vector_sum" || name == "vector_avg")
    return vectors_together(shared, name == "vector_avg");
  return BatchFunction();
}

}  // namespace weir::eval
