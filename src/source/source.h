// The contract of a streaming source: it yields ranges between offsets, never single messages.
//
// Offsets are texts that the query's offset log holds as they are: Spark's JSON of that source
// ({"topic":{"0":23}} for kafka, {"logOffset":3} for files, {"timestamp":…}/number for rate).
// Between the same two offsets a source gives the same rows, also in another process (replayable),
// unless it says otherwise by replayable().
//
// One thread (the query's loop) calls a Source. The PartitionReaders of one plan() may each be
// driven by a thread of their own.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "columnar/data_type.h"

namespace arrow {
class RecordBatch;
}

namespace weir::source {

using base::Result;
using columnar::Schema;

// What has been seen while reading, added up per batch for the query's progress. Nothing is lost
// unseen.
struct ReadCounters {
  int64_t rows = 0;
  int64_t bytes = 0;  // payload bytes read
  int64_t corrupt_rows =
      0;  // rows that did not parse and became NULLs or went to the corrupt-record column
  int64_t dropped_rows = 0;  // rows left out by mode DROPMALFORMED
};

// Reads one part of a range, in order.
class PartitionReader {
 public:
  virtual ~PartitionReader() = default;
  // The next rows with the columns asked for, or nullptr at the end of the part. Columns of binary
  // type may come as arrow binary_view over an arena that is readable 64 bytes past every value.
  // kCancelled where stop is requested.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) = 0;
  virtual const ReadCounters& counters() const = 0;
};

struct LatestOffset {
  std::string end;     // where the next batch should end, limits applied; equals the start where
                       // nothing is new
  std::string latest;  // how far the source's data reaches, limits left out; empty where unknown
};

class Source {
 public:
  virtual ~Source() = default;

  // All columns that the source can give.
  virtual const Schema& schema() const = 0;
  // As in Spark's progress: "KafkaV2[Subscribe[events]]", "FileStreamSource[file:/data/in]".
  virtual std::string description() const = 0;
  virtual bool replayable() const { return true; }

  // Called once before anything else. checkpoint_folder is this source's own folder in the query's
  // checkpoint (sources/0) for what must survive a restart (initial offsets, the log of files
  // seen).
  virtual Result<void> open(const std::string& checkpoint_folder) = 0;
  // The offset before the first row; the same again after a restart.
  virtual Result<std::string> initial_offset() = 0;
  // Freezes how far availableNow (and once) reads: later latest_offset calls do not go past what is
  // there now.
  virtual Result<void> prepare_available_now() = 0;
  // The end of the next batch that starts at `start`. ignore_limits: Trigger.Once.
  virtual Result<LatestOffset> latest_offset(const std::string& start, bool ignore_limits) = 0;
  // Parts of the rows after `start` up to and with `end`. columns: names out of schema(), in this
  // order; may be empty (only the number of rows counts).
  virtual Result<std::vector<std::unique_ptr<PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) = 0;
  // The batch that ended at `end` is committed; what is before may be forgotten.
  virtual Result<void> commit(const std::string& end) = 0;
  // The query is to stop: whatever waits for another program, now or later, ends soon with
  // kCancelled. The one call that any thread may make at any time.
  virtual void interrupt() {}
  // Extra entries of the progress ("maxOffsetsBehindLatest" …) for a batch that ended at `end`.
  virtual std::map<std::string, std::string> metrics(const std::string& end) const = 0;
};

}  // namespace weir::source
