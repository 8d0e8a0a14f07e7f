#include "python/proto_fields.h"

#include "python/conversation.h"

namespace weir::python {

namespace {

enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

}  // namespace

Result<uint64_t> ProtoReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (left_.empty()) break;
    const auto byte = static_cast<uint8_t>(left_.front());
    left_.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return nonsense("a broken message about state");
}

Result<ProtoField> ProtoReader::next() {
  ProtoField field;
  if (left_.empty()) return field;
  WEIR_ASSIGN(const uint64_t tag, varint());
  field.number = static_cast<int>(tag >> 3);
  if (field.number <= 0) return nonsense("a broken message about state");
  const auto take = [&](uint64_t size) -> Result<void> {
    if (size > left_.size()) return nonsense("a broken message about state");
    field.bytes = left_.substr(0, size);
    left_.remove_prefix(size);
    return {};
  };
  switch (tag & 7) {
    case kVarint: {
      WEIR_ASSIGN(field.value, varint());
      return field;
    }
    case kLength: {
      WEIR_ASSIGN(const uint64_t size, varint());
      WEIR_TRY(take(size));
      return field;
    }
    case kFixed64:
      WEIR_TRY(take(8));
      return field;
    case kFixed32:
      WEIR_TRY(take(4));
      return field;
    default:
      return nonsense("a broken message about state");
  }
}

Result<ProtoField> last_field(std::string_view message) {
  ProtoReader reader(message);
  ProtoField last;
  while (true) {
    WEIR_ASSIGN(const auto field, reader.next());
    if (field.number == 0) return last;
    last = field;
  }
}

void ProtoWriter::varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    text_.push_back(static_cast<char>(value | 0x80));
  text_.push_back(static_cast<char>(value));
}

void ProtoWriter::number(int field, int64_t value) {
  if (value == 0) return;
  varint(static_cast<uint64_t>(field) << 3 | kVarint);
  varint(static_cast<uint64_t>(value));
}

void ProtoWriter::bytes(int field, std::string_view value) {
  varint(static_cast<uint64_t>(field) << 3 | kLength);
  varint(value.size());
  text_ += value;
}

}  // namespace weir::python
