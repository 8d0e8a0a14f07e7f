// The contract of an operator that remembers rows from batch to batch: aggregation, deduplication,
// stream-stream join, limit, arbitrary state by group.
//
// Room stream cuts a streaming plan at these operators. What lies between them is stateless and
// runs by eval or relational; each stateful operator takes the rows of a batch from below and gives
// rows to what is above, in this order:
//   open(version)        once: the state as the commit of batch `version` names it (none: -1)
//   begin(run)           of each batch
//   collector(input)     one a worker thread and input; its add() is called by that thread alone
//   finish(output)       by the query's thread, after all collectors are done
//   prepare()            the state of this batch is durable; the result goes to commits/N
//   committed() or roll_back()
// After roll_back() the same batch may begin again: everything is as it was before begin().
// Between the same input, run and state the output is the same, whatever the number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/result.h"
#include "columnar/data_type.h"
#include "eval/program.h"

namespace weir::operators {

using base::Result;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

enum class OutputMode { kAppend, kUpdate, kComplete };

constexpr int64_t kNoWatermark = INT64_MIN;

// What is the same for all rows of a batch, and in a replay of it.
struct BatchRun {
  base::BatchId batch;
  eval::EvalContext eval;  // batch_timestamp_us is the batch's time, from the offset log
  // Microseconds since the epoch, kNoWatermark where the input has none. A row whose event time
  // (of a window: its end) is not past late_us is late: dropped and counted. What can get no more
  // rows once the event time has reached eviction_us leaves the state (and in append mode is
  // given). late_us is the watermark of the batch before, eviction_us that of this batch.
  int64_t late_us = kNoWatermark;
  int64_t eviction_us = kNoWatermark;
  std::stop_token stop;
};

// As in Spark's stateOperators of a progress.
struct OperatorMetrics {
  std::string name;  // "stateStoreSave", "dedupe", "symmetricHashJoin" …
  int64_t rows_total = 0;
  int64_t rows_updated = 0;
  int64_t rows_removed = 0;
  int64_t rows_dropped_by_watermark = 0;
  int64_t memory_bytes = 0;
  int64_t update_us = 0;
  int64_t removal_us = 0;
  int64_t commit_us = 0;
  int64_t shards = 0;
  base::JsonObject custom;
};

// Takes the rows of one worker thread. Rows may be refused by an error, which fails the batch.
class Collector {
 public:
  virtual ~Collector() = default;
  virtual Result<void> add(const BatchPtr& rows) = 0;
};

using Output = std::function<Result<void>(const BatchPtr&)>;

class StatefulOperator {
 public:
  virtual ~StatefulOperator() = default;

  virtual const columnar::Schema& output_schema() const = 0;
  virtual int inputs() const { return 1; }
  // One line of what decides the state's meaning (kind, keys with types, aggregates, mode, time
  // columns); kept beside the state, and shown where a changed query is refused.
  virtual std::string identity() const = 0;

  // `manifest` is what prepare() gave for that batch; null for a query that begins. kConflict with
  // what differs where the state is that of another operator.
  virtual Result<void> open(std::optional<base::BatchId> version,
                            const base::JsonObject* manifest) = 0;
  virtual Result<void> begin(const BatchRun& run) = 0;
  // Valid until finish(). The thread that drives it takes the rows in the order of its part.
  virtual Result<std::unique_ptr<Collector>> collector(int input) = 0;
  virtual Result<void> finish(const Output& output) = 0;
  virtual Result<base::JsonObject> prepare() = 0;
  virtual void committed() = 0;
  virtual void roll_back() = 0;

  // Removes files of state that no commit from the one of `oldest` (its manifest) on names. Only
  // between committed() and the next begin().
  virtual Result<void> clean_up(const base::JsonObject& /*oldest*/) { return {}; }

  // The event time that the rows it gives have come to, where that of its inputs (the least of
  // them) is `input_us`; nullopt: no event time holds for them.
  virtual std::optional<int64_t> output_watermark(int64_t input_us) const { return input_us; }

  // Whether a batch without new rows is due once the event time has moved on to `eviction_us` from
  // that of the last batch: as Spark, by the kind of operator, also where nothing leaves it then.
  virtual bool wants_batch_without_rows(int64_t eviction_us) const = 0;
  // Whether a batch without new rows would do anything at that time of the clock.
  virtual bool wants_batch_at(int64_t /*now_us*/) const { return false; }
  virtual OperatorMetrics metrics() const = 0;  // of the batch that finished last
};

}  // namespace weir::operators
