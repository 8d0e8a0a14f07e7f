// Aggregates whose state is bytes or bins, finished over lists of values: bitmaps, Count-Min
// sketches, histograms, sums of vectors.
#pragma once

#include <optional>

#include "eval/list_finishers.h"
#include "eval/program.h"

namespace weir::eval {

// bitmap_construct_agg, bitmap_or_agg, bitmap_and_agg, count_min_sketch, histogram_numeric,
// vector_sum, vector_avg; nullptr for others. Constant arguments are evaluated here.
Result<BatchFunction> sketch_finisher(const plan::Typed& expression, const EvalContext& context);

}  // namespace weir::eval
