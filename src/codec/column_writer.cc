#include "codec/column_writer.h"

#include <algorithm>

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include "columnar/arrow_types.h"

namespace weir::codec {

using columnar::DataType;
using columnar::TypeKind;

GrowingBuffer::GrowingBuffer() = default;
GrowingBuffer::~GrowingBuffer() = default;
GrowingBuffer::GrowingBuffer(GrowingBuffer&&) noexcept = default;

void GrowingBuffer::reserve(int64_t bytes, int fill) {
  if (bytes <= capacity_) return;
  const int64_t wanted = std::max({bytes, capacity_ + capacity_ / 2, hint_});
  if (!buffer_) {
    auto made = arrow::AllocateResizableBuffer(wanted);
    WEIR_CHECK(made.ok(), "out of memory");
    buffer_ = std::move(made).MoveValueUnsafe();
  } else {
    WEIR_CHECK(buffer_->Resize(wanted, false).ok(), "out of memory");
  }
  data_ = buffer_->mutable_data();
  if (fill != kNoFill)
    std::memset(data_ + capacity_, fill, static_cast<size_t>(wanted - capacity_));
  capacity_ = wanted;
}

std::shared_ptr<arrow::ResizableBuffer> GrowingBuffer::take(int64_t bytes) {
  reserve(std::max<int64_t>(bytes, 8), 0);
  WEIR_CHECK(buffer_->Resize(bytes, false).ok(), "out of memory");
  // A little more than last time, so that batches alike need no second allocation; not where the
  // last was huge.
  hint_ = std::min<int64_t>(bytes + bytes / 16, 64 << 20);
  std::shared_ptr<arrow::ResizableBuffer> taken = std::move(buffer_);
  data_ = nullptr;
  capacity_ = 0;
  return taken;
}

namespace {

int width_of(TypeKind kind) {
  switch (kind) {
    case TypeKind::kByte:
      return 1;
    case TypeKind::kShort:
      return 2;
    case TypeKind::kInteger:
    case TypeKind::kFloat:
    case TypeKind::kDate:
      return 4;
    case TypeKind::kLong:
    case TypeKind::kDouble:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
      return 8;
    case TypeKind::kDecimal:
      return 16;
    default:
      return 0;
  }
}

}  // namespace

ColumnWriter::ColumnWriter(const DataType& type)
    : type_(type),
      kind_(type.kind()),
      arrow_type_(columnar::to_arrow(type)),
      width_(width_of(type.kind())) {}

Result<std::unique_ptr<ColumnWriter>> ColumnWriter::create(const DataType& type) {
  if (type.is_interval()) {
    return base::error(base::ErrorKind::kUnsupported, "reading type {} from text",
                       type.simple_string());
  }
  std::unique_ptr<ColumnWriter> writer(new ColumnWriter(type.as_nullable()));
  std::vector<const DataType*> children;
  if (type.is(TypeKind::kArray)) children = {&type.element()};
  if (type.is(TypeKind::kMap)) children = {&type.key(), &type.value()};
  if (type.is(TypeKind::kStruct)) {
    for (const columnar::Field& field : type.fields())
      children.push_back(&field.type());
  }
  for (const DataType* child : children) {
    WEIR_ASSIGN(auto made, create(*child));
    writer->children_.push_back(std::move(made));
  }
  return writer;
}

bool ColumnWriter::has_characters() const {
  return kind_ == TypeKind::kString || kind_ == TypeKind::kChar || kind_ == TypeKind::kVarchar ||
         kind_ == TypeKind::kBinary;
}

void ColumnWriter::reserve(int64_t slots) {
  if (slots <= slots_) return;
  slots = std::max<int64_t>({slots, slots_ * 2, 64});
  validity_.reserve((slots + 7) / 8 + 8, 0xff);
  if (width_ > 0) {
    values_.reserve(slots * width_, GrowingBuffer::kNoFill);
  } else if (kind_ == TypeKind::kBoolean) {
    values_.reserve((slots + 7) / 8 + 8, 0);
  } else if (kind_ == TypeKind::kStruct) {
    for (auto& child : children_)
      child->reserve(slots);
  } else if (kind_ != TypeKind::kNull) {
    const bool fresh = offsets_.capacity() == 0;
    offsets_.reserve((slots + 1) * 4, GrowingBuffer::kNoFill);
    if (fresh) offsets()[0] = 0;
  }
  slots_ = slots;
}

void ColumnWriter::set_text(int64_t slot, std::string_view text) {
  const int64_t begin = offsets()[slot];
  const int64_t length = static_cast<int64_t>(text.size());
  if (begin + length + 32 > values_.capacity())
    values_.reserve(begin + length + 4096, GrowingBuffer::kNoFill);
  if (length > 0) std::memcpy(values_.data() + begin, text.data(), text.size());
  offsets()[slot + 1] = static_cast<int32_t>(begin + length);
}

int64_t ColumnWriter::grow() {
  const int64_t slot = child_length_++;
  for (auto& child : children_) {
    if (slot >= child->slots_) child->reserve(slot + 1);
  }
  return slot;
}

void ColumnWriter::set_null(int64_t slot) {
  if (kind_ == TypeKind::kNull) return;
  uint8_t& byte = validity_.data()[slot >> 3];
  byte = static_cast<uint8_t>(byte & ~(1u << (slot & 7)));
  if (width_ > 0) {
    std::memset(values_.data() + slot * width_, 0, static_cast<size_t>(width_));
  } else if (kind_ == TypeKind::kStruct) {
    for (auto& child : children_)
      child->set_null(slot);
  } else if (kind_ != TypeKind::kBoolean) {
    offsets()[slot + 1] = offsets()[slot];
  }
}

void ColumnWriter::rollback(int64_t from, int64_t touched) {
  if (kind_ == TypeKind::kNull) return;
  for (int64_t slot = from; slot < std::min(touched, slots_); ++slot)
    set_valid(slot);
  if (kind_ == TypeKind::kStruct) {
    for (auto& child : children_)
      child->rollback(from, touched);
  } else if (kind_ == TypeKind::kArray || kind_ == TypeKind::kMap) {
    const int64_t begin = from < slots_ ? offsets()[from] : child_length_;
    for (auto& child : children_)
      child->rollback(begin, child_length_);
    child_length_ = begin;
  }
}

int64_t ColumnWriter::variable_bytes(int64_t slots) const {
  if (slots == 0) return 0;
  if (has_characters()) return offsets()[slots];
  int64_t sum = 0;
  if (kind_ == TypeKind::kStruct) {
    for (const auto& child : children_)
      sum += child->variable_bytes(slots);
  } else if (kind_ == TypeKind::kArray || kind_ == TypeKind::kMap) {
    for (const auto& child : children_)
      sum += child->variable_bytes(child_length_) + child_length_ * std::max(child->width_, 1);
  }
  return sum;
}

std::shared_ptr<arrow::ArrayData> ColumnWriter::finish(int64_t slots) {
  if (kind_ == TypeKind::kNull) {
    slots_ = 0;
    return arrow::ArrayData::Make(arrow_type_, slots, {nullptr}, slots);
  }
  const int64_t bitmap_bytes = (slots + 7) / 8;
  std::shared_ptr<arrow::Buffer> validity;
  const int64_t valid = slots == 0 ? 0 : arrow::internal::CountSetBits(validity_.data(), 0, slots);
  if (valid < slots) {
    // Bits past the end are kept at zero, as Arrow recommends.
    if (slots % 8 != 0) {
      uint8_t& last = validity_.data()[slots / 8];
      last = static_cast<uint8_t>(last & ((1u << (slots % 8)) - 1));
    }
    validity = validity_.take(bitmap_bytes);
  } else {
    validity_.take(0);
  }
  std::vector<std::shared_ptr<arrow::Buffer>> buffers = {validity};
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  if (width_ > 0) {
    buffers.push_back(values_.take(slots * width_));
  } else if (kind_ == TypeKind::kBoolean) {
    buffers.push_back(values_.take(bitmap_bytes));
  } else if (kind_ == TypeKind::kStruct) {
    for (auto& child : children_)
      children.push_back(child->finish(slots));
  } else {
    if (slots == 0) offsets_.reserve(4, 0);
    const int64_t length = offsets()[slots];
    buffers.push_back(offsets_.take((slots + 1) * 4));
    if (has_characters()) {
      buffers.push_back(values_.take(length));
    } else {
      for (auto& child : children_)
        children.push_back(child->finish(length));
      child_length_ = 0;
    }
  }
  if (kind_ == TypeKind::kMap) {
    const int64_t length = children[0]->length;
    auto entries = arrow::ArrayData::Make(arrow_type_->field(0)->type(), length, {nullptr},
                                          std::move(children), 0);
    children = {std::move(entries)};
  }
  slots_ = 0;
  return arrow::ArrayData::Make(arrow_type_, slots, std::move(buffers), std::move(children),
                                slots - valid);
}

}  // namespace weir::codec
