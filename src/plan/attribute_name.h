// Names of columns as DataFrame calls write them: "t.`a.b`.c".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::plan {

// The parts between the dots, without backticks; INVALID_ATTRIBUTE_NAME_SYNTAX.
base::Result<std::vector<std::string>> split_name(std::string_view name);

}  // namespace weir::plan
