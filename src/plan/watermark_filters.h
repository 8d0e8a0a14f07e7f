// Where filters stand beside watermarks.
#pragma once

#include "plan/operator.h"

namespace weir::plan {

// Filters over a watermark that do not ask for the event time go below it, as Spark moves them:
// rows that they take out do not move the watermark on. Through projections, other filters and
// generators over it; what several operators read stays as it is.
OperatorPtr with_filters_below_watermarks(const OperatorPtr& root);

}  // namespace weir::plan
