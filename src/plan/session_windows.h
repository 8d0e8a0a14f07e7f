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

// Whether a key of a grouping over `input` is the column of sessions.
bool is_session_key(const Typed& key, const Operator& input);

// An Aggregate with a session among its keys, over static rows, as operators that know no sessions;
// its columns stay. Without such a key: as it was.
OperatorPtr with_sessions_merged(const OperatorPtr& aggregate, ColumnId& next_id);

}  // namespace weir::plan
