#include "hub/hub.h"

#include <atomic>
#include <thread>

#include "base/json.h"
#include "base/logging.h"
#include "hub/broker.h"
#include "hub/server.h"

namespace weir::hub {

using base::error;
using base::ErrorKind;
using base::Result;

namespace {

constexpr int64_t kTickUs = 50'000;
constexpr int64_t kRecoveryPointUs = 1'000'000;
constexpr int64_t kOffsetsExpiryUs = 600'000'000;

}  // namespace

std::string BoundAddress::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

struct Hub::Parts {
  io::FileSystem& files;
  base::Clock& clock;
  base::Random& random;
  const HubOptions options;
  HubMetrics metrics;
  MemoryBudget response_memory;
  std::unique_ptr<io::FileLock> lock;
  // Made and destroyed in this order: what may hold callbacks into the server's threads goes before
  // it does.
  Server server;
  Flusher flusher;
  TopicStore topics;
  OffsetStore offsets;
  ProducerIds producer_ids;
  GroupCoordinator groups;
  Broker broker;
  std::jthread housekeeping;
  bool running = false;

  Parts(io::FileSystem& files_given, base::Clock& clock_given, base::Random& random_given,
        HubOptions options_given)
      : files(files_given),
        clock(clock_given),
        random(random_given),
        options(std::move(options_given)),
        metrics(clock),
        response_memory(options.response_memory_bytes_max),
        server(options),
        flusher(clock, options.flush, options.flush_interval_ms, &metrics),
        topics(files, clock, random, flusher, &metrics, options),
        offsets(files, clock, flusher, options.dir, options.repair),
        producer_ids(files, options.dir),
        groups(clock, random, options),
        broker{options, clock,        metrics,         topics, groups,
               offsets, producer_ids, response_memory, {}} {}

  Result<void> check_options() const;
  Result<void> open_folder();
  Result<void> open();
  void keep_house(std::stop_token stop);
  void stop();
};

Hub::Hub(io::FileSystem& files, base::Clock& clock, base::Random& random, HubOptions options)
    : parts_(std::make_unique<Parts>(files, clock, random, std::move(options))) {}

Hub::~Hub() { parts_->stop(); }

Result<void> Hub::Parts::check_options() const {
  if (options.dir.empty())
    return error(ErrorKind::kInvalidArgument, "the hub needs a folder for its data (--dir)");
  if (options.listen.empty())
    return error(ErrorKind::kInvalidArgument, "the hub needs an address to listen on");
  if (options.advertise.find(':') == std::string::npos && !options.advertise.empty())
    return error(ErrorKind::kInvalidArgument, "advertised address '{}' is not HOST:PORT",
                 options.advertise);
  if (options.flush == FlushPolicy::kInterval && options.flush_interval_ms < 1)
    return error(ErrorKind::kInvalidArgument, "flush interval {} ms is not at least 1",
                 options.flush_interval_ms);
  if (options.threads < 1 || options.threads > 64)
    return error(ErrorKind::kInvalidArgument, "{} network threads is not 1 to 64", options.threads);
  return {};
}

// The lock, and what says that this folder is a hub's: hub.json.
Result<void> Hub::Parts::open_folder() {
  WEIR_TRY(files.make_dirs(options.dir));
  WEIR_ASSIGN(lock, files.try_lock(io::join_path(options.dir, "lock")));
  if (!lock) return error(ErrorKind::kConflict, "{} is in use by another hub", options.dir);
  const std::string path = io::join_path(options.dir, "hub.json");
  WEIR_ASSIGN(const bool there, files.exists(path));
  if (!there) {
    broker.cluster_id = base::uuid(random);
    base::JsonObject json;
    json["format"] = 1;
    json["cluster_id"] = broker.cluster_id;
    return files.replace(path, base::json_text(json) + "\n");
  }
  WEIR_ASSIGN(const std::string text, files.read_all(path));
  WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(text, path));
  if (base::json_int(json, "format") != 1)
    return error(ErrorKind::kUnsupported,
                 "{} has a format that this program does not know; use the version that wrote it",
                 path);
  broker.cluster_id = base::json_string(json, "cluster_id").value_or("");
  return {};
}

