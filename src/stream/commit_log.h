// commits/N of a query's checkpoint: batch N is in the sink. Spark's format:
//
//   v1
//   {"nextBatchWatermarkMs":0}
//
// Read as well: {} (Spark 2.1 to 2.3), stateUniqueIds beside it (Spark 4), and v2, which names
// state files: a checkpoint of stateful operators, refused by name because weir cannot read Spark's
// state. weir's own state is named by "weirState", one member an operator, what its prepare() gave.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/json.h"
#include "source/metadata_log.h"

namespace weir::stream {

using base::BatchId;
using base::Result;

struct CommitLogEntry {
  int64_t next_batch_watermark_ms = 0;
  std::optional<base::JsonObject> state = {};  // of a query with stateful operators
};

std::string commit_log_text(const CommitLogEntry& entry);
Result<CommitLogEntry> parse_commit_log(std::string_view text, std::string_view what);

class CommitLog {
 public:
  CommitLog(io::FileSystem& files, std::string folder) : log_(files, std::move(folder)) {}

  Result<void> open() { return log_.open(); }
  // kConflict where the entry exists.
  Result<void> add(BatchId batch, const CommitLogEntry& entry);
  Result<std::optional<CommitLogEntry>> get(BatchId batch);
  Result<std::optional<BatchId>> latest();
  Result<void> purge_before(BatchId batch) { return log_.purge_before(batch.value()); }
  const std::string& folder() const { return log_.folder(); }

 private:
  source::MetadataLog log_;
};

}  // namespace weir::stream
