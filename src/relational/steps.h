// The steps of a query that our own kernels do, as streams.
#pragma once

#include <memory>
#include <vector>

#include "delta/predicate.h"
#include "eval/program.h"
#include "plan/logical_plan.h"
#include "relational/batch_stream.h"

namespace weir::relational {

using StreamPtr = std::unique_ptr<BatchStream>;

// One row without columns: SELECT without FROM.
StreamPtr one_row();
Result<StreamPtr> filter_step(StreamPtr input, const plan::TypedPtr& condition,
                              const eval::EvalContext& context);
Result<StreamPtr> projection_step(StreamPtr input, const std::vector<plan::NamedTyped>& list,
                                  const eval::EvalContext& context);
// Skips `offset` rows, then gives at most `limit` (-1: all). Takes nothing more from the input once
// it has them.
StreamPtr limit_step(StreamPtr input, int64_t offset, int64_t limit);
// The first `count` columns, named as `schema` says.
StreamPtr take_columns_step(StreamPtr input, columnar::Schema schema);

// The columns at these positions, in this order.
StreamPtr pick_columns(StreamPtr input, std::vector<int> columns);
// The batches as they are, whose columns are the schema's.
StreamPtr given_batches(columnar::Schema schema, std::vector<BatchPtr> batches);

// The value of an expression without columns.
Result<plan::Value> constant_value(const plan::TypedPtr& expression,
                                   const eval::EvalContext& context);
// Conditions `column op constant` that a conjunction consists of, as far as there are any.
delta::Predicate simple_conditions(const plan::TypedPtr& condition,
                                   const eval::EvalContext& context);

}  // namespace weir::relational
