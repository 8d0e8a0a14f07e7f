#include "eval/list_finishers.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_set>

#include <arrow/api.h>

#include "columnar/arrow_types.h"
#include "eval/hyperloglog_bias.h"
#include "eval/list_rows.h"
#include "eval/sketches.h"
#include "eval/vector.h"
#include "plan/function_catalog.h"

namespace weir::eval {

namespace {

using columnar::DataType;
using columnar::TypeKind;

Result<ArrayPtr> constant_array(const plan::TypedPtr& expression, const EvalContext& context) {
  WEIR_ASSIGN(const auto program, compile(expression));
  const auto one =
      arrow::RecordBatch::Make(arrow::schema({}), 1, std::vector<std::shared_ptr<arrow::Array>>{});
  return program.evaluate(*one, context);
}

struct Percentages {
  std::vector<double> values;
  bool several = false;
};

Result<Percentages> percentages_of(const plan::TypedPtr& expression, const EvalContext& context) {
  WEIR_ASSIGN(const auto array, constant_array(expression, context));
  Percentages made;
  ArrayPtr numbers = array;
  if (expression->type.is(TypeKind::kArray)) {
    made.several = true;
    const auto& list = static_cast<const arrow::ListArray&>(*array);
    numbers = list.value_slice(0);
  }
  const Vector vector{numbers, false};
  const FixedReader<double> reader(vector);
  for (int64_t i = 0; i < numbers->length(); ++i) {
    if (!reader.valid[i] || !(reader[i] >= 0 && reader[i] <= 1)) {
      return plan::analysis_error("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "42K09",
                                  "The percentage must be between [0.0, 1.0].", expression->origin);
    }
    made.values.push_back(reader[i]);
  }
  return made;
}

// Numbers of a list's values as doubles.
class DoubleReader {
 public:
  DoubleReader(const ArrayPtr& array, const DataType& type) : array_(array), kind_(type.kind()) {
    const Vector vector{array, false};
    if (kind_ == TypeKind::kYearMonthInterval) {
      months_.emplace(vector);
    } else if (kind_ == TypeKind::kDouble) {
      doubles_.emplace(vector);
    } else {
      longs_.emplace(vector);
    }
  }
  double operator[](int64_t i) const {
    if (doubles_) return (*doubles_)[i];
    if (months_) return (*months_)[i];
    return static_cast<double>((*longs_)[i]);
  }

