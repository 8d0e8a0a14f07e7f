// WITH RECURSIVE, level by level: the rows of a level are kept for the next one, the earlier ones
// are not.
#pragma once

#include "relational/execution.h"
#include "relational/steps.h"

namespace weir::relational {

// The rows of a Recursion. Runs the first side at once, the others as they are asked for.
Result<StreamPtr> recursion_rows(const plan::OperatorPtr& recursion,
                                 const ExecutionContext& context);

}  // namespace weir::relational
