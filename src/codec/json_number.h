// Numbers of valid JSON read in place: grammar and value in one pass. At least 32 bytes after `p`
// have to be readable.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace weir::codec {

// True for what may stand right behind a number or literal.
inline bool ends_scalar(uint8_t c) {
  return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

inline bool is_digit(uint8_t c) { return static_cast<uint8_t>(c - '0') < 10; }

// The high bit of the first byte that is no digit is set (those of later bytes may be wrong); 0 for
// eight digits.
inline uint64_t other_than_digits(uint64_t v) {
  const uint64_t t = v ^ 0x3030303030303030u;
  return ((t + 0x7676767676767676u) | t) & 0x8080808080808080u;
}
// The value of eight digits, the first in the lowest byte; zero bytes count as '0'.
inline uint32_t eight_digits_value(uint64_t v) {
  v = (v & 0x0f0f0f0f0f0f0f0fu) * 2561 >> 8;
  v = (v & 0x00ff00ff00ff00ffu) * 6553601 >> 16;
  return static_cast<uint32_t>((v & 0x0000ffff0000ffffu) * 42949672960001u >> 32);
}

// The end of an integer that fits int64, else nullptr.
inline const uint8_t* read_integer(const uint8_t* p, int64_t* value) {
  const bool negative = *p == '-';
  p += negative;
  const uint8_t* start = p;
  uint64_t digits = 0;
  while (is_digit(*p))
    digits = digits * 10 + (*p++ - '0');
  const auto count = p - start;
  if (count == 0 || count > 18 || (*start == '0' && count > 1)) return nullptr;
  *value = negative ? -static_cast<int64_t>(digits) : static_cast<int64_t>(digits);
  return p;
}

// A number's parts: digits × 10^exponent. `exact` false: more than 19 digits, read the text
// instead.
struct NumberParts {
  uint64_t digits = 0;
  int64_t exponent = 0;
  bool negative = false;
  bool exact = true;
  bool integer = true;  // neither point nor exponent
};

// The end of a JSON number, else nullptr.
[[gnu::always_inline]] inline const uint8_t* read_number_parts(const uint8_t* p,
                                                               NumberParts* parts) {
  parts->negative = *p == '-';
  p += parts->negative;
  const uint8_t* start = p;
  uint64_t digits = 0;
  if (*p == '0') {
    ++p;
    if (is_digit(*p)) return nullptr;
  } else {
    if (!is_digit(*p)) return nullptr;
    do
      digits = digits * 10 + (*p++ - '0');
    while (is_digit(*p));
  }
  auto count = p - start;
  int64_t exponent = 0;
  if (*p == '.') {
    parts->integer = false;
    const uint8_t* fraction = ++p;
    // Eight at a time; of the last eight bytes, those that are digits.
    static constexpr uint64_t kPowers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    while (true) {
      uint64_t eight;
      std::memcpy(&eight, p, 8);
      const uint64_t other = other_than_digits(eight);
      if (other == 0) {
        digits = digits * 100'000'000 + eight_digits_value(eight);
        p += 8;
        continue;
      }
      const int few = __builtin_ctzll(other) >> 3;
      if (few > 0) digits = digits * kPowers[few] + eight_digits_value(eight << (64 - 8 * few));
      p += few;
      break;
    }
    if (p == fraction) return nullptr;
    exponent = fraction - p;
    count += p - fraction;
  }
  if (*p == 'e' || *p == 'E') {
    parts->integer = false;
    ++p;
    const bool minus = *p == '-';
    if (minus || *p == '+') ++p;
    if (!is_digit(*p)) return nullptr;
    int64_t given = 0;
    while (is_digit(*p)) {
      if (given < 1'000'000) given = given * 10 + (*p - '0');
      ++p;
    }
    exponent += minus ? -given : given;
  }
  parts->digits = digits;
  parts->exponent = exponent;
  parts->exact = count <= 19;
  return p;
}

}  // namespace weir::codec
