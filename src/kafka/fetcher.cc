#include "kafka/fetcher.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "kafka/buffer_pool.h"
#include "kafka/cluster.h"
#include "kafka/fetched_log.h"

namespace weir::kafka {

namespace {

using base::ErrorKind;
using base::Result;

constexpr size_t kFreeArenas = 4;
// What is asked for in one request where the broker is near: an answer that stays in the cache
// until its records are read. Where answers keep us waiting, more is asked for, up to
// fetch.max.bytes.
constexpr int64_t kNearBytes = 1 << 20;
constexpr int64_t kFarWaitUs = 10'000;

ConnectionSettings with_cancel(ConnectionSettings settings, std::shared_ptr<io::WakeEvent> cancel) {
  settings.cancel = std::move(cancel);
  return settings;
}

class ReadAheadFetcher final : public Fetcher {
 public:
  ReadAheadFetcher(ConnectionSettings settings, ClientOptions options,
                   std::vector<FetchRange> ranges, base::Clock& clock, base::Random& random)
      : options_(std::move(options)),
        clock_(clock),
        cancel_(std::make_shared<io::WakeEvent>()),
        cluster_(with_cancel(std::move(settings), cancel_), clock, random),
        pool_(kFreeArenas) {
    for (FetchRange& range : ranges) {
      Position position;
      position.next_offset = range.start;
      position.done = range.end && range.start >= *range.end;
      index_[range.partition] = positions_.size();
      topics_.insert(range.partition.topic);
      position.range = std::move(range);
      positions_.push_back(std::move(position));
    }
    high_watermarks_.assign(positions_.size(), -1);
    thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  }
  ~ReadAheadFetcher() override {
    stop();
    thread_.join();
  }

  Result<FetchOutcome> next(int64_t timeout_ms) override;
  int64_t high_watermark(size_t range) override;
  void seek(size_t range, int64_t offset) override;
  void stop() override {
    thread_.request_stop();
    cancel_->set();
    wake_.set();
    std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

 private:
  // Touched by the thread only.
  struct Position {
    FetchRange range;
    int64_t next_offset = 0;
    int64_t not_before_us = 0;      // back-off
    int64_t failing_since_us = -1;  // -1: all is well
    int failures = 0;
    bool in_flight = false;
    bool done = false;
    bool out_of_range = false;  // waits for seek()
    bool idle() const { return done || out_of_range; }
  };
  struct Fetched {
    std::vector<FetchedBatches> pieces;
    std::vector<size_t> out_of_range;
  };

  void run(std::stop_token stop);
  Result<void> loop(std::stop_token stop);
  bool wait_for_room(std::stop_token stop);
  bool has_room();
  void take_seeks();
  Result<void> find_leaders();
  Result<void> send_requests();
  Result<void> send_request(int32_t node, const std::vector<size_t>& wanted);
  std::vector<size_t> wanted_from(int32_t node);
  Result<void> wait_for_answers(std::stop_token stop);
  Result<void> receive_from(int32_t node);
  void adapt_request_size(int32_t node, int64_t answer_bytes);
  Result<void> take_partition(const FetchResponse::Partition& answer, size_t at,
                              const std::shared_ptr<const PaddedBuffer>& arena, Fetched& fetched);
  Result<void> report_out_of_range(int32_t node, size_t at);
  Result<void> retry_later(Position& position, const base::Error& why);
  Result<void> lose_connection(int32_t node, const base::Error& why);
  void push(FetchOutcome outcome, int64_t bytes);
  int64_t now() const { return clock_.monotonic_us(); }

  ClientOptions options_;
  base::Clock& clock_;
  std::shared_ptr<io::WakeEvent> cancel_;  // wakes the thread where it waits for one broker
  Cluster cluster_;
  BufferPool pool_;
  std::vector<Position> positions_;
  std::map<base::TopicPartition, size_t> index_;
  std::set<std::string> topics_;
  std::map<int32_t, std::vector<size_t>> asked_;  // by node: the positions of the request under way
  std::map<int32_t, int64_t> answer_due_us_;
  std::map<int32_t, int64_t> asked_bytes_;  // by node: max_bytes of the next request
  size_t rotation_ = 0;
  int refresh_failures_ = 0;
  int64_t no_refresh_before_us_ = 0;
  int64_t unreachable_since_us_ = -1;
  int64_t waited_us_ = 0;  // for the answer at hand
  io::WakeEvent wake_;

  std::mutex mutex_;
  std::condition_variable changed_;
  struct Queued {
    FetchOutcome outcome;
    int64_t bytes;
  };
  std::deque<Queued> queue_;
  int64_t queued_bytes_ = 0;
  std::vector<int64_t> high_watermarks_;  // by range
  bool finished_ = false;
  bool stopped_ = false;
  std::optional<base::Error> failure_;
  std::vector<std::pair<size_t, int64_t>> seeks_;
  std::jthread thread_;
};

Result<FetchOutcome> ReadAheadFetcher::next(int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  auto ready = [&] { return !queue_.empty() || finished_ || failure_ || stopped_; };
  changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), ready);
  if (stopped_) return base::error(ErrorKind::kCancelled, "the fetcher was stopped");
  if (!queue_.empty()) {
    Queued first = std::move(queue_.front());
    queue_.pop_front();
    bool was_full = queued_bytes_ >= options_.read_ahead_bytes;
    queued_bytes_ -= first.bytes;
    if (was_full) changed_.notify_all();
    return std::move(first.outcome);
  }
  if (failure_) return *failure_;
  FetchOutcome outcome;
  outcome.status = finished_ ? FetchStatus::kFinished : FetchStatus::kTimeout;
  return outcome;
}

int64_t ReadAheadFetcher::high_watermark(size_t range) {
  std::lock_guard lock(mutex_);
  return high_watermarks_[range];
}

void ReadAheadFetcher::seek(size_t range, int64_t offset) {
  std::lock_guard lock(mutex_);
  seeks_.emplace_back(range, offset);
  finished_ = false;
  wake_.set();
  changed_.notify_all();
}

void ReadAheadFetcher::push(FetchOutcome outcome, int64_t bytes) {
  std::lock_guard lock(mutex_);
  if (outcome.status == FetchStatus::kBatches) {
    int64_t& newest = high_watermarks_[outcome.fetched.range];
    newest = std::max(newest, outcome.fetched.high_watermark);
  }
  queue_.push_back({std::move(outcome), bytes});
  queued_bytes_ += bytes;
  changed_.notify_all();
}

void ReadAheadFetcher::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    auto result = loop(stop);
    if (!result.ok()) {
      std::lock_guard lock(mutex_);
      failure_ = std::move(result).error();
      changed_.notify_all();
      return;
    }
  }
}

