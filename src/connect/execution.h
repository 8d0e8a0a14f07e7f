// Runs what ExecutePlan asks for and puts the responses into an operation.
#pragma once

#include "connect/client_session.h"

namespace spark::connect {
class Command;
class Plan;
class Relation;
class SqlCommand;
class WriteOperation;
class WriteOperationV2;
class CheckpointCommand;
class StreamingQueryCommand;
class StreamingQueryListenerBusCommand;
class StreamingQueryManagerCommand;
class WriteStreamOperationStart;
}  // namespace spark::connect

namespace weir::connect {

struct ExecutionOptions {
  int64_t batch_bytes = 4 << 20;  // of Arrow data in one response, about
  int64_t chunk_bytes = 0;        // a larger batch is cut into pieces of bytes; 0: not allowed
  std::function<Result<std::string>()> local_url = {};  // ServiceOptions
};

// Commands that do nothing but wait for streaming queries and their events.
bool waits_for_queries(const spark::connect::Plan& plan);

class Execution {
 public:
  Execution(ClientSession& session, Operation& operation, base::Random& random,
            ExecutionOptions options)
      : session_(session), operation_(operation), random_(random), options_(options) {}

  // All of it but the operation's end.
  Result<void> run(const spark::connect::Plan& plan);

 private:
  Result<void> run_relation(const spark::connect::Relation& relation);
  Result<void> run_command(const spark::connect::Command& command);
  Result<void> run_sql(const spark::connect::SqlCommand& command);
  Result<void> run_write(const spark::connect::WriteOperation& write);
  Result<void> run_write_to(const spark::connect::WriteOperationV2& write);
  Result<void> run_checkpoint(const spark::connect::CheckpointCommand& command);
  Result<void> run_write_stream(const spark::connect::WriteStreamOperationStart& write);
  Result<void> run_query_command(const spark::connect::StreamingQueryCommand& command);
  Result<void> run_manager_command(const spark::connect::StreamingQueryManagerCommand& command);
  Result<void> run_bus_command(const spark::connect::StreamingQueryListenerBusCommand& command);
  Result<std::shared_ptr<streaming::BatchFunction>> batch_function(std::string command,
                                                                   std::string python_version);
  Result<void> send_rows(const columnar::Schema& schema, relational::BatchStream& stream);
  Result<void> send_batch(const std::shared_ptr<arrow::RecordBatch>& batch);
  Result<void> send_text(const std::string& column, std::string text);
  Result<void> finish_rows();
  Result<std::string> rendered(const spark::connect::Relation& relation);

  ClientSession& session_;
  Operation& operation_;
  base::Random& random_;
  const ExecutionOptions options_;
  int64_t rows_sent_ = 0;
  int64_t batches_sent_ = 0;
};

// What decoding in a session can ask for; `stop` for commands that spark.catalog runs.
class PlanDecoder;
struct DecoderContext;
DecoderContext decoder_context(ClientSession& session, std::stop_token stop);

// What a call of spark.catalog answers: rows, or the table that it makes.
Result<plan::PlanPtr> catalog_answer(ClientSession& session,
                                     const spark::connect::Relation& relation,
                                     std::stop_token stop);

}  // namespace weir::connect
