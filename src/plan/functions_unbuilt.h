// Spark's functions that weir does not have: refused by name, so that nobody takes them for a
// spelling mistake.
#pragma once

#include <string_view>

namespace weir::plan {

bool is_unbuilt_function(std::string_view name);  // lower case

}  // namespace weir::plan