Result<void> Hub::Parts::open() {
  WEIR_TRY(check_options());
  WEIR_TRY(open_folder());
  WEIR_TRY(producer_ids.open());
  WEIR_TRY(topics.open());
  // Damaged group offsets keep the coordinator away from clients, not the topics.
  if (auto opened = offsets.open(); !opened.ok() && opened.error().kind() != ErrorKind::kDataLoss)
    return opened;
  for (const TopicSpec& spec : options.topics) {
    const TopicStore::Outcome outcome = topics.create(spec);
    if (outcome.error == kafka::ErrorCode::kTopicAlreadyExists) {
      const auto topic = topics.find(spec.name);
      if (static_cast<int32_t>(topic->partitions.size()) == spec.partitions) continue;
      return error(ErrorKind::kInvalidArgument,
                   "topic '{}' has {} partitions, not {}; the number cannot be changed", spec.name,
                   topic->partitions.size(), spec.partitions);
    }
    if (outcome.error != kafka::ErrorCode::kNone)
      return error(outcome.error == kafka::ErrorCode::kKafkaStorageError
                       ? ErrorKind::kIo
                       : ErrorKind::kInvalidArgument,
                   "{}", outcome.message);
  }
  return server.listen();
}

Result<void> Hub::start() {
  WEIR_CHECK(!parts_->running, "a hub is started once");
  WEIR_TRY(parts_->open());
  parts_->flusher.start();
  parts_->server.start(parts_->broker);
  parts_->housekeeping =
      std::jthread([parts = parts_.get()](std::stop_token stop) { parts->keep_house(stop); });
  parts_->running = true;
  return {};
}

void Hub::Parts::keep_house(std::stop_token stop) {
  int64_t points_us = clock.monotonic_us();
  int64_t retention_us = points_us;
  int64_t expiry_us = points_us;
  const auto due = [&](int64_t& last_us, int64_t every_us) {
    const int64_t now_us = clock.monotonic_us();
    if (now_us - last_us < every_us) return false;
    last_us = now_us;
    return true;
  };
  while (clock.sleep_for_us(kTickUs, stop)) {
    groups.tick();
    if (due(points_us, kRecoveryPointUs)) {
      for (PartitionLog* log : topics.all_partitions())
        log->make_recovery_point_durable();
      offsets.make_recovery_point_durable();
      offsets.compact_if_worthwhile();
      server.close_idle(clock.monotonic_us());
    }
    if (due(retention_us, options.retention_check_ms * 1000)) {
      for (PartitionLog* log : topics.all_partitions()) {
        const auto removed =
            log->apply_retention(clock.now_ms());  // an error has taken the partition offline
        if (removed.ok() && *removed > 0)
          base::log_info("partition={} retention=removed segments={}", log->name(), *removed);
      }
    }
    if (due(expiry_us, kOffsetsExpiryUs))
      offsets.expire(clock.now_ms() - options.offsets_retention_ms,
                     [this](const std::string& group) { return groups.has_members(group); });
  }
}

void Hub::Parts::stop() {
  if (!running) return;
  running = false;
  housekeeping.request_stop();
  housekeeping.join();
  server.stop_reading();
  flusher.stop();  // its last round answers what waits for it
  server.stop();
  for (const auto& closed : {topics.close(), offsets.close()})
    if (!closed.ok()) base::log_error("hub=stop reason=\"{}\"", closed.error().message());
  lock.reset();
}

void Hub::stop() { parts_->stop(); }

HubMemory Hub::memory() const {
  return {parts_->server.request_bytes(), parts_->response_memory.used()};
}

std::vector<BoundAddress> Hub::addresses() const { return parts_->server.addresses(); }

uint16_t Hub::port() const {
  const auto bound = addresses();
  return bound.empty() ? uint16_t{0} : bound.front().port;
}

std::vector<std::string> Hub::warnings() const {
  std::vector<std::string> result;
  for (const PartitionLog* log : parts_->topics.all_partitions())
    if (log->offline())
      result.push_back(
          fmt::format("partition {} is offline: {}", log->name(), log->offline_reason()));
  if (parts_->offsets.offline())
    result.push_back(
        fmt::format("group offsets are offline: {}", parts_->offsets.offline_reason()));
  return result;
}

const HubMetrics& Hub::metrics() const { return parts_->metrics; }

Result<void> Hub::create_topic(const TopicSpec& spec) {
  const TopicStore::Outcome outcome = parts_->topics.create(spec);
  if (outcome.error == kafka::ErrorCode::kNone) return {};
  return error(outcome.error == kafka::ErrorCode::kTopicAlreadyExists ? ErrorKind::kAlreadyExists
                                                                      : ErrorKind::kInvalidArgument,
               "{}", outcome.message);
}

}  // namespace weir::hub