bool ReadAheadFetcher::has_room() {
  std::lock_guard lock(mutex_);
  return queued_bytes_ < options_.read_ahead_bytes;
}

// False where stop is requested.
bool ReadAheadFetcher::wait_for_room(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return stop.stop_requested() || stopped_ || queued_bytes_ < options_.read_ahead_bytes;
  });
  return !stop.stop_requested() && !stopped_;
}

void ReadAheadFetcher::take_seeks() {
  std::vector<std::pair<size_t, int64_t>> seeks;
  {
    std::lock_guard lock(mutex_);
    seeks.swap(seeks_);
  }
  wake_.clear();
  for (auto [at, offset] : seeks) {
    Position& position = positions_[at];
    position.next_offset = offset;
    position.out_of_range = false;
    position.done = position.range.end && offset >= *position.range.end;
  }
}

Result<void> ReadAheadFetcher::loop(std::stop_token stop) {
  if (!wait_for_room(stop)) return base::ok();
  take_seeks();
  WEIR_TRY(find_leaders());
  WEIR_TRY(send_requests());
  return wait_for_answers(stop);
}

Result<void> ReadAheadFetcher::find_leaders() {
  bool missing = std::any_of(positions_.begin(), positions_.end(), [&](const Position& position) {
    return !position.idle() && !position.in_flight && position.not_before_us <= now() &&
           !cluster_.leader(position.range.partition);
  });
  if (!missing || now() < no_refresh_before_us_) return base::ok();
  auto refreshed = cluster_.refresh(topics_);
  no_refresh_before_us_ = now() + cluster_.backoff().delay_us(++refresh_failures_);
  if (!refreshed.ok()) {
    if (!refreshed.error().retryable()) return refreshed;
    if (unreachable_since_us_ < 0) unreachable_since_us_ = now();
    if (now() - unreachable_since_us_ > int64_t{options_.connection.api_timeout_ms} * 1000) {
      return std::move(refreshed).error().with_context("no broker of the Kafka cluster answered");
    }
    return base::ok();
  }
  unreachable_since_us_ = -1;
  for (Position& position : positions_) {
    if (position.idle() || position.in_flight || cluster_.leader(position.range.partition))
      continue;
    ErrorCode code = cluster_.topic_error(position.range.partition.topic);
    if (code == ErrorCode::kNone) code = ErrorCode::kLeaderNotAvailable;
    WEIR_TRY(retry_later(
        position, error_of(code, fmt::format("metadata of {}-{}", position.range.partition.topic,
                                             position.range.partition.partition))));
  }
  return base::ok();
}

