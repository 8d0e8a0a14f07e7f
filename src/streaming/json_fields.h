// from_json reads only the fields that are used: its schema is narrowed to them, from the plan's
// top down through projections, filters and watermarks to the call. As Spark does where the call
// has no options and no column for corrupt records.
#pragma once

#include "plan/operator.h"

namespace weir::streaming {

plan::OperatorPtr with_narrow_json(const plan::OperatorPtr& root);

}  // namespace weir::streaming
