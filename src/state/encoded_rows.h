// Keys or values of many rows as one run of bytes: what the state store takes and gives.
//
// Row i is the bytes [offsets[i], offsets[i+1]). Keys also carry a hash (XXH3, 64 bits) of their
// prefix: of the whole key, or of its first columns where the store scans by prefix. The hash
// decides the shard, so rows with equal prefixes are always in one shard.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::state {

uint64_t hash_bytes(std::string_view bytes);

class EncodedRows {
 public:
  int64_t rows() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  std::string_view at(int64_t row) const {
    const auto index = static_cast<size_t>(row);
    return std::string_view(bytes_).substr(offsets_[index], offsets_[index + 1] - offsets_[index]);
  }
  // The part of the key that a prefix scan of this row looks for.
  std::string_view prefix(int64_t row) const {
    return prefixes_.empty() ? at(row) : at(row).substr(0, prefixes_[static_cast<size_t>(row)]);
  }
  uint64_t hash(int64_t row) const { return hashes_[static_cast<size_t>(row)]; }
  bool has_hashes() const { return hashes_.size() + 1 == offsets_.size(); }
  int64_t bytes() const { return static_cast<int64_t>(bytes_.size()); }

  void clear();
  // One row after the other, for tests and rare rows; encoders fill whole columns.
  void add(std::string_view row);
  void add_key(std::string_view key, size_t prefix_length);
  // A whole key of `other`.
  void add_key_of(const EncodedRows& other, int64_t row) {
    add(other.at(row));
    hashes_.push_back(other.hash(row));
  }

 private:
  friend class KeyEncoder;
  friend class ValueEncoder;
  std::string bytes_;
  std::vector<uint64_t> offsets_{0};
  std::vector<uint32_t> prefixes_;  // empty: whole keys
  std::vector<uint64_t> hashes_;    // of keys only
};

// The rows of a batch by shard, in their order: those of shard s are
// rows[begin[s]] … rows[begin[s+1] - 1].
struct RowsByShard {
  std::vector<uint32_t> rows;
  std::vector<uint32_t> begin;
  std::span<const uint32_t> of(int shard) const {
    const auto index = static_cast<size_t>(shard);
    return std::span(rows).subspan(begin[index], begin[index + 1] - begin[index]);
  }
};

// `shards` is a power of two, at most 1024.
int shard_of(uint64_t hash, int shards);
void split_by_shard(const EncodedRows& keys, int shards, RowsByShard& split);

}  // namespace weir::state
