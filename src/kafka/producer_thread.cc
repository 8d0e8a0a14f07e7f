// The thread of a BatchingProducer: what it does in turn, and requests on their way out. Answers
// are taken in producer_answers.cc.
#include <algorithm>
#include <limits>
#include <set>

#include "kafka/batching_producer.h"

namespace weir::kafka {

using base::ErrorKind;
using base::Result;

void BatchingProducer::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    auto result = loop(stop);
    deliver();
    if (result.ok()) continue;
    {
      std::lock_guard lock(mutex_);
      failure_ = result.error();
    }
    fail_everything(result.error());
    return;
  }
}

Result<void> BatchingProducer::loop(std::stop_token) {
  if (stopped_) return base::error(ErrorKind::kCancelled, "the producer was stopped");
  close_lingering();
  expire();
  settle();
  if (session_over_) return *session_over_;
  WEIR_TRY(look_up_topics());
  WEIR_TRY(get_producer_id());
  WEIR_TRY(add_to_transaction());
  WEIR_TRY(send_ready());
  deliver();
  return wait_for_answers();
}

void BatchingProducer::close_lingering() {
  std::lock_guard lock(mutex_);
  int64_t opened_before = now() - int64_t{options_.linger_ms} * 1000;
  each_partition([&](ProducerTopic& topic, ProducerPartition& partition) {
    if (partition.open && (flushing_ > 0 || partition.open->created_us <= opened_before))
      close_batch(topic, partition);
  });
}

// delivery.timeout.ms counts from a batch's first record. A batch in flight is left to its answer.
void BatchingProducer::expire() {
  std::lock_guard lock(mutex_);
  int64_t created_before = now() - int64_t{options_.delivery_timeout_ms} * 1000;
  each_partition([&](ProducerTopic&, ProducerPartition& partition) {
    while (!partition.failing && !partition.closed.empty()) {
      ProducerBatch& first = *partition.closed.front();
      if (first.in_flight || first.created_us > created_before) return;
      base::Error error = base::error(ErrorKind::kTimeout,
                                      "{}-{}: a batch was not acknowledged in {} ms ({} attempts)",
                                      partition.name.topic, partition.name.partition,
                                      options_.delivery_timeout_ms, first.attempts);
      if (first.attempts > 0) {
        partition.failing = std::move(error);
        partition.held = true;
      } else {
        complete(partition, &first, -1, std::move(error));
      }
    }
  });
}

// Partitions that were held and have nothing in flight any more: fail, renumber or go on.
void BatchingProducer::settle() {
  std::lock_guard lock(mutex_);
  each_partition([&](ProducerTopic&, ProducerPartition& partition) {
    if (!partition.held || partition.in_flight > 0) return;
    if (partition.failing) {
      while (!partition.closed.empty() && partition.closed.front()->attempts > 0) {
        complete(partition, partition.closed.front().get(), -1, partition.failing);
      }
      renew_producer_id_ = renew_producer_id_ || options_.idempotence;
    } else if (partition.renumber && session_) {
      // The numbers of a transaction can't begin anew within it.
      if (!session_over_)
        session_over_ = base::error(ErrorKind::kConflict,
                                    "{}-{}: the broker has lost what it knew of the transaction",
                                    partition.name.topic, partition.name.partition)
                            .as_retryable();
    } else if (partition.renumber) {
      for (auto& batch : partition.closed) {
        batch->attempts = 0;
        batch->base_sequence = -1;
        batch->unanswered = false;
        batch->doubted = false;
      }
      renew_producer_id_ = true;
    }
    partition.failing.reset();
    partition.renumber = false;
    partition.held = false;
  });
}

