#include "app/metrics_endpoint.h"

#include <CLI/CLI.hpp>

#include "app/version.h"

namespace weir::app {

void add_metrics_option(CLI::App& app, std::string& listen) {
  app.add_option(
         "--metrics-listen", listen,
         "HOST:PORT where Prometheus finds /metrics; port 0 takes a free one; without: none")
      ->type_name("HOST:PORT");
}

base::Result<std::unique_ptr<web::PageServer>> start_metrics(
    const std::string& listen, std::function<void(base::MetricsText&)> fill) {
  if (listen.empty()) return std::unique_ptr<web::PageServer>();
  const std::string version = versions().front().second;
  web::Page page;
  page.content_type = "text/plain; version=0.0.4; charset=utf-8";
  page.make = [fill = std::move(fill), version] {
    base::MetricsText text;
    base::add_process_metrics(text, version);
    fill(text);
    return text.take();
  };
  return web::PageServer::start(listen, {{"/metrics", std::move(page)}});
}

std::string metrics_url(const web::PageServer& server) {
  return "http://" + server.address() + "/metrics";
}

}  // namespace weir::app
