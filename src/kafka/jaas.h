// The one JAAS configuration that matters to Kafka clients with SASL PLAIN:
//   org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";
// also with Databricks' prefix "kafkashaded." in front.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::kafka {

struct PlainLogin {
  std::string username;
  std::string password;
};

// kUnsupported for another login module, kInvalidArgument where malformed. Messages never hold the
// password.
base::Result<PlainLogin> parse_jaas_config(std::string_view text);

}  // namespace weir::kafka
