// Spark's configuration keys that weir knows: their defaults, and whether a session may change
// them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::session {

// The default of a key that weir knows, or nullopt.
std::optional<std::string_view> default_of(std::string_view key);

}  // namespace weir::session