Result<void> BatchingProducer::look_up_topics() {
  std::set<std::string> topics;
  bool urgent = false;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, error] : wanted_topics_)
      topics.insert(name);
    urgent = !topics.empty();
    each_partition([&](ProducerTopic& topic, ProducerPartition& partition) {
      if (partition.closed.empty() || cluster_.leader(partition.name)) return;
      topics.insert(topic.name);
      urgent = true;
    });
  }
  if (!urgent || now() < no_refresh_before_us_) return base::ok();
  auto refreshed = cluster_.refresh(topics, true);
  if (!refreshed.ok() && !refreshed.error().retryable()) return refreshed;
  no_refresh_before_us_ = now() + cluster_.backoff().delay_us(++refresh_failures_);
  std::lock_guard lock(mutex_);
  for (auto wanted = wanted_topics_.begin(); wanted != wanted_topics_.end();) {
    const std::string& name = wanted->first;
    ErrorCode code = cluster_.topic_error(name);
    int32_t count = cluster_.partition_count(name);
    if (!refreshed.ok()) {
      (wanted++)->second = refreshed.error();
    } else if (code != ErrorCode::kNone || count == 0) {
      (wanted++)->second =
          error_of(code == ErrorCode::kNone ? ErrorCode::kLeaderNotAvailable : code,
                   fmt::format("topic \"{}\"", name));
    } else {
      auto topic = std::make_unique<ProducerTopic>();
      topic->name = name;
      for (int32_t i = 0; i < count; ++i) {
        topic->partitions.push_back(std::make_unique<ProducerPartition>());
        topic->partitions.back()->name = {name, i};
      }
      topics_[name] = std::move(topic);
      wanted = wanted_topics_.erase(wanted);
      refresh_failures_ = 0;
      no_refresh_before_us_ = 0;
    }
  }
  changed_.notify_all();
  return base::ok();
}

// A new id is asked for at the start and when a sequence has a hole. All that was sent under the
// old one has to be settled first.
Result<void> BatchingProducer::get_producer_id() {
  if (session_ || !options_.idempotence || (producer_id_ >= 0 && !renew_producer_id_) ||
      now() < no_id_before_us_)
    return base::ok();
  std::optional<int32_t> node;
  {
    std::lock_guard lock(mutex_);
    bool attempted = false;
    each_partition([&](ProducerTopic&, ProducerPartition& partition) {
      attempted = attempted || partition.has_attempted() || partition.held;
      if (!partition.closed.empty() && !node) node = cluster_.leader(partition.name);
    });
    if (attempted || !node) return base::ok();
  }
  InitProducerIdRequest request;
  request.transaction_timeout_ms = 60000;
  auto response = cluster_.call<InitProducerIdResponse>(*node, request);
  base::Error problem(ErrorKind::kUnavailable, "");
  if (response.ok() && response->error == ErrorCode::kNone) {
    producer_id_ = response->producer_id;
    producer_epoch_ = response->producer_epoch;
    renew_producer_id_ = false;
    id_failures_ = 0;
    std::lock_guard lock(mutex_);
    each_partition(
        [](ProducerTopic&, ProducerPartition& partition) { partition.next_sequence = 0; });
    return base::ok();
  }
  problem = response.ok() ? error_of(response->error, "InitProducerId") : response.error();
  if (!problem.retryable())
    return std::move(problem).with_context("an idempotent producer needs a producer id");
  if (!response.ok()) lose_connection(*node);
  no_id_before_us_ = now() + cluster_.backoff().delay_us(++id_failures_);
  return base::ok();
}

// Before the first record to a partition the transaction has to have it, so that its end reaches
// it.
Result<void> BatchingProducer::add_to_transaction() {
  if (!session_) return base::ok();
  std::vector<base::TopicPartition> wanted;
  {
    std::lock_guard lock(mutex_);
    each_partition([&](ProducerTopic&, ProducerPartition& partition) {
      if (!partition.in_transaction && !partition.closed.empty()) wanted.push_back(partition.name);
    });
  }
  if (wanted.empty()) return base::ok();
  WEIR_TRY(session_->transactions->add_partitions(session_->identity, wanted));
  std::lock_guard lock(mutex_);
  each_partition([&](ProducerTopic&, ProducerPartition& partition) {
    if (std::find(wanted.begin(), wanted.end(), partition.name) != wanted.end())
      partition.in_transaction = true;
  });
  return base::ok();
}