// Waits with this partition; a failure that lasts default.api.timeout.ms is final.
Result<void> ReadAheadFetcher::retry_later(Position& position, const base::Error& why) {
  if (!why.retryable()) return why;
  if (position.failing_since_us < 0) position.failing_since_us = now();
  if (now() - position.failing_since_us > int64_t{options_.connection.api_timeout_ms} * 1000)
    return why;
  position.not_before_us = now() + cluster_.backoff().delay_us(++position.failures);
  cluster_.forget_leader(position.range.partition);
  return base::ok();
}

std::vector<size_t> ReadAheadFetcher::wanted_from(int32_t node) {
  std::vector<size_t> wanted;
  for (size_t i = 0; i < positions_.size(); ++i) {
    // Another partition comes first each time, so that each has its turn where max bytes cuts the
    // answer.
    size_t at = (i + rotation_) % positions_.size();
    const Position& position = positions_[at];
    if (position.idle() || position.in_flight || position.not_before_us > now()) continue;
    if (cluster_.leader(position.range.partition) == node) wanted.push_back(at);
  }
  return wanted;
}

Result<void> ReadAheadFetcher::send_requests() {
  std::set<int32_t> nodes;
  for (const Position& position : positions_) {
    if (position.idle() || position.in_flight || position.not_before_us > now()) continue;
    if (auto leader = cluster_.leader(position.range.partition)) nodes.insert(*leader);
  }
  for (int32_t node : nodes) {
    if (asked_.contains(node)) continue;
    WEIR_TRY(send_request(node, wanted_from(node)));
  }
  return base::ok();
}

Result<void> ReadAheadFetcher::send_request(int32_t node, const std::vector<size_t>& wanted) {
  if (wanted.empty()) return base::ok();
  FetchRequest request;
  request.max_wait_ms = options_.fetch_max_wait_ms;
  request.min_bytes = options_.fetch_min_bytes;
  request.isolation_level = options_.read_committed ? 1 : 0;
  const int64_t most = std::min<int64_t>(options_.fetch_max_bytes,
                                         std::max<int64_t>(options_.read_ahead_bytes, 1024));
  const int64_t worth = asked_bytes_.try_emplace(node, kNearBytes).first->second;
  request.max_bytes = static_cast<int32_t>(std::min(most, worth));
  for (size_t at : wanted) {
    const Position& position = positions_[at];
    if (request.topics.empty() || request.topics.back().name != position.range.partition.topic) {
      request.topics.push_back({position.range.partition.topic, {}});
    }
    FetchRequest::Partition partition;
    partition.index = position.range.partition.partition;
    partition.fetch_offset = position.next_offset;
    partition.max_bytes = options_.max_partition_fetch_bytes;
    request.topics.back().partitions.push_back(partition);
  }
  asked_[node] = wanted;
  for (size_t at : wanted)
    positions_[at].in_flight = true;
  answer_due_us_[node] = now() + int64_t{options_.connection.request_timeout_ms} * 1000;
  ++rotation_;
  auto connection = cluster_.connection(node);
  if (!connection.ok()) return lose_connection(node, connection.error());
  auto version = (*connection)->version_of(ApiKey::kFetch);
  if (!version.ok()) return std::move(version).error();
  auto sent = (*connection)->send(request, *version);
  if (!sent.ok()) return lose_connection(node, sent.error());
  return base::ok();
}

Result<void> ReadAheadFetcher::lose_connection(int32_t node, const base::Error& why) {
  cluster_.drop(node);
  std::vector<size_t> asked = std::move(asked_[node]);
  asked_.erase(node);
  for (size_t at : asked) {
    positions_[at].in_flight = false;
    WEIR_TRY(retry_later(positions_[at], why));
  }
  return base::ok();
}

