// Commands about streaming queries: starting, asking, waiting, stopping, listening.
#include <spark/connect/base.pb.h>
#include <spark/connect/commands.pb.h>

#include "base/json.h"
#include "base/text.h"
#include "connect/errors.h"
#include "connect/execution.h"
#include "connect/plan_decoder.h"
#include "connect/requests.h"
#include "connect/stream_functions.h"
#include "plan/temporal_text.h"

namespace weir::connect {

namespace {

using base::Error;
using base::ErrorKind;
using spark::connect::ExecutePlanResponse;
using spark::connect::Plan;
using spark::connect::StreamingQueryCommand;
using spark::connect::StreamingQueryListenerBusCommand;
using spark::connect::StreamingQueryManagerCommand;
using spark::connect::WriteStreamOperationStart;

// For a parameter of a connection string.
std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return encoded;
}

Result<int64_t> trigger_interval_us(const std::string& text) {
  const auto parsed = plan::parse_duration(text);
  if (!parsed) {
    return Error(ErrorKind::kInvalidArgument,
                 fmt::format("Unable to parse '{}'. Please ensure that the value provided is in a "
                             "valid format for defining an interval.",
                             text))
        .with_class("CANNOT_PARSE_INTERVAL")
        .with_sql_state("22006")
        .with_parameter("intervalString", "'" + text + "'");
  }
  if (parsed->months != 0)
    return base::error(ErrorKind::kInvalidArgument,
                       "Doesn't support month or year interval: {}: the trigger's interval is in "
                       "weeks, days or shorter",
                       text);
  if (parsed->us < 0)
    return base::error(ErrorKind::kInvalidArgument,
                       "the interval of trigger should not be "
                       "negative: {}",
                       text);
  return parsed->us;
}

Result<stream::Trigger> read_trigger(const WriteStreamOperationStart& write) {
  switch (write.trigger_case()) {
    case WriteStreamOperationStart::TRIGGER_NOT_SET:
      return stream::Trigger::processing_time(0);
    case WriteStreamOperationStart::kProcessingTimeInterval: {
      WEIR_ASSIGN(const int64_t us, trigger_interval_us(write.processing_time_interval()));
      return stream::Trigger::processing_time(us);
    }
    case WriteStreamOperationStart::kAvailableNow:
      return stream::Trigger::available_now();
    case WriteStreamOperationStart::kOnce:
      return stream::Trigger::once();
    case WriteStreamOperationStart::kContinuousCheckpointInterval:
      return unsupported(
          "trigger(continuous=…), whose rows reach the sink before they are logged and come again "
          "after a restart (a query without a trigger starts a batch as soon as there are rows),");
    default:
      return unsupported(
          "trigger(realTime=…) (a query without a trigger starts a batch as soon as there are "
          "rows)");
  }
}

void write_identity(const streaming::StreamQuery& query,
                    spark::connect::StreamingQueryInstanceId& out) {
  out.set_id(query.id());
  out.set_run_id(query.run_id());
}

Result<streaming::StreamQueryPtr> find_query(const streaming::StreamQueries& queries,
                                             const spark::connect::StreamingQueryInstanceId& id) {
  if (auto query = queries.find_run(id.id(), id.run_id())) return query;
  if (const auto newer = queries.find(id.id()))
    return invalid_plan(
        "Run id mismatch for query id {}. Run id in the request {} does not match one on the "
        "server {}. The query might have restarted.",
        id.id(), id.run_id(), newer->run_id());
  return invalid_plan("Streaming query {} is not found", id.id());
}

// Absent: without end. Spark's clients send milliseconds above zero.
template <typename Command>
Result<std::optional<int64_t>> timeout_us(const Command& command) {
  if (!command.has_timeout_ms()) return std::optional<int64_t>();
  if (command.timeout_ms() <= 0)
    return base::error(ErrorKind::kInvalidArgument, "Timeout has to be positive");
  constexpr int64_t kLongestMs = INT64_MAX / 2000;
  return std::optional(std::min<int64_t>(command.timeout_ms(), kLongestMs) * 1000);
}

}  // namespace

