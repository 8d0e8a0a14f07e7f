// The option --metrics-listen, and the page /metrics behind it (docs/metrics.md).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/metrics_text.h"
#include "base/result.h"
#include "web/page_server.h"

namespace CLI {
class App;
}

namespace weir::app {

void add_metrics_option(CLI::App& app, std::string& listen);

// Null where `listen` is empty. `fill` adds what the process tells beside its own cost; it is
// called by the server's thread, as often as somebody asks.
base::Result<std::unique_ptr<web::PageServer>> start_metrics(
    const std::string& listen, std::function<void(base::MetricsText&)> fill);

// "http://127.0.0.1:9090/metrics"
std::string metrics_url(const web::PageServer& server);

}  // namespace weir::app
