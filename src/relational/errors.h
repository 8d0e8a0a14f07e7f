// Errors that more than one step of a query gives.
#pragma once

#include <string_view>

#include "base/result.h"

namespace weir::relational {

// "<what> is not supported yet", class UNSUPPORTED_FEATURE.
base::Error unsupported(std::string_view what);

}  // namespace weir::relational
