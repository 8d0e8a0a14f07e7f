// Drives one stateful operator batch by batch in tests: rows as text, a watermark as the stream
// keeps it, restarts, batches without rows.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "io/model_file_system.h"
#include "operators/operator_factory.h"
#include "plan/function_catalog.h"

namespace weir::operators::testing {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using Cell = std::optional<int64_t>;

constexpr int64_t kSecond = 1'000'000;

// Columns of test rows: numbers; "t" timestamps (seconds); "w10" windows of so many seconds
// (begin).
inline DataType cell_type(const std::string& kind) {
  if (kind == "t") return DataType::of(TypeKind::kTimestamp);
  if (kind == "s") return DataType::of(TypeKind::kString);
  if (kind[0] == 'w') {
    return DataType::structure({columnar::make_field("start", DataType::of(TypeKind::kTimestamp)),
                                columnar::make_field("end", DataType::of(TypeKind::kTimestamp))});
  }
  return DataType::of(TypeKind::kInteger);
}

struct TestColumn {
  std::string name;
  std::string kind = "i";
  bool event = false;
};

inline std::shared_ptr<arrow::Array> cells(const std::string& kind,
                                           const std::vector<Cell>& values) {
  const auto done = [](arrow::ArrayBuilder& builder) { return builder.Finish().ValueOrDie(); };
  if (kind == "i") {
    arrow::Int32Builder builder;
    for (const auto& value : values)
      (void)(value ? builder.Append(static_cast<int32_t>(*value)) : builder.AppendNull());
    return done(builder);
  }
  if (kind == "s") {
    arrow::StringBuilder builder;
    for (const auto& value : values)
      (void)(value ? builder.Append(fmt::format("s{}", *value)) : builder.AppendNull());
    return done(builder);
  }
  arrow::TimestampBuilder begin(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  arrow::TimestampBuilder end(begin.type(), arrow::default_memory_pool());
  const int64_t width = kind == "t" ? 1 : std::stoll(kind.substr(1));
  for (const auto& value : values) {
    if (!value) {
      (void)begin.AppendNull();
      (void)end.AppendNull();
      continue;
    }
    const int64_t floor = *value - ((*value % width) + width) % width;
    (void)begin.Append((kind == "t" ? *value : floor) * kSecond);
    (void)end.Append((floor + width) * kSecond);
  }
  if (kind == "t") return done(begin);
  return arrow::StructArray::Make({done(begin), done(end)},
                                  columnar::to_arrow(cell_type(kind))->fields())
      .ValueOrDie();
}

inline plan::OperatorPtr source(const std::vector<TestColumn>& columns) {
  std::vector<plan::Column> made;
  for (const auto& column : columns) {
    plan::Column one;
    one.name = column.name;
    one.type = cell_type(column.kind);
    if (column.event) one.metadata["spark.watermarkDelayMs"] = 10000;
    made.push_back(std::move(one));
  }
  return plan::make_operator(plan::op::LocalRows{}, std::move(made), true);
}

inline BatchPtr rows_of(const std::vector<TestColumn>& columns,
                        const std::vector<std::vector<Cell>>& rows) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (size_t c = 0; c < columns.size(); ++c) {
    std::vector<Cell> values;
    for (const auto& row : rows)
      values.push_back(row[c]);
    arrays.push_back(cells(columns[c].kind, values));
    fields.push_back(arrow::field(columns[c].name, arrays.back()->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), static_cast<int64_t>(rows.size()), arrays);
}

inline std::string cell_text(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return "null";
  switch (array.type_id()) {
    case arrow::Type::STRUCT:
      return cell_text(*static_cast<const arrow::StructArray&>(array).field(0), row);
    case arrow::Type::TIMESTAMP:
      return std::to_string(static_cast<const arrow::TimestampArray&>(array).Value(row) / kSecond);
    case arrow::Type::STRING:
      return static_cast<const arrow::StringArray&>(array).GetString(row);
    default:
      return array.GetScalar(row).ValueOrDie()->ToString();
  }
}

inline void append_rows(const arrow::RecordBatch& batch, std::vector<std::string>& out) {
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    std::string text;
    for (const auto& column : batch.columns())
      text += (text.empty() ? "" : ",") + cell_text(*column, row);
    out.push_back(text);
  }
}

inline plan::TypedPtr column(const plan::OperatorPtr& node, int index, int shift = 0) {
  const auto& found = node->columns[static_cast<size_t>(index)];
  return std::make_shared<const plan::Typed>(
      plan::Typed{found.type, found.nullable, plan::TypedColumn{index + shift, found.name}, {}});
}
inline plan::TypedPtr call(const char* function, std::vector<plan::TypedPtr> arguments,
                           DataType type, bool distinct = false) {
  plan::TypedCall made;
  made.function = plan::find_function(function);
  made.arguments = std::move(arguments);
  made.distinct = distinct;
  return std::make_shared<const plan::Typed>(
      plan::Typed{std::move(type), true, std::move(made), {}});
}
inline plan::TypedPtr literal(DataType type, plan::Value value) {
  return std::make_shared<const plan::Typed>(
      plan::Typed{std::move(type), false, plan::TypedLiteral{std::move(value)}, {}});
}
inline plan::TypedPtr count_rows() {
  return call("count", {literal(DataType::of(TypeKind::kInteger), int64_t{1})},
              DataType::of(TypeKind::kLong));
}
inline plan::OperatorPtr aggregate(const plan::OperatorPtr& child, std::vector<plan::TypedPtr> keys,
                                   std::vector<plan::TypedPtr> aggregates) {
  std::vector<plan::Column> columns;
  for (const auto& list : {keys, aggregates}) {
    for (const auto& one : list) {
      plan::Column made;
      made.name = fmt::format("c{}", columns.size());
      made.type = one->type;
      columns.push_back(std::move(made));
    }
  }
  return plan::make_operator(plan::op::Aggregate{child, std::move(keys), std::move(aggregates), {}},
                             std::move(columns), true);
}

// The operator with its checkpoint.
class Drive {
 public:
  Drive(plan::OperatorPtr node, OutputMode mode, int64_t delay_s = -1)
      : node_(std::move(node)), mode_(mode), delay_(delay_s) {}

