// The thread of a BatchingProducer: what brokers answer, and what becomes of the batches.
#include <algorithm>
#include <map>

#include "kafka/batching_producer.h"

namespace weir::kafka {

using base::Result;

Result<void> BatchingProducer::receive_from(int32_t node) {
  Connection* connection = cluster_.open_connection(node);
  auto answer = connection->receive(answer_buffer_, options_.connection.request_timeout_ms);
  if (!answer.ok()) {
    if (!answer.error().retryable()) return std::move(answer).error();
    lose_connection(node);
    return base::ok();
  }
  Reader reader(answer_buffer_.view().substr(answer->body_at));
  WEIR_ASSIGN(ProduceResponse response, ProduceResponse::decode(reader, answer->version));
  SentRequest request = std::move(sent_[node].front());
  sent_[node].pop_front();
  if (response.throttle_time_ms > 0)
    throttled_until_us_[node] = now() + int64_t{response.throttle_time_ms} * 1000;
  std::map<base::TopicPartition, const ProduceResponse::Partition*> answers;
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions)
      answers[{topic.name, partition.index}] = &partition;
  }
  std::lock_guard lock(mutex_);
  for (const SentBatch& sent : request.batches) {
    auto found = answers.find(sent.partition->name);
    if (found == answers.end()) {
      retry(sent, true);
    } else {
      take_answer(sent, *found->second);
    }
  }
  return base::ok();
}

void BatchingProducer::take_answer(const SentBatch& sent,
                                   const ProduceResponse::Partition& answer) {
  ProducerPartition& partition = *sent.partition;
  if (session_ && ends_transaction(answer.error)) {
    if (!session_over_)
      session_over_ = transaction_ended(
          answer.error,
          fmt::format("produce to {}-{}", partition.name.topic, partition.name.partition));
    return retry(sent, false);
  }
  switch (answer.error) {
    case ErrorCode::kNone:
    case ErrorCode::kDuplicateSequenceNumber:  // written by an attempt whose answer was lost
      return acknowledge(sent, answer.error == ErrorCode::kNone ? answer.base_offset : -1);
    case ErrorCode::kOutOfOrderSequenceNumber:
      out_of_order(sent);
      return;
    case ErrorCode::kUnknownProducerId:
    case ErrorCode::kInvalidProducerEpoch:
      if (options_.idempotence) partition.renumber = true;
      return retry(sent, false);
    case ErrorCode::kMessageTooLarge:
    case ErrorCode::kRecordListTooLarge:
      return too_large(sent, answer);
    default:
      break;
  }
  if (is_retriable(answer.error)) {
    if (needs_new_metadata(answer.error)) cluster_.forget_leader(partition.name);
    bool unanswered = answer.error == ErrorCode::kRequestTimedOut ||
                      answer.error == ErrorCode::kNotEnoughReplicasAfterAppend;
    return retry(sent, unanswered);
  }
  retry(sent, false);
  if (!partition.failing) partition.failing = refusal(sent, answer, {});
}

base::Error BatchingProducer::refusal(const SentBatch& sent,
                                      const ProduceResponse::Partition& answer,
                                      std::string_view detail) const {
  std::string told = answer.error_message.value_or("");
  if (!told.empty() && !detail.empty()) told += "; ";
  return error_of(
      answer.error,
      fmt::format("produce to {}-{}", sent.partition->name.topic, sent.partition->name.partition),
      told.append(detail));
}

// A batch that the broker finds too large goes again in two halves, and so on down to one record,
// which fails alone: those behind it go on. They have been refused for the gap that it leaves and
// are numbered anew; where one of them may have been written after all, they fail with it.
void BatchingProducer::too_large(const SentBatch& sent, const ProduceResponse::Partition& answer) {
  ProducerPartition& partition = *sent.partition;
  if (sent.batch->count > 1) {
    // Batches as large as this one needn't be tried again.
    if (options_.compression == Compression::kNone)
      partition.batch_bytes_max = std::min(partition.batch_bytes_max, sent.batch->bytes.size() / 2);
    retry(sent, false);
    auto second = split_batch(*sent.batch);
    if (!second.ok()) {
      if (!partition.failing) partition.failing = std::move(second).error();
      return;
    }
    auto at = std::find_if(partition.closed.begin(), partition.closed.end(),
                           [&](const auto& each) { return each.get() == sent.batch; });
    partition.closed.insert(at + 1, std::move(*second));
    partition.not_before_us = now();
    counters_.splits += 1;
    return;
  }
  base::Error error = refusal(
      sent, answer,
      fmt::format("a single record makes a batch of {} bytes; the topic's max.message.bytes would "
                  "have to be larger",
                  sent.batch->bytes.size()));
  const bool doubt = std::any_of(partition.closed.begin(), partition.closed.end(),
                                 [](const auto& each) { return each->unanswered; });
  retry(sent, false);
  if (doubt) {
    if (!partition.failing) partition.failing = std::move(error);
    return;
  }
  partition.not_before_us = now();
  complete(partition, sent.batch, -1, std::move(error));
  partition.renumber = partition.renumber || options_.idempotence;
}

