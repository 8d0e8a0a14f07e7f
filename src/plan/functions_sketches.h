// The catalog's sketches.
#pragma once

#include "plan/function_groups.h"

namespace weir::plan {

void add_sketches(Functions& list);

}  // namespace weir::plan
