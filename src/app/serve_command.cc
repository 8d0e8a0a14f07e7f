#include "app/serve_command.h"

#include <cstdio>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include <CLI/CLI.hpp>

#include "app/command.h"
#include "app/metrics_endpoint.h"
#include "app/serve_hub.h"
#include "app/stop_signal.h"
#include "base/json.h"
#include "base/logging.h"
#include "connect/rpc_server.h"
#include "connect/service.h"
#include "python/session_functions.h"
#include "relational/duck_engine.h"
#include "relational/spill_folder.h"
#include "session/warehouse.h"
#include "stream/control_server.h"
#include "stream/query_metrics.h"
#include "streaming/stream_queries.h"

namespace weir::app {
namespace {

using base::ErrorKind;
using base::Result;

constexpr const char* kFooter =
    "PySpark connects by SparkSession.builder.remote(\"sc://HOST:PORT\"), with a token and TLS by\n"
    "\"sc://HOST:PORT/;use_ssl=true;token=TOKEN\".\n"
    "\n"
    "Examples:\n"
    "  weir serve --warehouse /data/warehouse\n"
    "  weir serve --listen 127.0.0.1:0 --output json        a free port, told as JSON\n"
    "  weir serve --listen 0.0.0.0:15002 --tls-cert server.pem --tls-key server.key --token-file "
    "token\n"
    "  weir serve --hub-dir data --hub-topic events:4       with a Kafka broker in the same "
    "process\n"
    "\n"
    "Whoever reaches the port reads and writes what this process can: away from this machine's "
    "own\n"
    "address a token is required. SIGINT and SIGTERM stop the server cleanly; it prints 'listening "
    "on\n"
    "sc://HOST:PORT' when it is ready.\n";

struct Words {
  connect::RpcServerOptions rpc;
  std::string token_file;
  std::string certificate_file;
  std::string key_file;
  std::string warehouse = "spark-warehouse";
  std::optional<std::string> spill_folder;
  std::string output = "text";
  int64_t memory_mb = 1024;
  int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  int64_t session_timeout_s = 3600;
  size_t queries_max = 100;
  std::string python;
  std::string python_user = "auto";
  int64_t python_memory_mb = 2048;
  int python_workers = 16;
  int64_t python_timeout_s = 3600;
  std::string metrics_listen;
  ServeHubWords hub;
};

void add_options(CLI::App& app, Words& words) {
  app.add_option("--listen", words.rpc.listen, "HOST:PORT to listen on; port 0 takes a free one")
      ->capture_default_str();
  auto* token = app.add_option("--token", words.rpc.token,
                               "Clients have to send this token (other users may see it in the "
                               "process list: prefer --token-file)");
  app.add_option("--token-file", words.token_file, "A file that holds the token")->excludes(token);
  auto* certificate = app.add_option("--tls-cert", words.certificate_file,
                                     "Certificate (chain) in PEM: the port speaks TLS");
  auto* key = app.add_option("--tls-key", words.key_file, "Its key in PEM")->needs(certificate);
  certificate->needs(key);
  app.add_option("--warehouse", words.warehouse, "Folder of the catalog and of managed tables")
      ->capture_default_str();
  app.add_option("--memory-mb", words.memory_mb, "Memory for grouping, sorting and joining")
      ->check(CLI::Range(16, 1 << 20))
      ->capture_default_str();
  app.add_option("--threads", words.threads, "Threads for grouping, sorting and joining")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option(
      "--spill-folder", words.spill_folder,
      "Where what outgrows the memory is written; '': nowhere, it fails [.spill in the warehouse]");
  app.add_option("--session-timeout-s", words.session_timeout_s,
                 "A session that nobody uses for so long is closed")
      ->check(CLI::Range(1, 30 * 86'400))
      ->capture_default_str();
  app.add_option("--max-queries", words.queries_max, "Queries that run at a time; more wait")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--python", words.python,
                 "Interpreter with pyspark that runs Python functions; else PYSPARK_PYTHON, else "
                 "python3");
  app.add_option("--python-user", words.python_user,
                 "Where the server is root, Python functions run as a user of their own for each "
                 "session, or as the server's user; auto: the latter where the former cannot read "
                 "Python's files")
      ->check(CLI::IsMember({"auto", "session", "server"}))
      ->capture_default_str();
  app.add_option("--python-memory-mb", words.python_memory_mb,
                 "Memory of one Python worker; 0: no limit")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("--python-workers", words.python_workers, "Python workers of a session")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--python-timeout-s", words.python_timeout_s,
                 "A Python worker that says nothing for so long is ended; 0: never")
      ->check(CLI::Range(0, 30 * 86'400))
      ->capture_default_str();
  add_metrics_option(app, words.metrics_listen);
  add_serve_hub_options(app, words.hub);
  add_output_option(app, words.output);
  app.footer(kFooter);
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return base::error(ErrorKind::kNotFound, "the file {} cannot be read", path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Addresses that only this machine reaches.
bool is_loopback(const std::string& listen) {
  return listen.starts_with("127.") || listen.starts_with("localhost:") ||
         listen.starts_with("[::1]:") || listen.starts_with("unix:");
}

Result<void> finish_options(Words& words) {
  if (!words.token_file.empty()) {
    WEIR_ASSIGN(words.rpc.token, read_file(words.token_file));
    while (!words.rpc.token.empty() &&
           (words.rpc.token.back() == '\n' || words.rpc.token.back() == '\r'))
      words.rpc.token.pop_back();
    if (words.rpc.token.empty())
      return base::error(ErrorKind::kInvalidArgument, "the token in {} is empty", words.token_file);
  }
  if (!words.certificate_file.empty()) {
    WEIR_ASSIGN(words.rpc.certificate_pem, read_file(words.certificate_file));
    WEIR_ASSIGN(words.rpc.key_pem, read_file(words.key_file));
  }
  if (words.rpc.listen.find(':') == std::string::npos)
    return base::error(ErrorKind::kInvalidArgument,
                       "--listen {} is no address: give HOST:PORT, such as 127.0.0.1:15002",
                       words.rpc.listen);
  if (!is_loopback(words.rpc.listen) && words.rpc.token.empty())
    return base::error(ErrorKind::kInvalidArgument,
                       "{} can be reached from other machines: give --token-file (or listen on "
                       "127.0.0.1)",
                       words.rpc.listen);
  return {};
}

std::shared_ptr<python::WorkerHost> worker_host(const Words& words) {
  python::HostOptions options;
  options.python = words.python;
  options.user = words.python_user == "auto"      ? python::WorkerUser::kAuto
                 : words.python_user == "session" ? python::WorkerUser::kSession
                                                  : python::WorkerUser::kServer;
  options.memory_bytes = words.python_memory_mb << 20;
  return std::make_shared<python::WorkerHost>(std::move(options));
}

void print_ready(const Words& words, int port, const hub::Hub* hub,
                 const web::PageServer* metrics) {
  const std::string host = words.rpc.listen.substr(0, words.rpc.listen.rfind(':'));
  const std::string address = fmt::format("sc://{}:{}", host, port);
  if (words.output == "json") {
    base::JsonObject ready{{"address", address}, {"port", port}, {"warehouse", words.warehouse}};
    if (hub != nullptr) ready["hub"] = hub_addresses(*hub);
    if (metrics != nullptr) ready["metrics"] = metrics_url(*metrics);
    std::printf("%s\n", base::json_text(ready).c_str());
  } else {
    std::printf("listening on %s\n", address.c_str());
    if (hub != nullptr) std::printf("hub on %s\n", hub_addresses(*hub).c_str());
    if (metrics != nullptr) std::printf("metrics at %s\n", metrics_url(*metrics).c_str());
  }
  std::fflush(stdout);
}

// Where Python workers reach the service: a port of its own, for this machine, with a token of its
// own, opened when one asks. May be called from several threads.
class LocalPort {
 public:
  LocalPort(base::Random& random, connect::RpcServer::Begin begin)
      : random_(random), begin_(std::move(begin)) {}

  Result<std::string> url() {
    const std::lock_guard lock(mutex_);
    if (!server_) {
      options_.listen = "localhost:0";
      options_.token = base::uuid(random_);
      WEIR_ASSIGN(server_, connect::RpcServer::start(options_, begin_));
    }
    return fmt::format("sc://localhost:{}/;token={}", server_->port(), options_.token);
  }
  void stop(int64_t grace_ms) {
    const std::lock_guard lock(mutex_);
    if (server_) server_->stop(grace_ms);
  }

 private:
  base::Random& random_;
  const connect::RpcServer::Begin begin_;
  std::mutex mutex_;
  connect::RpcServerOptions options_;
  std::unique_ptr<connect::RpcServer> server_;
};

// Each session's place among the users that Python functions run as: the lowest that no session
// has. Given back with the last copy. Outlives the places.
class UserSlots {
 public:
  std::shared_ptr<const int> take() {
    const std::lock_guard lock(mutex_);
    int slot = 0;
    while (taken_.contains(slot))
      ++slot;
    taken_.insert(slot);
    return {new int(slot), [this](const int* place) {
              const std::lock_guard relock(mutex_);
              taken_.erase(*place);
              delete place;
            }};
  }

 private:
  std::mutex mutex_;
  std::set<int> taken_;
};

Result<void> serve(Words& words, StopSignal& stop) {
  WEIR_TRY(finish_options(words));
  const auto files = io::local_file_system();
  base::SystemClock clock;
  base::SystemRandom random;
  WEIR_ASSIGN(const auto spill,
              relational::SpillFolder::choose(*files, random, words.spill_folder, words.warehouse));
  WEIR_ASSIGN(const auto engine,
              relational::DuckEngine::open({words.memory_mb << 20, words.threads, spill, {"/"}}));
  WEIR_ASSIGN(const auto warehouse,
              session::Warehouse::open(
                  {*files, clock, random, *engine, words.threads, (words.memory_mb << 20) / 4},
                  words.warehouse));
  WEIR_ASSIGN(const auto hub, start_serve_hub(words.hub, *files, clock, random));
  connect::ServiceOptions options;
  options.session_idle_us = words.session_timeout_s * 1'000'000;
  options.executions_max = words.queries_max;
  const auto workers = worker_host(words);
  const python::FunctionOptions functions{words.python_workers, words.threads,
                                          words.python_timeout_s * 1'000'000};
  UserSlots slots;
  stream::QueryManager streams({*files, clock, random});
  auto control = stream::ControlServer::start(streams);
  if (!control.ok())
    base::log_warn("weir stream does not reach the queries of this process: {}",
                   control.error().to_string());
  const auto make_session = [&](const std::string& id) -> Result<connect::SessionEngine> {
    WEIR_ASSIGN(auto made, session::Session::create(warehouse, id));
    const auto slot = slots.take();
    auto made_functions = python::session_functions(
        workers, *slot, functions,
        [session = made.get(), slot](const std::string& key) { return session->get(key); }, clock);
    auto* const python = made_functions.get();
    made->set_user_functions(std::move(made_functions));
    auto queries = streaming::StreamQueries::create({*files, clock, random}, *made, &streams);
    return connect::SessionEngine{std::move(made), python, std::move(queries)};
  };
  std::unique_ptr<LocalPort> local;
  options.local_url = [&local] { return local->url(); };
  connect::Service service(make_session, clock, random, options);
  local = std::make_unique<LocalPort>(
      random, [&service](const connect::CallPtr& call) { return service.begin(call); });
  WEIR_ASSIGN(const auto server,
              connect::RpcServer::start(
                  words.rpc, [&](const connect::CallPtr& call) { return service.begin(call); }));
  WEIR_ASSIGN(const auto metrics, start_metrics(words.metrics_listen, [&](base::MetricsText& text) {
                stream::add_query_metrics(streams, text);
                if (hub) hub::add_hub_metrics(hub->metrics().snapshot(), text);
              }));
  print_ready(words, server->port(), hub.get(), metrics.get());
  stop.wait();
  service.stop();
  constexpr int64_t kGraceMs = 1000;
  local->stop(kGraceMs);
  server->stop(kGraceMs);
  if (hub) hub->stop();
  return {};
}

}  // namespace

int run_serve(int argc, char** argv) {
  CLI::App app("Serve PySpark and other Spark Connect clients", "weir serve");
  Words words;
  add_options(app, words);
  if (const auto finished = parse_command_line(app, argc, argv)) return *finished;
  StopSignal stop;
  if (const auto served = serve(words, stop); !served.ok())
    return report_error(served.error(), words.output == "json");
  return kExitOk;
}

}  // namespace weir::app
