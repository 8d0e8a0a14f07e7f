#include "app/verify_command.h"

#include <cstdio>
#include <vector>

#include <CLI/CLI.hpp>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "app/command.h"
#include "app/duration.h"
#include "app/stop_signal.h"
#include "delta/scan.h"
#include "delta/table.h"
#include "simulate/log_reader.h"

namespace weir::app {
namespace {

using base::error;
using base::ErrorKind;
using base::Result;

constexpr std::string_view kFooter =
    "Columns are found by name: eventId has to be there; deviceId, deviceSequenceNumber, type, "
    "value, complexData are\n"
    "held against what the seed in the journal gives, storedAt and enqueuedAt (or timestamp) give "
    "latency and rows by\n"
    "minute, _topic, _partition and _offset say which record a row is.\n"
    "Rows that are stored but were not acknowledged are reported, and are no failure.\n"
    "Exit code 0 where every assertion holds, 1 where one does not.\n\n"
    "Examples:\n"
    "  weir verify /data/events --journal run.journal\n"
    "  weir verify /data/events --journal run.journal --bootstrap 127.0.0.1:9092 --topic events "
    "--output json";

struct VerifyWords {
  std::string table;
  std::string journal;
  std::string bootstrap;
  std::string topic = "events";
  std::vector<std::string> options;
  std::string interval = "60s";
  double rate = 0;
  std::string latency_limit = "15s";
  bool no_content = false;
  std::string output = "text";
};

void describe(CLI::App& app, VerifyWords& words) {
  app.footer(std::string(kFooter));
  app.add_option("TABLE", words.table, "Folder of the Delta table")->required();
  app.add_option("--journal", words.journal, "The journal that weir simulate wrote")->required();
  app.add_option("--bootstrap", words.bootstrap,
                 "Broker(s) of the log, HOST:PORT[,…]; without, the log is not read");
  app.add_option("--topic", words.topic, "Topic of the log")->capture_default_str();
  app.add_option("--option", words.options,
                 "A client setting of Kafka's, KEY=VALUE (security.protocol=SASL_SSL …)");
  app.add_option("--interval", words.interval, "Rows are counted by stretches of this length")
      ->capture_default_str();
  app.add_option("--expect-rate", words.rate,
                 "Events a second; the best interval has to reach 0.9 of it");
  app.add_option("--latency-limit", words.latency_limit,
                 "The best interval's mean latency has to be within it")
      ->capture_default_str();
  app.add_flag("--no-content", words.no_content, "Do not compare value and complexData");
  add_output_option(app, words.output);
}

Result<VerifyTask> task_of(const VerifyWords& words) {
  VerifyTask task{.table = words.table,
                  .journal = words.journal,
                  .log = std::nullopt,
                  .topic = words.topic,
                  .options = {}};
  WEIR_ASSIGN(task.options.interval_us, parse_duration_us("--interval", words.interval));
  if (task.options.interval_us < 1000)
    return error(ErrorKind::kInvalidArgument, "--interval: '{}' is too short", words.interval);
  WEIR_ASSIGN(task.options.latency_limit_us,
              parse_duration_us("--latency-limit", words.latency_limit));
  if (words.rate < 0)
    return error(ErrorKind::kInvalidArgument, "--expect-rate: {} is below 0", words.rate);
  task.options.expected_rate = words.rate;
  task.options.check_content = !words.no_content;
  if (words.bootstrap.empty()) {
    if (!words.options.empty())
      return error(ErrorKind::kInvalidArgument, "--option is for the log; --bootstrap is missing");
    return task;
  }
  kafka::Properties properties{{"bootstrap.servers", words.bootstrap}};
  for (const std::string& option : words.options) {
    const size_t equals = option.find('=');
    if (equals == std::string::npos || equals == 0)
      return error(ErrorKind::kInvalidArgument, "--option: '{}' is not KEY=VALUE", option);
    properties[option.substr(0, equals)] = option.substr(equals + 1);
  }
  WEIR_ASSIGN(task.log, kafka::ClientOptions::from_properties(properties));
  return task;
}

Result<void> add_log(const VerifyTask& task, simulate::Verification& verification,
                     base::Clock& clock, base::Random& random, std::stop_token stop) {
  const simulate::LogTaker taker{
      .on_partition =
          [&](int32_t partition, int64_t start, int64_t end) {
            verification.add_log_partition({task.topic, partition}, start, end);
          },
      .on_record =
          [&](int32_t partition, int64_t offset, std::string_view value) {
            verification.add_record({task.topic, partition}, offset, value);
          }};
  auto read = simulate::read_log(*task.log, task.topic, clock, random, taker, stop);
  if (!read.ok()) return std::move(read).error().with_context("log");
  return {};
}

}  // namespace

Result<simulate::VerificationReport> verify_table(const VerifyTask& task, io::FileSystem& files,
                                                  base::Clock& clock, base::Random& random,
                                                  std::stop_token stop) {
  WEIR_ASSIGN(auto journal, simulate::JournalIndex::load(files, task.journal));
  WEIR_ASSIGN(const std::string path, delta::table_path(task.table));
  WEIR_ASSIGN(const auto snapshot, delta::Table::snapshot_at(files, path));
  simulate::Verification verification(*journal, task.options);
  if (task.log) WEIR_TRY(add_log(task, verification, clock, random, stop));
  WEIR_ASSIGN(const auto whole, delta::Scan::plan(files, snapshot));
  WEIR_ASSIGN(auto columns, simulate::Verification::columns(*whole.arrow_schema(), task.options));
  delta::ScanOptions wanted;
  wanted.columns = std::move(columns);
  WEIR_ASSIGN(const auto scan, delta::Scan::plan(files, snapshot, std::move(wanted)));
  WEIR_TRY(scan.for_each([&](const std::shared_ptr<arrow::RecordBatch>& rows) -> Result<void> {
    if (stop.stop_requested())
      return error(ErrorKind::kCancelled, "stopped while reading the table");
    return verification.add_rows(*rows);
  }));
  return verification.finish();
}

int run_verify(int argc, char** argv) {
  CLI::App app("Holds a table against the journal of what was sent, and against the log", argv[0]);
  VerifyWords words;
  describe(app, words);
  if (const auto finished = parse_command_line(app, argc, argv)) return *finished;
  const bool json = words.output == "json";
  StopSignal signal;
  base::SystemClock clock;
  base::SystemRandom random;
  auto files = io::local_file_system();
  const auto task = task_of(words);
  if (!task.ok()) return report_error(task.error(), json);
  const auto report = verify_table(*task, *files, clock, random, signal.token());
  if (!report.ok()) return report_error(report.error(), json);
  std::fputs((json ? base::json_text(report->to_json()) + "\n" : report->to_text()).c_str(),
             stdout);
  std::fflush(stdout);
  return report->passed() ? kExitOk : kExitFailed;
}

}  // namespace weir::app
