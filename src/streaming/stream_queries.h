// Streaming queries over a session's plans: what writeStream.start() asks for becomes a running
// stream::MicroBatchQuery, and a session's queries are found, watched and stopped here.
//
// StreamQueries belongs to one session and ends its queries when it is closed. Checkpoints are
// locked, so that a second start, also by another session or process, is refused. All calls from
// any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "plan/operator.h"
#include "plan/plan_node.h"
#include "plan/streaming_check.h"
#include "session/session.h"
#include "stream/micro_batch_query.h"
#include "stream/query_manager.h"

namespace weir::operators {
class GroupFunction;
}

namespace weir::streaming {

using base::Result;

// foreachBatch: gets the rows of a batch. `rows` may be scanned any number of times until run()
// returns; the query waits for it. Batches come again under the same id after a failure.
class BatchFunction {
 public:
  virtual ~BatchFunction() = default;  // the query has ended
  virtual Result<void> run(const plan::OperatorPtr& rows, int64_t batch_id,
                           std::stop_token stop) = 0;
};

// foreach: rows of one part of a batch, by the thread of that part.
class RowFunction {
 public:
  virtual ~RowFunction() = default;
  virtual Result<void> run(std::unique_ptr<relational::BatchStream> rows, int part,
                           int64_t batch_id, std::stop_token stop) = 0;
};

// df.writeStream…
struct StreamWrite {
  plan::PlanPtr plan;
  std::string name;    // queryName; may be empty
  std::string format;  // empty: spark.sql.sources.default
  std::string mode;    // outputMode: append, update, complete in any case; empty: append
  stream::Trigger trigger;
  std::optional<std::string> path;  // start(path)
  std::optional<plan::Name> table;  // toTable(name)
  std::vector<std::string> partition_by;
  std::vector<std::string> cluster_by;
  plan::Options options;  // checkpointLocation, mergeSchema, topic …, keys in lower case
  std::shared_ptr<BatchFunction> for_each_batch;  // at most one of these two;
  std::shared_ptr<RowFunction> for_each;          // then no format
  // The C++ functions of the plan's groups with state; null for those that are none. May be empty.
  std::function<Result<std::unique_ptr<operators::GroupFunction>>(const plan::op::GroupMap&)>
      group_function;
};

// As Spark's StreamingQueryListener hears it. Called in the order in which they happen, from a
// thread of the queries; must be quick. Progress as Spark's JSON.
struct QueryEvents {
  std::function<void(const std::string& id, const std::string& run_id, const std::string& name,
                     const std::string& timestamp)>
      started;
  std::function<void(const std::string& progress_json)> progress;
  std::function<void(const std::string& id, const std::string& run_id,
                     const std::string& timestamp)>
      idle;
  // `error`: what ended it, under its own class; null where it was stopped or had nothing more to
  // do.
  std::function<void(const std::string& id, const std::string& run_id, const base::Error* error)>
      terminated;
};

class StreamQuery {
 public:
  virtual ~StreamQuery() = default;
  virtual const std::string& id() const = 0;      // stable over restarts
  virtual const std::string& run_id() const = 0;  // of this start
  virtual const std::string& name() const = 0;    // may be empty
  virtual bool active() const = 0;
  virtual stream::QueryStatus status() const = 0;
  virtual std::vector<std::string> recent_progress() const = 0;  // Spark's JSON, oldest first
  virtual std::optional<std::string> last_progress() const = 0;
  // What ended it, as Spark's StreamingQueryException tells it: class STREAM_FAILED.
  virtual std::optional<base::Error> failure() const = 0;
  virtual Result<std::string> explain(bool extended) const = 0;
  virtual Result<void> stop() = 0;  // waits for its end
  // True where it has ended; the error that ended it. Without timeout: until then, or `stop`.
  virtual Result<bool> wait(std::optional<int64_t> timeout_us, std::stop_token stop) = 0;
  virtual Result<void> process_all_available(std::stop_token stop) = 0;
};
using StreamQueryPtr = std::shared_ptr<StreamQuery>;

class StreamQueries {
 public:
  virtual ~StreamQueries() = default;  // as close()
  // The environment, the session and `all` outlive what is made. `all`, of the process, is told of
  // the session's queries (`weir stream list`); may be null.
  static std::unique_ptr<StreamQueries> create(stream::QueryEnvironment environment,
                                               session::Session& session,
                                               stream::QueryManager* all = nullptr);

  // Spark's classes: analysis errors, STREAMING_OUTPUT_MODE.*, UNSUPPORTED_STREAMING_OPERATOR…,
  // a name in use, a checkpoint in use (naming the other query), a missing checkpointLocation.
  // Where the checkpoint's query is active in this session and
  // spark.sql.streaming.stopActiveRunOnRestart is set, that run is stopped first.
  virtual Result<StreamQueryPtr> start(StreamWrite write) = 0;

  virtual std::vector<StreamQueryPtr> active() const = 0;
  // By id, in its newest run, or by run id; also queries that ended (the newest 100). Null: none.
  virtual StreamQueryPtr find(std::string_view id) const = 0;
  virtual StreamQueryPtr find_run(std::string_view id, std::string_view run_id) const = 0;

  // True once a query has ended since the start or the last reset_terminated(); the error that
  // ended it.
  virtual Result<bool> wait_any(std::optional<int64_t> timeout_us, std::stop_token stop) = 0;
  virtual void reset_terminated() = 0;

  virtual int64_t add_listener(QueryEvents events) = 0;
  virtual void remove_listener(int64_t listener) = 0;  // it hears nothing once this has returned

  virtual void close() = 0;  // stops all queries
};

}  // namespace weir::streaming