  int threads = 1;
  int shards = 8;
  bool batches_without_rows = true;
  std::string provider = "memory";
  std::function<int64_t(const arrow::RecordBatch&)> latest;  // event time (s) of a batch's rows

  base::Result<void> start() {
    StateEnvironment environment;
    environment.files = files_.get();
    environment.folder = "/state";
    environment.provider = provider;
    environment.shards = shards;
    environment.threads = threads;
    auto made = make_operator(node_, mode_, environment);
    if (!made.ok()) return std::move(made).error();
    operator_ = std::move(made).value();
    return operator_->open(version_, version_ ? &manifest_ : nullptr);
  }
  void restart() {
    operator_.reset();
    const auto started = start();
    WEIR_CHECK(started.ok(), started.error().to_string());
  }

  // The batch and, where it moves the event time, the batch without rows after it. inputs[i] are
  // the batches of input i; `parts` collectors take them in turn. Sorted rows of text.
  std::vector<std::string> batch(const std::vector<std::vector<BatchPtr>>& inputs) {
    if (!operator_) restart();
    std::vector<std::string> out;
    dropped = 0;
    int64_t newest = INT64_MIN;
    for (const auto& input : inputs) {
      for (const auto& rows : input) {
        if (latest && rows->num_rows() > 0) newest = std::max(newest, latest(*rows));
      }
    }
    run(inputs, out);
    const bool moved = advance(newest);
    if (batches_without_rows && moved && operator_->wants_batch_without_rows(watermark_)) {
      run({}, out);
      advance(INT64_MIN);
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  std::vector<std::string> batch(const BatchPtr& rows) { return batch({{{rows}}}); }

  // As if the commit had failed: the batch is rolled back and run again.
  bool retry_each_batch = false;
  int64_t dropped = 0;
  int64_t late() const { return late_ == kNoWatermark ? INT64_MIN : late_ / kSecond; }
  StatefulOperator& get() { return *operator_; }
  int64_t rows() const { return operator_->metrics().rows_total; }

 private:
  void run(const std::vector<std::vector<BatchPtr>>& inputs, std::vector<std::string>& out) {
    for (int attempt = retry_each_batch ? 0 : 1; attempt < 2; ++attempt) {
      std::vector<std::string> given;
      BatchRun one;
      one.batch = base::BatchId(next_);
      one.late_us = late_;
      one.eviction_us = watermark_;
      require(operator_->begin(one));
      for (size_t i = 0; i < inputs.size(); ++i) {
        std::vector<std::unique_ptr<Collector>> collectors;
        for (int t = 0; t < threads; ++t)
          collectors.push_back(operator_->collector(static_cast<int>(i)).value());
        // Parts in order: each collector takes a run of the batches.
        const size_t each =
            (inputs[i].size() + static_cast<size_t>(threads) - 1) / static_cast<size_t>(threads);
        for (size_t b = 0; b < inputs[i].size(); ++b)
          require(collectors[each ? b / each : 0]->add(inputs[i][b]));
      }
      require(operator_->finish([&](const BatchPtr& rows) -> base::Result<void> {
        require(base::Result<void>());
        append_rows(*rows, given);
        return {};
      }));
      auto manifest = operator_->prepare();
      WEIR_CHECK(manifest.ok(), manifest.error().to_string());
      if (attempt == 0) {
        operator_->roll_back();
        continue;
      }
      manifest_ = std::move(manifest).value();
      operator_->committed();
      version_ = base::BatchId(next_++);
      dropped += operator_->metrics().rows_dropped_by_watermark;
      out.insert(out.end(), given.begin(), given.end());
    }
  }
  bool advance(int64_t newest_s) {
    late_ = watermark_;
    if (delay_ < 0 || newest_s == INT64_MIN) return false;
    const int64_t to = (newest_s - delay_) * kSecond;
    if (to <= watermark_) return false;
    watermark_ = std::max<int64_t>(to, 0);
    return watermark_ > late_;
  }
  static void require(const base::Result<void>& result) {
    if (!result.ok()) WEIR_CHECK(false, result.error().to_string());
  }

  plan::OperatorPtr node_;
  OutputMode mode_;
  int64_t delay_;
  std::unique_ptr<io::ModelFileSystem> files_ = std::make_unique<io::ModelFileSystem>(1);
  std::unique_ptr<StatefulOperator> operator_;
  std::optional<base::BatchId> version_;
  base::JsonObject manifest_;
  int64_t next_ = 0;
  int64_t watermark_ = kNoWatermark;
  int64_t late_ = kNoWatermark;
};

}  // namespace weir::operators::testing
