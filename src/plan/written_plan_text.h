// A plan as it was written, names not yet looked up: the first part of EXPLAIN EXTENDED. One line a
// node, in the manner of plan_text() of typed operators.
#pragma once

#include <string>

#include "plan/plan_node.h"

namespace weir::plan {

std::string written_plan_text(const PlanNode& plan);

}  // namespace weir::plan