 private:
  ArrayPtr array_;
  TypeKind kind_;
  std::optional<FixedReader<double>> doubles_;
  std::optional<FixedReader<int64_t>> longs_;
  std::optional<FixedReader<int32_t>> months_;
};

// Appends numbers as the type holds them.
Result<ArrayPtr> numbers_array(const std::vector<double>& numbers, const DataType& type) {
  const auto count = static_cast<int64_t>(numbers.size());
  const auto arrow_type = columnar::to_arrow(type);
  const auto fill = [&](auto sample) {
    FixedWriter<decltype(sample)> writer(count);
    for (int64_t i = 0; i < count; ++i)
      writer.set(i, static_cast<decltype(sample)>(numbers[static_cast<size_t>(i)]));
    return writer.finish(arrow_type);
  };
  if (type.is(TypeKind::kYearMonthInterval)) return fill(int32_t{});
  if (type.is(TypeKind::kDouble)) return fill(double{});
  return fill(int64_t{});
}

// One value a row or, where there are several percentages, one list.
Result<ArrayPtr> per_row(const DataType& type, bool several,
                         const std::vector<std::optional<std::vector<double>>>& rows) {
  std::vector<double> all;
  std::vector<int64_t> positions;
  const auto& number = several ? type.element() : type;
  const auto count = static_cast<int64_t>(rows.size());
  ListOffsets offsets(count);
  for (const auto& row : rows) {
    if (!row) {
      offsets.add_null(static_cast<int64_t>(all.size()));
      positions.push_back(-1);
      continue;
    }
    positions.push_back(static_cast<int64_t>(all.size()));
    all.insert(all.end(), row->begin(), row->end());
    offsets.end_row(static_cast<int64_t>(all.size()));
  }
  WEIR_ASSIGN(auto values, numbers_array(all, number));
  if (several) return offsets.finish(columnar::to_arrow(type), values);
  return pick(values, positions);
}

enum class PercentileKind { kContinuous, kDiscrete };

double percentile_of(const DoubleReader& values, const std::vector<int64_t>& ends, int64_t begin,
                     double percentage, PercentileKind kind) {
  // ends[i]: how many rows the first i + 1 values stand for.
  const auto total = ends.back();
  const auto at = [&](int64_t position) {
    const auto found = std::upper_bound(ends.begin(), ends.end(), position);
    return values[begin + (found - ends.begin())];
  };
  if (kind == PercentileKind::kDiscrete) {
    const auto index = std::max<int64_t>(
        0, static_cast<int64_t>(std::ceil(percentage * static_cast<double>(total))) - 1);
    return at(index);
  }
  const double position = static_cast<double>(total - 1) * percentage;
  const auto lower = static_cast<int64_t>(std::floor(position));
  const auto higher = static_cast<int64_t>(std::ceil(position));
  const double low = at(lower);
  if (lower == higher) return low;
  const double high = at(higher);
  if (low == high) return low;
  return (static_cast<double>(higher) - position) * low +
         (position - static_cast<double>(lower)) * high;
}

BatchFunction percentile_function(DataType type, DataType value_type, Percentages wanted,
                                  PercentileKind kind, bool frequencies) {
  return [=](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const ListReader lists(vector);
    ArrayPtr values = lists.values(), counts;
    if (frequencies) {
      const auto& pairs = static_cast<const arrow::StructArray&>(*lists.values());
      WEIR_ARROW_ASSIGN(values, pairs.GetFlattenedField(0));
      WEIR_ARROW_ASSIGN(counts, pairs.GetFlattenedField(1));
    }
    const DoubleReader numbers(values, value_type);
    std::vector<std::optional<std::vector<double>>> rows;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      rows.emplace_back();
      if (!lists.valid[row] || lists.count(row) == 0) continue;
      std::vector<int64_t> ends;
      int64_t total = 0;
      for (int64_t i = lists.begin(row); i < lists.end(row); ++i) {
        if (counts) {
          const Vector frequency{counts, false};
          total += FixedReader<int64_t>(frequency)[i];
        } else {
          ++total;
        }
        ends.push_back(total);
      }
      if (total <= 0) continue;
      rows.back().emplace();
      for (const double percentage : wanted.values)
        rows.back()->push_back(percentile_of(numbers, ends, lists.begin(row), percentage, kind));
    }
    return per_row(type, wanted.several, rows);
  };
}

// The value at rank ceil(p * n) of the sorted list.
BatchFunction approximate_function(DataType type, Percentages wanted) {
  return [=](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const ListReader lists(vector);
    ListPicker picker(batch.num_rows());
    std::vector<int64_t> single;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (!lists.valid[row] || lists.count(row) == 0) {
        picker.add_null();
        single.push_back(-1);
        continue;
      }
      for (const double percentage : wanted.values) {
        const auto rank =
            static_cast<int64_t>(std::ceil(percentage * static_cast<double>(lists.count(row))));
        const auto position = lists.begin(row) + std::max<int64_t>(0, rank - 1);
        picker.add(position);
        if (!wanted.several) single.push_back(position);
      }
      picker.end_row();
    }
    if (!wanted.several) return pick(lists.values(), single);
    return picker.finish(columnar::to_arrow(type), lists.values());
  };
}

