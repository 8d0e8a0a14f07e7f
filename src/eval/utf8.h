// Walking over UTF-8. Bytes that start nothing count as one character, as in Spark's UTF8String.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::eval {

inline size_t character_bytes(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const size_t bytes = first < 0xC0   ? 1
                       : first < 0xE0 ? 2
                       : first < 0xF0 ? 3
                       : first < 0xF8 ? 4
                                      : 1;
  return bytes < text.size() - at ? bytes : text.size() - at;
}

inline int64_t character_count(std::string_view text) {
  int64_t count = 0;
  for (const char c : text)
    count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

// Byte position of character number `index` (from 0), or the end.
inline size_t character_position(std::string_view text, int64_t index) {
  size_t at = 0;
  while (index-- > 0 && at < text.size())
    at += character_bytes(text, at);
  return at;
}

inline uint32_t decode_character(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i]));
  };
  switch (character_bytes(text, at)) {
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    case 4:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
             (byte(3) & 0x3F);
    default:
      return byte(0);
  }
}

inline bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (c & 0x80) return false;
  }
  return true;
}

}  // namespace weir::eval
