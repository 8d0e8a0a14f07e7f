// Spark's configuration keys that weir knows: their defaults, and whether a session may change
// them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::session {

using base::Result;

// The default of a key that weir knows, or nullopt.
std::optional<std::string_view> default_of(std::string_view key);
bool is_known_key(std::string_view key);
// A static key of Spark's, or one outside of spark.sql: a session cannot change it.
bool is_modifiable(std::string_view key);
std::vector<std::string_view> known_keys();

// CANNOT_MODIFY_CONFIG, INVALID_CONF_VALUE.* where the value may not be set.
Result<void> check_conf_value(const std::string& key, const std::string& value);
// "+8:00" and the like in the form that the kernels know; INVALID_CONF_VALUE.TIME_ZONE for no zone.
Result<std::string> normal_time_zone(const std::string& zone);

}  // namespace weir::session