BatchFunction mode_function(DataType type) {
  return [=](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const ListReader lists(vector);
    std::vector<int64_t> picked;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      int64_t best = -1, best_count = 0, count = 0;
      std::string last;
      for (int64_t i = lists.begin(row); lists.valid[row] && i < lists.end(row); ++i) {
        auto key = value_key(type, *lists.values(), i);
        count = i > lists.begin(row) && key == last ? count + 1 : 1;
        last = std::move(key);
        if (count > best_count) {
          best_count = count;
          best = i;
        }
      }
      picked.push_back(best);
    }
    return pick(lists.values(), picked);
  };
}

// `once`: each text where it first comes.
BatchFunction join_function(DataType type, std::string delimiter, bool once) {
  return [=](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const ListReader lists(vector);
    const Vector values{lists.values(), false};
    const TextReader text(values);
    TextWriter writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (!lists.valid[row] || lists.count(row) == 0) {
        writer.add_null();
        continue;
      }
      std::unordered_set<std::string_view> seen;
      for (int64_t i = lists.begin(row); i < lists.end(row); ++i) {
        if (once && !seen.insert(text[i]).second) continue;
        if (i > lists.begin(row)) writer.bytes() += delimiter;
        writer.bytes() += text[i];
      }
      writer.end_row();
    }
    return writer.finish(columnar::to_arrow(type));
  };
}

}  // namespace

Result<std::optional<ListFinisher>> list_finisher(const plan::Typed& expression,
                                                  const EvalContext& context) {
  const auto& call = std::get<plan::TypedCall>(expression.node);
  const auto name = call.function->name;
  const auto& type = expression.type;
  using Order = ListFinisher::Order;
  ListFinisher made;
  if (name == "percentile" || name == "median" || name == "percentile_cont" ||
      name == "percentile_disc") {
    Percentages wanted;
    DataType value_type = DataType::of(TypeKind::kDouble);
    const bool within = name == "percentile_cont" || name == "percentile_disc";
    if (name == "median") {
      wanted.values = {0.5};
    } else {
      WEIR_ASSIGN(wanted, percentages_of(call.arguments[within ? 0 : 1], context));
    }
    if (!within) value_type = call.arguments[0]->type;
    if (within && !call.within_group.empty() && call.within_group[0].expression->type.is_interval())
      value_type = call.within_group[0].expression->type;
    made.function = percentile_function(
        type, value_type, wanted,
        name == "percentile_disc" ? PercentileKind::kDiscrete : PercentileKind::kContinuous,
        call.arguments.size() > 2);
    made.order = Order::kAscending;
    return std::optional(std::move(made));
  }
  if (name == "percentile_approx") {
    WEIR_ASSIGN(auto wanted, percentages_of(call.arguments[1], context));
    made.function = approximate_function(type, std::move(wanted));
    made.order = Order::kAscending;
    return std::optional(std::move(made));
  }
  if (name == "mode") {
    made.function = mode_function(type);
    made.order = Order::kAscending;
    return std::optional(std::move(made));
  }
  if (name == "listagg") {
    std::string delimiter;
    if (call.arguments.size() > 1) {
      WEIR_ASSIGN(const auto text, constant_array(call.arguments[1], context));
      const Vector vector{text, false};
      if (text->null_count() == 0) delimiter = TextReader(vector)[0];
    }
    made.function =
        join_function(type, std::move(delimiter), call.distinct && call.within_group.empty());
    return std::optional(std::move(made));
  }
  WEIR_ASSIGN(made.function, sketch_finisher(expression, context));
  if (made.function) return std::optional(std::move(made));
  return std::optional<ListFinisher>();
}

Result<int> sketch_precision(double relative_error) {
  const double bits = std::ceil(2.0 * std::log(1.106 / relative_error) / std::log(2.0));
  if (bits >= 4 && bits <= 24) return static_cast<int>(bits);
  return base::error(base::ErrorKind::kInvalidArgument,
                     "[FAILED_FUNCTION_CALL] Failed preparing of the function "
                     "`approx_count_distinct` for call. Please, double check function's arguments: "
                     "the error may be between 0.0004 and 0.39.")
      .with_class("FAILED_FUNCTION_CALL")
      .with_sql_state("38000")
      .with_parameter("funcName", "`approx_count_distinct`");
}

