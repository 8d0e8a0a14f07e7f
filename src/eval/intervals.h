// Intervals times and by numbers.
#pragma once

#include "eval/kernel.h"

namespace weir::eval {

// interval * number, number * interval, interval / number: rounded half away from zero.
Result<ArrayPtr> scale_interval(KernelCall& call, Operands arguments, bool divide);
// interval div interval of the same kind.
Result<ArrayPtr> divide_intervals(KernelCall& call, Operands arguments);

}  // namespace weir::eval
