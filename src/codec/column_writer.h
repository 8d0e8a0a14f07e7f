// Arrow buffers under construction, written by slot: the shared ground of the text decoders.
//
// A ColumnWriter holds one column (and its children) as raw buffers. A caller writes slot i of the
// columns in any order of columns; nothing is checked per value but room for characters. Slots
// start out valid (validity bits are preset), so that only a NULL touches the bitmap. A slot, and
// every slot after it, can be undone with rollback(): the decoder of a row that fails half-way
// starts the row anew.
//
// Struct children share their parent's slots. List and map children have slots of their own,
// counted by length(). One writer belongs to one thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "columnar/data_type.h"

namespace arrow {
class Array;
class ArrayData;
class ResizableBuffer;
class DataType;
}  // namespace arrow

namespace weir::codec {

using base::Result;

// Growable bytes in an Arrow buffer.
class GrowingBuffer {
 public:
  GrowingBuffer();
  ~GrowingBuffer();
  GrowingBuffer(GrowingBuffer&&) noexcept;
  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  int64_t capacity() const { return capacity_; }
  static constexpr int kNoFill = -1;
  // At least `bytes` of capacity; what is there stays; new bytes are `fill`.
  void reserve(int64_t bytes, int fill);
  // The first `bytes` as a buffer of its own; this one is empty then.
  std::shared_ptr<arrow::ResizableBuffer> take(int64_t bytes);

 private:
  std::unique_ptr<arrow::ResizableBuffer> buffer_;
  uint8_t* data_ = nullptr;
  int64_t capacity_ = 0;
  int64_t hint_ = 0;  // what the buffer before took
};

class ColumnWriter {
 public:
  // Types: all of Spark's but the intervals (kUnsupported, by name).
  static Result<std::unique_ptr<ColumnWriter>> create(const columnar::DataType& type);

  const columnar::DataType& type() const { return type_; }
  columnar::TypeKind kind() const { return kind_; }
  ColumnWriter& child(size_t i) { return *children_[i]; }
  size_t child_count() const { return children_.size(); }

  // Room for slots [0, slots), struct children included.
  void reserve(int64_t slots);
  int64_t capacity() const { return slots_; }

  // --- fixed width: T as wide as the Arrow type
  template <typename T>
  void set(int64_t slot, T value) {
    std::memcpy(values_.data() + slot * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
  }
  void set_bool(int64_t slot, bool value) {
    uint8_t& byte = values_.data()[slot >> 3];
    const uint8_t bit = static_cast<uint8_t>(1u << (slot & 7));
    byte = static_cast<uint8_t>(value ? byte | bit : byte & ~bit);
  }

  // --- strings and binary. Where the source may be read 32 bytes past its end, `padded` copies
  // faster.
  void set_text_padded(int64_t slot, const uint8_t* text, int64_t length) {
    const int64_t begin = offsets()[slot];
    if (begin + length + 32 > values_.capacity()) [[unlikely]]
      values_.reserve(begin + length + 4096, GrowingBuffer::kNoFill);
    uint8_t* to = values_.data() + begin;
    // Whole 32-byte steps; what is written past the end is overwritten by the next value.
    for (int64_t i = 0; i < length; i += 32)
      std::memcpy(to + i, text + i, 32);
    offsets()[slot + 1] = static_cast<int32_t>(begin + length);
  }
  void set_text(int64_t slot, std::string_view text);

  // --- lists and maps: begin, write slots of the children while counting them with grow(), end.
  // The children's slots of list `slot` begin at list_begin(slot).
  int64_t list_begin(int64_t slot) const { return offsets()[slot]; }
  // A new child slot; returns its index. Children of a map are grown together.
  int64_t grow();
  void list_end(int64_t slot) { offsets()[slot + 1] = static_cast<int32_t>(child_length_); }

  // NULL, children of structs too.
  void set_null(int64_t slot);
  void set_valid(int64_t slot) {
    validity_.data()[slot >> 3] =
        static_cast<uint8_t>(validity_.data()[slot >> 3] | (1u << (slot & 7)));
  }

  // Undoes slots [from, touched): they are as before anything was written.
  void rollback(int64_t from, int64_t touched);

  // Bytes of characters and list children held, for bounding batches.
  int64_t variable_bytes(int64_t slots) const;

  // Slots [0, slots) as an Arrow array of arrow_type(); the writer starts anew.
  std::shared_ptr<arrow::ArrayData> finish(int64_t slots);
  const std::shared_ptr<arrow::DataType>& arrow_type() const { return arrow_type_; }

 private:
  explicit ColumnWriter(const columnar::DataType& type);
  int32_t* offsets() { return reinterpret_cast<int32_t*>(offsets_.data()); }
  const int32_t* offsets() const { return reinterpret_cast<const int32_t*>(offsets_.data()); }
  bool has_characters() const;

  columnar::DataType type_;
  columnar::TypeKind kind_;
  std::shared_ptr<arrow::DataType> arrow_type_;
  int width_ = 0;  // bytes of a value; 0 for others than fixed width, booleans
  int64_t slots_ = 0;
  GrowingBuffer validity_;
  GrowingBuffer values_;   // fixed width, or characters
  GrowingBuffer offsets_;  // int32, slots + 1
  int64_t child_length_ = 0;
  std::vector<std::unique_ptr<ColumnWriter>> children_;
};

}  // namespace weir::codec
