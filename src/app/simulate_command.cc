#include "app/simulate_command.h"

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>

#include "app/command.h"
#include "app/duration.h"
#include "app/live_line.h"
#include "app/stop_signal.h"
#include "base/random.h"
#include "io/file_system.h"
#include "simulate/kafka_sink.h"
#include "simulate/simulation.h"
#include "simulate/text_sinks.h"

namespace weir::app {
namespace {

using base::error;
using base::ErrorKind;
using base::Result;

constexpr std::string_view kFooter =
    "Messages are events and their copies; --rate and --count are of messages. In the result "
    "`sent` are messages\n"
    "handed to the sink, `acknowledged` those the other side has stored, `duplicated` copies among "
    "`sent`, `bytes`\n"
    "those of the values sent. Ctrl-C stops sending, waits for what is in flight, and reports.\n"
    "Exit code 0 where every message sent was acknowledged, else 1.\n\n"
    "Examples:\n"
    "  weir simulate --bootstrap 127.0.0.1:9092 --topic events --partitions 4 --duration 60s\n"
    "  weir simulate --bootstrap 127.0.0.1:9092 --topic events --rate 0 --count 1000000 --journal "
    "run.journal\n"
    "  weir simulate --sink files in/ --rate 5000 --duration 10s\n"
    "  weir simulate --sink stdout --count 3 --rate 0";

struct SimulateWords {
  std::string bootstrap;
  std::string topic = "events";
  double rate = 1000;
  double event_time_rate = 0;
  std::string duration;
  int64_t count = 0;
  int devices = 1000;
  int fields = 23;
  double duplicates = 0.001;
  std::optional<uint64_t> seed;
  std::vector<std::string> sink = {"kafka"};
  std::string journal;
  std::string compression = "none";
  int partitions = 0;
  std::vector<std::string> options;
  std::string output = "text";
};

void describe(CLI::App& app, SimulateWords& words) {
  app.footer(std::string(kFooter));
  app.add_option("--bootstrap", words.bootstrap, "Broker(s) to send to, HOST:PORT[,…]");
  app.add_option("--topic", words.topic, "Topic to send to")->capture_default_str();
  app.add_option("--partitions", words.partitions,
                 "Make the topic with so many partitions where it is absent");
  app.add_option("--rate", words.rate, "Messages a second; 0: as fast as possible")
      ->capture_default_str();
  app.add_option(
      "--event-time-rate", words.event_time_rate,
      "So many events a second by createdAt, from 2026-01-01T00:00:00Z on; else the clock's");
  app.add_option("--duration", words.duration, "Stop after this time: 500ms, 60s, 5m, 2h");
  app.add_option("--count", words.count, "Stop after so many messages");
  app.add_option("--devices", words.devices, "Devices, taken in turn")->capture_default_str();
  app.add_option("--fields", words.fields, "Numbers in complexData; 23 make about 940 bytes")
      ->capture_default_str();
  app.add_option("--duplicates", words.duplicates, "Part of the events that is sent twice")
      ->capture_default_str();
  app.add_option("--seed", words.seed,
                 "The same seed gives the same events; else the journal's, else a random one");
  app.add_option("--sink", words.sink, "kafka, stdout, or files DIR")->expected(1, 2);
  app.add_option("--journal", words.journal,
                 "File that durably names what was sent, acknowledged and sent twice");
  app.add_option("--compression", words.compression, "none, gzip, snappy, lz4 or zstd")
      ->capture_default_str();
  app.add_option("--option", words.options,
                 "A producer setting of Kafka's, KEY=VALUE (security.protocol=SASL_SSL …)");
  add_output_option(app, words.output);
}

Result<kafka::ProducerOptions> producer_options(const SimulateWords& words) {
  kafka::Properties properties{{"bootstrap.servers", words.bootstrap},
                               {"compression.type", words.compression}};
  for (const std::string& option : words.options) {
    const size_t equals = option.find('=');
    if (equals == std::string::npos || equals == 0)
      return error(ErrorKind::kInvalidArgument, "--option: '{}' is not KEY=VALUE", option);
    const std::string name = option.substr(0, equals);
    if (name == "max.block.ms" || name == "delivery.timeout.ms")
      return error(ErrorKind::kUnsupported,
                   "--option {}: the simulator waits for a broker that is away, without end", name);
    if (properties.contains(name))
      return error(ErrorKind::kInvalidArgument,
                   "--option {} is given twice, or has an option of its own", name);
    properties[name] = option.substr(equals + 1);
  }
  return kafka::ProducerOptions::from_properties(properties);
}

Result<simulate::SimulationOptions> simulation_options(const SimulateWords& words,
                                                       base::Random& random) {
  simulate::SimulationOptions options;
  options.shape = {.seed = words.seed ? *words.seed : random.next(),
                   .devices = words.devices,
                   .fields = words.fields,
                   .duplicates = words.duplicates};
  WEIR_TRY(simulate::check_shape(options.shape));
  if (!(words.rate >= 0 && words.rate <= 1e9))
    return error(ErrorKind::kInvalidArgument, "--rate: {} is not between 0 and 1000000000",
                 words.rate);
  if (words.count < 0)
    return error(ErrorKind::kInvalidArgument, "--count: {} is below 0", words.count);
  if (!(words.event_time_rate >= 0 && words.event_time_rate <= 1e6))
    return error(ErrorKind::kInvalidArgument, "--event-time-rate: {} is not between 0 and 1000000",
                 words.event_time_rate);
  options.rate = words.rate;
  options.event_time_rate = words.event_time_rate;
  options.count = words.count;
  if (!words.duration.empty()) {
    WEIR_ASSIGN(options.duration_us, parse_duration_us("--duration", words.duration));
  }
  return options;
}

Result<std::unique_ptr<simulate::EventSink>> open_sink(const SimulateWords& words,
                                                       io::FileSystem& files, base::Clock& clock,
                                                       base::Random& random,
                                                       simulate::SinkObserver& observer,
                                                       std::stop_token stop) {
  const std::string& kind = words.sink[0];
  if (kind == "files") {
    WEIR_ASSIGN(auto sink,
                simulate::FolderSink::open(
                    files, clock, {.folder = words.sink[1], .run = base::uuid(random)}, observer));
    return std::unique_ptr<simulate::EventSink>(std::move(sink));
  }
  if (kind == "stdout")
    return std::unique_ptr<simulate::EventSink>(
        std::make_unique<simulate::DescriptorSink>(STDOUT_FILENO, observer));
  WEIR_ASSIGN(auto producer, producer_options(words));
  WEIR_ASSIGN(auto sink, simulate::KafkaSink::open({.producer = std::move(producer),
                                                    .topic = words.topic,
                                                    .partitions = words.partitions},
                                                   clock, random, observer, stop));
  return std::unique_ptr<simulate::EventSink>(std::move(sink));
}

Result<void> check_words(const SimulateWords& words) {
  const std::string& kind = words.sink[0];
  if (kind != "kafka" && kind != "stdout" && kind != "files")
    return error(ErrorKind::kInvalidArgument, "--sink: '{}' is not kafka, stdout or files", kind);
  if ((kind == "files") != (words.sink.size() == 2))
    return error(ErrorKind::kInvalidArgument,
                 "--sink files takes a folder, --sink kafka and --sink stdout take none");
  if (kind == "kafka" && words.bootstrap.empty())
    return error(ErrorKind::kInvalidArgument,
                 "--bootstrap HOST:PORT is needed, or --sink stdout, or --sink files DIR");
  if (kind != "kafka" && (!words.bootstrap.empty() || words.partitions != 0 ||
                          !words.options.empty() || words.compression != "none"))
    return error(ErrorKind::kInvalidArgument,
                 "--bootstrap, --partitions, --compression and --option are for --sink kafka");
  if (words.partitions < 0)
    return error(ErrorKind::kInvalidArgument, "--partitions: {} is below 0", words.partitions);
  if (kind == "stdout" && words.output == "json")
    return error(ErrorKind::kInvalidArgument,
                 "--output json and --sink stdout both want standard output");
  return {};
}

std::string live_text(const simulate::SimulationCounters& now, int64_t& sent_before,
                      int64_t& time_before, const base::Clock& clock, const std::string& trouble) {
  const int64_t sent = now.sent;
  const int64_t time = clock.monotonic_us();
  const double rate = static_cast<double>(sent - sent_before) * 1e6 /
                      static_cast<double>(std::max<int64_t>(1, time - time_before));
  sent_before = sent;
  time_before = time;
  std::string text = fmt::format("{} sent, {} acknowledged, {:.0f}/s, {:.1f} MB, {} errors", sent,
                                 now.acknowledged.load(), rate,
                                 static_cast<double>(now.bytes) / 1e6, now.failed.load());
  if (!trouble.empty()) text += "; " + trouble;
  return text;
}

void print_report(const simulate::SimulationReport& report, const SimulateWords& words) {
  std::string text;
  if (words.output == "json") {
    text = base::json_text(report.to_json()) + "\n";
  } else {
    const double seconds = std::max(report.send_seconds, 1e-6);
    text = fmt::format("sent {} messages ({} of them copies), acknowledged {}, failed {}\n",
                       report.sent, report.duplicated, report.acknowledged, report.failed);
    text += fmt::format("{:.1f} MB in {:.2f} s: {:.0f} messages/s; seed {}, events {} to {}\n",
                        static_cast<double>(report.bytes) / 1e6, report.seconds,
                        static_cast<double>(report.sent) / seconds, report.shape.seed,
                        report.first_index, report.next_index);
    for (const std::string& problem : report.errors)
      text += "error: " + problem + "\n";
  }
  std::FILE* out = words.sink[0] == "stdout" ? stderr : stdout;
  std::fputs(text.c_str(), out);
  std::fflush(out);
}

Result<simulate::SimulationReport> simulate_events(const SimulateWords& words,
                                                   const StopSignal& signal) {
  WEIR_TRY(check_words(words));
  base::SystemClock clock;
  base::SystemRandom random;
  auto files = io::local_file_system();
  WEIR_ASSIGN(const simulate::SimulationOptions options, simulation_options(words, random));
  std::unique_ptr<simulate::JournalWriter> journal;
  if (!words.journal.empty()) {
    const std::string target = words.sink[0] == "kafka"
                                   ? "kafka://" + words.bootstrap + "/" + words.topic
                               : words.sink[0] == "files" ? "files:" + words.sink[1]
                                                          : "stdout";
    WEIR_ASSIGN(journal, simulate::JournalWriter::open(*files, clock, words.journal, options.shape,
                                                       words.seed.has_value(), target, {}));
  }
  simulate::Simulation simulation(clock, options, journal.get());
  WEIR_ASSIGN(auto sink, open_sink(words, *files, clock, random, simulation, signal.token()));
  std::optional<LiveLine> line;
  if (words.sink[0] != "stdout")
    line.emplace(clock, [&, sent = int64_t{0}, time = clock.monotonic_us()]() mutable {
      return live_text(simulation.counters(), sent, time, clock, sink->trouble());
    });
  return simulation.run(*sink, signal.token());
}

}  // namespace

int run_simulate(int argc, char** argv) {
  CLI::App app("Sends simulated IoT events of about 940 bytes, keyed by device, at a paced rate",
               argv[0]);
  SimulateWords words;
  describe(app, words);
  if (const auto finished = parse_command_line(app, argc, argv)) return *finished;
  StopSignal signal;
  const auto report = simulate_events(words, signal);
  if (!report.ok()) {
    if (report.error().kind() == ErrorKind::kCancelled) {  // nothing was sent yet
      print_report({}, words);
      return kExitOk;
    }
    return report_error(report.error(), words.output == "json");
  }
  print_report(*report, words);
  return report->acknowledged == report->sent ? kExitOk : kExitFailed;
}

}  // namespace weir::app
