#include "app/demo_command.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

#include "app/command.h"
#include "app/demo_run.h"
#include "app/duration.h"
#include "app/stop_signal.h"
#if __has_include("app/sql_command.h")
#include "app/sql_command.h"
#endif

namespace weir::app {
namespace {

using base::error;
using base::ErrorKind;
using base::Result;

constexpr std::string_view kFooter =
    "The table shows the hub's traffic by interval, here of ten seconds where the sample has a "
    "minute.\n"
    "Rates have the sample's profiles: 1000 (2 partitions, 2 throughput units), 5000 (8, 6), 10000 "
    "(12, 12).\n"
    "Without --dir a temporary folder is used, and removed at the end unless --keep is given.\n"
    "Ctrl-C ends the simulator early; the query still catches up and the table is verified.\n"
    "Exit code 0 where the verification passes, else 1.\n\n"
    "Examples:\n"
    "  weir demo\n"
    "  weir demo --rate 10000 --duration 5m --interval 60s --dir ./demo\n"
    "  weir demo --dir ./demo        goes on where the last run was";

struct DemoWords {
  double rate = 1000;
  std::string duration = "60s";
  std::string dir;
  bool keep = false;
  std::string interval = "10s";
  std::string trigger = "1s";
  std::optional<uint64_t> seed;
};

void describe(CLI::App& app, DemoWords& words) {
  app.footer(std::string(kFooter));
  app.add_option("--rate", words.rate, "Messages a second")->capture_default_str();
  app.add_option("--duration", words.duration, "How long the simulator sends")
      ->capture_default_str();
  app.add_option("--dir", words.dir, "Folder for log, checkpoint, journal and table; stays");
  app.add_flag("--keep", words.keep, "Keep the temporary folder");
  app.add_option("--interval", words.interval, "Of the table of traffic; whole seconds")
      ->capture_default_str();
  app.add_option("--trigger", words.trigger, "Time between batches of the query")
      ->capture_default_str();
  app.add_option("--seed", words.seed,
                 "The same seed gives the same events; else the journal's, else a random one");
}

Result<DemoOptions> options_of(const DemoWords& words) {
  DemoOptions options;
  if (!(words.rate >= 1 && words.rate <= 1e6))
    return error(ErrorKind::kInvalidArgument, "--rate: {} is not between 1 and 1000000",
                 words.rate);
  options.rate = words.rate;
  options.seed = words.seed;
  WEIR_ASSIGN(options.duration_us, parse_duration_us("--duration", words.duration));
  if (options.duration_us == 0)
    return error(ErrorKind::kInvalidArgument, "--duration: 0 is too short");
  WEIR_ASSIGN(const int64_t interval_us, parse_duration_us("--interval", words.interval));
  if (interval_us < 1'000'000 || interval_us % 1'000'000 != 0)
    return error(ErrorKind::kInvalidArgument, "--interval: '{}' is not a number of whole seconds",
                 words.interval);
  options.interval_s = interval_us / 1'000'000;
  WEIR_ASSIGN(options.trigger_us, parse_duration_us("--trigger", words.trigger));
  choose_profile(options);
  return options;
}

Result<std::string> make_temporary_folder() {
  const char* base = std::getenv("TMPDIR");
  std::string folder =
      fmt::format("{}/weir-demo-XXXXXX", base != nullptr && *base != '\0' ? base : "/tmp");
  if (mkdtemp(folder.data()) == nullptr)
    return error(ErrorKind::kIo, "no temporary folder {}", folder);
  return folder;
}

// Ten rows, by the command that a user would type.
void print_ten_rows([[maybe_unused]] const std::string& table) {
#if __has_include("app/sql_command.h")
  std::string program = "weir sql";
  std::string query = fmt::format(
      "SELECT deviceId, deviceSequenceNumber, type, value, createdAt, enqueuedAt, storedAt FROM "
      "delta.`{}` "
      "ORDER BY storedAt DESC, deviceId LIMIT 10",
      table);
  std::printf("\nweir sql '%s'\n", query.c_str());
  std::fflush(stdout);
  char* words[] = {program.data(), query.data(), nullptr};
  run_sql(2, words);
#endif
}

void print_how_to_read(const DemoRun& run, bool stays) {
  const std::string table = run.table_path();
  std::printf("\nTable       %s\nCheckpoint  %s\nJournal     %s\nLog         %s\n", table.c_str(),
              run.checkpoint_path().c_str(), run.journal_path().c_str(), run.hub_path().c_str());
  if (!stays) {
    std::printf("The folder was temporary and is removed now; --keep or --dir DIR leave it.\n");
    return;
  }
  std::printf(
      "\nRead it with Python (pip install deltalake pyarrow duckdb):\n"
      "  python3 -c \"from deltalake import DeltaTable; "
      "print(DeltaTable('%s').to_pyarrow_table().num_rows)\"\n"
      "with DuckDB in Python:\n"
      "  python3 -c \"import duckdb; from deltalake import DeltaTable; "
      "events = DeltaTable('%s').to_pyarrow_dataset(); "
      "print(duckdb.sql('SELECT type, count(*) FROM events GROUP BY type'))\"\n"
      "with the DuckDB program (fetches its delta extension):\n"
      "  duckdb -c \"INSTALL delta; LOAD delta; "
      "SELECT type, count(*) FROM delta_scan('%s') GROUP BY type\"\n"
      "or with weir:\n"
      "  weir sql 'SELECT type, count(*) FROM delta.`%s` GROUP BY type'\n",
      table.c_str(), table.c_str(), table.c_str(), table.c_str());
}

// Whether the verification passed.
Result<bool> demonstrate(DemoRun& run, bool stays, std::stop_token stop) {
  WEIR_TRY(run.start(stop));
  WEIR_TRY(run.watch(stop));
  WEIR_TRY(run.catch_up());
  if (const auto& sent = run.sent())
    std::printf("Sent %lld messages (%lld of them copies), acknowledged %lld.\n",
                static_cast<long long>(sent->sent), static_cast<long long>(sent->duplicated),
                static_cast<long long>(sent->acknowledged));
  WEIR_ASSIGN(const auto report, run.verify());
  run.stop();
  std::fputs(report.to_text().c_str(), stdout);
  std::fflush(stdout);
  print_ten_rows(run.table_path());
  print_how_to_read(run, stays);
  return report.passed();
}

Result<bool> run_in_folder(const DemoWords& words, StopSignal& signal) {
  WEIR_ASSIGN(DemoOptions options, options_of(words));
  options.dir = words.dir;
  const bool temporary = words.dir.empty();
  if (temporary) {
    WEIR_ASSIGN(options.dir, make_temporary_folder());
  }
  const std::string dir = options.dir;
  auto files = io::local_file_system();
  base::SystemClock clock;
  base::SystemRandom random;
  auto passed = [&] {
    DemoRun run(*files, clock, random, std::move(options));
    return demonstrate(run, !temporary || words.keep, signal.token());
  }();
  if (temporary && !words.keep) WEIR_TRY(files->remove_tree(dir));
  return passed;
}

}  // namespace

int run_demo(int argc, char** argv) {
  CLI::App app("Simulated events through hub and query into a Delta table, watched and verified",
               argv[0]);
  DemoWords words;
  describe(app, words);
  if (const auto finished = parse_command_line(app, argc, argv)) return *finished;
  StopSignal signal;
  const auto passed = run_in_folder(words, signal);
  if (!passed.ok()) return report_error(passed.error());
  return *passed ? kExitOk : kExitFailed;
}

}  // namespace weir::app
