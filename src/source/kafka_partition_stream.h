// The records of one partition, in order, from a fetcher that reads ahead; it outlives the batches
// of a query.
//
// One thread at a time: the query's between batches, a task's within one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

#include "kafka/client.h"
#include "kafka/record_batch.h"
#include "source/kafka_rows.h"

namespace weir::source {

class KafkaPartitionStream {
 public:
  KafkaPartitionStream(base::TopicPartition partition, std::unique_ptr<kafka::Fetcher> fetcher,
                       int64_t position, bool fail_on_data_loss, int64_t decompressed_limit);

  const base::TopicPartition& partition() const { return partition_; }
  // The next offset that read() gives.
  int64_t position() const { return position_; }
  // How far the log reached by the newest answer of the broker; -1 unknown.
  int64_t high_watermark() const { return high_watermark_; }
  // A call gave an error: the stream has to be opened anew.
  bool broken() const { return broken_; }

  // Takes what has come in meanwhile, without waiting, so that high_watermark() is fresh.
  Result<void> poll();
  // Adds records below `until` to `rows` until they are all there or `rows` is full, waiting for
  // the broker. Where the log no longer has them: kDataLoss, or without fail_on_data_loss they are
  // passed over.
  Result<void> read(int64_t until, KafkaRowBuilder& rows, std::stop_token stop);

 private:
  Result<void> poll_once();
  Result<void> read_on(int64_t until, KafkaRowBuilder& rows, std::stop_token stop);
  Result<void> take(kafka::FetchOutcome outcome, int64_t until);
  Result<void> add_pending(int64_t until, KafkaRowBuilder& rows);
  Result<void> open_next_batch();

  const base::TopicPartition partition_;
  std::unique_ptr<kafka::Fetcher> fetcher_;
  int64_t position_;
  const bool fail_on_data_loss_;
  const int64_t decompressed_limit_;
  int64_t high_watermark_ = -1;
  bool broken_ = false;
  std::optional<kafka::FetchOutcome> out_of_range_;  // seen by poll(), to be told by read()

  int64_t fetched_to_ = -1;  // where the fetcher goes on after what it has handed over

  // What was fetched and not yet given out.
  std::optional<kafka::FetchedBatches> fetched_;
  size_t next_batch_ = 0;  // of fetched_->batches, to be opened
  std::optional<kafka::BatchRecords> open_;
  std::optional<kafka::RecordIterator> iterator_;
  std::optional<kafka::Record> ahead_;  // read, and past the end of the range then wanted
};

}  // namespace weir::source
