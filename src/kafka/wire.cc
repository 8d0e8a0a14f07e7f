#include "kafka/wire.h"

#include <limits>

namespace weir::kafka {

namespace {

constexpr const char* kPastEnd = "a length runs past the end of the message";

}  // namespace

uint32_t Reader::unsigned_varint() {
  uint32_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    uint8_t byte = static_cast<uint8_t>(int8());
    value |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if (!(byte & 0x80)) return value;
  }
  fail("a varint has more than five bytes");
  return 0;
}

int32_t Reader::varint() { return static_cast<int32_t>(zigzag_decode(unsigned_varint())); }

int64_t Reader::varlong() {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    uint8_t byte = static_cast<uint8_t>(int8());
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (!(byte & 0x80)) return zigzag_decode(value);
  }
  fail("a varlong has more than ten bytes");
  return 0;
}

std::string_view Reader::sized(int64_t size, const char* what) {
  if (size < 0) {
    fail(what);
    return {};
  }
  if (static_cast<uint64_t>(size) > remaining()) {
    fail(kPastEnd);
    return {};
  }
  std::string_view value(at_, static_cast<size_t>(size));
  at_ += size;
  return value;
}

std::string_view Reader::raw(size_t size) {
  if (size > remaining()) {
    fail(kPastEnd);
    return {};
  }
  return sized(static_cast<int64_t>(size), kPastEnd);
}

std::string_view Reader::string() {
  return sized(int16(), "a string that may not be null has a negative length");
}

std::optional<std::string_view> Reader::nullable_string() {
  int16_t size = int16();
  if (size == -1) return std::nullopt;
  return sized(size, "a string has a negative length");
}

std::string_view Reader::compact_string() {
  return sized(int64_t{unsigned_varint()} - 1, "a string that may not be null is null");
}

std::optional<std::string_view> Reader::compact_nullable_string() {
  int64_t size = int64_t{unsigned_varint()} - 1;
  if (size == -1) return std::nullopt;
  return sized(size, kPastEnd);
}

std::string_view Reader::bytes() {
  return sized(int32(), "bytes that may not be null have a negative length");
}

std::optional<std::string_view> Reader::nullable_bytes() {
  int32_t size = int32();
  if (size == -1) return std::nullopt;
  return sized(size, "bytes have a negative length");
}

int32_t Reader::array_length() {
  int32_t count = int32();
  if (count < -1 || (count > 0 && static_cast<size_t>(count) > remaining())) {
    fail("an array claims more elements than there are bytes");
    return 0;
  }
  return count;
}

int32_t Reader::compact_array_length() {
  int64_t count = int64_t{unsigned_varint()} - 1;
  if (count > 0 && static_cast<uint64_t>(count) > remaining()) {
    fail("an array claims more elements than there are bytes");
    return 0;
  }
  return static_cast<int32_t>(count);
}

void Reader::skip_tagged_fields() {
  uint32_t count = unsigned_varint();
  for (uint32_t i = 0; i < count && ok(); ++i) {
    unsigned_varint();  // tag
    raw(unsigned_varint());
  }
}

void Writer::unsigned_varint(uint32_t value) {
  while (value >= 0x80) {
    out_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out_.push_back(static_cast<char>(value));
}

void Writer::varint(int32_t value) { unsigned_varint(static_cast<uint32_t>(zigzag_encode(value))); }

void Writer::varlong(int64_t value) {
  uint64_t rest = zigzag_encode(value);
  while (rest >= 0x80) {
    out_.push_back(static_cast<char>(rest | 0x80));
    rest >>= 7;
  }
  out_.push_back(static_cast<char>(rest));
}

void Writer::string(std::string_view value) {
  WEIR_CHECK(value.size() <= static_cast<size_t>(std::numeric_limits<int16_t>::max()),
             "string too long for Kafka's protocol");
  int16(static_cast<int16_t>(value.size()));
  raw(value);
}

void Writer::nullable_string(const std::optional<std::string>& value) {
  if (value) return string(*value);
  int16(-1);
}

void Writer::compact_string(std::string_view value) {
  unsigned_varint(static_cast<uint32_t>(value.size() + 1));
  raw(value);
}

void Writer::compact_nullable_string(const std::optional<std::string>& value) {
  if (value) return compact_string(*value);
  unsigned_varint(0);
}

void Writer::bytes(std::string_view value) {
  WEIR_CHECK(value.size() <= static_cast<size_t>(std::numeric_limits<int32_t>::max()),
             "bytes too long for Kafka's protocol");
  int32(static_cast<int32_t>(value.size()));
  raw(value);
}

void Writer::nullable_bytes(std::optional<std::string_view> value) {
  if (value) return bytes(*value);
  int32(-1);
}

}  // namespace weir::kafka
