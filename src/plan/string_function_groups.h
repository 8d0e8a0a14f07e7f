// Groups of the catalog that add_strings() takes in: one list a source file.
#pragma once

#include "plan/function_groups.h"

namespace weir::plan {

void add_urls(Functions& list);
void add_string_tools(Functions& list);

}  // namespace weir::plan
