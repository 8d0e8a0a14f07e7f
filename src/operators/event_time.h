// Which columns and expressions carry event time, and reading it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/array.h>

#include "base/result.h"
#include "operators/operator_factory.h"

namespace weir::operators {

// `below` as event_time_columns() of what the expression reads.
bool is_event_time(const plan::Typed& expression, const std::vector<bool>& below);

// The time by which a row with this value of an event time column leaves: the timestamp, a window's
// end. NULL: never.
constexpr int64_t kNeverLate = INT64_MAX - 1;
Result<void> event_times(const arrow::Array& column, std::vector<int64_t>& times);

}  // namespace weir::operators
