// Durations as the options of commands write them: "500ms", "60s", "5m", "2h", or a bare number of
// seconds.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace weir::app {

// Microseconds; kInvalidArgument names the option and the text.
base::Result<int64_t> parse_duration_us(std::string_view option, std::string_view text);

}  // namespace weir::app
