// What Spark refuses of subqueries that read the query around them.
#pragma once

#include "plan/operator.h"

namespace weir::plan {

// UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY for the first such place in the plan.
Result<void> check_subqueries(const Operator& plan);
// As a key of ORDER BY.
Result<void> check_sort_key(const Typed& key);

}  // namespace weir::plan
