#include "hub/producer_state.h"

#include <algorithm>

#include "hub/durable_bytes.h"

namespace weir::hub {
namespace {

using kafka::ErrorCode;
using kafka::RecordBatchHeader;

constexpr std::string_view kMagic = "WHPS";
constexpr uint32_t kVersion = 1;

}  // namespace

ProducerState::Verdict ProducerState::check(const RecordBatchHeader& header) const {
  const auto found = producers_.find(header.producer_id);
  if (found == producers_.end())
    return {};  // forgotten or new: any first sequence is taken, as Kafka does
  const Producer& producer = *found->second;
  if (header.producer_epoch < producer.epoch) return {ErrorCode::kInvalidProducerEpoch, {}};
  if (header.producer_epoch > producer.epoch)
    return {header.base_sequence == 0 ? ErrorCode::kNone : ErrorCode::kOutOfOrderSequenceNumber,
            {}};
  for (size_t i = 0; i < producer.batch_count; ++i) {
    const ProducerBatch& batch = producer.batches[i];
    if (batch.first_sequence == header.base_sequence &&
        batch.last_sequence == header.last_sequence())
      return {ErrorCode::kNone, batch};
  }
  const int32_t expected = RecordBatchHeader::sequence_after(
      producer.batches[producer.batch_count - 1].last_sequence, 1);
  return {
      header.base_sequence == expected ? ErrorCode::kNone : ErrorCode::kOutOfOrderSequenceNumber,
      {}};
}

ProducerState::Producer& ProducerState::touch(int64_t id) {
  if (const auto found = producers_.find(id); found != producers_.end()) {
    by_age_.splice(by_age_.end(), by_age_, found->second);
    return *found->second;
  }
  if (producers_.size() >= static_cast<size_t>(producers_max_)) {
    producers_.erase(by_age_.front().id);
    by_age_.pop_front();
  }
  by_age_.emplace_back().id = id;
  producers_[id] = std::prev(by_age_.end());
  return by_age_.back();
}

void ProducerState::append(const RecordBatchHeader& header, int64_t now_ms) {
  if (!header.has_producer_id()) return;
  Producer& producer = touch(header.producer_id);
  if (producer.epoch != header.producer_epoch) producer.batch_count = 0;
  producer.epoch = header.producer_epoch;
  producer.last_append_ms = now_ms;
  if (producer.batch_count == kBatchesKept) {
    std::move(producer.batches.begin() + 1, producer.batches.end(), producer.batches.begin());
    --producer.batch_count;
  }
  producer.batches[producer.batch_count++] = {header.base_sequence, header.last_sequence(),
                                              header.base_offset, header.last_offset()};
}

void ProducerState::expire(int64_t before_ms) {
  while (!by_age_.empty() && by_age_.front().last_append_ms < before_ms) {
    producers_.erase(by_age_.front().id);
    by_age_.pop_front();
  }
}

void ProducerState::clear() {
  producers_.clear();
  by_age_.clear();
}

std::string ProducerState::encode(int64_t offset) const {
  FieldWriter out;
  out.put_bytes(kMagic);
  out.put(kVersion);
  out.put(offset);
  out.put(static_cast<uint32_t>(producers_.size()));
  for (const Producer& producer : by_age_) {
    out.put(producer.id);
    out.put(producer.epoch);
    out.put(producer.last_append_ms);
    out.put(producer.batch_count);
    for (size_t i = 0; i < producer.batch_count; ++i) {
      out.put(producer.batches[i].first_sequence);
      out.put(producer.batches[i].last_sequence);
      out.put(producer.batches[i].first_offset);
      out.put(producer.batches[i].last_offset);
    }
  }
  return out.finish();
}

std::optional<int64_t> ProducerState::load(std::string_view bytes) {
  if (!take_closing_crc(bytes)) return std::nullopt;
  FieldReader in(bytes);
  if (in.get_bytes(kMagic.size()) != kMagic || in.get<uint32_t>() != kVersion) return std::nullopt;
  const int64_t offset = in.get<int64_t>();
  const uint32_t count = in.get<uint32_t>();
  ProducerState loaded(producers_max_);
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    Producer& producer = loaded.touch(in.get<int64_t>());
    producer.epoch = in.get<int16_t>();
    producer.last_append_ms = in.get<int64_t>();
    producer.batch_count = in.get<uint8_t>();
    if (producer.batch_count > kBatchesKept || producer.batch_count == 0) return std::nullopt;
    for (size_t b = 0; b < producer.batch_count; ++b) {
      ProducerBatch& batch = producer.batches[b];
      batch.first_sequence = in.get<int32_t>();
      batch.last_sequence = in.get<int32_t>();
      batch.first_offset = in.get<int64_t>();
      batch.last_offset = in.get<int64_t>();
    }
  }
  if (!in.ok() || in.left() != 0) return std::nullopt;
  by_age_.swap(loaded.by_age_);
  producers_.swap(loaded.producers_);
  return offset;
}

}  // namespace weir::hub
