// What kernels read and write: a column of values, or one value that stands for every row.
//
// Readers index by row whatever the operand is (a constant's index is masked to 0); writers make
// one Arrow array. Not thread safe; they live inside one kernel call.
#pragma once

#include <cstring>
#include <memory>
#include <string_view>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/util/bit_util.h>

#include "columnar/arrow_adapter.h"

namespace weir::eval {

using base::Result;
using ArrayPtr = std::shared_ptr<arrow::Array>;

struct Vector {
  ArrayPtr array;  // one value a row, or one value where constant
  bool constant = false;
};

// A text that stands for every row: the value of an optional argument that is not given.
Vector constant_text(std::string_view text);

// NULLs of an operand.
class Validity {
 public:
  explicit Validity(const Vector& vector)
      : bitmap_(vector.array->null_bitmap_data()),
        offset_(vector.array->offset()),
        mask_(vector.constant ? 0 : -1),
        all_null_(vector.array->type_id() == arrow::Type::NA) {
    if (vector.array->null_count() == 0) bitmap_ = nullptr;
  }
  bool operator[](int64_t row) const {
    return !all_null_ && (!bitmap_ || arrow::bit_util::GetBit(bitmap_, offset_ + (row & mask_)));
  }
  bool no_nulls() const { return !bitmap_ && !all_null_; }

 private:
  const uint8_t* bitmap_;
  int64_t offset_;
  int64_t mask_;
  bool all_null_;
};

// Values of fixed width (T as wide as the Arrow type).
template <typename T>
class FixedReader {
 public:
  explicit FixedReader(const Vector& vector)
      : valid(vector),
        values_(reinterpret_cast<const T*>(vector.array->data()->buffers.size() > 1 &&
                                                   vector.array->data()->buffers[1]
                                               ? vector.array->data()->buffers[1]->data()
                                               : nullptr) +
                vector.array->offset()),
        mask_(vector.constant ? 0 : -1) {}
  T operator[](int64_t row) const {
    T value;
    std::memcpy(&value, values_ + (row & mask_), sizeof(T));
    return value;
  }
  Validity valid;

 private:
  const T* values_;
  int64_t mask_;
};

class BoolReader {
 public:
  explicit BoolReader(const Vector& vector)
      : valid(vector),
        bits_(vector.array->data()->buffers.size() > 1 && vector.array->data()->buffers[1]
                  ? vector.array->data()->buffers[1]->data()
                  : nullptr),
        offset_(vector.array->offset()),
        mask_(vector.constant ? 0 : -1) {}
  bool operator[](int64_t row) const {
    return arrow::bit_util::GetBit(bits_, offset_ + (row & mask_));
  }
  Validity valid;

 private:
  const uint8_t* bits_;
  int64_t offset_;
  int64_t mask_;
};

// Text or bytes in any of Arrow's layouts: offsets of 32 or 64 bits, views.
class TextReader {
 public:
  explicit TextReader(const Vector& vector) : valid(vector), mask_(vector.constant ? 0 : -1) {
    const auto& data = *vector.array->data();
    offset_ = data.offset;
    switch (data.type->id()) {
      case arrow::Type::STRING_VIEW:
      case arrow::Type::BINARY_VIEW:
        layout_ = Layout::kView;
        view_ = static_cast<const arrow::BinaryViewArray*>(vector.array.get());
        return;
      case arrow::Type::LARGE_STRING:
      case arrow::Type::LARGE_BINARY:
        layout_ = Layout::kLarge;
        break;
      case arrow::Type::STRING:
      case arrow::Type::BINARY:
        break;
      default:  // all NULL
        WEIR_CHECK(data.type->id() == arrow::Type::NA, "text operand of another type");
        return;
    }
    offsets_ = data.buffers[1] ? data.buffers[1]->data() : nullptr;
    bytes_ = data.buffers[2] ? reinterpret_cast<const char*>(data.buffers[2]->data()) : "";
  }
  std::string_view operator[](int64_t row) const {
    const int64_t at = row & mask_;
    if (layout_ == Layout::kView) return view_->GetView(at);
    if (layout_ == Layout::kLarge) {
      const auto* offsets = reinterpret_cast<const int64_t*>(offsets_) + offset_ + at;
      return {bytes_ + offsets[0], static_cast<size_t>(offsets[1] - offsets[0])};
    }
    const auto* offsets = reinterpret_cast<const int32_t*>(offsets_) + offset_ + at;
    return {bytes_ + offsets[0], static_cast<size_t>(offsets[1] - offsets[0])};
  }
  Validity valid;

