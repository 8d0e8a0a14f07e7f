// Sessions: groups of rows whose session_window() overlap or touch, by the other keys.
//
// A row's own session is a column that the clause around puts into the input (time_windows.cc). A
// streaming aggregation merges sessions itself (operators/session_aggregation.h); elsewhere the
// plan says it in window functions.
#pragma once

#include "plan/operator.h"

namespace weir::plan {

// In the metadata of the column of rows' own sessions.
inline constexpr const char* kSessionWindow = "spark.sessionWindow";
inline constexpr const char* kTimeWindow = "spark.timeWindow";
// In the metadata of an event time column: its watermark's delay, as Spark writes it.
inline constexpr const char* kWatermarkDelay = "spark.watermarkDelayMs";

// What a column made of `time` takes over: the metadata of the column that `time` is, or of the
// window whose window_time() it is.
base::JsonObject event_time_metadata(const Typed& time, const std::vector<Column>& columns);

// Whether a key of a grouping over `input` is the column of sessions.
bool is_session_key(const Typed& key, const Operator& input);

// An Aggregate with a session among its keys, over static rows, as operators that know no sessions;
// its columns stay. Without such a key: as it was.
OperatorPtr with_sessions_merged(const OperatorPtr& aggregate, ColumnId& next_id);

}  // namespace weir::plan
