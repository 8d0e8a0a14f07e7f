#include "app/ingest_command.h"

#include <cstdio>
#include <filesystem>
#include <string>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "app/command.h"
#include "app/ingest_query.h"
#include "app/metrics_endpoint.h"
#include "app/stop_signal.h"
#include "base/logging.h"
#include "stream/control_server.h"
#include "stream/query_manager.h"
#include "stream/query_metrics.h"

namespace weir::app {
namespace {

using base::error;
using base::ErrorKind;

constexpr char kExamples[] = R"(
Examples:
  Every event of a topic, exactly once, its JSON as columns:
    weir ingest --from kafka://127.0.0.1:9092/events --schema 'deviceId STRING, ts TIMESTAMP, temperature DOUBLE' \
                --to /data/events --checkpoint /data/events-checkpoint
  With where it came from, only warm ones, a batch every 10 s:
    weir ingest --from kafka://127.0.0.1:9092/events --schema events.json --to /data/warm --checkpoint /data/warm-cp \
                --select '*, _partition, _offset, _timestamp' --where 'temperature > 20' --trigger 10s
  The CSV files of a folder, then end:
    weir ingest --from /data/in --format csv --schema 'id INT, price DECIMAL(10,2)' --option header=true \
                --to /data/prices --checkpoint /data/prices-cp --trigger availableNow

A checkpoint keeps where the query is: start it again with the same words and it goes on there. One checkpoint belongs
to one table and one running query. Ctrl-C stops after the part in work; what was not committed is read again.)";

// A line on standard error that is rewritten in place; where that is no terminal, a line every ten
// seconds.
class LiveLine {
 public:
  explicit LiveLine(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

  void show(const stream::QueryProgress& progress, const stream::QueryStatus& status,
            int64_t now_us) {
    if (quiet_ || (!terminal_ && now_us - shown_us_ < 10'000'000)) return;
    if (terminal_ && now_us - shown_us_ < 100'000) return;
    shown_us_ = now_us;
    const double rate = progress.sources[0].processed_rows_per_second;
    std::fprintf(
        stderr, "%sbatch %lld  %lld rows  %.0f rows/s in the batch  %lld ms%s%s",
        terminal_ ? "\r\033[K" : "", static_cast<long long>(progress.batch_id),
        static_cast<long long>(status.input_rows), rate,
        static_cast<long long>(progress.batch_duration_ms),
        status.corrupt_rows > 0 ? fmt::format("  {} corrupt", status.corrupt_rows).c_str() : "",
        terminal_ ? "" : "\n");
    std::fflush(stderr);
    written_ = true;
  }
  void end() {
    if (terminal_ && written_) std::fputs("\n", stderr);
  }

 private:
  bool quiet_;
  bool terminal_;
  bool written_ = false;
  int64_t shown_us_ = 0;
};

base::JsonObject summary_json(const stream::QueryStatus& status, double seconds) {
  return {{"final", true},
          {"id", status.id},
          {"runId", status.run_id},
          {"name", status.name},
          {"batches", status.batches},
          {"inputRows", status.input_rows},
          {"outputRows", status.output_rows},
          {"corruptRows", status.corrupt_rows},
          {"droppedRows", status.dropped_rows},
          {"seconds", seconds},
          {"sink", status.sink},
          {"checkpoint", status.checkpoint}};
}

std::string absolute(const std::string& path) {
  if (path.empty()) return path;
  std::string whole = std::filesystem::absolute(path).lexically_normal().string();
  while (whole.size() > 1 && whole.back() == '/')
    whole.pop_back();
  return whole;
}

std::string default_name(std::string to) {
  while (to.size() > 1 && to.back() == '/')
    to.pop_back();
  return io::file_name(to);
}

int ingest(const IngestSpec& spec, stream::QueryOptions options, const std::string& metrics_listen,
           bool json) {
  StopSignal stop;
  const auto files = io::local_file_system();
  base::SystemClock clock;
  base::SystemRandom random;
  const stream::QueryEnvironment environment{*files, clock, random};
  const int64_t started_us = clock.monotonic_us();

  auto parts = build_ingest_query(environment, spec);
  if (!parts.ok()) return report_error(parts.error(), json);
  stream::QueryManager manager(environment);
  const auto metrics = start_metrics(metrics_listen, [&manager](base::MetricsText& text) {
    stream::add_query_metrics(manager, text);
  });
  if (!metrics.ok()) return report_error(metrics.error(), json);
  if (*metrics != nullptr) std::fprintf(stderr, "metrics at %s\n", metrics_url(**metrics).c_str());
  LiveLine live(json);
  stream::QueryStatus so_far;
  stream::QueryListener listener;
  listener.on_progress = [&](const stream::QueryProgress& progress) {
    so_far.input_rows += progress.input_rows();
    so_far.corrupt_rows += progress.corrupt_rows;
    if (json) {
      std::printf("%s\n", base::json_text(stream::progress_json(progress)).c_str());
      std::fflush(stdout);
    }
    live.show(progress, so_far, clock.monotonic_us());
  };
  listener.on_retry = [](const base::Error& failure, int attempt) {
    base::log_warn("attempt={} the batch will be tried again: {}", attempt, failure.to_string());
  };
  options.stop = stop.token();
  auto query = manager.start(std::move(parts).value(), std::move(options), listener);
  if (!query.ok()) {
    if (stop.requested() && query.error().kind() == ErrorKind::kCancelled) {
      std::fprintf(stderr, "weir: stopped before the query had begun\n");
      return kExitOk;
    }
    return report_error(query.error(), json);
  }
  auto control = stream::ControlServer::start(manager);
  if (!control.ok())
    base::log_warn("weir stream cannot reach this process: {}", control.error().to_string());

  const auto ended = (*query)->wait();
  live.end();
  const stream::QueryStatus status = (*query)->status();
  const double seconds = static_cast<double>(clock.monotonic_us() - started_us) / 1e6;
  if (json) {
    std::printf("%s\n", base::json_text(summary_json(status, seconds)).c_str());
    std::fflush(stdout);
  } else {
    std::fprintf(
        stderr,
        "%lld rows in %lld batches, %lld corrupt, %lld dropped, %lld written to %s in %.1f s\n",
        static_cast<long long>(status.input_rows), static_cast<long long>(status.batches),
        static_cast<long long>(status.corrupt_rows), static_cast<long long>(status.dropped_rows),
        static_cast<long long>(status.output_rows), spec.to.c_str(), seconds);
  }
  if (!ended.ok()) return report_error(ended.error(), json);
  return kExitOk;
}

}  // namespace

int run_ingest(int argc, char** argv) {
  CLI::App app{"Stream a Kafka topic or a folder of files into a Delta table, exactly once",
               argv[0]};
  app.footer(kExamples);
  IngestSpec spec;
  stream::QueryOptions options;
  std::string trigger = "1s";
  std::string output = "text";
  std::vector<std::string> pairs;
  app.add_option("--from", spec.from, "kafka://HOST:PORT/TOPIC, or a folder or glob of files")
      ->required();
  app.add_option("--format", spec.format, "Of files: json, csv, text, parquet");
  app.add_option("--schema", spec.schema,
                 "Columns as DDL ('id BIGINT, name STRING'), or a file with DDL or schema JSON");
  app.add_option("--to", spec.to, "Folder of the Delta table; made where absent")->required();
  app.add_option("--checkpoint", options.checkpoint,
                 "Folder of the query's checkpoint; made where absent")
      ->required();
  app.add_option("--trigger", trigger,
                 "0s (as soon as there is something), 1s, 10s …, once, availableNow")
      ->default_str("1s");
  app.add_option("--select", spec.select,
                 "Select list; from Kafka also _key, _topic, _partition, _offset, _timestamp");
  app.add_option("--where", spec.where, "Condition for rows to be kept");
  app.add_option("--option", pairs,
                 "KEY=VALUE of the source, of JSON or CSV, or of the table; Spark's names")
      ->type_name("KEY=VALUE");
  app.add_option("--name", options.name,
                 "The query's name for weir stream; by default the table's");
  app.add_option("--threads", options.threads,
                 "Parts read at the same time; by default the number of cores")
      ->check(CLI::Range(1, 1024));
  std::string metrics_listen;
  add_metrics_option(app, metrics_listen);
  add_output_option(app, output);
  if (const auto finished = parse_command_line(app, argc, argv)) return *finished;

  const bool json = output == "json";
  const auto parsed_trigger = stream::parse_trigger(trigger);
  if (!parsed_trigger.ok()) return report_error(parsed_trigger.error(), json);
  options.trigger = *parsed_trigger;
  for (const std::string& pair : pairs) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return report_error(
          error(ErrorKind::kInvalidArgument, "--option {}: KEY=VALUE is expected", pair), json);
    spec.options[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  if (options.name.empty()) options.name = default_name(spec.to);
  // weir stream shows them to people in other folders.
  spec.to = absolute(spec.to);
  options.checkpoint = absolute(options.checkpoint);
  return ingest(spec, std::move(options), metrics_listen, json);
}

}  // namespace weir::app
