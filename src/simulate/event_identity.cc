#include "simulate/event_identity.h"

#include <array>

namespace weir::simulate {
namespace {

constexpr uint64_t kHalfMask = (uint64_t{1} << 30) - 1;
constexpr uint64_t kTagMask = (uint64_t{1} << 62) - 1;

// Two hexadecimal digits for each byte.
constexpr auto kHexPairs = [] {
  std::array<char, 512> pairs{};
  constexpr char digits[] = "0123456789abcdef";
  for (size_t byte = 0; byte < 256; ++byte) {
    pairs[2 * byte] = digits[byte >> 4];
    pairs[2 * byte + 1] = digits[byte & 15];
  }
  return pairs;
}();

// Where the dashes of a UUID are: before these of its sixteen bytes.
constexpr bool dash_before(int byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

EventIdentity::EventIdentity(uint64_t seed) : tag_key_(mix64(seed ^ 0x7461670000000000)) {
  for (uint64_t round = 0; round < 4; ++round)
    round_keys_[round] = mix64(mix64(seed) + round);
}

uint64_t EventIdentity::permute(uint64_t index) const {
  uint64_t left = (index >> 30) & kHalfMask;
  uint64_t right = index & kHalfMask;
  for (const uint64_t key : round_keys_) {
    const uint64_t next = left ^ (mix64(right ^ key) & kHalfMask);
    left = right;
    right = next;
  }
  return left << 30 | right;
}

uint64_t EventIdentity::permute_back(uint64_t permuted) const {
  uint64_t left = permuted >> 30;
  uint64_t right = permuted & kHalfMask;
  for (int round = 3; round >= 0; --round) {
    const uint64_t before = right ^ (mix64(left ^ round_keys_[round]) & kHalfMask);
    right = left;
    left = before;
  }
  return left << 30 | right;
}

uint64_t EventIdentity::tag(uint64_t index) const { return mix64(index ^ tag_key_) & kTagMask; }

void EventIdentity::write_uuid(uint64_t index, char* out) const {
  const uint64_t permuted = permute(index);
  // 48 bits, the version 4, 12 bits; the variant 10, 62 bits.
  const uint64_t high = (permuted >> 12) << 16 | 0x4000 | (permuted & 0xfff);
  const uint64_t low = uint64_t{1} << 63 | tag(index);
  for (int byte = 0; byte < 16; ++byte) {
    if (dash_before(byte)) *out++ = '-';
    const uint64_t value = (byte < 8 ? high >> (56 - 8 * byte) : low >> (120 - 8 * byte)) & 0xff;
    *out++ = kHexPairs[2 * value];
    *out++ = kHexPairs[2 * value + 1];
  }
}

std::optional<uint64_t> EventIdentity::index_of(std::string_view uuid) const {
  if (uuid.size() != kUuidLength) return std::nullopt;
  uint64_t halves[2] = {0, 0};
  const char* in = uuid.data();
  for (int byte = 0; byte < 16; ++byte) {
    if (dash_before(byte) && *in++ != '-') return std::nullopt;
    const int high = hex_value(*in++);
    const int low = hex_value(*in++);
    if (high < 0 || low < 0) return std::nullopt;
    halves[byte / 8] = halves[byte / 8] << 8 | static_cast<uint64_t>(high << 4 | low);
  }
  if ((halves[0] & 0xf000) != 0x4000 || halves[1] >> 62 != 2) return std::nullopt;
  const uint64_t index = permute_back((halves[0] >> 16) << 12 | (halves[0] & 0xfff));
  if (tag(index) != (halves[1] & kTagMask)) return std::nullopt;
  return index;
}

}  // namespace weir::simulate
