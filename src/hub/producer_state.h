// What one partition remembers of its idempotent producers: the epoch and the last five batches of
// each, so that a retry is answered with its first offset and a gap is refused (KIP-98; Kafka's
// ProducerStateManager). Rebuilt from a snapshot and the log behind it.
//
// Bounded: at most `producers_max`; the one that has not appended for longest is forgotten first.
//
// The snapshot file <offset>.producers (docs/formats/hub-segment.md), little-endian:
//   0 "WHPS"  4 uint32 version (1)  8 int64 offset (state of the log before this offset)  16 uint32
//   count then per producer: int64 id, int16 epoch, int64 last append ms, uint8 batches, and per
//   batch int32 first sequence, int32 last sequence, int64 first offset, int64 last offset; then
//   uint32 CRC-32C of all before.
// Not thread-safe: the partition's lock guards it.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "kafka/error_code.h"
#include "kafka/record_batch.h"

namespace weir::hub {

struct ProducerBatch {
  int32_t first_sequence = 0;
  int32_t last_sequence = 0;
  int64_t first_offset = 0;
  int64_t last_offset = 0;
};

class ProducerState {
 public:
  static constexpr size_t kBatchesKept = 5;

  explicit ProducerState(int32_t producers_max) : producers_max_(producers_max) {}

  struct Verdict {
    kafka::ErrorCode error = kafka::ErrorCode::kNone;
    std::optional<ProducerBatch> duplicate_of;  // set: stored already, answer with its offsets
  };
  // Whether a batch with a producer id may be appended.
  Verdict check(const kafka::RecordBatchHeader& header) const;
  // Takes note of a batch that stands in the log at header.base_offset.
  void append(const kafka::RecordBatchHeader& header, int64_t now_ms);
  // Forgets producers whose last append is before `before_ms`.
  void expire(int64_t before_ms);
  void clear();
  size_t size() const { return producers_.size(); }

  std::string encode(int64_t offset) const;
  // The offset that the snapshot stands for; nullopt (and no change) where it is damaged.
  std::optional<int64_t> load(std::string_view bytes);

 private:
  struct Producer {
    int64_t id = 0;
    int16_t epoch = 0;
    int64_t last_append_ms = 0;
    uint8_t batch_count = 0;
    std::array<ProducerBatch, kBatchesKept> batches{};  // oldest first
  };
  Producer& touch(int64_t id);

  int32_t producers_max_;
  std::list<Producer> by_age_;  // least recently appending first
  std::unordered_map<int64_t, std::list<Producer>::iterator> producers_;
};

}  // namespace weir::hub
