// The sparse index of one segment: from an offset or a time to a file position near before it.
//
// One entry at least every kIntervalBytes. `max_timestamp_before` is the greatest record timestamp
// of all earlier batches of the segment, so it never falls from entry to entry and both searches
// are binary. Everything here can be rebuilt from the segment; the file only saves reading it
// again.
//
// The file (docs/formats/hub-segment.md), little-endian, beside the segment as <base offset>.index:
//   0 "WHIX"  4 uint32 version (1)  8 int64 base offset  16 int64 end offset  24 int64 log bytes
//   32 int64 max timestamp  40 uint32 entry count  44 entries of 24 bytes (int64 offset, position,
//   max timestamp before)  then uint32 CRC-32C of all before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::hub {

struct IndexEntry {
  int64_t offset = 0;    // base offset of the batch at `position`
  int64_t position = 0;  // bytes from the start of the segment
  int64_t max_timestamp_before = -1;
};

class SegmentIndex {
 public:
  static constexpr int64_t kIntervalBytes = 32 * 1024;

  // Tells of each batch in order, before it is counted into max_timestamp.
  void add(int64_t base_offset, int64_t position, int64_t batch_max_timestamp);
  // The last entry at or before `offset`; the start of the segment where there is none.
  IndexEntry find_offset(int64_t offset, int64_t base_offset) const;
  // An entry before which no batch has a timestamp of `timestamp` or later.
  IndexEntry find_time(int64_t timestamp, int64_t base_offset) const;

  int64_t max_timestamp() const { return max_timestamp_; }
  const std::vector<IndexEntry>& entries() const { return entries_; }

  struct Loaded;
  std::string encode(int64_t base_offset, int64_t end_offset, int64_t log_bytes) const;
  // Nullopt where the bytes are not a whole, undamaged index.
  static std::optional<Loaded> decode(std::string_view bytes);

 private:
  std::vector<IndexEntry> entries_;
  int64_t max_timestamp_ = -1;
};

struct SegmentIndex::Loaded {
  SegmentIndex index;
  int64_t base_offset = 0;
  int64_t end_offset = 0;
  int64_t log_bytes = 0;
};

}  // namespace weir::hub
