// Keys in the database, as rocksdb_shard.h has them, and slices of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <rocksdb/slice.h>

#include "state/rocksdb_shard.h"

namespace weir::state {

inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

inline void append_big_endian(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i)
    out.push_back(static_cast<char>(value >> (8 * i)));
}

inline int64_t bucket_of_database_key(std::string_view key) {
  uint64_t bits = 0;
  for (size_t i = 3; i < kRocksDbKeyHead; ++i)
    bits = bits << 8 | static_cast<uint8_t>(key[i]);
  return static_cast<int64_t>(bits ^ (uint64_t{1} << 63));
}

// The least key behind all that begin with this one, which is not all FF.
inline std::string successor(std::string key) {
  while (static_cast<uint8_t>(key.back()) == 0xff)
    key.pop_back();
  key.back() = static_cast<char>(key.back() + 1);
  return key;
}

}  // namespace weir::state
