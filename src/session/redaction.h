// Which settings and options are not shown.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/text.h"

namespace weir::session {

constexpr std::string_view kRedacted = "*********(redacted)";

// Whether a key is that of a password, a token or the like (Spark's spark.redaction.regex, and the
// keys of Kafka and Event Hubs).
inline bool names_secret(const std::string& key) {
  constexpr std::string_view kSecrets[] = {"password",  "secret", "token",           "access.key",
                                           "accesskey", "jaas",   "connectionstring"};
  const std::string lower = base::lower_case(key);
  return std::any_of(std::begin(kSecrets), std::end(kSecrets), [&](std::string_view secret) {
    return lower.find(secret) != std::string::npos;
  });
}

}  // namespace weir::session