bool waits_for_queries(const Plan& plan) {
  if (!plan.has_command()) return false;
  const auto& command = plan.command();
  if (command.has_streaming_query_command())
    return command.streaming_query_command().has_await_termination() ||
           command.streaming_query_command().process_all_available() ||
           command.streaming_query_command().stop();
  if (command.has_streaming_query_manager_command())
    return command.streaming_query_manager_command().has_await_any_termination();
  return command.has_streaming_query_listener_bus_command();
}

Result<std::shared_ptr<streaming::BatchFunction>> Execution::batch_function(
    std::string command, std::string python_version) {
  auto* functions = session_.functions();
  if (!functions || !options_.local_url)
    return unsupported("foreachBatch by a server without Python");
  WEIR_ASSIGN(std::string url, options_.local_url());
  url += fmt::format(";user_id={}", percent_encoded(session_.user()));
  auto worker = functions->for_each_batch(
      {std::move(command), std::move(python_version), session_.id(), std::move(url)});
  WEIR_TRY(worker->start(operation_.stop_token()));
  return batch_function_of(session_.engine(), random_, std::move(worker));
}

Result<void> Execution::run_write_stream(const WriteStreamOperationStart& write) {
  WEIR_ASSIGN(auto* queries, session_.queries());
  const auto context = decoder_context(session_, operation_.stop_token());
  PlanDecoder decoder(context);
  streaming::StreamWrite request;
  WEIR_ASSIGN(request.plan, decoder.relation(write.input()));
  request.name = write.query_name();
  request.format = base::lower_case(write.format());
  request.mode = write.output_mode();
  WEIR_ASSIGN(request.trigger, read_trigger(write));
  if (write.has_path()) request.path = write.path();
  if (write.has_table_name()) {
    WEIR_ASSIGN(request.table, sql::parse_table_name(write.table_name()));
  }
  request.partition_by.assign(write.partitioning_column_names().begin(),
                              write.partitioning_column_names().end());
  request.cluster_by.assign(write.clustering_column_names().begin(),
                            write.clustering_column_names().end());
  request.options = read_options(write.options());
  if (write.has_foreach_batch()) {
    if (!write.foreach_batch().has_python_function())
      return unsupported("foreachBatch by a function that is not Python");
    const auto& function = write.foreach_batch().python_function();
    WEIR_ASSIGN(request.for_each_batch, batch_function(function.command(), function.python_ver()));
  }
  if (write.has_foreach_writer()) {
    if (!write.foreach_writer().has_python_function())
      return unsupported("foreach by a function that is not Python");
    if (!session_.functions()) return unsupported("foreach by a server without Python");
    plan::PythonFunction function;
    function.name = "foreach";
    function.command = write.foreach_writer().python_function().command();
    function.python_version = write.foreach_writer().python_function().python_ver();
    request.for_each = row_function_of(*session_.functions(), std::move(function));
  }
  WEIR_ASSIGN(const auto query, queries->start(std::move(request)));
  const base::JsonObject started{
      {"id", query->id()},
      {"runId", query->run_id()},
      {"name", query->name().empty() ? base::JsonValue(nullptr) : base::JsonValue(query->name())},
      {"timestamp", base::format_utc_ms(query->status().started_us)},
      {"jobTags", base::JsonArray()}};
  ExecutePlanResponse response;
  auto& result = *response.mutable_write_stream_operation_start_result();
  write_identity(*query, *result.mutable_query_id());
  result.set_name(query->name());
  result.set_query_started_event_json(base::json_text(started));
  return operation_.put(response.SerializeAsString());
}

