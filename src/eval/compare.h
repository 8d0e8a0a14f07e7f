// The order of two values of one type: NULL first, NaN last, nested values piece by piece.
#pragma once

#include "eval/kernel.h"

namespace weir::eval {

// < 0, 0, > 0. Slow (it makes views of single rows); kernels over plain columns have loops of their
// own.
int compare_values(const DataType& type, const arrow::Array& a, int64_t a_row,
                   const arrow::Array& b, int64_t b_row);

}  // namespace weir::eval
