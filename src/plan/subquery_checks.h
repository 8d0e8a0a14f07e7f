// What Spark refuses of subqueries: of those that read the query around them, and of streams.
#pragma once

#include "plan/operator.h"

namespace weir::plan {

// UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY for the first such place in the plan.
Result<void> check_subqueries(const Operator& plan);
// As a key of ORDER BY.
Result<void> check_sort_key(const Typed& key);

// INVALID_SUBQUERY_EXPRESSION.STREAMING_QUERY: a subquery or a lateral join's right side reads a
// stream.
base::Error streaming_subquery(const Origin& origin);

}  // namespace weir::plan