 private:
  enum class Layout { kSmall, kLarge, kView };
  Layout layout_ = Layout::kSmall;
  const arrow::BinaryViewArray* view_ = nullptr;
  const uint8_t* offsets_ = nullptr;
  const char* bytes_ = nullptr;
  int64_t offset_ = 0;
  int64_t mask_;
};

// A validity bitmap that is made only when the first NULL comes.
class NullWriter {
 public:
  explicit NullWriter(int64_t rows) : rows_(rows) {}
  void set_null(int64_t row) {
    if (!bits_) make();
    arrow::bit_util::ClearBit(bits_->mutable_data(), row);
    ++count_;
  }
  std::shared_ptr<arrow::Buffer> buffer() const { return bits_; }
  int64_t count() const { return count_; }

 private:
  void make();
  int64_t rows_;
  int64_t count_ = 0;
  std::shared_ptr<arrow::Buffer> bits_;
};

std::shared_ptr<arrow::Buffer> allocate(
    int64_t bytes);  // aborts where memory is out, as operator new does

// Every row has to be given a value or NULL, in any order. A NULL row's bytes are zero.
template <typename T>
class FixedWriter {
 public:
  explicit FixedWriter(int64_t rows)
      : rows_(rows),
        nulls_(rows),
        buffer_(allocate(rows * static_cast<int64_t>(sizeof(T)))),
        values_(reinterpret_cast<T*>(buffer_->mutable_data())) {}
  void set(int64_t row, T value) { std::memcpy(values_ + row, &value, sizeof(T)); }
  void set_null(int64_t row) {
    set(row, T{});
    nulls_.set_null(row);
  }
  ArrayPtr finish(std::shared_ptr<arrow::DataType> type) {
    return arrow::MakeArray(
        arrow::ArrayData::Make(std::move(type), rows_, {nulls_.buffer(), buffer_}, nulls_.count()));
  }

 private:
  int64_t rows_;
  NullWriter nulls_;
  std::shared_ptr<arrow::Buffer> buffer_;
  T* values_;
};

class BoolWriter {
 public:
  explicit BoolWriter(int64_t rows)
      : rows_(rows), nulls_(rows), buffer_(allocate(arrow::bit_util::BytesForBits(rows))) {
    std::memset(buffer_->mutable_data(), 0, static_cast<size_t>(buffer_->size()));
  }
  void set(int64_t row, bool value) {
    if (value) arrow::bit_util::SetBit(buffer_->mutable_data(), row);
  }
  void set_null(int64_t row) { nulls_.set_null(row); }
  ArrayPtr finish() {
    return arrow::MakeArray(arrow::ArrayData::Make(arrow::boolean(), rows_,
                                                   {nulls_.buffer(), buffer_}, nulls_.count()));
  }

 private:
  int64_t rows_;
  NullWriter nulls_;
  std::shared_ptr<arrow::Buffer> buffer_;
};

// Text in row order. finish() fails where more than 2 GiB have been written.
class TextWriter {
 public:
  explicit TextWriter(int64_t rows)
      : nulls_(rows), offsets_(allocate((rows + 1) * 4)), rows_(rows) {
    reinterpret_cast<int32_t*>(offsets_->mutable_data())[0] = 0;
  }
  void add(std::string_view text) {
    bytes_ += text;
    end_row();
  }
  // For kernels that write piecewise: append to bytes(), then end_row().
  std::string& bytes() { return bytes_; }
  void end_row() {
    overflow_ |= bytes_.size() > INT32_MAX;
    reinterpret_cast<int32_t*>(offsets_->mutable_data())[++row_] =
        static_cast<int32_t>(bytes_.size());
  }
  void add_null() {
    nulls_.set_null(row_);
    end_row();
  }
  Result<ArrayPtr> finish(std::shared_ptr<arrow::DataType> type);

 private:
  NullWriter nulls_;
  std::shared_ptr<arrow::Buffer> offsets_;
  std::string bytes_;
  int64_t rows_;
  int64_t row_ = 0;
  bool overflow_ = false;
};

}  // namespace weir::eval
