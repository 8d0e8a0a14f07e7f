// Client and producer settings of any text: taken or refused by name, never a crash. The text is
// NAME=VALUE lines; broker lists that are taken read the same again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kafka/client_options.h"

namespace {

using namespace weir::kafka;

void check_servers(std::string_view text) {
  const auto servers = parse_bootstrap_servers(text);
  if (!servers.ok()) return;
  std::string written;
  for (const auto& server : *servers)
    written += (written.empty() ? "" : ",") + server.to_string();
  const auto again = parse_bootstrap_servers(written);
  if (!again.ok() || *again != *servers) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check_servers(text);
  Properties properties{{"bootstrap.servers", "a:1"}};
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (const size_t equals = line.find('='); equals != std::string_view::npos)
      properties[std::string(line.substr(0, equals))] = line.substr(equals + 1);
  }
  (void)ClientOptions::from_properties(properties);
  (void)ProducerOptions::from_properties(properties);
  return 0;
}
