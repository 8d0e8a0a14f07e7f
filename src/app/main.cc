// The program's entry: finds the command and hands it the rest of the line.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "app/command.h"
#include "app/demo_command.h"
#include "app/hub_command.h"
#include "app/ingest_command.h"
#include "app/memory_settings.h"
#include "app/serve_command.h"
#include "app/simulate_command.h"
#include "app/sql_command.h"
#include "app/state_command.h"
#include "app/stream_command.h"
#include "app/verify_command.h"
#include "app/version.h"
#include "base/json.h"

namespace weir::app {
namespace {

constexpr Command kCommands[] = {
    {"demo", "Simulated events through hub and query into a Delta table, checked", run_demo},
    {"hub", "Run the embedded broker (Kafka protocol, durable log)", run_hub},
    {"simulate", "Send simulated IoT events to a topic, files or standard output", run_simulate},
    {"ingest", "Stream a Kafka topic or a folder of files into a Delta table, exactly once",
     run_ingest},
    {"stream", "List, show or stop the queries that run on this machine", run_stream},
    {"state", "Show and check what stateful queries keep in their checkpoints", run_state},
    {"sql", "Query Delta tables with SQL", run_sql},
    {"serve", "Serve PySpark and other Spark Connect clients", run_serve},
    {"verify", "Check a table against the journal of what was sent", run_verify},
};

void print_help(std::FILE* out) {
  std::fputs(
      "weir: events from Kafka or files into an exact Delta table, in one program\n\n"
      "Usage: weir COMMAND [OPTIONS]\n\nCommands:\n",
      out);
  for (const Command& command : kCommands)
    std::fprintf(out, "  %-10.*s %.*s\n", static_cast<int>(command.name.size()),
                 command.name.data(), static_cast<int>(command.help.size()), command.help.data());
  std::fputs(
      "\nOptions:\n"
      "  --help     this text; weir COMMAND --help shows a command's options with examples\n"
      "  --version  commit and versions of the libraries; with --output json as JSON\n\n"
      "Exit codes: 0 done, 1 failed or an assertion did not hold, 2 wrong usage, 3 not found, 4 a "
      "server does not\n"
      "answer, 5 in use, 6 data damaged or gone, 7 not supported (docs/cli.md).\n",
      out);
}

int print_version(bool json) {
  if (json) {
    base::JsonObject object;
    for (const auto& [library, version] : versions())
      object[library] = version;
    std::printf("%s\n", base::json_text(object).c_str());
    return kExitOk;
  }
  for (const auto& [library, version] : versions())
    std::printf("%-11s %s\n", library.c_str(), version.c_str());
  return kExitOk;
}

int run(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.empty()) {
    print_help(stderr);
    return kExitUsage;
  }
  if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    print_help(stdout);
    return kExitOk;
  }
  if (words[0] == "--version" || words[0] == "version")
    return print_version(words.size() >= 3 && words[1] == "--output" && words[2] == "json");
  for (const Command& command : kCommands) {
    if (words[0] != command.name) continue;
    std::string title = "weir " + std::string(command.name);
    std::vector<char*> rest(argv + 1, argv + argc + 1);  // with the null at the end
    rest[0] = title.data();
    return command.run(argc - 1, rest.data());
  }
  std::fprintf(stderr, "weir: there is no command '%s'; see weir --help\n", argv[1]);
  return kExitUsage;
}

}  // namespace
}  // namespace weir::app

int main(int argc, char** argv) {
  weir::app::apply_memory_settings();
  return weir::app::run(argc, argv);
}
