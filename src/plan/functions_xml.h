// The catalog's functions over XML.
#pragma once

#include "plan/function_groups.h"

namespace weir::plan {

void add_xml(Functions& list);

}  // namespace weir::plan
