// Records of one table, one behind the other in chunks that never move. What was written stays
// where it is until the table is compacted into a new arena; frozen views share the chunks.
//
// A position is (chunk number + 1) << 24 | offset, so it is never 0 and grows with every record.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace weir::state {

using ArenaChunk = std::shared_ptr<char[]>;

class Arena {
 public:
  static constexpr int kOffsetBits = 24;
  static constexpr size_t kChunkBytesMin = 512;
  static constexpr size_t kChunkBytesMax = 1 << 20;  // but for a record that is larger

  const char* at(uint64_t position) const { return bytes_of(position); }
  char* writable(uint64_t position) { return bytes_of(position); }

  uint64_t allocate(size_t bytes) {
    if (size_ - used_ < bytes || used_ >= (size_t{1} << kOffsetBits)) {
      const size_t grow = std::clamp(capacity_ / 4, kChunkBytesMin, kChunkBytesMax);
      add(std::make_shared_for_overwrite<char[]>(std::max(grow, bytes)), std::max(grow, bytes));
      used_ = 0;
    }
    const uint64_t position = (chunks_.size() << kOffsetBits) | used_;
    used_ += bytes;
    return position;
  }
  // Takes a chunk full of records; those begin at its positions. Every record has to begin below
  // 1 << kOffsetBits.
  uint64_t adopt(ArenaChunk chunk, size_t bytes) {
    add(std::move(chunk), bytes);
    used_ = bytes;
    return chunks_.size() << kOffsetBits;
  }
  // The next record will not lie before it.
  uint64_t end() const { return (chunks_.size() << kOffsetBits) | used_; }
  size_t capacity() const { return capacity_; }
  const std::vector<ArenaChunk>& chunks() const { return chunks_; }

 private:
  char* bytes_of(uint64_t position) const {
    return chunks_[(position >> kOffsetBits) - 1].get() +
           (position & ((uint64_t{1} << kOffsetBits) - 1));
  }
  void add(ArenaChunk chunk, size_t bytes) {
    chunks_.push_back(std::move(chunk));
    size_ = bytes;
    capacity_ += bytes;
  }
  std::vector<ArenaChunk> chunks_;
  size_t size_ = 0;  // of the last chunk
  size_t used_ = 0;  // of it
  size_t capacity_ = 0;
};

}  // namespace weir::state
