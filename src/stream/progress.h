// What a batch did, as Spark's StreamingQueryProgress JSON. Keys that weir adds: sources[].metrics
// (Spark's place for a source's own numbers) has corruptRows and droppedRows where there were any,
// sink.metrics what the sink tells.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "operators/stateful_operator.h"
#include "stream/stream_plan.h"

namespace weir::stream {

struct SourceProgress {
  std::string description;
  std::string start_offset;  // JSON text; empty: null
  std::string end_offset;
  std::string latest_offset;
  int64_t input_rows = 0;
  int64_t input_bytes = 0;
  double input_rows_per_second = 0;
  double processed_rows_per_second = 0;
  std::map<std::string, std::string> metrics;
};

struct QueryProgress {
  std::string id;
  std::string run_id;
  std::string name;          // empty: null
  int64_t timestamp_us = 0;  // start of the trigger
  int64_t batch_id = 0;
  int64_t batch_duration_ms = 0;
  // latestOffset, queryPlanning, walCommit, getBatch, addBatch, commitOffsets, triggerExecution;
  // microseconds here, milliseconds in the JSON.
  std::map<std::string, int64_t> duration_us;
  std::vector<SourceProgress> sources;
  std::vector<operators::OperatorMetrics> state_operators;
  std::optional<int64_t> watermark_ms;  // of a plan with one
  std::vector<EventTimeSeen> event_times;
  std::string sink_description;
  int64_t output_rows = -1;
  std::map<std::string, std::shared_ptr<arrow::RecordBatch>> observed;  // one row a name
  base::JsonObject sink_details;
  int64_t corrupt_rows = 0;
  int64_t dropped_rows = 0;

  int64_t input_rows() const;
};

base::JsonObject progress_json(const QueryProgress& progress);

}  // namespace weir::stream
