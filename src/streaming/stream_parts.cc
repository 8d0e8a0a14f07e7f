#include <arrow/record_batch.h>

#include "io/file_system.h"
#include "plan/stream_rewrites.h"
#include "session/conf_overlay.h"
#include "session/stream_table.h"
#include "state/state_store.h"
#include "streaming/group_functions.h"
#include "streaming/json_fields.h"
#include "streaming/pulled_calls.h"
#include "streaming/stream_start.h"

namespace weir::streaming {

using base::error;
using base::ErrorKind;

operators::OutputMode output_mode(plan::StreamMode mode) {
  switch (mode) {
    case plan::StreamMode::kUpdate:
      return operators::OutputMode::kUpdate;
    case plan::StreamMode::kComplete:
      return operators::OutputMode::kComplete;
    case plan::StreamMode::kAppend:
      break;
  }
  return operators::OutputMode::kAppend;
}

Result<PlannedStream> plan_stream(session::Session& session, const plan::PlanPtr& plan,
                                  plan::StreamMode mode) {
  PlannedStream planned;
  WEIR_ASSIGN(planned.analyzed, session.analyze(plan));
  if (!planned.analyzed->streaming) {
    return error(ErrorKind::kInvalidArgument,
                 "`writeStream` can be called only on streaming Dataset/DataFrame.")
        .with_class("WRITE_STREAM_NOT_ALLOWED")
        .with_sql_state("42601");
  }
  planned.analyzed = plan::with_excepts_as_joins(planned.analyzed);
  if (session.get("spark.sql.streaming.unsupportedOperationCheck").value_or("true") != "false")
    WEIR_TRY(plan::check_streaming(
        planned.analyzed, mode, operators::event_time_columns,
        session.get("spark.sql.streaming.statefulOperator.checkCorrectness.enabled") != "false"));
  WEIR_ASSIGN(planned.optimized, session.optimize(planned.analyzed));
  planned.optimized = with_narrow_json(with_pulled_calls(planned.optimized));
  return planned;
}

Result<stream::QueryParts> make_parts(session::Session& session, io::FileSystem& files,
                                      const StreamWrite& write, const plan::OperatorPtr& root,
                                      plan::StreamMode mode, const QueryConf& conf,
                                      const std::string& checkpoint, int threads,
                                      const std::map<std::string, std::string>& settings) {
  stream::PlanEnvironment environment;
  const auto output = output_mode(mode);
  environment.eval = session.eval_context();
  environment.is_stateful = [output](const plan::Operator& node) {
    return operators::is_stateful(node, output);
  };
  operators::StateEnvironment state;
  state.files = &files;
  state.folder = io::join_path(checkpoint, "state");
  state.provider = conf.provider;
  state.shards = conf.shards;
  state.threads = threads;
  if (conf.provider == "rocksdb")
    state.rocksdb_memory = state::StateMemory::make(conf.rocksdb_memory_mb << 20);
  state.conf = session.all_set();
  for (const auto& [key, value] : conf.pinned)
    state.conf[key] = value;
  for (const auto& [key, value] : settings)
    state.conf[key] = value;
  state.make_group_function =
      [&session, native = write.group_function](
          const plan::op::GroupMap& map) -> Result<std::unique_ptr<operators::GroupFunction>> {
    if (native) {
      WEIR_ASSIGN(auto made, native(map));
      if (made != nullptr) return made;
    }
    return group_function(session, map);
  };
  state.make_transform_function = [&session](const plan::PythonFunction& function,
                                             const state::TransformShape& shape) {
    return transform_function(session, function, shape);
  };
  environment.make_operator = [output, state](const plan::OperatorPtr& node, int64_t id) {
    auto own = state;
    own.operator_id = id;
    return operators::make_operator(node, output, std::move(own));
  };
  environment.execute =
      [&session, settings](
          const plan::OperatorPtr& plan, const eval::EvalContext& eval, std::stop_token stop,
          const stream::PlanEnvironment::Observed& observed) -> Result<stream::RowBatches> {
    const session::ConfOverlay overlay(settings);
    WEIR_ASSIGN(const auto rows, session.run_optimized(plan, eval, observed));
    stream::RowBatches all;
    while (true) {
      WEIR_ASSIGN(auto batch, rows->next(stop));
      if (batch == nullptr) return all;
      if (batch->num_rows() > 0) all.push_back(std::move(batch));
    }
  };
  stream::QueryParts parts;
  WEIR_ASSIGN(parts.plan, stream::StreamPlan::create(root, std::move(environment)));
  for (const auto& table : parts.plan->tables()) {
    const auto* streaming = dynamic_cast<const session::StreamTable*>(table.get());
    if (streaming == nullptr) return unsupported_in_stream("the source " + table->description());
    WEIR_ASSIGN(auto source, streaming->make_source());
    parts.sources.push_back(std::move(source));
  }
  return parts;
}

}  // namespace weir::streaming
