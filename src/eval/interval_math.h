// Intervals times and by numbers, and by one another.
#pragma once

#include "eval/kernel.h"
#include "eval/node.h"

namespace weir::eval {

// One argument is an interval (for a division the first), the other a bigint, decimal or double.
// Rounded half up.
Result<ArrayPtr> scale_interval(KernelCall& call, Operands arguments, bool divide);
// How often the second fits into the first, towards zero.
Result<ArrayPtr> interval_quotient(KernelCall& call, Operands arguments);

}  // namespace weir::eval
