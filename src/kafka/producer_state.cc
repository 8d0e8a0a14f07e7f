#include "kafka/producer_state.h"

namespace weir::kafka {

namespace {

struct Half {
  RecordBatchBuilder builder;
  std::string bytes;
};

base::Result<void> finish_half(Half& half, const RecordBatchHeader& whole, int32_t base_sequence) {
  RecordBatchBuilder::Options options;
  options.compression = whole.compression();
  options.producer_id = whole.producer_id;
  options.producer_epoch = whole.producer_epoch;
  options.base_sequence = base_sequence;
  options.transactional = whole.is_transactional();
  WEIR_ASSIGN(half.bytes, half.builder.finish(options));
  return base::ok();
}

}  // namespace

base::Result<std::unique_ptr<ProducerBatch>> split_batch(ProducerBatch& batch) {
  WEIR_CHECK(batch.count > 1 && !batch.in_flight, "a batch of one record has no halves");
  WEIR_ASSIGN(const RecordBatchHeader header, parse_record_batch_header(batch.bytes));
  // No limit: it is our own, made of records that were in memory.
  WEIR_ASSIGN(const BatchRecords opened, open_record_batch(batch.bytes, header, SIZE_MAX));
  const int32_t first_count = batch.count / 2;
  Half first;
  Half second;
  size_t first_bytes = 0;
  RecordIterator records(opened.header, opened.records);
  Record record;
  std::vector<RecordHeader> headers;
  for (int32_t i = 0; records.next(record); ++i) {
    headers.clear();
    RecordHeaderIterator walk(record);
    for (RecordHeader header_of_record; walk.next(header_of_record);)
      headers.push_back(header_of_record);
    RecordBatchBuilder& builder = (i < first_count ? first : second).builder;
    builder.add(record.has_key ? std::optional(record.key) : std::nullopt,
                record.has_value ? std::optional(record.value) : std::nullopt, record.timestamp_ms,
                headers);
  }
  WEIR_TRY(records.finish());
  first_bytes = first.builder.size();
  const size_t all_bytes = first_bytes + second.builder.size();
  const bool numbered = batch.base_sequence >= 0;
  const int32_t second_sequence =
      numbered ? RecordBatchHeader::sequence_after(batch.base_sequence, first_count) : -1;
  WEIR_TRY(finish_half(first, header, batch.base_sequence));
  WEIR_TRY(finish_half(second, header, second_sequence));

  auto rest = std::make_unique<ProducerBatch>();
  rest->bytes = std::move(second.bytes);
  rest->tags.assign(batch.tags.begin() + first_count, batch.tags.end());
  rest->count = batch.count - first_count;
  rest->created_us = batch.created_us;
  rest->base_sequence = second_sequence;
  rest->attempts = batch.attempts;
  const auto first_share =
      static_cast<size_t>(static_cast<double>(batch.buffered_bytes) *
                          static_cast<double>(first_bytes) / static_cast<double>(all_bytes));
  rest->buffered_bytes = batch.buffered_bytes - first_share;
  batch.buffered_bytes = first_share;
  batch.bytes = std::move(first.bytes);
  batch.tags.resize(static_cast<size_t>(first_count));
  batch.count = first_count;
  return rest;
}

}  // namespace weir::kafka
