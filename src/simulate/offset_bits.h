// A set of offsets of one partition: a bit each, in blocks that are made where an offset lies.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>

namespace weir::simulate {

class OffsetBits {
 public:
  // False where it was there already. offset >= 0.
  bool insert(int64_t offset) {
    uint64_t& word = block(offset / kBlockBits)[word_of(offset)];
    const uint64_t bit = uint64_t{1} << (offset % 64);
    if ((word & bit) != 0) return false;
    word |= bit;
    ++size_;
    return true;
  }
  bool contains(int64_t offset) const {
    const auto found = blocks_.find(offset / kBlockBits);
    return found != blocks_.end() && ((*found->second)[word_of(offset)] >> (offset % 64) & 1) != 0;
  }
  int64_t size() const { return size_; }
  // Calls take(offset) for each that is here and not in `other`, ascending.
  template <typename Take>
  void for_each_not_in(const OffsetBits& other, Take take) const {
    for (const auto& [number, block] : blocks_) {
      const auto found = other.blocks_.find(number);
      for (size_t word = 0; word < block->size(); ++word) {
        uint64_t bits = (*block)[word];
        if (found != other.blocks_.end()) bits &= ~(*found->second)[word];
        for (; bits != 0; bits &= bits - 1)
          take(number * kBlockBits + static_cast<int64_t>(word) * 64 + std::countr_zero(bits));
      }
    }
  }

 private:
  static constexpr int64_t kBlockBits = 65536;
  using Block = std::array<uint64_t, kBlockBits / 64>;
  static size_t word_of(int64_t offset) { return static_cast<size_t>(offset % kBlockBits / 64); }
  Block& block(int64_t number) {
    if (number != last_number_ || last_ == nullptr) {
      auto& place = blocks_[number];
      if (place == nullptr) place = std::make_unique<Block>();
      last_number_ = number;
      last_ = place.get();
    }
    return *last_;
  }

  std::map<int64_t, std::unique_ptr<Block>> blocks_;
  int64_t last_number_ = -1;
  Block* last_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace weir::simulate
