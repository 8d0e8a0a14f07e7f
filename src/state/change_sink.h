// Takes the changes of one shard, or the rows of a frozen one, as blocks of about a MiB.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "state/block_file.h"
#include "state/record.h"

namespace weir::state {

struct EncodedBlock {
  BlockKind kind;
  int64_t bucket;
  uint32_t rows;
  std::string payload;
};

class BlockCollector {
 public:
  static constexpr size_t kBlockBytes = 1 << 20;

  // A record as it lies in memory.
  void add_put(int64_t bucket, std::string_view record) {
    open(BlockKind::kPuts, bucket);
    blocks_.back().payload += record;
    ++blocks_.back().rows;
  }
  void add_put(int64_t bucket, const RecordForm& form, const Record& record) {
    open(BlockKind::kPuts, bucket);
    form.append(blocks_.back().payload, record, bucket);
    ++blocks_.back().rows;
  }
  void add_remove(int64_t bucket, const RecordForm& form, Record record) {
    open(BlockKind::kRemoves, bucket);
    record.value = {};
    form.append(blocks_.back().payload, record, bucket);
    ++blocks_.back().rows;
  }
  void add_drop(int64_t bucket) {
    blocks_.push_back({.kind = BlockKind::kDropBucket, .bucket = bucket, .rows = 0, .payload = {}});
  }
  std::vector<EncodedBlock>& blocks() { return blocks_; }

 private:
  // Puts and removes of one table are independent of each other, so they alternate between at most
  // two open blocks.
  void open(BlockKind kind, int64_t bucket) {
    const size_t count = blocks_.size();
    if (fits(count, 1, kind, bucket)) return;
    if (fits(count, 2, kind, bucket) && blocks_[count - 1].bucket == bucket &&
        blocks_[count - 1].kind != BlockKind::kDropBucket) {
      std::swap(blocks_[count - 1], blocks_[count - 2]);
      return;
    }
    // After a full block others may become full.
    const bool full =
        fits(count, 1, kind, bucket, SIZE_MAX) || fits(count, 2, kind, bucket, SIZE_MAX);
    blocks_.push_back({.kind = kind, .bucket = bucket, .rows = 0, .payload = {}});
    if (full) blocks_.back().payload.reserve(kBlockBytes + kBlockBytes / 64);
  }
  bool fits(size_t count, size_t back, BlockKind kind, int64_t bucket,
            size_t bytes = kBlockBytes) const {
    if (count < back) return false;
    const EncodedBlock& block = blocks_[count - back];
    return block.kind == kind && block.bucket == bucket && block.payload.size() < bytes;
  }
  std::vector<EncodedBlock> blocks_;
};

}  // namespace weir::state