std::vector<SentBatch> BatchingProducer::pick(int32_t node) {
  std::vector<SentBatch> picked;
  size_t bytes = 0;
  std::lock_guard lock(mutex_);
  each_partition([&](ProducerTopic&, ProducerPartition& partition) {
    if (partition.closed.empty() || cluster_.leader(partition.name) != node) return;
    if (session_ && !partition.in_transaction) return;  // closed a moment ago
    ProducerBatch* batch = partition.sendable(now(), in_flight_max());
    if (!batch) return;
    // Under an id that is to be given up only what it has sent before may go.
    if (options_.idempotence && (producer_id_ < 0 || renew_producer_id_) && batch->attempts == 0)
      return;
    size_t size = batch->bytes.empty() ? batch->builder.size() : batch->bytes.size();
    if (!picked.empty() && bytes + size > static_cast<size_t>(options_.max_request_size)) return;
    bytes += size;
    if (batch->attempts++ > 0) {
      counters_.retries += 1;
    } else if (options_.idempotence) {
      batch->base_sequence = partition.next_sequence;
      partition.next_sequence =
          RecordBatchHeader::sequence_after(partition.next_sequence, batch->count);
    }
    batch->in_flight = true;
    partition.in_flight += 1;
    picked.push_back({&partition, batch});
  });
  return picked;
}

Result<void> BatchingProducer::send_ready() {
  std::set<int32_t> nodes;
  {
    std::lock_guard lock(mutex_);
    each_partition([&](ProducerTopic&, ProducerPartition& partition) {
      if (partition.closed.empty()) return;
      if (auto leader = cluster_.leader(partition.name)) nodes.insert(*leader);
    });
  }
  for (int32_t node : nodes) {
    while (sent_[node].size() < static_cast<size_t>(options_.max_in_flight) &&
           throttled_until_us_[node] <= now()) {
      std::vector<SentBatch> picked = pick(node);
      if (picked.empty()) break;
      WEIR_TRY(send_to(node, std::move(picked)));
    }
  }
  return base::ok();
}

// A batch in flight belongs to this thread: others only append to closed.
Result<void> BatchingProducer::finish_batches(const std::vector<SentBatch>& batches) {
  for (const SentBatch& sent : batches) {
    ProducerBatch& batch = *sent.batch;
    int64_t id = options_.idempotence ? producer_id_ : kNoProducerId;
    int16_t epoch = options_.idempotence ? producer_epoch_ : int16_t{-1};
    if (batch.bytes.empty()) {
      RecordBatchBuilder::Options options;
      options.compression = options_.compression;
      options.producer_id = id;
      options.producer_epoch = epoch;
      options.base_sequence = batch.base_sequence;
      options.transactional = session_.has_value();
      WEIR_ASSIGN(batch.bytes, batch.builder.finish(options));
    } else if (batch.attempts == 1) {  // numbered anew
      stamp_producer(batch.bytes, id, epoch, batch.base_sequence);
    }
  }
  return base::ok();
}

// The body is written by hand so that the batches go out of their own memory.
Result<void> BatchingProducer::write_request(Connection& connection, int16_t version,
                                             const std::vector<SentBatch>& batches) {
  Writer writer;
  std::vector<size_t> cuts;  // where the records of each batch stand
  writer.nullable_string(session_ ? std::optional(session_->transactions->transactional_id())
                                  : std::nullopt);
  writer.int16(options_.acks);
  writer.int32(options_.connection.request_timeout_ms);
  size_t topics_at = writer.size();
  writer.array_length(0);
  int32_t topics = 0;
  size_t partitions_at = 0;
  int32_t partitions = 0;
  const std::string* topic = nullptr;
  for (const SentBatch& sent : batches) {
    if (!topic || *topic != sent.partition->name.topic) {
      if (topic) writer.patch_int32(partitions_at, partitions);
      topic = &sent.partition->name.topic;
      ++topics;
      writer.string(*topic);
      partitions_at = writer.size();
      writer.array_length(0);
      partitions = 0;
    }
    ++partitions;
    writer.int32(sent.partition->name.partition);
    writer.int32(static_cast<int32_t>(sent.batch->bytes.size()));
    cuts.push_back(writer.size());
  }
  writer.patch_int32(partitions_at, partitions);
  writer.patch_int32(topics_at, topics);
  std::vector<std::string_view> parts;
  size_t from = 0;
  for (size_t i = 0; i < batches.size(); ++i) {
    parts.push_back(std::string_view(writer.buffer()).substr(from, cuts[i] - from));
    parts.push_back(batches[i].batch->bytes);
    from = cuts[i];
  }
  return connection.send_body(ApiKey::kProduce, version, parts, options_.acks != 0);
}

