// Lists (and maps, which are lists of entries) read row by row, and made from positions.
#pragma once

#include <string>
#include <vector>

#include <arrow/array.h>

#include "eval/kernel.h"

namespace weir::eval {

// Where each row's elements stand in values().
class ListReader {
 public:
  explicit ListReader(const Vector& vector)
      : valid(vector),
        list_(static_cast<const arrow::ListArray&>(*vector.array)),
        constant_(vector.constant) {}
  int64_t begin(int64_t row) const { return list_.value_offset(constant_ ? 0 : row); }
  int64_t end(int64_t row) const { return list_.value_offset((constant_ ? 0 : row) + 1); }
  int64_t count(int64_t row) const { return end(row) - begin(row); }
  // Of a list its elements, of a map its entries (structs of key and value).
  const ArrayPtr& values() const { return list_.values(); }
  ArrayPtr keys() const { return static_cast<const arrow::MapArray&>(list_).keys(); }
  ArrayPtr items() const { return static_cast<const arrow::MapArray&>(list_).items(); }
  Validity valid;

 private:
  const arrow::ListArray& list_;
  bool constant_;
};

// The offsets of lists under construction.
class ListOffsets {
 public:
  explicit ListOffsets(int64_t rows) : writer_(rows + 1), nulls_(rows), rows_(rows) {
    writer_.set(0, 0);
  }
  void end_row(int64_t total) {
    overflow_ |= total > INT32_MAX;
    writer_.set(++row_, static_cast<int32_t>(total));
  }
  void add_null(int64_t total) {
    nulls_.set_null(row_);
    end_row(total);
  }
  // A list<…> or map<…> array over the values (for a map: structs of key and value).
  Result<ArrayPtr> finish(const std::shared_ptr<arrow::DataType>& type, const ArrayPtr& values);

 private:
  FixedWriter<int32_t> writer_;
  NullWriter nulls_;
  int64_t rows_;
  int64_t row_ = 0;
  bool overflow_ = false;
};

// Lists made by picking elements of a source array.
class ListPicker {
 public:
  explicit ListPicker(int64_t rows) : offsets_(rows) {}
  void add(int64_t position) { positions_.push_back(position); }  // -1: a NULL element
  void end_row() { offsets_.end_row(static_cast<int64_t>(positions_.size())); }
  void add_null() { offsets_.add_null(static_cast<int64_t>(positions_.size())); }
  std::vector<int64_t>& positions() { return positions_; }
  Result<ArrayPtr> finish(const std::shared_ptr<arrow::DataType>& type, const ArrayPtr& source);

 private:
  ListOffsets offsets_;
  std::vector<int64_t> positions_;
};

// The elements at the positions (-1: NULL).
Result<ArrayPtr> pick(const ArrayPtr& source, const std::vector<int64_t>& positions);
// Two sources as one, in the layout of `type`; positions into b start at a's length.
Result<ArrayPtr> joined(const ArrayPtr& a, const ArrayPtr& b,
                        const std::shared_ptr<arrow::DataType>& type);

// Lists of text: all elements one after the other.
Result<ArrayPtr> text_lists(const KernelCall& call, ListOffsets& offsets,
                            const std::vector<std::string>& all);

// Appends bytes that are equal exactly for values that Spark calls equal (NaN = NaN, -0.0 = 0.0,
// NULL = NULL). Maps by their entries in order.
void append_key(const DataType& type, const arrow::Array& array, int64_t row, std::string& out);
inline std::string value_key(const DataType& type, const arrow::Array& array, int64_t row) {
  std::string key;
  append_key(type, array, row, key);
  return key;
}

}  // namespace weir::eval
