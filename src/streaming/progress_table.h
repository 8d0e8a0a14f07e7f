// The system table stream_progress: a row for each progress that the session's queries have told,
// as Spark's JSON has it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "plan/operator.h"

namespace weir::streaming {

inline constexpr const char* kProgressTable = "stream_progress";

// `progress` gives the JSON texts of now; any thread.
plan::OperatorPtr make_progress_table(std::function<std::vector<std::string>()> progress);

}  // namespace weir::streaming
