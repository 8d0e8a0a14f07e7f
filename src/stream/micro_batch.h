// One batch of a query between its entry in the offset log and that in the commit log. Private to
// the query.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "sink/sink.h"
#include "stream/micro_batch_query.h"

namespace weir::stream {

struct MicroBatchQuery::Batch {
  base::BatchId id;
  int64_t timestamp_ms = 0;  // out of the offset log
  int64_t watermark_ms = 0;  // out of the offset log
  int64_t late_ms = 0;       // event times up to this are late
  std::vector<SourcePosition> starts;
  std::vector<std::string> ends;
  int64_t started_us = 0;  // wall clock of the trigger
  // Read ahead, for the first attempt; empty: to be planned.
  StreamPlan::Readers readers;
  // What was found while it ran (of the attempt that succeeded).
  std::vector<int64_t> rows;  // by source
  std::vector<int64_t> bytes;
  int64_t corrupt_rows = 0;
  int64_t dropped_rows = 0;
  sink::SinkCommit commit;
  std::optional<base::JsonObject> state;  // what the plan's prepare() gave
};

}  // namespace weir::stream
