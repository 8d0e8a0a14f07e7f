#include "connect/wire.h"

#include <arrow/buffer.h>

namespace weir::connect {

namespace {

constexpr char kSecondFieldBytes = 0x12;  // field 2, length-delimited: arrow_batch, and its data

void put_varint(uint64_t value, std::string& out) {
  while (value > 0x7F) {
    out += static_cast<char>((value & 0x7F) | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

}  // namespace

Message join_batch(std::string response, const std::string& batch,
                   std::shared_ptr<arrow::Buffer> body) {
  Message message{std::move(response)};
  if (!body) return message;
  std::string inner = batch;
  inner += kSecondFieldBytes;
  put_varint(static_cast<uint64_t>(body->size()), inner);
  message.head += kSecondFieldBytes;
  put_varint(inner.size() + static_cast<uint64_t>(body->size()), message.head);
  message.head += inner;
  message.body = std::move(body);
  return message;
}

}  // namespace weir::connect