void BatchingProducer::acknowledge(const SentBatch& sent, int64_t base_offset) {
  ProducerPartition& partition = *sent.partition;
  partition.in_flight -= 1;
  partition.failures = 0;
  refresh_failures_ = 0;
  sent.batch->in_flight = false;
  // A broker that has our state takes a sequence only after the one before it, so those in doubt
  // were written.
  while (partition.closed.front()->doubted)
    complete(partition, partition.closed.front().get(), -1, std::nullopt);
  partition.established = true;
  complete(partition, sent.batch, base_offset, std::nullopt);
}

// OUT_OF_ORDER_SEQUENCE_NUMBER behind a batch that failed is no wonder: it goes again after that
// one. Of the first batch it means either that the broker has lost what it knew of us, and all goes
// again under a new id, or that the batch was written by an attempt whose answer was lost, and the
// broker has forgotten it since: Apache Kafka 4.3, killed with five batches of a partition
// unanswered, knows the last four of them after its restart. So the batch behind it is tried: if
// the broker knows or takes that, this one was written.
void BatchingProducer::out_of_order(const SentBatch& sent) {
  ProducerPartition& partition = *sent.partition;
  if (options_.idempotence && partition.first_undoubted() == sent.batch) {
    if (sent.batch->unanswered && partition.attempted_behind(sent.batch)) {
      sent.batch->doubted = true;
    } else {
      partition.renumber = true;
    }
  }
  retry(sent, false);
}

// Takes a batch back to be sent again, and holds the partition until all its batches are back.
void BatchingProducer::retry(const SentBatch& sent, bool unanswered) {
  ProducerPartition& partition = *sent.partition;
  sent.batch->in_flight = false;
  sent.batch->unanswered = sent.batch->unanswered || unanswered;
  partition.established = false;
  partition.in_flight -= 1;
  if (!partition.held) partition.failures += 1;
  partition.held = true;
  partition.not_before_us = now() + cluster_.backoff().delay_us(partition.failures);
}

void BatchingProducer::lose_connection(int32_t node) {
  cluster_.drop(node);
  std::deque<SentRequest> lost = std::move(sent_[node]);
  sent_[node].clear();
  std::lock_guard lock(mutex_);
  for (const SentRequest& request : lost) {
    for (const SentBatch& sent : request.batches) {
      cluster_.forget_leader(sent.partition->name);
      retry(sent, true);
    }
  }
}

void BatchingProducer::complete(ProducerPartition& partition, ProducerBatch* batch,
                                int64_t base_offset, std::optional<base::Error> error) {
  auto found = std::find_if(partition.closed.begin(), partition.closed.end(),
                            [&](const auto& each) { return each.get() == batch; });
  Completed completed{&partition.name, std::move(*found), base_offset, std::move(error)};
  partition.closed.erase(found);
  if (session_ && completed.error && !session_over_) session_over_ = completed.error;
  completed_.push_back(std::move(completed));
}

void BatchingProducer::deliver() {
  std::vector<Completed> completed = std::move(completed_);
  completed_.clear();
  if (completed.empty()) return;
  for (Completed& each : completed) {
    Delivery delivery;
    delivery.topic = each.partition->topic;
    delivery.partition = each.partition->partition;
    delivery.record_count = each.batch->count;
    delivery.base_offset = each.base_offset;
    delivery.bytes = each.batch->bytes.size();
    delivery.tags = each.batch->tags;
    delivery.error = each.error ? &*each.error : nullptr;
    if (callback_) callback_(delivery);
  }
  std::lock_guard lock(mutex_);
  for (const Completed& each : completed) {
    uint64_t records = static_cast<uint64_t>(each.batch->count);
    counters_.batches += 1;
    counters_.buffered_bytes -= each.batch->buffered_bytes;
    (each.error ? counters_.records_failed : counters_.records_acknowledged) += records;
    if (!each.error) counters_.bytes_acknowledged += each.batch->bytes.size();
    outstanding_ -= records;
  }
  // Before flush() may see that nothing is outstanding.
  if (session_over_ && !failure_) failure_ = session_over_;
  changed_.notify_all();
}

void BatchingProducer::fail_everything(const base::Error& error) {
  {
    std::lock_guard lock(mutex_);
    each_partition([&](ProducerTopic&, ProducerPartition& partition) {
      partition.close_open();
      while (!partition.closed.empty())
        complete(partition, partition.closed.front().get(), -1, error);
    });
    changed_.notify_all();
  }
  sent_.clear();
  deliver();
}

}  // namespace weir::kafka
