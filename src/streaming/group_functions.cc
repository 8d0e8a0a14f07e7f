#include "streaming/group_functions.h"

#include <arrow/api.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "eval/node.h"
#include "eval/vector.h"
#include "relational/group_states.h"
#include "session/user_functions.h"
#include "streaming/stream_start.h"

namespace weir::streaming {

namespace {

using operators::BatchPtr;
using operators::GroupCall;

class WorkerGroups final : public operators::GroupFunction {
 public:
  WorkerGroups(relational::GroupStateShape shape,
               std::unique_ptr<relational::GroupStateFunction> function)
      : shape_(std::move(shape)),
        rows_schema_(columnar::to_arrow_schema(shape_.rows)),
        state_type_(columnar::to_arrow(shape_.state)),
        function_(std::move(function)) {}

  Result<void> call(GroupCall& group, const operators::Output& output) override {
    return call_all({&group, 1}, output);
  }
  Result<void> call_all(std::span<GroupCall> groups, const operators::Output& output) override {
    if (groups.empty()) return {};
    WEIR_ASSIGN(const auto calls, calls_of(groups));
    WEIR_ASSIGN(const auto results, function_->run(calls, groups[0].state.stop(), output));
    return keep(groups, calls, results);
  }

 private:
  Result<relational::GroupCalls> calls_of(std::span<GroupCall> groups) const {
    relational::GroupCalls calls;
    const auto& first = groups[0].state;
    calls.timed_out = first.timed_out();
    calls.now_ms = first.batch_time_us() / 1000;
    calls.has_watermark = first.watermark_us() != operators::kNoWatermark;
    if (calls.has_watermark) calls.watermark_ms = first.watermark_us() / 1000;
    int64_t rows = 0;
    for (const auto& group : groups)
      calls.ends.push_back(rows += group.rows ? group.rows->num_rows() : 1);
    eval::FixedWriter<int64_t> repeated(rows);
    for (int64_t row = 0, group = 0; row < rows; ++row) {
      if (row == calls.ends[static_cast<size_t>(group)]) ++group;
      repeated.set(row, group);
    }
    const auto group_of = repeated.finish(arrow::int64());
    arrow::ArrayVector columns;
    for (int i = 0; i < rows_schema_->num_fields(); ++i) {
      const bool key = i < shape_.keys;
      if (!key && calls.timed_out) {
        WEIR_ARROW_ASSIGN(auto none, arrow::MakeArrayOfNull(rows_schema_->field(i)->type(), rows));
        columns.push_back(std::move(none));
        continue;
      }
      arrow::ArrayVector parts;
      for (const auto& group : groups)
        parts.push_back(key ? group.key->column(i) : group.rows->column(i - shape_.keys));
      WEIR_ARROW_ASSIGN(std::shared_ptr<arrow::Array> column, arrow::Concatenate(parts));
      if (key) {
        WEIR_ASSIGN(column, eval::take_rows(column, *group_of));
      }
      columns.push_back(std::move(column));
    }
    calls.rows = arrow::RecordBatch::Make(rows_schema_, rows, std::move(columns));
    WEIR_ASSIGN(calls.states, states_of(groups));
    return calls;
  }

  Result<std::shared_ptr<arrow::Array>> states_of(std::span<GroupCall> groups) const {
    arrow::ArrayVector parts;
    for (const auto& group : groups) {
      if (group.state.exists()) {
        parts.push_back(
            std::make_shared<arrow::StructArray>(state_type_, 1, group.state.get()->columns()));
      } else {
        WEIR_ARROW_ASSIGN(auto none, arrow::MakeArrayOfNull(state_type_, 1));
        parts.push_back(std::move(none));
      }
    }
    WEIR_ARROW_ASSIGN(auto states, arrow::Concatenate(parts));
    return states;
  }

  Result<void> keep(std::span<GroupCall> groups, const relational::GroupCalls& calls,
                    const relational::GroupResults& results) const {
    const auto& states = static_cast<const arrow::StructArray&>(*results.states);
    const auto all = arrow::RecordBatch::Make(arrow::schema(state_type_->fields()), states.length(),
                                              states.fields());
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      auto& state = groups[i].state;
      if (states.IsNull(row)) {
        state.remove();
      } else if (results.changes[i] == relational::StateChange::kUpdated) {
        state.update(all->Slice(row, 1));
      }
      const auto timeout = results.timeouts_ms[i];
      if (timeout < 0) continue;
      if (shape_.timeout == relational::GroupTimeout::kProcessingTime) {
        WEIR_TRY(state.set_timeout_duration((timeout - calls.now_ms) * 1000));
      } else {
        WEIR_TRY(state.set_timeout_timestamp(timeout * 1000));
      }
    }
    return {};
  }

  const relational::GroupStateShape shape_;
  const std::shared_ptr<arrow::Schema> rows_schema_;
  const std::shared_ptr<arrow::DataType> state_type_;
  const std::unique_ptr<relational::GroupStateFunction> function_;
};

}  // namespace

Result<std::unique_ptr<operators::GroupFunction>> group_function(session::Session& session,
                                                                 const plan::op::GroupMap& map) {
  auto* functions =
      dynamic_cast<relational::GroupStateFunctions*>(session::user_functions_of(session));
  if (functions == nullptr) return unsupported_in_stream("a user function");
  if (map.keys.empty()) return unsupported_in_stream("state by group without grouping columns");
  const auto option = [&map](const char* key) {
    const auto found = map.state.find(key);
    return found == map.state.end() ? std::string() : found->second;
  };
  relational::GroupStateShape shape;
  shape.keys = static_cast<int>(map.keys.size());
  WEIR_ASSIGN(shape.state, columnar::parse_ddl_schema(option("state_schema")));
  if (option("timeout") == "ProcessingTimeTimeout")
    shape.timeout = relational::GroupTimeout::kProcessingTime;
  if (option("timeout") == "EventTimeTimeout") shape.timeout = relational::GroupTimeout::kEventTime;
  std::vector<columnar::Field> fields;
  for (const auto& key : map.keys)
    fields.push_back(columnar::make_field("key" + std::to_string(fields.size()), key->type));
  for (const auto& column : map.child->columns)
    if (!column.hidden) fields.push_back(columnar::make_field(column.name, column.type));
  shape.rows = columnar::Schema::structure(std::move(fields));
  WEIR_ASSIGN(auto function, functions->group_states(*map.function, shape));
  return std::unique_ptr<operators::GroupFunction>(
      std::make_unique<WorkerGroups>(std::move(shape), std::move(function)));
}

Result<std::unique_ptr<state::TransformFunction>> transform_function(
    session::Session& session, const plan::PythonFunction& function,
    const state::TransformShape& shape) {
  auto* functions =
      dynamic_cast<relational::GroupStateFunctions*>(session::user_functions_of(session));
  if (functions == nullptr) return unsupported_in_stream("a user function");
  if (shape.key.fields().empty())
    return unsupported_in_stream("state by group without grouping columns");
  return functions->transform(function, shape);
}

}  // namespace weir::streaming
