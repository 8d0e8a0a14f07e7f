// Varints (LEB128) and zigzag, as records, values and blocks of state use them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace weir::state {

inline uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

inline size_t varint_size(uint64_t value) {
  return value == 0 ? 1 : (static_cast<size_t>(70 - __builtin_clzll(value))) / 7;
}

inline char* write_varint(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

inline void append_varint(std::string& out, uint64_t value) {
  char buffer[10];
  out.append(buffer, static_cast<size_t>(write_varint(buffer, value) - buffer));
}

// Where the bytes have been checked before.
inline const char* read_varint(const char* in, uint64_t& value) {
  auto byte = static_cast<uint8_t>(*in++);
  value = byte & 0x7f;
  for (int shift = 7; byte >= 0x80; shift += 7) {
    byte = static_cast<uint8_t>(*in++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
  }
  return in;
}

// nullptr where there is no whole varint of at most 64 bits before `end`.
inline const char* read_varint(const char* in, const char* end, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && in < end; shift += 7) {
    const auto byte = static_cast<uint8_t>(*in++);
    if (shift == 63 && byte > 1) return nullptr;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return in;
  }
  return nullptr;
}

}  // namespace weir::state
