// The plan of a streaming query as its batches run it.
#pragma once

#include <functional>
#include <string>

#include "plan/operator.h"
#include "plan/streaming_check.h"

namespace weir::streaming {

// A tree as plan::plan_text() prints it, with a line above each operator that keeps state: what
// kind of state, its number in the checkpoint, the output mode. Streaming scans are marked.
std::string incremental_text(const plan::OperatorPtr& root, plan::StreamMode mode,
                             const std::function<bool(const plan::Operator&)>& is_stateful);

}  // namespace weir::streaming
