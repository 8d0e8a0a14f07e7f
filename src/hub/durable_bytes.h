// Little-endian fields of the hub's own files, and their closing CRC-32C. (Record batches are
// Kafka's: big-endian, see kafka/record_batch.h.)
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "kafka/crc32c.h"

namespace weir::hub {

class FieldWriter {
 public:
  template <typename T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  void put_bytes(std::string_view bytes) { bytes_.append(bytes); }
  void put_string(std::string_view text) {
    put(static_cast<uint16_t>(text.size()));
    bytes_.append(text);
  }
  // Appends the CRC of everything so far and hands the bytes over.
  std::string finish() {
    put(kafka::crc32c(bytes_));
    return std::move(bytes_);
  }
  std::string take() { return std::move(bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Reads past the end give zero and make ok() false.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  T get() {
    T value{};
    if (!ok_ || bytes_.size() < sizeof(T)) {
      ok_ = false;
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view get_bytes(size_t size) {
    if (!ok_ || bytes_.size() < size) {
      ok_ = false;
      return {};
    }
    const std::string_view result = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return result;
  }
  std::string_view get_string() { return get_bytes(get<uint16_t>()); }
  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

// Takes the closing CRC off; false where it is missing or wrong.
inline bool take_closing_crc(std::string_view& bytes) {
  if (bytes.size() < sizeof(uint32_t)) return false;
  uint32_t crc = 0;
  std::memcpy(&crc, bytes.data() + bytes.size() - sizeof(crc), sizeof(crc));
  bytes.remove_suffix(sizeof(crc));
  return kafka::crc32c(bytes) == crc;
}

}  // namespace weir::hub
