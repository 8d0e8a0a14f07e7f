// Aggregates whose state is bytes or bins, finished over lists of values: bitmaps, Count-Min
// sketches, histograms, sums of vectors.
#pragma once

#include <optional>

#include "eval/program.h"
#include "relational/duck_engine.h"

namespace weir::relational {

// bitmap_construct_agg, bitmap_or_agg, bitmap_and_agg, count_min_sketch, histogram_numeric,
// vector_sum, vector_avg; nullptr for others. Constant arguments are evaluated here.
Result<DuckQuery::Function> sketch_finisher(const plan::Typed& expression,
                                            const eval::EvalContext& context);

}  // namespace weir::relational
