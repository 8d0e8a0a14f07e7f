// The Kafka protocol's primitive types over bytes: big-endian integers, varints, strings, byte
// arrays, arrays, in their plain and their compact (flexible-version) forms, and tagged fields.
//
// Reader never reads past its bytes and never allocates by a length field alone: what a length
// claims is compared with the bytes that are left first. A failure is sticky: after the first
// malformed field every read gives zero or empty, and ok() is false; a decoder checks once, at its
// end. Writer appends to a string that it owns. Neither is shared between threads.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::kafka {

template <typename T>
T load_big(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  if constexpr (sizeof(T) == 2)
    return static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(value)));
  if constexpr (sizeof(T) == 4)
    return static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(value)));
  if constexpr (sizeof(T) == 8)
    return static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(value)));
  return value;
}
template <typename T>
void store_big(char* at, T value) {
  value = load_big<T>(reinterpret_cast<const char*>(&value));
  std::memcpy(at, &value, sizeof(T));
}

inline uint64_t zigzag_encode(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t zigzag_decode(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return problem_ == nullptr; }
  // What the first malformed field was, or nullptr.
  const char* problem() const { return problem_; }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  std::string_view rest() const { return {at_, remaining()}; }
  void fail(const char* problem) {
    if (!problem_) problem_ = problem;
    at_ = end_;
  }

  int8_t int8() { return fixed<int8_t>(); }
  int16_t int16() { return fixed<int16_t>(); }
  int32_t int32() { return fixed<int32_t>(); }
  int64_t int64() { return fixed<int64_t>(); }
  bool boolean() { return fixed<int8_t>() != 0; }
  uint32_t unsigned_varint();
  int32_t varint();
  int64_t varlong();

  // Views into the bytes given to the constructor.
  std::string_view raw(size_t size);
  std::string_view string();                                  // int16 length; null is malformed
  std::optional<std::string_view> nullable_string();          // length -1 is null
  std::string_view compact_string();                          // unsigned varint of length + 1
  std::optional<std::string_view> compact_nullable_string();  // 0 is null
  std::string_view bytes();                                   // int32 length; null is malformed
  std::optional<std::string_view> nullable_bytes();
  // The number of elements that follow; -1 is null. Never more than the bytes left, as no element
  // is empty.
  int32_t array_length();
  int32_t compact_array_length();
  void skip_tagged_fields();

 private:
  template <typename T>
  T fixed() {
    if (remaining() < sizeof(T)) [[unlikely]] {
      fail("a field runs past the end of the message");
      return 0;
    }
    T value = load_big<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  std::string_view sized(int64_t size, const char* what);

  const char* at_;
  const char* end_;
  const char* problem_ = nullptr;
};

class Writer {
 public:
  Writer() = default;

  void int8(int8_t value) { out_.push_back(static_cast<char>(value)); }
  void int16(int16_t value) { fixed(value); }
  void int32(int32_t value) { fixed(value); }
  void int64(int64_t value) { fixed(value); }
  void boolean(bool value) { int8(value ? 1 : 0); }
  void unsigned_varint(uint32_t value);
  void varint(int32_t value);
  void varlong(int64_t value);

  void raw(std::string_view bytes) { out_.append(bytes); }
  void string(std::string_view value);  // at most 32,767 bytes, checked
  void nullable_string(const std::optional<std::string>& value);
  void compact_string(std::string_view value);
  void compact_nullable_string(const std::optional<std::string>& value);
  void bytes(std::string_view value);
  void nullable_bytes(std::optional<std::string_view> value);
  void array_length(int32_t count) { int32(count); }
  void compact_array_length(int32_t count) { unsigned_varint(static_cast<uint32_t>(count + 1)); }
  void no_tagged_fields() { unsigned_varint(0); }

  // Overwrites four bytes written before, e.g. a frame's size.
  void patch_int32(size_t position, int32_t value) { store_big(out_.data() + position, value); }
  size_t size() const { return out_.size(); }
  void reserve(size_t bytes) { out_.reserve(bytes); }
  void clear() { out_.clear(); }
  const std::string& buffer() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  template <typename T>
  void fixed(T value) {
    char bytes[sizeof(T)];
    store_big(bytes, value);
    out_.append(bytes, sizeof(T));
  }
  std::string out_;
};

}  // namespace weir::kafka
