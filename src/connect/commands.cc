// Commands: SQL, writing, views, functions, checkpoints.
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <spark/connect/base.pb.h>
#include <spark/connect/commands.pb.h>

#include "base/text.h"
#include "columnar/arrow_types.h"
#include "connect/arrow_results.h"
#include "connect/delta_calls.h"
#include "connect/execution.h"
#include "connect/plan_decoder.h"
#include "connect/requests.h"
#include "plan/operator.h"

namespace weir::connect {

namespace {

using spark::connect::Command;
using spark::connect::ExecutePlanResponse;
using spark::connect::Relation;
using spark::connect::WriteOperation;
using spark::connect::WriteOperationV2;

// A command's rows as a relation that holds them.
Result<void> write_local_relation(const session::StatementResult& result, const std::string& zone,
                                  Relation& out) {
  auto& local = *out.mutable_local_relation();
  local.set_schema(base::json_text(result.schema.to_json()));
  const auto wanted = client_schema(result.schema, zone);
  BatchPtr all;
  if (result.rows.empty()) {
    WEIR_ASSIGN(all, empty_batch(wanted));
  } else if (result.rows.size() == 1) {
    WEIR_ASSIGN(all, conform(result.rows.front(), wanted));
  } else {
    std::vector<BatchPtr> conformed;
    for (const auto& batch : result.rows) {
      WEIR_ASSIGN(auto one, conform(batch, wanted));
      conformed.push_back(std::move(one));
    }
    WEIR_ASSIGN(all, join_batches(conformed));
  }
  WEIR_ASSIGN(const auto encoded, encode_batch(all));
  local.set_data(encoded.bytes->data(), static_cast<size_t>(encoded.bytes->size()));
  return {};
}

Result<session::SaveMode> save_mode(WriteOperation::SaveMode mode) {
  switch (mode) {
    case WriteOperation::SAVE_MODE_APPEND:
      return session::SaveMode::kAppend;
    case WriteOperation::SAVE_MODE_OVERWRITE:
      return session::SaveMode::kOverwrite;
    case WriteOperation::SAVE_MODE_IGNORE:
      return session::SaveMode::kIgnore;
    case WriteOperation::SAVE_MODE_UNSPECIFIED:
    case WriteOperation::SAVE_MODE_ERROR_IF_EXISTS:
      return session::SaveMode::kErrorIfExists;
    default:
      return invalid_plan("the save mode {} is not known", static_cast<int>(mode));
  }
}

}  // namespace

Result<void> Execution::run_command(const Command& command) {
  const auto context = decoder_context(session_, operation_.stop_token());
  PlanDecoder decoder(context);
  switch (command.command_type_case()) {
    case Command::kSqlCommand:
      WEIR_TRY(run_sql(command.sql_command()));
      break;
    case Command::kWriteOperation:
      WEIR_TRY(run_write(command.write_operation()));
      break;
    case Command::kWriteOperationV2:
      WEIR_TRY(run_write_to(command.write_operation_v2()));
      break;
    case Command::kCreateDataframeView: {
      const auto& view = command.create_dataframe_view();
      WEIR_ASSIGN(auto plan, decoder.relation(view.input()));
      WEIR_TRY(session_.engine().create_temp_view(view.name(), std::move(plan), view.replace(),
                                                  view.is_global()));
      break;
    }
    case Command::kRegisterFunction: {
      WEIR_ASSIGN(auto function, read_python_function(command.register_function()));
      session_.engine().register_function(std::move(function));
      break;
    }
    case Command::kCheckpointCommand:
      WEIR_TRY(run_checkpoint(command.checkpoint_command()));
      break;
    case Command::kWriteStreamOperationStart:
      WEIR_TRY(run_write_stream(command.write_stream_operation_start()));
      break;
    case Command::kStreamingQueryCommand:
      WEIR_TRY(run_query_command(command.streaming_query_command()));
      break;
    case Command::kStreamingQueryManagerCommand:
      WEIR_TRY(run_manager_command(command.streaming_query_manager_command()));
      break;
    case Command::kStreamingQueryListenerBusCommand:
      WEIR_TRY(run_bus_command(command.streaming_query_listener_bus_command()));
      break;
    case Command::kRemoveCachedRemoteRelationCommand:
      session_.engine().forget(
          command.remove_cached_remote_relation_command().relation().relation_id());
      break;
    case Command::kGetResourcesCommand: {
      ExecutePlanResponse response;
      response.mutable_get_resources_command_result();
      WEIR_TRY(operation_.put(response.SerializeAsString()));
      break;
    }
    case Command::kExtension:
      return delta_command(command.extension());
    default:
      return unsupported("the command {}", case_name(command, "command_type"));
  }
  return finish_rows();
}

Result<void> Execution::run_sql(const spark::connect::SqlCommand& command) {
  const auto context = decoder_context(session_, operation_.stop_token());
  PlanDecoder decoder(context);
  // Clients since 4.0 send the text as a relation, with the plans that it names beside it.
  const Relation* root = command.has_input() ? &command.input() : nullptr;
  const bool with_views = root != nullptr && root->has_with_relations();
  if (with_views) root = &root->with_relations().root();
  ExecutePlanResponse response;
  auto& relation = *response.mutable_sql_command_result()->mutable_relation();
  if (root != nullptr && !root->has_sql()) {
    relation = command.input();
    return operation_.put(response.SerializeAsString());
  }
  std::string text;
  sql::ParseOptions options;
  if (root != nullptr) {
    text = root->sql().query();
    WEIR_ASSIGN(options, decoder.sql_parameters(root->sql()));
  } else {
    text = command.sql();
    WEIR_ASSIGN(options, decoder.sql_parameters(command));
  }
  WEIR_ASSIGN(const auto statement, sql::parse_statement(text, options));
  if (std::holds_alternative<plan::QueryStatement>(statement.kind)) {
    // Analysed now, so that its errors come now; run when the client asks for the rows.
    if (root != nullptr) {
      relation = command.input();
    } else {
      relation.mutable_sql()->set_query(text);
      *relation.mutable_sql()->mutable_args() = command.args();
      *relation.mutable_sql()->mutable_pos_args() = command.pos_args();
    }
    WEIR_ASSIGN(const auto plan, decoder.relation(relation));
    WEIR_TRY(session_.engine().analyze(plan));
    return operation_.put(response.SerializeAsString());
  }
  if (with_views) return unsupported("a command with DataFrames as arguments");
  WEIR_ASSIGN(const auto result, session_.engine().execute(statement, operation_.stop_token()));
  WEIR_TRY(write_local_relation(
      result, session_.engine().get("spark.sql.session.timeZone").value_or("UTC"), relation));
  return operation_.put(response.SerializeAsString());
}

Result<void> Execution::run_write(const WriteOperation& write) {
  const auto context = decoder_context(session_, operation_.stop_token());
  PlanDecoder decoder(context);
  session::WriteRequest request;
  WEIR_ASSIGN(request.plan, decoder.relation(write.input()));
  request.format = base::lower_case(write.source());
  WEIR_ASSIGN(request.mode, save_mode(write.mode()));
  if (write.has_bucket_by()) return unsupported("bucketBy");
  if (write.sort_column_names_size() > 0) return unsupported("sortBy");
  if (write.clustering_columns_size() > 0) return unsupported("clusterBy");
  request.partition_by.assign(write.partitioning_columns().begin(),
                              write.partitioning_columns().end());
  request.options = read_options(write.options());
  if (write.with_schema_evolution()) request.options["mergeschema"] = "true";
  if (write.has_table()) {
    WEIR_ASSIGN(request.table, sql::parse_table_name(write.table().table_name()));
    request.insert_into =
        write.table().save_method() == WriteOperation::SaveTable::TABLE_SAVE_METHOD_INSERT_INTO;
  } else if (write.has_path()) {
    request.path = write.path();
  }
  return session_.engine().write(request, operation_.stop_token());
}

Result<void> Execution::run_write_to(const WriteOperationV2& write) {
  const auto context = decoder_context(session_, operation_.stop_token());
  PlanDecoder decoder(context);
  session::WriteRequest request;
  WEIR_ASSIGN(request.plan, decoder.relation(write.input()));
  WEIR_ASSIGN(request.table, sql::parse_table_name(write.table_name()));
  request.format = base::lower_case(write.provider());
  request.options = read_options(write.options());
  for (const auto& [key, value] : write.table_properties())
    request.properties[key] = value;
  if (write.clustering_columns_size() > 0) return unsupported("clusterBy");
  if (write.with_schema_evolution()) request.options["mergeschema"] = "true";
  for (const auto& column : write.partitioning_columns()) {
    if (!column.has_unresolved_attribute()) return unsupported("a partition transform");
    request.partition_by.push_back(column.unresolved_attribute().unparsed_identifier());
  }
  request.by_name = true;
  switch (write.mode()) {
    case WriteOperationV2::MODE_CREATE:
      request.create = true;
      break;
    case WriteOperationV2::MODE_REPLACE:
      request.replace = true;
      break;
    case WriteOperationV2::MODE_CREATE_OR_REPLACE:
      request.create = request.replace = true;
      break;
    case WriteOperationV2::MODE_APPEND:
      request.mode = session::SaveMode::kAppend;
      request.must_exist = true;
      break;
    case WriteOperationV2::MODE_OVERWRITE: {
      request.mode = session::SaveMode::kOverwrite;
      request.must_exist = true;
      WEIR_ASSIGN(request.overwrite_condition, decoder.expression(write.overwrite_condition()));
      break;
    }
    case WriteOperationV2::MODE_OVERWRITE_PARTITIONS:
      request.mode = session::SaveMode::kOverwrite;
      request.must_exist = true;
      request.options["partitionoverwritemode"] = "dynamic";
      break;
    default:
      return invalid_plan("writeTo has no mode");
  }
  return session_.engine().write(request, operation_.stop_token());
}

Result<void> Execution::run_checkpoint(const spark::connect::CheckpointCommand& command) {
  constexpr int64_t kBytesMax = int64_t{1} << 30;
  const auto context = decoder_context(session_, operation_.stop_token());
  PlanDecoder decoder(context);
  WEIR_ASSIGN(const auto plan, decoder.relation(command.relation()));
  WEIR_ASSIGN(auto analyzed, session_.engine().analyze(plan));
  if (command.eager()) {
    WEIR_ASSIGN(const auto stream, session_.engine().run(analyzed));
    const auto wanted = columnar::to_arrow_schema(plan::schema_of(*analyzed));
    std::vector<BatchPtr> batches;
    int64_t bytes = 0;
    while (true) {
      WEIR_ASSIGN(const auto batch, stream->next(operation_.stop_token()));
      if (!batch) break;
      WEIR_ASSIGN(auto conformed, conform(batch, wanted));
      bytes += batch_bytes(*conformed);
      if (bytes > kBytesMax)
        return base::error(
            base::ErrorKind::kResourceExhausted,
            "the checkpoint is larger than {} MiB: write the rows to a table instead",
            kBytesMax >> 20);
      batches.push_back(std::move(conformed));
    }
    std::vector<plan::Column> columns;
    for (const auto& column : analyzed->columns)
      if (!column.hidden) columns.push_back(column);
    analyzed = plan::make_operator(plan::op::LocalRows{std::move(batches)}, std::move(columns));
  }
  const std::string id = base::uuid(random_);
  session_.engine().keep(id, std::move(analyzed));
  ExecutePlanResponse response;
  response.mutable_checkpoint_command_result()->mutable_relation()->set_relation_id(id);
  return operation_.put(response.SerializeAsString());
}

}  // namespace weir::connect
