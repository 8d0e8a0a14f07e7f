// How the producer works inside: batches by partition, one thread that sends them and takes the
// answers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kafka/cluster.h"
#include "kafka/producer.h"
#include "kafka/producer_state.h"

namespace weir::kafka {

// A batch that is over, its callback still to be made.
struct Completed {
  const base::TopicPartition* partition;
  std::unique_ptr<ProducerBatch> batch;
  int64_t base_offset = -1;
  std::optional<base::Error> error;
};

struct SentBatch {
  ProducerPartition* partition;
  ProducerBatch* batch;
};

// A produce request that waits for its answer.
struct SentRequest {
  std::vector<SentBatch> batches;
  int64_t due_us = 0;
};

// The Producer behind Producer::open. Callers append to open batches under the lock (producer.cc);
// the thread closes, sends, and settles answers (producer_thread.cc). A batch in flight is touched
// by the thread only.
class BatchingProducer final : public Producer {
 public:
  // `settings` has a cancel event.
  BatchingProducer(ConnectionSettings settings, ProducerOptions options, base::Clock& clock,
                   base::Random& random, Callback callback,
                   std::optional<TransactionalSession> session)
      : options_(std::move(options)),
        clock_(clock),
        callback_(std::move(callback)),
        session_(std::move(session)),
        cancel_(settings.cancel),
        cluster_(std::move(settings), clock, random) {
    if (session_) {
      producer_id_ = session_->identity.id;
      producer_epoch_ = session_->identity.epoch;
    }
    thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  }
  ~BatchingProducer() override { close(0); }

  base::Result<void> send(const ProduceRecord& record) override;
  base::Result<void> flush(int64_t timeout_ms) override;
  void close(int64_t timeout_ms) override;
  void stop() override;
  void next_transaction() override;
  ProducerCounters counters() const override {
    std::lock_guard lock(mutex_);
    return counters_;
  }
  base::Result<int32_t> partition_count(std::string_view topic) override {
    std::unique_lock lock(mutex_);
    WEIR_ASSIGN(ProducerTopic * found, find_topic(lock, topic));
    return static_cast<int32_t>(found->partitions.size());
  }

 private:
  using Lock = std::unique_lock<std::mutex>;
  // Callers' side.
  base::Result<ProducerTopic*> find_topic(Lock& lock, std::string_view name);
  base::Result<void> wait_for_memory(Lock& lock, size_t bytes);
  base::Result<ProducerPartition*> choose_partition(ProducerTopic& topic,
                                                    const ProduceRecord& record);
  void close_batch(ProducerTopic& topic, ProducerPartition& partition);
  void wake_sender() {
    if (sender_waits_) wake_.set();
  }

  // The thread's side.
  void run(std::stop_token stop);
  base::Result<void> loop(std::stop_token stop);
  void close_lingering();
  void expire();
  void settle();
  base::Result<void> look_up_topics();
  base::Result<void> get_producer_id();
  base::Result<void> add_to_transaction();
  base::Result<void> send_ready();
  std::vector<SentBatch> pick(int32_t node);
  base::Result<void> send_to(int32_t node, std::vector<SentBatch> batches);
  base::Result<void> finish_batches(const std::vector<SentBatch>& batches);
  base::Result<void> write_request(Connection& connection, int16_t version,
                                   const std::vector<SentBatch>& batches);
  base::Result<void> wait_for_answers();
  int64_t next_wake_us();
  base::Result<void> receive_from(int32_t node);
  void take_answer(const SentBatch& sent, const ProduceResponse::Partition& answer);
  base::Error refusal(const SentBatch& sent, const ProduceResponse::Partition& answer,
                      std::string_view detail) const;
  void too_large(const SentBatch& sent, const ProduceResponse::Partition& answer);
  void acknowledge(const SentBatch& sent, int64_t base_offset);
  void out_of_order(const SentBatch& sent);
  void retry(const SentBatch& sent, bool unanswered);
  void lose_connection(int32_t node);
  void complete(ProducerPartition& partition, ProducerBatch* batch, int64_t base_offset,
                std::optional<base::Error> error);
  void fail_everything(const base::Error& error);
  void deliver();
  int in_flight_max() const { return options_.idempotence ? options_.max_in_flight : 1; }
  int64_t now() const { return clock_.monotonic_us(); }
  template <typename Each>
  void each_partition(Each each) {
    for (auto& [name, topic] : topics_) {
      for (auto& partition : topic->partitions)
        each(*topic, *partition);
    }
  }

  ProducerOptions options_;
  base::Clock& clock_;
  Callback callback_;
  const std::optional<TransactionalSession> session_;
  const std::shared_ptr<io::WakeEvent> cancel_;
  std::atomic<bool> stopped_{false};
  io::WakeEvent wake_;

  // The thread's own.
  Cluster cluster_;
  std::map<int32_t, std::deque<SentRequest>> sent_;
  std::map<int32_t, int64_t> throttled_until_us_;
  PaddedBuffer answer_buffer_;
  int refresh_failures_ = 0;
  int64_t no_refresh_before_us_ = 0;
  int64_t no_id_before_us_ = 0;
  int id_failures_ = 0;
  std::vector<Completed> completed_;
  int64_t producer_id_ = kNoProducerId;
  int16_t producer_epoch_ = -1;
  bool renew_producer_id_ = false;
  std::optional<base::Error> session_over_;  // what ended the session

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // memory freed, topic found, all delivered, failure
  std::map<std::string, std::unique_ptr<ProducerTopic>, std::less<>> topics_;
  std::map<std::string, std::optional<base::Error>, std::less<>>
      wanted_topics_;  // asked for and not yet there
  ProducerTopic* last_topic_ = nullptr;
  ProducerCounters counters_;
  uint64_t outstanding_ = 0;  // records whose callback hasn't returned
  int flushing_ = 0;
  bool sender_waits_ = false;
  bool closed_ = false;
  std::optional<base::Error> failure_;
  std::jthread thread_;
};

}  // namespace weir::kafka
