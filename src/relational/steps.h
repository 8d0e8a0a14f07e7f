// The steps of a query that our own kernels do, as streams.
#pragma once

#include <memory>
#include <vector>

#include "eval/program.h"
#include "plan/analysis.h"
#include "relational/batch_stream.h"

namespace weir::relational {

using StreamPtr = std::unique_ptr<BatchStream>;

// One row without columns.
StreamPtr one_row();
// The first columns, named as `schema` says.
StreamPtr take_columns_step(StreamPtr input, columnar::Schema schema);

// The columns at these positions, in this order.
StreamPtr pick_columns(StreamPtr input, std::vector<int> columns);
// The batches as they are, whose columns are the schema's.
StreamPtr given_batches(columnar::Schema schema, std::vector<BatchPtr> batches);

// The value of an expression without columns.
Result<plan::Value> constant_value(const plan::TypedPtr& expression,
                                   const eval::EvalContext& context);
}  // namespace weir::relational
