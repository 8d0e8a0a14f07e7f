#include "app/demo_run.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <sstream>
#include <unistd.h>

#include "app/ingest_query.h"
#include "app/verify_command.h"
#include "simulate/kafka_sink.h"

namespace weir::app {

using base::error;
using base::ErrorKind;
using base::Result;

namespace {

constexpr const char* kTopic = "events";
constexpr int kFields = 23;
constexpr int64_t kPollUs = 20'000;
constexpr int64_t kFirstMessageUs = 10'000'000;

std::string event_schema() {
  std::string more;
  for (int field = 0; field < kFields; ++field)
    more += fmt::format("{}moreData{}: DOUBLE", field == 0 ? "" : ", ", field);
  return fmt::format(
      "eventId STRING, complexData STRUCT<{}>, value DOUBLE, deviceId STRING, deviceSequenceNumber "
      "BIGINT, "
      "type STRING, createdAt TIMESTAMP",
      more);
}

// Microseconds since this process was started, by the kernel's own record (ticks of 10 ms).
int64_t process_age_us() {
  std::FILE* stat = std::fopen("/proc/self/stat", "r");
  if (stat == nullptr) return -1;
  char text[1024] = {};
  const size_t size = std::fread(text, 1, sizeof text - 1, stat);
  std::fclose(stat);
  std::string line(text, size);
  line.erase(0, line.rfind(')') + 2);  // the command's name may hold spaces
  std::istringstream fields(line);
  std::string field;
  for (int number = 3; number <= 22 && fields >> field; ++number) {
  }
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const int64_t started_us =
      std::strtoll(field.c_str(), nullptr, 10) * 1'000'000 / sysconf(_SC_CLK_TCK);
  return now.tv_sec * 1'000'000LL + now.tv_nsec / 1000 - started_us;
}

void say(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

std::string interval_text(int64_t interval_s) {
  return interval_s == 60 ? "per minute"
                          : fmt::format("per {} seconds (--interval 60s: per minute)", interval_s);
}

}  // namespace

void choose_profile(DemoOptions& options) {
  options.partitions = options.rate <= 1000 ? 2 : options.rate <= 5000 ? 8 : 12;
  options.throughput_units = options.rate <= 1000 ? 2 : options.rate <= 5000 ? 6 : 12;
}

DemoRun::DemoRun(io::FileSystem& files, base::Clock& clock, base::Random& random,
                 DemoOptions options)
    : files_(files),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      table_(options_.throughput_units, options_.interval_s) {}

DemoRun::~DemoRun() { stop(); }

std::string DemoRun::bootstrap() const { return fmt::format("127.0.0.1:{}", hub_->port()); }

Result<void> DemoRun::start(std::stop_token stop) {
  say(fmt::format("***** [C] Setting up COMMON resources\nFolder: {}\n", options_.dir));
  WEIR_TRY(files_.make_dirs(options_.dir));
  WEIR_TRY(start_hub());
  WEIR_TRY(start_simulator());
  WEIR_TRY(wait_for_first_message(stop));
  return start_query();
}

Result<void> DemoRun::start_hub() {
  hub::HubOptions hub_options;
  hub_options.dir = hub_path();
  hub_options.listen = {"127.0.0.1:0"};
  hub_options.topics = {{.name = kTopic, .partitions = options_.partitions, .config = {}}};
  hub_ = std::make_unique<hub::Hub>(files_, clock_, random_, hub_options);
  WEIR_TRY(hub_->start());
  say(
      fmt::format("***** [I] Setting up INGESTION\nHub: {} speaks the Kafka protocol; topic {}, {} "
                  "partitions where it is new\n",
                  bootstrap(), kTopic, options_.partitions));
  for (const std::string& warning : hub_->warnings())
    say("warning: " + warning + "\n");
  return {};
}

Result<void> DemoRun::start_simulator() {
  simulate::SimulationOptions simulation;
  simulation.shape.seed = options_.seed ? *options_.seed : random_.next();
  simulation.shape.fields = kFields;
  simulation.rate = options_.rate;
  simulation.duration_us = options_.duration_us;
  WEIR_ASSIGN(journal_,
              simulate::JournalWriter::open(files_, clock_, journal_path(), simulation.shape,
                                            options_.seed.has_value(), "demo", {}));
  simulation_ = std::make_unique<simulate::Simulation>(clock_, simulation, journal_.get());
  WEIR_ASSIGN(auto producer,
              kafka::ProducerOptions::from_properties({{"bootstrap.servers", bootstrap()}}));
  WEIR_ASSIGN(sink_,
              simulate::KafkaSink::open({.producer = std::move(producer), .topic = kTopic}, clock_,
                                        random_, *simulation_, send_stop_.get_token()));
  say(fmt::format(
      "***** [T] Starting up TEST clients\nSimulator: {} messages/s for {} s, seed {}\n",
      options_.rate, static_cast<double>(options_.duration_us) / 1e6, journal_->shape().seed));
  next_row_us_ =
      clock_.now_us() / (options_.interval_s * 1'000'000) * (options_.interval_s * 1'000'000);
  sender_ = std::thread([this] {
    auto report = simulation_->run(*sink_, send_stop_.get_token());
    if (report.ok())
      sent_ = std::move(report).value();
    else
      send_failure_ = std::move(report).error();
    sending_ended_ = true;
  });
  return {};
}

// So that the query's first batch has something to show.
Result<void> DemoRun::wait_for_first_message(std::stop_token stop) {
  const int64_t deadline_us = clock_.monotonic_us() + kFirstMessageUs;
  while (simulation_->counters().acknowledged == 0 && !sending_ended_ && !stop.stop_requested()) {
    if (clock_.monotonic_us() > deadline_us)
      return error(ErrorKind::kTimeout, "the hub acknowledged nothing for {} s",
                   kFirstMessageUs / 1'000'000);
    clock_.sleep_for_us(1000, stop);
  }
  return {};
}

Result<void> DemoRun::start_query() {
  const stream::QueryEnvironment environment{files_, clock_, random_};
  IngestSpec spec;
  spec.from = fmt::format("kafka://{}/{}", bootstrap(), kTopic);
  spec.schema = event_schema();
  spec.to = table_path();
  spec.select = "*, _timestamp AS enqueuedAt, current_timestamp() AS storedAt, _partition, _offset";
  WEIR_ASSIGN(auto parts, build_ingest_query(environment, spec));
  stream::QueryOptions query;
  query.name = "demo";
  query.checkpoint = checkpoint_path();
  query.trigger = stream::Trigger::processing_time(options_.trigger_us);
  stream::QueryListener listener;
  listener.on_progress = [this](const stream::QueryProgress& progress) {
    if (progress.output_rows > 0 && first_row_us_ == 0) first_row_us_ = process_age_us();
  };
  queries_ = std::make_unique<stream::QueryManager>(environment);
  WEIR_ASSIGN(query_, queries_->start(std::move(parts), std::move(query), std::move(listener)));
  if (auto control = stream::ControlServer::start(*queries_); control.ok())
    control_ = std::move(control).value();
  else
    say("warning: weir stream cannot reach this process: " + control.error().to_string() + "\n");
  say(fmt::format(
      "***** [P] Setting up PROCESSING\nQuery: topic {} to Delta table {}, a batch every {} s\n",
      kTopic, table_path(), static_cast<double>(options_.trigger_us) / 1e6));
  return {};
}

void DemoRun::announce_first_row() {
  if (first_row_announced_ || first_row_us_ == 0) return;
  first_row_announced_ = true;
  say(fmt::format("First row visible in Delta {:.2f} s after the process started.\n",
                  static_cast<double>(first_row_us_) / 1e6));
}

void DemoRun::print_row(int64_t start_us, const hub::Traffic& traffic) {
  printed_.add(traffic);
  say(simulate::ThroughputTable::row({.time_us = start_us,
                                      .incoming_messages = traffic.incoming_messages,
                                      .incoming_bytes = traffic.incoming_bytes,
                                      .outgoing_messages = traffic.outgoing_messages,
                                      .outgoing_bytes = traffic.outgoing_bytes,
                                      .throttled_requests = traffic.throttled_requests}));
}

void DemoRun::print_rows() {
  for (const hub::TrafficInterval& interval :
       hub_->metrics().intervals(next_row_us_, options_.interval_s)) {
    next_row_us_ = interval.start_us + options_.interval_s * 1'000'000;
    print_row(interval.start_us, interval.traffic);
  }
}

// What came after the last whole interval, so that the rows add up to what was sent.
void DemoRun::print_rest() {
  print_rows();
  hub::Traffic rest = hub_->metrics().snapshot().total;
  rest.incoming_messages -= printed_.incoming_messages;
  rest.incoming_bytes -= printed_.incoming_bytes;
  rest.outgoing_messages -= printed_.outgoing_messages;
  rest.outgoing_bytes -= printed_.outgoing_bytes;
  rest.throttled_requests -= printed_.throttled_requests;
  if (rest.incoming_messages > 0 || rest.outgoing_messages > 0) print_row(next_row_us_, rest);
}

Result<void> DemoRun::watch(std::stop_token stop) {
  const int64_t head_start_us = clock_.monotonic_us() + 3'000'000;
  while (first_row_us_ == 0 && query_->active() && clock_.monotonic_us() < head_start_us &&
         !stop.stop_requested())
    clock_.sleep_for_us(kPollUs, stop);
  announce_first_row();
  say(fmt::format(
      "***** [M] Starting METRICS reporting\nReporting aggregate metrics {}, for {} s.\n"
      "Event Hub #1 Namespace: streamingatscale\n"
      "Event Hub capacity: {} throughput units (this determines MAX VALUE below).\n",
      interval_text(options_.interval_s), static_cast<double>(options_.duration_us) / 1e6,
      options_.throughput_units));
  say(table_.header());
  while (!sending_ended_) {
    if (stop.stop_requested()) send_stop_.request_stop();
    print_rows();
    if (!query_->active()) {
      send_stop_.request_stop();
      break;
    }
    clock_.sleep_for_us(kPollUs, stop.stop_requested() ? std::stop_token{} : stop);
  }
  sender_.join();
  if (send_failure_) return *send_failure_;
  return {};
}

Result<void> DemoRun::catch_up() {
  WEIR_TRY(query_->process_all_available());
  if (!query_->active())
    return error(ErrorKind::kCancelled,
                 "the query was stopped before the end; with --dir the next start goes on there");
  announce_first_row();
  print_rest();
  const stream::QueryStatus status = query_->status();
  query_->stop();
  say(fmt::format("The query has caught up: {} rows in {} batches of this run.\n",
                  status.output_rows, status.batches));
  return {};
}

Result<simulate::VerificationReport> DemoRun::verify() {
  say("***** [V] Starting deployment VERIFICATION\n");
  WEIR_ASSIGN(auto log,
              kafka::ClientOptions::from_properties({{"bootstrap.servers", bootstrap()}}));
  VerifyTask task{.table = table_path(),
                  .journal = journal_path(),
                  .log = std::move(log),
                  .topic = kTopic,
                  .options = {}};
  // A run of a few intervals has no whole one to hold the rate against.
  const int64_t whole_us = sent_ ? static_cast<int64_t>(sent_->send_seconds * 1e6) / 3 : 0;
  task.options.interval_us =
      std::clamp<int64_t>(whole_us / 1'000'000, 1, options_.interval_s) * 1'000'000;
  if (whole_us >= 1'000'000) task.options.expected_rate = options_.rate;
  return verify_table(task, files_, clock_, random_, {});
}

void DemoRun::stop() {
  send_stop_.request_stop();
  if (sender_.joinable()) sender_.join();
  if (query_ != nullptr) query_->stop();
  control_.reset();
  query_.reset();
  queries_.reset();
  sink_.reset();
  journal_.reset();
  if (hub_ != nullptr) hub_->stop();
}

}  // namespace weir::app
