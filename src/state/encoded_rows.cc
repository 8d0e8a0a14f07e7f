#include "state/encoded_rows.h"

#include <bit>

#include "base/result.h"
#include "state/xxhash_library.h"

namespace weir::state {

uint64_t hash_bytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

void EncodedRows::clear() {
  bytes_.clear();
  offsets_.assign(1, 0);
  prefixes_.clear();
  hashes_.clear();
}

void EncodedRows::add(std::string_view row) {
  bytes_ += row;
  offsets_.push_back(bytes_.size());
}

void EncodedRows::add_key(std::string_view key, size_t prefix_length) {
  add(key);
  prefixes_.push_back(static_cast<uint32_t>(prefix_length));
  hashes_.push_back(hash_bytes(key.substr(0, prefix_length)));
}

int shard_of(uint64_t hash, int shards) {
  if (shards == 1) return 0;
  return static_cast<int>(hash >> (64 - std::countr_zero(static_cast<unsigned>(shards))));
}

void split_by_shard(const EncodedRows& keys, int shards, RowsByShard& split) {
  WEIR_CHECK(keys.has_hashes(), "rows that are split by shard are keys");
  WEIR_CHECK(std::has_single_bit(static_cast<unsigned>(shards)) && shards <= 1024,
             "shards are a power of two");
  const auto rows = static_cast<size_t>(keys.rows());
  split.begin.assign(static_cast<size_t>(shards) + 1, 0);
  for (size_t i = 0; i < rows; ++i)
    ++split.begin[static_cast<size_t>(shard_of(keys.hash(static_cast<int64_t>(i)), shards)) + 1];
  for (size_t s = 1; s < split.begin.size(); ++s)
    split.begin[s] += split.begin[s - 1];
  split.rows.resize(rows);
  std::vector<uint32_t> next(split.begin.begin(), split.begin.end() - 1);
  for (size_t i = 0; i < rows; ++i)
    split.rows[next[static_cast<size_t>(shard_of(keys.hash(static_cast<int64_t>(i)), shards))]++] =
        static_cast<uint32_t>(i);
}

}  // namespace weir::state
