// The contract of a sink: a batch's rows are taken part by part and become visible all at once by
// commit().
//
// The stream may deliver a batch again after a failure or restart, with the same BatchId and, from
// a replayable source, the same rows. A sink with exactly_once() takes no second effect then.
// begin(), commit(), abort() are called by the query's thread; write() of different parts may run
// at once.
#pragma once

#include <memory>
#include <string>

#include "base/ids.h"
#include "base/json.h"
#include "base/result.h"
#include "columnar/data_type.h"

namespace arrow {
class RecordBatch;
}

namespace weir::sink {

using base::BatchId;
using base::Result;
using columnar::Schema;

// What the sink has to know of the query that writes to it.
struct QueryIdentity {
  std::string query_id;  // stable over restarts (checkpoint metadata)
  std::string run_id;    // of this start
  std::string name;      // may be empty
};

struct SinkCommit {
  int64_t rows = 0;  // -1 where the sink cannot tell
  int64_t bytes = 0;
  bool already_done = false;  // the batch had been committed before; nothing was written now
  base::JsonObject details;   // e.g. {"tableVersion": 7, "files": 2}
};

class BatchWriter {
 public:
  virtual ~BatchWriter() = default;  // without commit: as abort()
  // Rows of one part, in order. part: 0 … parts-1 as given to begin().
  virtual Result<void> write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) = 0;
  virtual Result<SinkCommit> commit() = 0;
  virtual Result<void> abort() = 0;
};

class Sink {
 public:
  virtual ~Sink() = default;
  // As in Spark's progress: "DeltaSink[/tables/events]".
  virtual std::string description() const = 0;
  virtual bool exactly_once() const = 0;
  // Checks before any row is read that rows of this schema can be written (creates nothing a reader
  // would see). Returns what binds the checkpoint to this sink (a table's id), empty where there is
  // nothing.
  virtual Result<std::string> prepare(const QueryIdentity& query, const Schema& schema) = 0;
  // Called once after prepare() where the query's checkpoint says that all batches up to `batch`
  // are committed. kConflict where this sink keeps record of a query's batches and has none of that
  // one: it is another table.
  virtual Result<void> confirm_committed(BatchId batch) {
    (void)batch;
    return {};
  }
  virtual Result<std::unique_ptr<BatchWriter>> begin(BatchId batch, int parts) = 0;
  // The query is to stop: what waits for another program, now or later, ends soon with kCancelled.
  // The one call that any thread may make at any time.
  virtual void interrupt() {}
};

}  // namespace weir::sink
