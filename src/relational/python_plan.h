// User functions where DuckDB has no place for them: moved below into projections and stages.
#pragma once

#include <functional>

#include "relational/execution.h"

namespace weir::relational {

// A scan of rows that come from outside of DuckDB; `open` is called once for each reading.
plan::OperatorPtr stage_plan(std::vector<plan::Column> columns,
                             std::function<Result<std::unique_ptr<BatchStream>>()> open);
bool calls_python(const plan::Typed& expression);

// The same plan with calls of user functions in projections, filters and generators only: those of
// grouping, sorting, windows and inner joins are computed by a projection below (or a filter above)
// and grouped aggregates of the user's by a stage. Operators that are shared stay shared.
Result<plan::OperatorPtr> place_user_functions(const plan::OperatorPtr& plan,
                                               const ExecutionContext& context);

}  // namespace weir::relational
