#include "streaming/case_parts.h"

#include <algorithm>

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_adapter.h"

namespace weir::streaming {

Result<std::shared_ptr<arrow::RecordBatch>> one_batch(
    const stream::RowBatches& rows, const std::shared_ptr<arrow::Schema>& schema) {
  stream::RowBatches named;
  for (const auto& one : rows)
    named.push_back(arrow::RecordBatch::Make(schema, one->num_rows(), one->columns()));
  WEIR_ARROW_ASSIGN(const auto table, arrow::Table::FromRecordBatches(schema, named));
  WEIR_ARROW_ASSIGN(auto made, table->CombineChunksToBatch());
  return made;
}

namespace {

std::string cell_text(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return "null";
  std::string text;
  switch (array.type_id()) {
    case arrow::Type::STRUCT:
      for (const auto& field : static_cast<const arrow::StructArray&>(array).fields())
        text += (text.empty() ? "" : ",") + cell_text(*field, row);
      return "{" + text + "}";
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i)
        text += (text.empty() ? "" : ",") + cell_text(*list.values(), i);
      return "[" + text + "]";
    }
    case arrow::Type::TIMESTAMP: {
      const int64_t us = static_cast<const arrow::TimestampArray&>(array).Value(row);
      if (us % 1'000'000 == 0) return std::to_string(us / 1'000'000);
      return fmt::format("{}", static_cast<double>(us) / 1e6);
    }
    case arrow::Type::STRING:
      return static_cast<const arrow::StringArray&>(array).GetString(row);
    default:
      return array.GetScalar(row).ValueOrDie()->ToString();
  }
}

class CaseWriter final : public sink::BatchWriter {
 public:
  CaseWriter(std::shared_ptr<CaseSink> sink, CaseWorld& world, int64_t batch, int parts)
      : sink_(std::move(sink)), world_(world), batch_(batch), parts_(static_cast<size_t>(parts)) {}
  Result<void> write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) override {
    for (int64_t row = 0; row < rows->num_rows(); ++row)
      parts_[static_cast<size_t>(part)].push_back(row_text(*rows, row));
    return {};
  }
  Result<sink::SinkCommit> commit() override {
    world_.reached("written");
    std::vector<std::string> rows;
    for (const auto& part : parts_)
      rows.insert(rows.end(), part.begin(), part.end());
    sink::SinkCommit commit;
    commit.rows = static_cast<int64_t>(rows.size());
    {
      std::lock_guard lock(sink_->mutex);
      if (world_.dead()) return base::error(base::ErrorKind::kIo, "no power");
      const auto [there, fresh] = sink_->batches.emplace(batch_, rows);
      commit.already_done = !fresh;
      if (!fresh) {
        auto before = there->second;
        std::sort(before.begin(), before.end());
        std::sort(rows.begin(), rows.end());
        if (before != rows)
          sink_->differs = fmt::format("batch {} came again with other rows: {} instead of {}",
                                       batch_, fmt::join(rows, "; "), fmt::join(before, "; "));
      }
    }
    world_.reached("committed");
    return commit;
  }
  Result<void> abort() override { return {}; }

 private:
  std::shared_ptr<CaseSink> sink_;
  CaseWorld& world_;
  int64_t batch_;
  std::vector<std::vector<std::string>> parts_;
};

}  // namespace

std::string row_text(const arrow::RecordBatch& rows, int64_t row) {
  std::string text;
  for (int i = 0; i < rows.num_columns(); ++i)
    text += (i ? "," : "") + cell_text(*rows.column(i), row);
  return text;
}

Result<std::unique_ptr<sink::BatchWriter>> CaseSinkPart::begin(base::BatchId batch, int parts) {
  return std::unique_ptr<sink::BatchWriter>(
      std::make_unique<CaseWriter>(rows_, world_, batch.value(), parts));
}

namespace {

std::shared_ptr<arrow::Array> longs(int64_t value) {
  arrow::Int64Builder builder;
  WEIR_CHECK(builder.Append(value).ok(), "a number");
  return builder.Finish().ValueOrDie();
}

operators::BatchPtr numbers(std::initializer_list<int64_t> values) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const int64_t value : values) {
    fields.push_back(arrow::field(fmt::format("n{}", fields.size()), arrow::int64()));
    columns.push_back(longs(value));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), 1, columns);
}

operators::BatchPtr with_key(const operators::BatchPtr& key, int64_t value) {
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("key", arrow::utf8()), arrow::field("n", arrow::int64())}), 1,
      {key->column(0), longs(value)});
}

int64_t number_in(const operators::GroupState& state) {
  if (!state.exists()) return 0;
  return static_cast<const arrow::Int64Array&>(*state.get()->column(0)).Value(0);
}

class CountToThree final : public operators::GroupFunction {
 public:
  Result<void> call(operators::GroupCall& group, const operators::Output& output) override {
    const int64_t count = number_in(group.state) + group.rows->num_rows();
    if (count >= 3) {
      group.state.remove();
      return {};
    }
    group.state.update(numbers({count}));
    return output(with_key(group.key, count));
  }
};

class Newest final : public operators::GroupFunction {
 public:
  Result<void> call(operators::GroupCall& group, const operators::Output& output) override {
    if (group.state.timed_out()) {
      group.state.remove();
      return output(with_key(group.key, -1));
    }
    int64_t newest = number_in(group.state);
    const auto& times = static_cast<const arrow::TimestampArray&>(*group.rows->column(1));
    for (int64_t row = 0; row < times.length(); ++row)
      newest = std::max(newest, times.Value(row) / 1'000'000);
    group.state.update(numbers({newest}));
    WEIR_TRY(group.state.set_timeout_timestamp((newest + 5) * 1'000'000));
    return output(with_key(group.key, newest));
  }
};

class Idle final : public operators::GroupFunction {
 public:
  Result<void> call(operators::GroupCall& group, const operators::Output& output) override {
    if (group.state.timed_out()) {
      group.state.remove();
      return output(with_key(group.key, -1));
    }
    const int64_t calls = number_in(group.state) + 1;
    group.state.update(numbers({calls}));
    WEIR_TRY(group.state.set_timeout_duration(10'000'000));
    return output(with_key(group.key, calls));
  }
};

}  // namespace

Result<std::unique_ptr<operators::GroupFunction>> case_function(const std::string& name) {
  std::unique_ptr<operators::GroupFunction> made;
  if (name == "count_to_three") made = std::make_unique<CountToThree>();
  if (name == "newest") made = std::make_unique<Newest>();
  if (name == "idle") made = std::make_unique<Idle>();
  return made;
}

std::pair<std::string, std::string> case_function_schemas(const std::string&) {
  return {"k string, n bigint", "n bigint"};
}

}  // namespace weir::streaming
