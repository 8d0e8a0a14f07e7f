#include "source/kafka_partition_stream.h"

#include "base/logging.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kWaitMs = 1000;
constexpr int kWaitsWithoutNews = 60;

}  // namespace

KafkaPartitionStream::KafkaPartitionStream(base::TopicPartition partition,
                                           std::unique_ptr<kafka::Fetcher> fetcher,
                                           int64_t position, bool fail_on_data_loss,
                                           int64_t decompressed_limit)
    : partition_(std::move(partition)),
      fetcher_(std::move(fetcher)),
      position_(position),
      fail_on_data_loss_(fail_on_data_loss),
      decompressed_limit_(decompressed_limit) {}

Result<void> KafkaPartitionStream::poll() {
  auto polled = poll_once();
  broken_ |= !polled.ok();
  high_watermark_ = std::max(high_watermark_, fetcher_->high_watermark(0));
  return polled;
}

Result<void> KafkaPartitionStream::read(int64_t until, KafkaRowBuilder& rows,
                                        std::stop_token stop) {
  auto read = read_on(until, rows, std::move(stop));
  broken_ |= !read.ok();
  return read;
}

Result<void> KafkaPartitionStream::poll_once() {
  if (fetched_ || out_of_range_) return {};
  WEIR_ASSIGN(kafka::FetchOutcome outcome, fetcher_->next(0));
  if (outcome.status == kafka::FetchStatus::kOffsetOutOfRange) {
    out_of_range_ = std::move(outcome);
    return {};
  }
  return take(std::move(outcome), position_);
}

Result<void> KafkaPartitionStream::take(kafka::FetchOutcome outcome, int64_t until) {
  if (outcome.status == kafka::FetchStatus::kBatches) {
    high_watermark_ = std::max(high_watermark_, outcome.fetched.high_watermark);
    fetched_ = std::move(outcome.fetched);
    fetched_to_ = fetched_->next_offset;
    next_batch_ = 0;
    return {};
  }
  if (outcome.status != kafka::FetchStatus::kOffsetOutOfRange) return {};
  const std::string what = fmt::format(
      "offsets from {} of {}-{} are not in the log, which has [{}, {}): they were deleted by "
      "retention, or "
      "the topic was deleted and made anew",
      position_, partition_.topic, partition_.partition, outcome.log_start_offset,
      outcome.log_end_offset);
  if (fail_on_data_loss_)
    return error(ErrorKind::kDataLoss,
                 "{}. To go on with what is there, accepting the loss, set the option "
                 "failOnDataLoss to false",
                 what);
  base::log_warn("{}; failOnDataLoss is false, so they are passed over", what);
  position_ =
      position_ < outcome.log_start_offset ? std::min(outcome.log_start_offset, until) : until;
  fetcher_->seek(0, position_);
  return {};
}

Result<void> KafkaPartitionStream::open_next_batch() {
  const kafka::BatchView& view = fetched_->batches[next_batch_++];
  auto opened =
      kafka::open_record_batch(view.bytes, view.header, static_cast<size_t>(decompressed_limit_));
  if (!opened.ok()) {
    const bool bomb = opened.error().kind() == ErrorKind::kResourceExhausted;
    return std::move(opened).error().with_context(fmt::format(
        "{}-{} at offset {}{}", partition_.topic, partition_.partition, view.header.base_offset,
        bomb ? " (option kafka.weir.decompressed.batch.bytes.max)" : ""));
  }
  open_ = std::move(opened).value();
  iterator_.emplace(open_->header, open_->records);
  return {};
}

// Gives out what fetched_ has. Afterwards fetched_ is empty, or the range's end is reached, or
// `rows` is full.
Result<void> KafkaPartitionStream::add_pending(int64_t until, KafkaRowBuilder& rows) {
  while (fetched_ && position_ < until && !rows.full()) {
    if (!iterator_) {
      if (next_batch_ < fetched_->batches.size()) {
        WEIR_TRY(open_next_batch());
        continue;
      }
      fetched_.reset();
      return {};
    }
    rows.use_arena(open_->storage ? open_->storage : fetched_->arena);
    const bool log_append_time = open_->header.is_log_append_time();
    kafka::Record record;
    while (true) {
      if (ahead_) {
        record = *ahead_;
        ahead_.reset();
      } else if (!iterator_->next(record)) {
        WEIR_TRY(iterator_->finish());
        position_ = std::max(position_, open_->header.next_offset());
        iterator_.reset();
        open_.reset();
        break;
      }
      if (record.offset < position_) continue;  // the batch began before the range
      if (record.offset >= until || rows.full()) {
        ahead_ = record;
        if (record.offset >= until) position_ = std::max(position_, until);
        return {};
      }
      rows.add(record, log_append_time);
      position_ = record.offset + 1;
    }
  }
  if (fetched_ && !iterator_ && next_batch_ == fetched_->batches.size()) fetched_.reset();
  return {};
}

Result<void> KafkaPartitionStream::read_on(int64_t until, KafkaRowBuilder& rows,
                                           std::stop_token stop) {
  const std::stop_callback wake(stop, [this] { fetcher_->stop(); });
  int waits = 0;
  while (position_ < until && !rows.full()) {
    if (stop.stop_requested()) return error(ErrorKind::kCancelled, "the query was stopped");
    if (fetched_) {
      WEIR_TRY(add_pending(until, rows));
      continue;
    }
    if (fetched_to_ > position_) {  // offsets without records: control batches, compaction
      position_ = std::min(until, fetched_to_);
      continue;
    }
    if (out_of_range_) {
      WEIR_TRY(take(*std::exchange(out_of_range_, std::nullopt), until));
      continue;
    }
    WEIR_ASSIGN(kafka::FetchOutcome outcome, fetcher_->next(kWaitMs));
    if (outcome.status == kafka::FetchStatus::kFinished)
      return error(ErrorKind::kInternal, "the fetcher of {}-{} ended at {} before {}",
                   partition_.topic, partition_.partition, position_, until);
    if (outcome.status == kafka::FetchStatus::kTimeout) {
      if (++waits >= kWaitsWithoutNews)
        return error(ErrorKind::kTimeout,
                     "{}-{}: no record at offset {} has come for {} s though the log is said to "
                     "reach {}",
                     partition_.topic, partition_.partition, position_,
                     kWaitsWithoutNews * kWaitMs / 1000, until)
            .as_retryable();
      continue;
    }
    waits = 0;
    WEIR_TRY(take(std::move(outcome), until));
  }
  return {};
}

}  // namespace weir::source