Result<void> BatchingProducer::send_to(int32_t node, std::vector<SentBatch> batches) {
  WEIR_TRY(finish_batches(batches));
  sent_[node].push_back(
      {std::move(batches), now() + int64_t{options_.connection.request_timeout_ms} * 1000});
  auto connection = cluster_.connection(node);
  if (!connection.ok()) {
    if (!connection.error().retryable()) return std::move(connection).error();
    std::lock_guard lock(mutex_);  // never sent: nothing is in doubt
    for (const SentBatch& sent : sent_[node].back().batches) {
      cluster_.forget_leader(sent.partition->name);
      retry(sent, false);
    }
    sent_[node].pop_back();
    return base::ok();
  }
  WEIR_ASSIGN(int16_t version, (*connection)->version_of(ApiKey::kProduce));
  if (options_.compression == Compression::kZstd && version < 7) {
    return base::error(ErrorKind::kUnsupported, "{} takes no zstd; choose another compression.type",
                       (*connection)->peer());
  }
  auto written = write_request(**connection, version, sent_[node].back().batches);
  if (!written.ok()) {
    lose_connection(node);
    return base::ok();
  }
  if (options_.acks == 0) {
    std::lock_guard lock(mutex_);
    for (const SentBatch& sent : sent_[node].back().batches)
      acknowledge(sent, -1);
    sent_[node].pop_back();
  }
  return base::ok();
}

int64_t BatchingProducer::next_wake_us() {
  int64_t wake = now() + 1'000'000;
  auto no_later = [&](int64_t at) { wake = std::min(wake, at); };
  for (const auto& [node, requests] : sent_) {
    if (!requests.empty()) no_later(requests.front().due_us);
  }
  if (!wanted_topics_.empty()) no_later(no_refresh_before_us_);
  each_partition([&](ProducerTopic&, ProducerPartition& partition) {
    if (partition.open)
      no_later(flushing_ > 0 ? 0 : partition.open->created_us + int64_t{options_.linger_ms} * 1000);
    if (partition.closed.empty()) return;
    const ProducerBatch& first = *partition.closed.front();
    if (!first.in_flight) no_later(first.created_us + int64_t{options_.delivery_timeout_ms} * 1000);
    if (partition.held && partition.in_flight == 0) no_later(0);
    auto leader = cluster_.leader(partition.name);
    if (!leader) return no_later(no_refresh_before_us_);
    auto sent = sent_.find(*leader);
    if (sent != sent_.end() && sent->second.size() >= static_cast<size_t>(options_.max_in_flight))
      return;
    const ProducerBatch* next =
        partition.sendable(std::numeric_limits<int64_t>::max(), in_flight_max());
    if (!next) return;
    int64_t when = std::max(partition.not_before_us, throttled_until_us_[*leader]);
    bool needs_id = options_.idempotence && (producer_id_ < 0 || renew_producer_id_);
    if (needs_id && next->attempts == 0) {
      bool blocked = false;  // by what is still to be settled, which has its own time
      each_partition([&](ProducerTopic&, ProducerPartition& other) {
        blocked = blocked || other.held || other.has_attempted();
      });
      if (blocked) return;
      when = std::max(when, no_id_before_us_);
    }
    no_later(when);
  });
  return wake;
}

Result<void> BatchingProducer::wait_for_answers() {
  std::vector<int> descriptors{wake_.descriptor()};
  std::vector<int32_t> nodes{-1};
  std::vector<int32_t> gone;
  for (const auto& [node, requests] : sent_) {
    if (requests.empty()) continue;
    Connection* connection = cluster_.open_connection(node);
    if (!connection || requests.front().due_us <= now()) {
      gone.push_back(node);
      continue;
    }
    if (connection->socket().has_buffered()) return receive_from(node);
    descriptors.push_back(connection->socket().descriptor());
    nodes.push_back(node);
  }
  for (int32_t node : gone)
    lose_connection(node);
  int64_t wait_us = 0;
  {
    std::lock_guard lock(mutex_);
    sender_waits_ = true;
    wait_us = gone.empty() ? next_wake_us() - now() : 0;
  }
  auto ready = io::wait_readable(descriptors, std::max<int64_t>(0, wait_us + 999) / 1000);
  {
    std::lock_guard lock(mutex_);
    sender_waits_ = false;
  }
  if (!ready.ok()) return std::move(ready).error();
  if (*ready == 0) wake_.clear();
  if (*ready <= 0) return base::ok();
  return receive_from(nodes[static_cast<size_t>(*ready)]);
}

}  // namespace weir::kafka