Result<BatchFunction> sketch_entry(const plan::TypedPtr& value, int precision,
                                   const EvalContext& context) {
  plan::TypedCall call;
  call.function = plan::find_function("xxhash64");
  call.arguments = {std::make_shared<const plan::Typed>(
      plan::Typed{value->type, true, plan::TypedColumn{0, {}}, value->origin})};
  const auto hash = std::make_shared<const plan::Typed>(
      plan::Typed{DataType::of(TypeKind::kLong), false, std::move(call), value->origin});
  WEIR_ASSIGN(auto program, compile(hash));
  return BatchFunction([program = std::move(program), precision,
                        context](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    WEIR_ASSIGN(const auto hashes, program.evaluate(batch, context));
    const Vector vector{hashes, false}, given{batch.column(0), false};
    const FixedReader<int64_t> reader(vector);
    const Validity valid(given);
    FixedWriter<int32_t> writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (!valid[row]) {
        writer.set_null(row);
        continue;
      }
      const auto bits = static_cast<uint64_t>(reader[row]);
      const auto index = static_cast<int32_t>(bits >> (64 - precision));
      const uint64_t rest = (bits << precision) | (uint64_t{1} << (precision - 1));
      writer.set(row, index * 64 + std::countl_zero(rest) + 1);
    }
    return writer.finish(arrow::int32());
  });
}

namespace {

// The mean bias of the six measured estimates nearest to this one.
double bias_of(const BiasTable& table, double estimate) {
  constexpr size_t kNearest = 6;
  const auto& known = table.estimates;
  const auto at =
      static_cast<size_t>(std::lower_bound(known.begin(), known.end(), estimate) - known.begin());
  const auto distance = [&](size_t i) { return (estimate - known[i]) * (estimate - known[i]); };
  size_t low = at < kNearest ? 0 : at - kNearest + 1;
  size_t high = std::min(low + kNearest, known.size());
  while (high < known.size() && distance(high) < distance(low)) {
    ++low;
    ++high;
  }
  double sum = 0;
  for (size_t i = low; i < high; ++i)
    sum += table.biases[i];
  return sum / static_cast<double>(high - low);
}

// HyperLogLog++ as Spark estimates: small counts by the empty registers, the others by the raw
// estimate less its bias.
int64_t estimate_count(std::string_view registers, int precision) {
  const double m = std::ldexp(1, precision);
  double inverse = 0, empty = 0;
  for (const char rank : registers) {
    inverse += std::ldexp(1, -rank);
    empty += rank == 0;
  }
  const double alpha = precision == 4   ? 0.673
                       : precision == 5 ? 0.697
                       : precision == 6 ? 0.709
                                        : 0.7213 / (1 + 1.079 / m);
  const double raw = alpha * m * m / inverse;
  const auto* table = bias_table(precision);
  double estimate = table && raw < 5 * m ? raw - bias_of(*table, raw) : raw;
  if (empty > 0) {
    const double counted = m * std::log(m / empty);
    if (raw <= 2.5 * m || (table && counted <= table->linear_counting_up_to)) estimate = counted;
  }
  return std::llround(estimate);
}

}  // namespace

int64_t sketch_estimate(std::string_view registers, int precision) {
  return estimate_count(registers, precision);
}

BatchFunction sketch_estimate(int precision) {
  return [precision](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const ListReader lists(vector);
    const Vector values{lists.values(), false};
    const FixedReader<int32_t> entries(values);
    FixedWriter<int64_t> writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      std::string registers(size_t{1} << precision, 0);
      for (int64_t i = lists.begin(row); lists.valid[row] && i < lists.end(row); ++i) {
        auto& one = registers[static_cast<size_t>(entries[i] / 64)];
        one = std::max(one, static_cast<char>(entries[i] % 64));
      }
      writer.set(row, estimate_count(registers, precision));
    }
    return writer.finish(arrow::int64());
  };
}

}  // namespace weir::eval
