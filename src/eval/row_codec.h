// Rows as bytes, and back: the keys and values of a state.
//
// Two rows have the same bytes exactly where Spark calls them equal (NaN = NaN, -0.0 = 0.0, NULL =
// NULL; maps by their entries in order). Immutable once made; may be used by several threads.
//
// A row: a bitmap of the leaves (bit set: NULL), the fixed-width leaves in the order of the columns
// (little endian; zero where NULL), then each leaf of variable width: its length (4 bytes) and its
// bytes. A struct is a leaf of no width followed by its fields; its fields are NULL where it is. A
// string or binary is its bytes; an array or map is its count (4 bytes) and its elements (a map's
// entries: key, value), an element being a byte (0: NULL) and then, by type, the fixed-width value,
// length and bytes, the nested count and elements, or a struct's fields one after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/data_type.h"
#include "eval/vector.h"

namespace weir::eval {

// Encoded rows one after the other.
class EncodedRows {
 public:
  int64_t size() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  std::string_view operator[](int64_t row) const {
    const auto i = static_cast<size_t>(row);
    return {bytes_.get() + offsets_[i], offsets_[i + 1] - offsets_[i]};
  }
  int64_t bytes() const { return static_cast<int64_t>(offsets_.back()); }

 private:
  friend class RowCodec;
  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
  std::vector<size_t> offsets_{0};
};

class RowCodec {
 public:
  explicit RowCodec(std::vector<columnar::DataType> columns);

  const std::vector<columnar::DataType>& columns() const { return columns_; }
  // Arrays of to_arrow(columns()[i]) or another layout of text. `out` is overwritten and its memory
  // used again.
  Result<void> encode(std::span<const ArrayPtr> arrays, int64_t rows, EncodedRows& out) const;
  // kCorruption where the bytes are no row of these columns. A row of no bytes is one of NULLs.
  Result<std::vector<ArrayPtr>> decode(std::span<const std::string_view> rows) const;

 private:
  struct Leaf {
    columnar::DataType type;
    std::vector<int> path;  // column, then fields
    int width = 0;          // 0 with `structure`; -1 variable
    bool structure = false;
    bool nested = false;  // array, map, null
    size_t at = 0;        // where its bytes stand, for a fixed width
  };
  void add_leaves(const columnar::DataType& type, std::vector<int> path);
  Result<ArrayPtr> decode_column(const columnar::DataType& type, size_t& leaf,
                                 std::span<const std::string_view> rows,
                                 std::vector<uint32_t>& cursor) const;
  Result<ArrayPtr> decode_leaf(size_t leaf, std::span<const std::string_view> rows,
                               std::vector<uint32_t>& cursor) const;

  std::vector<columnar::DataType> columns_;
  std::vector<Leaf> leaves_;
  size_t bitmap_ = 0;
  size_t fixed_ = 0;  // bytes before the first of variable width
  bool variable_ = false;
};

}  // namespace weir::eval
