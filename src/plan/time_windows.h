// window(time, length[, slide[, start]]) in a select list or GROUP BY: a column of the input.
#pragma once

#include "plan/analysis.h"
#include "plan/plan_node.h"

namespace weir::plan {

// A Project or Aggregate that calls window() is given another child: the old one with a column
// `window` (a row a window that the row's time falls into, none for NULL), to which the calls then
// refer. Other nodes come back as they are.
Result<PlanPtr> expand_time_windows(const PlanPtr& node);

}  // namespace weir::plan
