// Random functions in a streaming query: each batch draws by seeds of its own, a replay of the
// batch by the same (Spark gives every batch new ones, seeded or not).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "plan/operator.h"

namespace weir::stream {

// Of a query's id and a batch.
uint64_t seed_of_batch(std::string_view query_id, base::BatchId batch);

// rand(), uuid() … among the operator's own expressions.
bool draws_at_random(const plan::Operator& node);
// Its own expressions with the seeds of a batch; `place`: of the operator in its plan.
plan::OperatorPtr with_seeds(const plan::OperatorPtr& node, uint64_t batch_seed, uint64_t place);

}  // namespace weir::stream
