// What a producer holds for each partition: the open batch and those that are closed, in order.
//
// Plain data and its rules, without threads or sockets; BatchingProducer guards it with its lock.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "kafka/record_batch.h"

namespace weir::kafka {

struct ProducerBatch {
  RecordBatchBuilder builder;  // until it is sent for the first time
  std::string bytes;           // then
  std::vector<uint64_t> tags;
  int32_t count = 0;
  size_t buffered_bytes = 0;  // counted against buffer.memory
  int64_t created_us = 0;
  int32_t base_sequence = -1;  // given at the first send; with idempotence
  int attempts = 0;
  bool in_flight = false;
  bool unanswered = false;  // an attempt's answer was lost: it may have been written
  bool doubted = false;     // and was called out of order since; what follows it will tell
};

// Takes the second half of a batch that was sent off it, numbered on from it.
base::Result<std::unique_ptr<ProducerBatch>> split_batch(ProducerBatch& batch);

struct ProducerPartition {
  base::TopicPartition name;
  std::unique_ptr<ProducerBatch> open;  // takes records
  std::deque<std::unique_ptr<ProducerBatch>>
      closed;  // in order; those in flight stay until answered
  int in_flight = 0;
  int32_t next_sequence = 0;
  // After a failure nothing more is sent until all in flight have come back; then it goes on in
  // order.
  bool held = false;
  std::optional<base::Error>
      failing;  // the batches that were sent already fail with this once in_flight is 0
  bool renumber =
      false;  // the broker has refused all of them: they go again under a new producer id
  int64_t not_before_us = 0;
  int failures = 0;
  // The last answer was an acknowledgement. Until then only one batch goes at a time: a broker that
  // has no state of a producer takes any sequence, so that a second batch could get before a first
  // that failed.
  bool established = false;
  bool in_transaction = false;  // it knows of this partition
  // Once the broker has found a batch too large: how large they are made since.
  size_t batch_bytes_max = SIZE_MAX;

  // The next batch to send, or null. At most `in_flight_max` of a partition are under way.
  ProducerBatch* sendable(int64_t now_us, int in_flight_max) const {
    if (held || not_before_us > now_us || in_flight >= (established ? in_flight_max : 1))
      return nullptr;
    for (const auto& batch : closed) {
      if (!batch->in_flight && !batch->doubted) return batch.get();
    }
    return nullptr;
  }
  // The first batch that isn't doubted, and whether one stands behind it that was sent as well.
  const ProducerBatch* first_undoubted() const {
    for (const auto& batch : closed) {
      if (!batch->doubted) return batch.get();
    }
    return nullptr;
  }
  bool attempted_behind(const ProducerBatch* batch) const {
    bool behind = false;
    for (const auto& each : closed) {
      if (behind && each->attempts > 0) return true;
      behind = behind || each.get() == batch;
    }
    return false;
  }
  bool has_attempted() const {
    for (const auto& batch : closed) {
      if (batch->attempts > 0) return true;
    }
    return false;
  }
  void close_open() {
    if (open) closed.push_back(std::move(open));
  }
};

struct ProducerTopic {
  std::string name;
  std::vector<std::unique_ptr<ProducerPartition>> partitions;
  size_t sticky = 0;  // where records without a key go until the batch there is full
};

}  // namespace weir::kafka
