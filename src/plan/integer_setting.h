// Settings of Spark's type int, as the analysis reads them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"

namespace weir::plan {

// INVALID_CONF_VALUE.TYPE_MISMATCH where the value is none.
base::Result<int32_t> integer_setting(const std::map<std::string, std::string>& conf,
                                      const std::string& key, int32_t otherwise);

}  // namespace weir::plan
