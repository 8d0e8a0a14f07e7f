// offsets/N of a query's checkpoint: what batch N is meant to read, written before it is read.
// Spark's format:
//
//   v1
//   {"batchWatermarkMs":0,"batchTimestampMs":1531292029003,"conf":{"spark.sql.shuffle.partitions":"5"}}
//   {"events":{"0":23}}                       one line a source: its offset's JSON, or - where it
//   has none yet
//
// Spark 2.1 left `conf` out; Spark 2.0 the whole second line (then it is empty). weir's own keys in
// conf begin with "weir." and Spark passes over them: weir.runId, weir.sink (what the checkpoint is
// bound to), weir.version, weir.lateWatermarkMs (up to which event times are late in this batch;
// without it the batchWatermarkMs of the batch before). Entries are created once and never
// overwritten: a taken number means that another query works on this checkpoint.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "source/metadata_log.h"

namespace weir::stream {

using base::BatchId;
using base::Result;

inline constexpr const char* kLateWatermark = "weir.lateWatermarkMs";

struct OffsetLogEntry {
  int64_t batch_watermark_ms = 0;
  int64_t batch_timestamp_ms = 0;  // current_timestamp() of the batch, in a replay too
  std::map<std::string, std::string> conf;
  std::vector<std::optional<std::string>> offsets;  // one a source
};

std::string offset_log_text(const OffsetLogEntry& entry);
Result<OffsetLogEntry> parse_offset_log(std::string_view text, std::string_view what);

class OffsetLog {
 public:
  OffsetLog(io::FileSystem& files, std::string folder) : log_(files, std::move(folder)) {}

  Result<void> open() { return log_.open(); }
  // kConflict where the entry exists.
  Result<void> add(BatchId batch, const OffsetLogEntry& entry);
  Result<std::optional<OffsetLogEntry>> get(BatchId batch);
  Result<std::optional<BatchId>> latest();
  Result<void> purge_before(BatchId batch) { return log_.purge_before(batch.value()); }
  const std::string& folder() const { return log_.folder(); }

 private:
  source::MetadataLog log_;
};

}  // namespace weir::stream
