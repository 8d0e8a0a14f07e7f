#include "stream/progress.h"

#include <algorithm>
#include <cmath>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/clock.h"

namespace weir::stream {

namespace {

base::JsonValue offset_json(const std::string& offset) {
  if (offset.empty()) return nullptr;
  auto parsed = base::parse_json(offset, "offset");
  return parsed.ok() ? std::move(parsed).value() : base::JsonValue(offset);
}

// Spark rounds rates to one decimal and leaves out what is not a number.
void put_rate(base::JsonObject& object, std::string_view key, double rate) {
  if (std::isfinite(rate)) object[key] = std::round(rate * 10) / 10;
}

void put_metrics(base::JsonObject& object, const std::map<std::string, std::string>& metrics) {
  if (metrics.empty()) return;
  base::JsonObject json;
  for (const auto& [key, value] : metrics)
    json[key] = value;
  object["metrics"] = std::move(json);
}

base::JsonObject source_json(const SourceProgress& source) {
  base::JsonObject json{{"description", source.description},
                        {"startOffset", offset_json(source.start_offset)},
                        {"endOffset", offset_json(source.end_offset)},
                        {"latestOffset", offset_json(source.latest_offset)},
                        {"numInputRows", source.input_rows}};
  put_rate(json, "inputRowsPerSecond", source.input_rows_per_second);
  put_rate(json, "processedRowsPerSecond", source.processed_rows_per_second);
  put_metrics(json, source.metrics);
  return json;
}

base::JsonObject event_time_json(const QueryProgress& progress) {
  base::JsonObject json;
  EventTimeSeen all;
  for (const EventTimeSeen& seen : progress.event_times) {
    if (seen.rows == 0) continue;
    all.max_ms = all.rows == 0 ? seen.max_ms : std::max(all.max_ms, seen.max_ms);
    all.min_ms = all.rows == 0 ? seen.min_ms : std::min(all.min_ms, seen.min_ms);
    all.rows += seen.rows;
    all.sum_ms += seen.sum_ms;
  }
  const auto put = [&](const char* key, int64_t ms) { json[key] = base::format_utc_ms(ms * 1000); };
  if (all.rows > 0) {
    put("avg", static_cast<int64_t>(all.sum_ms / static_cast<double>(all.rows)));
    put("max", all.max_ms);
    put("min", all.min_ms);
  }
  if (progress.watermark_ms) put("watermark", *progress.watermark_ms);
  return json;
}

base::JsonObject operator_json(const operators::OperatorMetrics& metrics) {
  return {{"operatorName", metrics.name},
          {"numRowsTotal", metrics.rows_total},
          {"numRowsUpdated", metrics.rows_updated},
          {"allUpdatesTimeMs", metrics.update_us / 1000},
          {"numRowsRemoved", metrics.rows_removed},
          {"allRemovalsTimeMs", metrics.removal_us / 1000},
          {"commitTimeMs", metrics.commit_us / 1000},
          {"memoryUsedBytes", metrics.memory_bytes},
          {"numRowsDroppedByWatermark", metrics.rows_dropped_by_watermark},
          {"numShufflePartitions", metrics.shards},
          {"numStateStoreInstances", metrics.shards},
          {"customMetrics", metrics.custom}};
}

}  // namespace

int64_t QueryProgress::input_rows() const {
  int64_t rows = 0;
  for (const SourceProgress& source : sources)
    rows += source.input_rows;
  return rows;
}

namespace {

// A value as Spark's Row.json shows it.
base::JsonValue value_json(const arrow::Array& column, int64_t row) {
  if (column.IsNull(row)) return nullptr;
  const auto scalar = column.GetScalar(row);
  if (!scalar.ok()) return nullptr;
  switch (column.type_id()) {
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanArray&>(column).Value(row);
    case arrow::Type::INT8:
      return static_cast<const arrow::Int8Array&>(column).Value(row);
    case arrow::Type::INT16:
      return static_cast<const arrow::Int16Array&>(column).Value(row);
    case arrow::Type::INT32:
      return static_cast<const arrow::Int32Array&>(column).Value(row);
    case arrow::Type::INT64:
      return static_cast<const arrow::Int64Array&>(column).Value(row);
    case arrow::Type::FLOAT:
      return static_cast<const arrow::FloatArray&>(column).Value(row);
    case arrow::Type::DOUBLE:
      return static_cast<const arrow::DoubleArray&>(column).Value(row);
    case arrow::Type::DECIMAL128: {
      const std::string text = (*scalar)->ToString();
      auto number = base::parse_json(text, "decimal");
      return number.ok() ? std::move(number).value() : base::JsonValue(text);
    }
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(column);
      base::JsonArray values;
      for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i)
        values.push_back(value_json(*list.values(), i));
      return values;
    }
    case arrow::Type::STRUCT: {
      const auto& fields = static_cast<const arrow::StructArray&>(column);
      base::JsonObject values;
      for (int i = 0; i < fields.num_fields(); ++i)
        values[fields.struct_type()->field(i)->name()] = value_json(*fields.field(i), row);
      return values;
    }
    case arrow::Type::TIMESTAMP: {
      std::string text = (*scalar)->ToString();  // "2026-01-01 00:00:00.000000Z"
      if (text.ends_with('Z')) text.pop_back();
      while (text.find('.') != std::string::npos && (text.back() == '0' || text.back() == '.')) {
        const bool point = text.back() == '.';
        text.pop_back();
        if (point) break;
      }
      return base::JsonValue(text);
    }
    default:
      return base::JsonValue((*scalar)->ToString());
  }
}