Result<void> ReadAheadFetcher::wait_for_answers(std::stop_token stop) {
  bool all_idle = std::all_of(positions_.begin(), positions_.end(),
                              [](const Position& position) { return position.idle(); });
  std::vector<int> descriptors{wake_.descriptor()};
  std::vector<int32_t> nodes{-1};
  int64_t wake_us = now() + 60'000'000;
  for (const auto& [node, positions] : asked_) {
    Connection* connection = cluster_.open_connection(node);
    if (!connection) {  // closed because the metadata names another address for this broker
      return lose_connection(
          node, base::error(ErrorKind::kUnavailable, "broker {} has moved", node).as_retryable());
    }
    if (connection->socket().has_buffered()) return receive_from(node);
    descriptors.push_back(connection->socket().descriptor());
    nodes.push_back(node);
    wake_us = std::min(wake_us, answer_due_us_[node]);
  }
  bool waits_for_leader = false;
  for (const Position& position : positions_) {
    if (position.idle() || position.in_flight) continue;
    if (position.not_before_us > now()) {
      wake_us = std::min(wake_us, position.not_before_us);
    } else if (!cluster_.leader(position.range.partition)) {
      waits_for_leader = true;
    }
  }
  if (waits_for_leader) wake_us = std::min(wake_us, std::max(no_refresh_before_us_, now()));
  if (all_idle && asked_.empty()) {
    std::lock_guard lock(mutex_);
    bool all_done = std::all_of(positions_.begin(), positions_.end(),
                                [](const Position& position) { return position.done; });
    if (all_done && seeks_.empty()) {
      finished_ = true;
      changed_.notify_all();
    }
  }
  const int64_t waits_since_us = now();
  WEIR_ASSIGN(
      int ready,
      io::wait_readable(descriptors, std::max<int64_t>(0, wake_us - waits_since_us + 999) / 1000));
  if (stop.stop_requested() || ready == 0) return base::ok();
  if (ready > 0) {
    waited_us_ = now() - waits_since_us;
    return receive_from(nodes[static_cast<size_t>(ready)]);
  }
  std::vector<int32_t> late;
  for (const auto& [node, positions] : asked_) {
    if (answer_due_us_[node] <= now()) late.push_back(node);
  }
  for (int32_t node : late) {
    WEIR_TRY(lose_connection(node, base::error(ErrorKind::kTimeout, "no answer to a fetch in {} ms",
                                               options_.connection.request_timeout_ms)
                                       .as_retryable()));
  }
  return base::ok();
}

// Of answers that were cut by their size: an answer that was waited for could have brought more.
void ReadAheadFetcher::adapt_request_size(int32_t node, int64_t answer_bytes) {
  int64_t& bytes = asked_bytes_.try_emplace(node, kNearBytes).first->second;
  if (answer_bytes < bytes / 2) return;
  bytes = waited_us_ > kFarWaitUs ? std::min<int64_t>(2 * bytes, options_.fetch_max_bytes)
                                  : std::max(bytes / 2, kNearBytes);
}

Result<void> ReadAheadFetcher::receive_from(int32_t node) {
  Connection* connection = cluster_.open_connection(node);
  std::shared_ptr<PaddedBuffer> buffer = pool_.take();
  auto answer = connection->receive(*buffer, options_.connection.request_timeout_ms);
  if (!answer.ok()) {
    if (!answer.error().retryable()) return std::move(answer).error();
    return lose_connection(node, answer.error());
  }
  adapt_request_size(node, static_cast<int64_t>(buffer->size()));
  Reader reader(buffer->view().substr(answer->body_at));
  WEIR_ASSIGN(FetchResponse response, FetchResponse::decode(reader, answer->version));
  std::vector<size_t> asked = std::move(asked_[node]);
  asked_.erase(node);
  for (size_t at : asked)
    positions_[at].in_flight = false;
  if (response.error != ErrorCode::kNone) {
    for (size_t at : asked)
      WEIR_TRY(retry_later(positions_[at],
                           error_of(response.error, "fetch from " + connection->peer())));
    return base::ok();
  }
  Fetched fetched;
  std::shared_ptr<const PaddedBuffer> arena = buffer;
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions) {
      auto found = index_.find({topic.name, partition.index});
      if (found == index_.end())
        return base::error(ErrorKind::kCorruption, "{} answered for {}-{}, which was not asked for",
                           connection->peer(), topic.name, partition.index);
      WEIR_TRY(take_partition(partition, found->second, arena, fetched));
    }
  }
  for (size_t at : fetched.out_of_range)
    WEIR_TRY(report_out_of_range(node, at));
  // The next question goes out before the work on this answer, so that the broker is busy
  // meanwhile.
  if (has_room() && !asked_.contains(node)) WEIR_TRY(send_request(node, wanted_from(node)));
  for (FetchedBatches& piece : fetched.pieces) {
    int64_t bytes = 0;
    for (const BatchView& batch : piece.batches) {
      bytes += static_cast<int64_t>(batch.bytes.size());
      if (!options_.check_crcs) continue;
      auto checked = validate_record_batch(batch.bytes);
      if (!checked.ok()) {
        const base::TopicPartition& partition = positions_[piece.range].range.partition;
        return std::move(checked).error().with_context(fmt::format(
            "{}-{} at offset {}", partition.topic, partition.partition, batch.header.base_offset));
      }
    }
    FetchOutcome outcome;
    outcome.status = FetchStatus::kBatches;
    outcome.fetched = std::move(piece);
    push(std::move(outcome), bytes);
  }
  return base::ok();
}

