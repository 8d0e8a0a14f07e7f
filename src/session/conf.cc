#include "session/conf.h"

#include <algorithm>
#include <array>

namespace weir::session {

namespace {

struct Entry {
  std::string_view key;
  std::string_view value;
};

// Sorted by key.
constexpr std::array kDefaults = {
    Entry{"spark.sql.ansi.enabled", "true"},
    Entry{"spark.sql.caseSensitive", "false"},
    Entry{"spark.sql.session.timeZone", "UTC"},
    Entry{"spark.sql.sources.default", "delta"},
};

}  // namespace

std::optional<std::string_view> default_of(std::string_view key) {
  const auto* found =
      std::lower_bound(kDefaults.begin(), kDefaults.end(), key,
                       [](const Entry& entry, std::string_view k) { return entry.key < k; });
  if (found == kDefaults.end() || found->key != key) return std::nullopt;
  return found->value;
}

}  // namespace weir::session
