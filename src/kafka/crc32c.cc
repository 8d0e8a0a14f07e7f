#include "kafka/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace weir::kafka {

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // 0x1edc6f41 with its bits reversed

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// tables[k][b]: the effect of byte b followed by k zero bytes.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
    tables[0][b] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (uint32_t b = 0; b < 256; ++b) {
      tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

uint64_t load64(const char* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof(value));
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

#if defined(__SSE4_2__)

// The linear map "append n zero bytes" on CRC states, as four tables of 256.
class ZeroShift {
 public:
  // 2^log2_bytes zero bytes, by squaring the map of one zero bit.
  explicit constexpr ZeroShift(int log2_bytes) : tables_{} {
    std::array<uint32_t, 32> map{};
    map[0] = kPolynomial;
    for (size_t bit = 1; bit < 32; ++bit)
      map[bit] = 1u << (bit - 1);
    for (int i = 0; i < log2_bytes + 3; ++i) {
      std::array<uint32_t, 32> squared{};
      for (size_t bit = 0; bit < 32; ++bit)
        squared[bit] = apply(map, map[bit]);
      map = squared;
    }
    for (size_t k = 0; k < 4; ++k) {
      for (uint32_t b = 0; b < 256; ++b)
        tables_[k][b] = apply(map, b << (8 * k));
    }
  }
  uint32_t operator()(uint32_t crc) const {
    return tables_[0][crc & 0xff] ^ tables_[1][(crc >> 8) & 0xff] ^ tables_[2][(crc >> 16) & 0xff] ^
           tables_[3][crc >> 24];
  }

 private:
  static constexpr uint32_t apply(const std::array<uint32_t, 32>& map, uint32_t vector) {
    uint32_t sum = 0;
    for (size_t bit = 0; vector != 0; ++bit, vector >>= 1) {
      if (vector & 1) sum ^= map[bit];
    }
    return sum;
  }
  std::array<std::array<uint32_t, 256>, 4> tables_;
};

// The crc32 instruction takes three cycles and one may start each cycle: three streams side by side
// keep it busy. Their sums are joined by shifting the earlier ones over the length of the later
// ones.
template <size_t kBlock>
uint64_t three_streams(uint64_t crc, const char*& at, const char* end, const ZeroShift& shift) {
  while (static_cast<size_t>(end - at) >= 3 * kBlock) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (const char* stop = at + kBlock; at < stop; at += 8) {
      crc = _mm_crc32_u64(crc, load64(at));
      second = _mm_crc32_u64(second, load64(at + kBlock));
      third = _mm_crc32_u64(third, load64(at + 2 * kBlock));
    }
    crc = shift(static_cast<uint32_t>(crc)) ^ second;
    crc = shift(static_cast<uint32_t>(crc)) ^ third;
    at += 2 * kBlock;
  }
  return crc;
}

constexpr ZeroShift kShift4096{12};
constexpr ZeroShift kShift256{8};

uint32_t crc32c_sse42(std::string_view bytes, uint32_t start) {
  const char* at = bytes.data();
  const char* end = at + bytes.size();
  uint64_t crc = ~start;
  crc = three_streams<4096>(crc, at, end, kShift4096);
  crc = three_streams<256>(crc, at, end, kShift256);
  for (; end - at >= 8; at += 8)
    crc = _mm_crc32_u64(crc, load64(at));
  uint32_t rest = static_cast<uint32_t>(crc);
  for (; at < end; ++at)
    rest = _mm_crc32_u8(rest, static_cast<uint8_t>(*at));
  return ~rest;
}

#endif

}  // namespace

uint32_t crc32c_portable(std::string_view bytes, uint32_t start) {
  const char* at = bytes.data();
  const char* end = at + bytes.size();
  uint32_t crc = ~start;
  for (; end - at >= 8; at += 8) {
    uint64_t word = load64(at) ^ crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k)
      crc ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; at < end; ++at)
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(*at)) & 0xff];
  return ~crc;
}

uint32_t crc32c(std::string_view bytes, uint32_t crc) {
#if defined(__SSE4_2__)
  return crc32c_sse42(bytes, crc);
#else
  return crc32c_portable(bytes, crc);
#endif
}

}  // namespace weir::kafka
