#include "kafka/producer.h"

namespace weir::kafka {

uint32_t murmur2(std::string_view bytes) {
  constexpr uint32_t kSeed = 0x9747b28c;
  constexpr uint32_t kMultiplier = 0x5bd1e995;
  uint32_t hash = kSeed ^ static_cast<uint32_t>(bytes.size());
  const unsigned char* at = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 4; at += 4, left -= 4) {
    uint32_t word =
        uint32_t{at[0]} | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
    word *= kMultiplier;
    word ^= word >> 24;
    word *= kMultiplier;
    hash *= kMultiplier;
    hash ^= word;
  }
  if (left >= 3) hash ^= uint32_t{at[2]} << 16;
  if (left >= 2) hash ^= uint32_t{at[1]} << 8;
  if (left >= 1) {
    hash ^= at[0];
    hash *= kMultiplier;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  return hash ^ (hash >> 15);
}

int32_t partition_for_key(std::string_view key, int32_t partition_count) {
  return static_cast<int32_t>(murmur2(key) & 0x7fffffffu) % partition_count;
}

}  // namespace weir::kafka
