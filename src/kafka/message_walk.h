// One description of a message serves both directions: walk(io, message, version) visits the fields
// in the order of the wire, and io is a FieldDecoder or a FieldEncoder. Included by the
// messages_*.cc files only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kafka/api_key.h"
#include "kafka/error_code.h"
#include "kafka/wire.h"

namespace weir::kafka {

class FieldDecoder {
 public:
  template <typename T>
  using Ref = T&;

  // `flexible`: strings and arrays are compact, and each structure ends with tagged fields.
  explicit FieldDecoder(Reader& reader, bool flexible = false)
      : reader_(reader), flexible_(flexible) {}

  void operator()(bool& value) { value = reader_.boolean(); }
  void operator()(int8_t& value) { value = reader_.int8(); }
  void operator()(int16_t& value) { value = reader_.int16(); }
  void operator()(int32_t& value) { value = reader_.int32(); }
  void operator()(int64_t& value) { value = reader_.int64(); }
  void operator()(ErrorCode& value) { value = static_cast<ErrorCode>(reader_.int16()); }
  void operator()(std::string& value) {
    value = flexible_ ? reader_.compact_string() : reader_.string();
  }
  void operator()(std::optional<std::string>& value) {
    value = flexible_ ? reader_.compact_nullable_string() : reader_.nullable_string();
  }
  // The end of a structure.
  void tags() {
    if (flexible_) reader_.skip_tagged_fields();
  }
  void records(std::optional<std::string_view>& value) { value = reader_.nullable_bytes(); }
  void bytes(std::string& value) { value = reader_.bytes(); }
  void operator()(std::vector<int32_t>& values) {
    array(values, [this](int32_t& value) { (*this)(value); });
  }
  void operator()(std::vector<std::string>& values) {
    array(values, [this](std::string& value) { (*this)(value); });
  }
  template <typename T, typename Each>
  void array(std::vector<T>& values, Each each) {
    int32_t count = array_length();
    if (count < 0) reader_.fail("an array that may not be null is null");
    elements(values, count, each);
  }
  template <typename T, typename Each>
  void nullable_array(std::optional<std::vector<T>>& values, Each each) {
    int32_t count = array_length();
    if (count < 0) return;  // null, which is how the message started
    std::vector<T> found;
    elements(found, count, each);
    values = std::move(found);
  }

 private:
  int32_t array_length() {
    return flexible_ ? reader_.compact_array_length() : reader_.array_length();
  }
  template <typename T, typename Each>
  void elements(std::vector<T>& values, int32_t count, Each each) {
    // Grown as elements turn out to be there, so that memory follows bytes, not the claimed count.
    for (int32_t i = 0; i < count && reader_.ok(); ++i)
      each(values.emplace_back());
  }
  Reader& reader_;
  const bool flexible_;
};

class FieldEncoder {
 public:
  template <typename T>
  using Ref = const T&;

  explicit FieldEncoder(Writer& writer, bool flexible = false)
      : writer_(writer), flexible_(flexible) {}

  void operator()(bool value) { writer_.boolean(value); }
  void operator()(int8_t value) { writer_.int8(value); }
  void operator()(int16_t value) { writer_.int16(value); }
  void operator()(int32_t value) { writer_.int32(value); }
  void operator()(int64_t value) { writer_.int64(value); }
  void operator()(ErrorCode value) { writer_.int16(static_cast<int16_t>(value)); }
  void operator()(const std::string& value) {
    flexible_ ? writer_.compact_string(value) : writer_.string(value);
  }
  void operator()(const std::optional<std::string>& value) {
    flexible_ ? writer_.compact_nullable_string(value) : writer_.nullable_string(value);
  }
  void tags() {
    if (flexible_) writer_.no_tagged_fields();
  }
  void records(const std::optional<std::string_view>& value) { writer_.nullable_bytes(value); }
  void bytes(const std::string& value) { writer_.bytes(value); }
  void operator()(const std::vector<int32_t>& values) {
    array(values, [this](int32_t value) { (*this)(value); });
  }
  void operator()(const std::vector<std::string>& values) {
    array(values, [this](const std::string& value) { (*this)(value); });
  }
  template <typename T, typename Each>
  void array(const std::vector<T>& values, Each each) {
    array_length(static_cast<int32_t>(values.size()));
    for (const T& value : values)
      each(value);
  }
  template <typename T, typename Each>
  void nullable_array(const std::optional<std::vector<T>>& values, Each each) {
    if (values) return array(*values, each);
    array_length(-1);
  }

 private:
  void array_length(int32_t count) {
    flexible_ ? writer_.compact_array_length(count) : writer_.array_length(count);
  }
  Writer& writer_;
  const bool flexible_;
};

bool is_flexible(ApiKey key, int16_t version);
base::Error malformed_message(ApiKey key, const char* side, int16_t version, const char* problem);

// A body that is shorter than its bytes is accepted: Kafka's clients and brokers do so as well.
template <typename Message, typename Walk>
base::Result<Message> decode_message(Reader& reader, int16_t version, const char* side, Walk walk) {
  Message message;
  FieldDecoder decoder(reader, is_flexible(Message::kApiKey, version));
  walk(decoder, message);
  if (!reader.ok()) return malformed_message(Message::kApiKey, side, version, reader.problem());
  return message;
}

}  // namespace weir::kafka

// Defines decode and encode of a message that has a walk().
#define WEIR_KAFKA_MESSAGE(Message, side)                                                        \
  base::Result<Message> Message::decode(Reader& reader, int16_t version) {                       \
    return decode_message<Message>(reader, version, side,                                        \
                                   [&](FieldDecoder& io, Message& m) { walk(io, m, version); }); \
  }                                                                                              \
  void Message::encode(Writer& writer, int16_t version) const {                                  \
    FieldEncoder io(writer, is_flexible(kApiKey, version));                                      \
    walk(io, *this, version);                                                                    \
  }
