// One batch of a query between its entry in the offset log and that in the commit log. Private to
// the query.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "sink/sink.h"
#include "stream/micro_batch_query.h"

namespace weir::stream {

struct MicroBatchQuery::Batch {
  base::BatchId id;
  int64_t timestamp_ms = 0;  // out of the offset log
  std::string start;
  bool start_is_initial = false;
  std::string end;
  int64_t started_us = 0;  // wall clock of the trigger
  // What was found while it ran (of the attempt that succeeded).
  int64_t rows = 0;
  int64_t bytes = 0;
  int64_t corrupt_rows = 0;
  int64_t dropped_rows = 0;
  sink::SinkCommit commit;
};

}  // namespace weir::stream