Result<void> ReadAheadFetcher::take_partition(const FetchResponse::Partition& answer, size_t at,
                                              const std::shared_ptr<const PaddedBuffer>& arena,
                                              Fetched& fetched) {
  Position& position = positions_[at];
  std::string name = fmt::format("fetch of {}-{} at offset {}", position.range.partition.topic,
                                 position.range.partition.partition, position.next_offset);
  if (answer.error == ErrorCode::kOffsetOutOfRange) {
    position.out_of_range = true;
    fetched.out_of_range.push_back(at);
    return base::ok();
  }
  if (answer.error != ErrorCode::kNone) return retry_later(position, error_of(answer.error, name));
  position.failing_since_us = -1;
  position.failures = 0;
  refresh_failures_ = 0;
  FetchedBatches piece;
  piece.range = at;
  piece.arena = arena;
  piece.high_watermark =
      options_.read_committed ? answer.last_stable_offset : answer.high_watermark;
  piece.log_start_offset = answer.log_start_offset;
  const int64_t before = position.next_offset;
  if (!position.done && answer.records && !answer.records->empty()) {
    auto split =
        take_batches(*answer.records, position.range.end, position.next_offset,
                     options_.read_committed ? answer.aborted_transactions : std::nullopt, piece);
    if (!split.ok()) return std::move(split).error().with_context(name);
    position.done = *split;
  }
  piece.next_offset = position.next_offset;
  // Also without batches, so that the taker of an open-ended range learns that there are none.
  if (position.next_offset > before) fetched.pieces.push_back(std::move(piece));
  return base::ok();
}

Result<void> ReadAheadFetcher::report_out_of_range(int32_t node, size_t at) {
  Position& position = positions_[at];
  FetchOutcome outcome;
  outcome.status = FetchStatus::kOffsetOutOfRange;
  outcome.fetched.range = at;
  outcome.requested_offset = position.next_offset;
  for (int64_t timestamp : {kEarliestTimestamp, kLatestTimestamp}) {
    ListOffsetsRequest request;
    request.isolation_level = options_.read_committed ? 1 : 0;
    request.topics.push_back(
        {position.range.partition.topic, {{position.range.partition.partition, -1, timestamp}}});
    auto response = cluster_.call<ListOffsetsResponse>(node, request);
    if (!response.ok() && !response.error().retryable()) return std::move(response).error();
    bool usable = response.ok() && response->topics.size() == 1 &&
                  response->topics[0].partitions.size() == 1 &&
                  response->topics[0].partitions[0].error == ErrorCode::kNone;
    if (!usable) {  // ask anew from the start
      position.out_of_range = false;
      return retry_later(
          position, base::error(ErrorKind::kUnavailable, "offsets of {}-{} can't be had",
                                position.range.partition.topic, position.range.partition.partition)
                        .as_retryable());
    }
    (timestamp == kEarliestTimestamp ? outcome.log_start_offset : outcome.log_end_offset) =
        response->topics[0].partitions[0].offset;
  }
  push(std::move(outcome), 0);
  return base::ok();
}

}  // namespace

std::unique_ptr<Fetcher> make_fetcher(ConnectionSettings settings, ClientOptions options,
                                      std::vector<FetchRange> ranges, base::Clock& clock,
                                      base::Random& random) {
  return std::make_unique<ReadAheadFetcher>(std::move(settings), std::move(options),
                                            std::move(ranges), clock, random);
}

}  // namespace weir::kafka
