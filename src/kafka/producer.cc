#include "kafka/producer.h"

#include <algorithm>

#include "kafka/batching_producer.h"

namespace weir::kafka {

using base::ErrorKind;
using base::Result;

Result<ProducerTopic*> BatchingProducer::find_topic(Lock& lock, std::string_view name) {
  if (last_topic_ && last_topic_->name == name) return last_topic_;
  int64_t deadline = now() + int64_t{options_.max_block_ms} * 1000;
  while (true) {
    if (failure_) return *failure_;
    if (closed_) return base::error(ErrorKind::kCancelled, "the producer is closed");
    auto found = topics_.find(name);
    if (found != topics_.end()) return last_topic_ = found->second.get();
    auto wanted = wanted_topics_.try_emplace(std::string(name)).first;
    if (wanted->second && !wanted->second->retryable()) {
      base::Error problem = *wanted->second;
      wanted_topics_.erase(wanted);
      return problem;
    }
    if (now() >= deadline) {
      std::string why = wanted->second ? wanted->second->to_string() : "no answer";
      wanted_topics_.erase(wanted);
      return base::error(ErrorKind::kTimeout, "topic \"{}\" was not found in {} ms: {}", name,
                         options_.max_block_ms, why);
    }
    wake_.set();
    changed_.wait_for(lock, std::chrono::microseconds(deadline - now()));
  }
}

Result<void> BatchingProducer::wait_for_memory(Lock& lock, size_t bytes) {
  auto room = [&] {
    return failure_ || closed_ || counters_.buffered_bytes == 0 ||
           counters_.buffered_bytes + bytes <= static_cast<uint64_t>(options_.buffer_memory);
  };
  if (!room()) {
    wake_sender();
    if (!changed_.wait_for(lock, std::chrono::milliseconds(options_.max_block_ms), room)) {
      return base::error(ErrorKind::kTimeout,
                         "the producer's buffer of {} bytes stayed full for {} ms",
                         options_.buffer_memory, options_.max_block_ms)
          .as_retryable();
    }
  }
  if (failure_) return *failure_;
  if (closed_) return base::error(ErrorKind::kCancelled, "the producer is closed");
  return base::ok();
}

Result<ProducerPartition*> BatchingProducer::choose_partition(ProducerTopic& topic,
                                                              const ProduceRecord& record) {
  int32_t count = static_cast<int32_t>(topic.partitions.size());
  if (record.partition) {
    if (*record.partition < 0 || *record.partition >= count) {
      return base::error(ErrorKind::kInvalidArgument, "topic \"{}\" has no partition {}; it has {}",
                         topic.name, *record.partition, count);
    }
    return topic.partitions[static_cast<size_t>(*record.partition)].get();
  }
  if (record.key)
    return topic.partitions[static_cast<size_t>(partition_for_key(*record.key, count))].get();
  return topic.partitions[topic.sticky].get();
}

void BatchingProducer::close_batch(ProducerTopic& topic, ProducerPartition& partition) {
  partition.close_open();
  if (topic.partitions[topic.sticky].get() == &partition)
    topic.sticky = (topic.sticky + 1) % topic.partitions.size();
}

Result<void> BatchingProducer::send(const ProduceRecord& record) {
  size_t bytes =
      32 + (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
  for (const RecordHeader& header : record.headers)
    bytes += 16 + header.key.size() + (header.value ? header.value->size() : 0);
  if (bytes + kRecordBatchHeaderSize > static_cast<size_t>(options_.max_request_size)) {
    return base::error(ErrorKind::kResourceExhausted,
                       "a record of {} bytes is larger than max.request.size ({})", bytes,
                       options_.max_request_size);
  }
  Lock lock(mutex_);
  WEIR_ASSIGN(ProducerTopic * topic, find_topic(lock, record.topic));
  WEIR_TRY(wait_for_memory(lock, bytes));
  WEIR_ASSIGN(ProducerPartition * partition, choose_partition(*topic, record));
  const size_t batch_bytes_max =
      std::min(static_cast<size_t>(options_.batch_size), partition->batch_bytes_max);
  if (partition->open && partition->open->builder.size() + bytes > batch_bytes_max) {
    close_batch(*topic, *partition);
    wake_sender();
  }
  if (!partition->open) {
    partition->open = std::make_unique<ProducerBatch>();
    partition->open->created_us = now();
    partition->open->builder.reserve(
        std::min<size_t>(static_cast<size_t>(options_.batch_size), 1 << 20));
    wake_sender();
  }
  ProducerBatch& batch = *partition->open;
  batch.builder.add(record.key, record.value, record.timestamp_ms, record.headers);
  batch.tags.push_back(record.tag);
  batch.count += 1;
  batch.buffered_bytes += bytes;
  counters_.buffered_bytes += bytes;
  counters_.records_sent += 1;
  outstanding_ += 1;
  return base::ok();
}

Result<void> BatchingProducer::flush(int64_t timeout_ms) {
  Lock lock(mutex_);
  ++flushing_;
  wake_.set();
  bool done = changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                [&] { return outstanding_ == 0 || closed_; });
  --flushing_;
  if (failure_) return *failure_;
  if (!done)
    return base::error(ErrorKind::kTimeout, "{} records were not acknowledged in {} ms",
                       outstanding_, timeout_ms);
  return base::ok();
}

void BatchingProducer::close(int64_t timeout_ms) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
  }
  if (timeout_ms > 0) (void)flush(timeout_ms);
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  thread_.request_stop();
  wake_.set();
  if (thread_.joinable()) thread_.join();
  fail_everything(base::error(ErrorKind::kCancelled, "the producer was closed"));
}

void BatchingProducer::stop() {
  stopped_ = true;
  cancel_->set();
  wake_.set();
}

void BatchingProducer::next_transaction() {
  std::lock_guard lock(mutex_);
  WEIR_CHECK(session_ && outstanding_ == 0, "a transaction ends when all of it is acknowledged");
  each_partition(
      [](ProducerTopic&, ProducerPartition& partition) { partition.in_transaction = false; });
}

Result<std::unique_ptr<Producer>> Producer::open(ProducerOptions options, base::Clock& clock,
                                                 base::Random& random, Callback callback,
                                                 std::optional<TransactionalSession> session) {
  if (session && (options.acks != -1 || !options.idempotence))
    return base::error(ErrorKind::kInvalidArgument,
                       "transactions need acks=all, enable.idempotence=true and at most 5 "
                       "max.in.flight.requests.per.connection");
  WEIR_ASSIGN(ConnectionSettings settings, ConnectionSettings::make(options.connection));
  settings.cancel = std::make_shared<io::WakeEvent>();
  return std::unique_ptr<Producer>(
      std::make_unique<BatchingProducer>(std::move(settings), std::move(options), clock, random,
                                         std::move(callback), std::move(session)));
}

}  // namespace weir::kafka
