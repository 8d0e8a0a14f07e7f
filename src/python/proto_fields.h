// Messages of protobuf, field by field, for the little of it that workers speak: no descriptors,
// nothing copied.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::python {

using base::Result;

struct ProtoField {
  int number = 0;          // 0: there are no more
  uint64_t value = 0;      // of a varint
  std::string_view bytes;  // of what has a length
  int64_t number_value() const { return static_cast<int64_t>(value); }
};

// kCorruption where the bytes are no message.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : left_(message) {}
  Result<ProtoField> next();

 private:
  Result<uint64_t> varint();
  std::string_view left_;
};

// The last of the message's fields, as of a oneof; number 0: it has none.
Result<ProtoField> last_field(std::string_view message);

class ProtoWriter {
 public:
  void number(int field, int64_t value);  // 0 is not written, as proto3 has it
  void bytes(int field, std::string_view value);
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  void varint(uint64_t value);
  std::string text_;
};

}  // namespace weir::python