Result<void> Execution::run_query_command(const StreamingQueryCommand& command) {
  WEIR_ASSIGN(auto* queries, session_.queries());
  WEIR_ASSIGN(const auto query, find_query(*queries, command.query_id()));
  ExecutePlanResponse response;
  auto& result = *response.mutable_streaming_query_command_result();
  write_identity(*query, *result.mutable_query_id());
  switch (command.command_case()) {
    case StreamingQueryCommand::kStatus: {
      const auto status = query->status();
      result.mutable_status()->set_status_message(status.message);
      result.mutable_status()->set_is_data_available(status.data_available);
      result.mutable_status()->set_is_trigger_active(status.trigger_active);
      result.mutable_status()->set_is_active(query->active());
      break;
    }
    case StreamingQueryCommand::kLastProgress: {
      auto& progress = *result.mutable_recent_progress();
      if (auto last = query->last_progress()) progress.add_recent_progress_json(*last);
      break;
    }
    case StreamingQueryCommand::kRecentProgress: {
      auto& progress = *result.mutable_recent_progress();
      for (auto& one : query->recent_progress())
        progress.add_recent_progress_json(std::move(one));
      break;
    }
    case StreamingQueryCommand::kStop:
      WEIR_TRY(query->stop());
      break;
    case StreamingQueryCommand::kProcessAllAvailable:
      WEIR_TRY(query->process_all_available(operation_.stop_token()));
      break;
    case StreamingQueryCommand::kExplain: {
      WEIR_ASSIGN(auto text, query->explain(command.explain().extended()));
      result.mutable_explain()->set_result(std::move(text));
      break;
    }
    case StreamingQueryCommand::kException: {
      auto& exception = *result.mutable_exception();
      if (const auto failure = query->failure()) {
        // The client drops all up to the first ": ".
        exception.set_exception_message(exception_classes(*failure).front() + ": " +
                                        exception_text(*failure));
        exception.set_error_class(failure->error_class());
      }
      break;
    }
    case StreamingQueryCommand::kAwaitTermination: {
      WEIR_ASSIGN(const auto timeout, timeout_us(command.await_termination()));
      WEIR_ASSIGN(const bool ended, query->wait(timeout, operation_.stop_token()));
      result.mutable_await_termination()->set_terminated(ended);
      break;
    }
    default:
      return unsupported("the streaming query command {}", case_name(command, "command"));
  }
  return operation_.put(response.SerializeAsString());
}

Result<void> Execution::run_manager_command(const StreamingQueryManagerCommand& command) {
  WEIR_ASSIGN(auto* queries, session_.queries());
  ExecutePlanResponse response;
  auto& result = *response.mutable_streaming_query_manager_command_result();
  const auto write = [](const streaming::StreamQuery& query, auto& out) {
    write_identity(query, *out.mutable_id());
    if (!query.name().empty()) out.set_name(query.name());
  };
  switch (command.command_case()) {
    case StreamingQueryManagerCommand::kActive:
      result.mutable_active();
      for (const auto& query : queries->active())
        write(*query, *result.mutable_active()->add_active_queries());
      break;
    case StreamingQueryManagerCommand::kGetQuery: {
      const auto query = queries->find(command.get_query());
      if (query && query->active()) write(*query, *result.mutable_query());
      break;
    }
    case StreamingQueryManagerCommand::kAwaitAnyTermination: {
      WEIR_ASSIGN(const auto timeout, timeout_us(command.await_any_termination()));
      WEIR_ASSIGN(const bool ended, queries->wait_any(timeout, operation_.stop_token()));
      result.mutable_await_any_termination()->set_terminated(ended);
      break;
    }
    case StreamingQueryManagerCommand::kResetTerminated:
      queries->reset_terminated();
      result.set_reset_terminated(true);
      break;
    case StreamingQueryManagerCommand::kListListeners:
      result.mutable_list_listeners();  // those of the listener bus are the client's own
      break;
    case StreamingQueryManagerCommand::kAddListener:
    case StreamingQueryManagerCommand::kRemoveListener:
      return unsupported(
          "a streaming listener that runs in the server (PySpark since 4.0 runs its listeners "
          "itself)");
    default:
      return unsupported("the streaming manager's command {}", case_name(command, "command"));
  }
  return operation_.put(response.SerializeAsString());
}

Result<void> Execution::run_bus_command(const StreamingQueryListenerBusCommand& command) {
  WEIR_ASSIGN(auto* queries, session_.queries());
  switch (command.command_case()) {
    case StreamingQueryListenerBusCommand::kAddListenerBusListener:
      return session_.listeners().serve(*queries, operation_);
    case StreamingQueryListenerBusCommand::kRemoveListenerBusListener:
      session_.listeners().remove();
      return {};
    default:
      return unsupported("the listener command {}", case_name(command, "command"));
  }
}

}  // namespace weir::connect