base::JsonObject row_json(const arrow::RecordBatch& row) {
  base::JsonObject json;
  for (int i = 0; i < row.num_columns() && row.num_rows() > 0; ++i)
    json[row.schema()->field(i)->name()] = value_json(*row.column(i), 0);
  return json;
}

}  // namespace

base::JsonObject progress_json(const QueryProgress& progress) {
  base::JsonObject json{
      {"id", progress.id},
      {"runId", progress.run_id},
      {"name", progress.name.empty() ? base::JsonValue(nullptr) : base::JsonValue(progress.name)},
      {"timestamp", base::format_utc_ms(progress.timestamp_us)},
      {"batchId", progress.batch_id},
      {"batchDuration", progress.batch_duration_ms},
      {"numInputRows", progress.input_rows()}};
  double input_rate = 0;
  double processed_rate = 0;
  base::JsonArray sources;
  for (const SourceProgress& source : progress.sources) {
    input_rate += source.input_rows_per_second;
    processed_rate += source.processed_rows_per_second;
    SourceProgress shown = source;
    if (progress.corrupt_rows > 0)
      shown.metrics["corruptRows"] = std::to_string(progress.corrupt_rows);
    if (progress.dropped_rows > 0)
      shown.metrics["droppedRows"] = std::to_string(progress.dropped_rows);
    sources.push_back(source_json(shown));
  }
  put_rate(json, "inputRowsPerSecond", input_rate);
  put_rate(json, "processedRowsPerSecond", processed_rate);
  base::JsonObject durations;
  for (const auto& [phase, us] : progress.duration_us)
    durations[phase] = us / 1000;
  json["durationMs"] = std::move(durations);
  if (auto event_time = event_time_json(progress); !event_time.empty())
    json["eventTime"] = std::move(event_time);
  base::JsonArray operators;
  for (const auto& one : progress.state_operators)
    operators.push_back(operator_json(one));
  json["stateOperators"] = std::move(operators);
  json["sources"] = std::move(sources);
  base::JsonObject sink{{"description", progress.sink_description},
                        {"numOutputRows", progress.output_rows}};
  std::map<std::string, std::string> details;
  for (const auto& [key, value] : progress.sink_details)
    details[std::string(key)] =
        value.is_string() ? std::string(value.get_string()) : base::json_text(value);
  put_metrics(sink, details);
  json["sink"] = std::move(sink);
  if (!progress.observed.empty()) {
    base::JsonObject observed;
    for (const auto& [name, row] : progress.observed)
      observed[name] = row_json(*row);
    json["observedMetrics"] = std::move(observed);
  }
  return json;
}

}  // namespace weir::stream
