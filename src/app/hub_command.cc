#include "app/hub_command.h"

#include <cstdio>

#include <CLI/CLI.hpp>
#include <sys/resource.h>

#include "app/command.h"
#include "app/metrics_endpoint.h"
#include "app/stop_signal.h"
#include "base/json.h"
#include "base/logging.h"
#include "hub/hub.h"

namespace weir::app {
namespace {

using base::Result;

constexpr const char* kFooter =
    "Examples:\n"
    "  weir hub --dir data --topic events:4\n"
    "  weir hub --dir data --listen 127.0.0.1:0 --output json     a free port, told as JSON\n"
    "  weir hub --dir data --flush interval --flush-interval-ms 20\n"
    "\n"
    "Flush policies: what an acks=all answer, and every consumer, waits for.\n"
    "  always    until the data is synced; all that waits shares one sync (no data is lost at a "
    "power loss)\n"
    "  interval  the same, but at most one sync in --flush-interval-ms (later answers, fewer "
    "syncs)\n"
    "  never     nothing: syncing is left to the operating system, a power loss may lose answered "
    "data\n"
    "acks=1 is answered once the data is written; it may be lost at a power loss under each "
    "policy.\n"
    "SIGINT and SIGTERM stop the hub cleanly; it prints 'listening on HOST:PORT' when it is "
    "ready.\n";

struct Words {
  hub::HubOptions options;
  std::vector<std::string> topics;
  std::vector<std::string> configs;
  std::string flush = "always";
  std::string output = "text";
  int64_t frame_mb = 64;
  int64_t memory_mb = 512;
  int64_t group_memory_mb = 64;
  int64_t offset_memory_mb = 256;
  std::string metrics_listen;
};

void add_options(CLI::App& app, Words& words) {
  hub::HubOptions& options = words.options;
  app.add_option("--dir", options.dir, "Folder that holds the data; made where absent")->required();
  app.add_option("--listen", options.listen,
                 "HOST:PORT to listen on, may be repeated; port 0 takes a free one")
      ->default_str("127.0.0.1:9092");
  app.add_option("--advertise", options.advertise,
                 "HOST:PORT told to clients (default: the address that a client came in by)");
  app.add_option("--topic", words.topics, "NAME:PARTITIONS, made where absent; may be repeated");
  app.add_option("--topic-config", words.configs,
                 "KEY=VALUE for new topics: retention.ms, retention.bytes, segment.bytes, "
                 "max.message.bytes, message.timestamp.type");
  app.add_flag("--auto-create-topics", options.auto_create_topics,
               "Make a topic when a client asks for it (default: off)");
  app.add_option("--auto-create-partitions", options.auto_create_partitions,
                 "Partitions of such topics, and where a client leaves the number open")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--flush", words.flush, "always, interval or never (see below)")
      ->capture_default_str();
  app.add_option("--flush-interval-ms", options.flush_interval_ms, "For --flush interval")
      ->check(CLI::Range(1, 60'000))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "Network threads")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--max-connections", options.connections_max, "Connections at once")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--max-frame-mb", words.frame_mb, "Largest request")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--memory-mb", words.memory_mb,
                 "For requests being read, and as much again for data being sent")
      ->check(CLI::Range(16, 65'536))
      ->capture_default_str();
  app.add_option("--group-memory-mb", words.group_memory_mb,
                 "For what members of all groups have told; more members are refused")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  app.add_option("--offset-memory-mb", words.offset_memory_mb,
                 "For the committed offsets of all groups; more commits are refused")
      ->check(CLI::Range(1, 65'536))
      ->capture_default_str();
  app.add_option("--session-timeout-min-ms", options.session_timeout_min_ms,
                 "Shortest session of a group member")
      ->capture_default_str();
  app.add_option("--session-timeout-max-ms", options.session_timeout_max_ms,
                 "Longest session of a group member")
      ->capture_default_str();
  app.add_option("--group-rebalance-delay-ms", options.group_initial_rebalance_delay_ms,
                 "How long a new group waits for more members")
      ->capture_default_str();
  app.add_option("--retention-check-ms", options.retention_check_ms,
                 "How often old segments are looked for")
      ->check(CLI::Range(10, 86'400'000))
      ->capture_default_str();
  app.add_flag("--repair", options.repair,
               "Cut damaged partitions at the damage; what is cut off is kept as *.damaged");
  add_metrics_option(app, words.metrics_listen);
  add_output_option(app, words.output);
  app.footer(kFooter);
}

Result<void> finish_options(Words& words) {
  for (const std::string& config : words.configs) {
    const size_t equals = config.find('=');
    if (equals == std::string::npos)
      return base::error(base::ErrorKind::kInvalidArgument, "--topic-config '{}' is not KEY=VALUE",
                         config);
    WEIR_TRY(hub::set_topic_config(words.options.topic_defaults, config.substr(0, equals),
                                   config.substr(equals + 1)));
  }
  for (const std::string& topic : words.topics) {
    WEIR_ASSIGN(auto spec, hub::parse_topic_spec(topic, words.options.topic_defaults));
    words.options.topics.push_back(std::move(spec));
  }
  WEIR_ASSIGN(words.options.flush, hub::parse_flush_policy(words.flush));
  words.options.frame_bytes_max = words.frame_mb << 20;
  words.options.request_memory_bytes_max = words.options.response_memory_bytes_max = words.memory_mb
                                                                                     << 20;
  words.options.group_memory_bytes_max = words.group_memory_mb << 20;
  words.options.offset_memory_bytes_max = words.offset_memory_mb << 20;
  return {};
}

// A partition has up to four files open.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void print_ready(const hub::Hub& hub, const Words& words, const web::PageServer* metrics) {
  if (words.output == "json") {
    base::JsonArray listening;
    for (const hub::BoundAddress& address : hub.addresses())
      listening.emplace_back(address.text());
    base::JsonArray warnings;
    for (const std::string& warning : hub.warnings())
      warnings.emplace_back(warning);
    base::JsonObject ready{{"listening", std::move(listening)},
                           {"port", hub.port()},
                           {"dir", words.options.dir},
                           {"flush", hub::flush_policy_name(words.options.flush)},
                           {"warnings", std::move(warnings)}};
    if (metrics != nullptr) ready["metrics"] = metrics_url(*metrics);
    std::printf("%s\n", base::json_text(ready).c_str());
  } else {
    std::string text;
    for (const hub::BoundAddress& address : hub.addresses())
      text += (text.empty() ? "" : ", ") + address.text();
    std::printf("listening on %s\n", text.c_str());
    if (metrics != nullptr) std::printf("metrics at %s\n", metrics_url(*metrics).c_str());
  }
  std::fflush(stdout);
}

}  // namespace

int run_hub(int argc, char** argv) {
  CLI::App app("Run the embedded broker: the Kafka protocol on a durable log", "weir hub");
  Words words;
  add_options(app, words);
  if (const auto finished = parse_command_line(app, argc, argv)) return *finished;
  const bool json = words.output == "json";
  if (const auto ready = finish_options(words); !ready.ok())
    return report_error(ready.error(), json);

  StopSignal stop;
  raise_file_limit();
  const auto files = io::local_file_system();
  base::SystemClock clock;
  base::SystemRandom random;
  hub::Hub hub(*files, clock, random, words.options);
  if (const auto started = hub.start(); !started.ok()) return report_error(started.error(), json);
  const auto metrics = start_metrics(words.metrics_listen, [&hub](base::MetricsText& text) {
    hub::add_hub_metrics(hub.metrics().snapshot(), text);
  });
  if (!metrics.ok()) return report_error(metrics.error(), json);
  print_ready(hub, words, metrics->get());
  stop.wait();
  hub.stop();
  return kExitOk;
}

}  // namespace weir::app
