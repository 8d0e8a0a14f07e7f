#include "eval/vector.h"

#include <arrow/memory_pool.h>

namespace weir::eval {

std::shared_ptr<arrow::Buffer> allocate(int64_t bytes) {
  auto buffer = arrow::AllocateBuffer(bytes);
  WEIR_CHECK(buffer.ok(), "memory is out");
  return std::move(buffer).ValueUnsafe();
}

Vector constant_text(std::string_view text) {
  arrow::StringBuilder builder;
  WEIR_CHECK(builder.Append(text).ok(), "memory is out");
  auto array = builder.Finish();
  WEIR_CHECK(array.ok(), "memory is out");
  return {std::move(array).ValueUnsafe(), true};
}

void NullWriter::make() {
  bits_ = allocate(arrow::bit_util::BytesForBits(rows_));
  std::memset(bits_->mutable_data(), 0xff, static_cast<size_t>(bits_->size()));
}

Result<ArrayPtr> TextWriter::finish(std::shared_ptr<arrow::DataType> type) {
  if (overflow_) {
    return base::error(base::ErrorKind::kResourceExhausted,
                       "one batch of text results is larger than 2 GiB");
  }
  WEIR_CHECK(row_ == rows_, "a text kernel left rows out");
  auto bytes = arrow::Buffer::FromString(std::move(bytes_));
  return arrow::MakeArray(arrow::ArrayData::Make(
      std::move(type), rows_, {nulls_.buffer(), offsets_, std::move(bytes)}, nulls_.count()));
}

}  // namespace weir::eval
