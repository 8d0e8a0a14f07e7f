// The embedded broker beside another service of the process: weir serve --hub-dir.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "hub/hub.h"

namespace weir::app {

struct ServeHubWords {
  hub::HubOptions options;
  std::vector<std::string> topics;
};

void add_serve_hub_options(CLI::App& app, ServeHubWords& words);
// Null where no folder is given.
base::Result<std::unique_ptr<hub::Hub>> start_serve_hub(ServeHubWords words, io::FileSystem& files,
                                                        base::Clock& clock, base::Random& random);
// "127.0.0.1:9092", a comma between several.
std::string hub_addresses(const hub::Hub& hub);

}  // namespace weir::app
