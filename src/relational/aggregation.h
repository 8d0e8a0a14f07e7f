// Grouping: keys and arguments by our kernels, the grouping itself in DuckDB, and what DuckDB's
// aggregates lack of Spark's types and checks afterwards (sums that overflow, averages of
// decimals).
#pragma once

#include "relational/duck_engine.h"
#include "relational/steps.h"

namespace weir::relational {

// Gives [keys…, aggregates…] of the query, in Spark's types.
Result<StreamPtr> aggregation_step(StreamPtr input, const plan::ResolvedQuery& query,
                                   DuckEngine& engine, const eval::EvalContext& context);

}  // namespace weir::relational
