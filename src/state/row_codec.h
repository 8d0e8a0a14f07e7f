// Columns of Arrow arrays ↔ encoded keys and values, whole batches at once.
//
// Keys keep the order of Spark's ascending sort, column by column, when compared as bytes:
//   each column is a byte 0 (null) or 1 (a value follows) and then
//   * boolean one byte; byte … long, date, timestamps and intervals big-endian with the sign bit
//     turned; decimal the same with 16 bytes
//   * float, double the IEEE bits big-endian, negative ones inverted, others with the sign bit
//     turned; -0.0 is 0.0, all NaN are one and the greatest
//   * string, binary with 00 escaped as 00 FF, closed by 00 00
//   * struct its fields in order; array a byte 1 before each element, 0 at the end
// so that keys that are equal for Spark's grouping are equal bytes. Maps cannot be keys.
//
// Values are compact, and equal rows are equal bytes:
//   a bitmap of nulls (bit i of byte i/8 set: column i is null), then each column that is not null:
//   boolean one byte; byte, short one and two bytes; integer, long, dates, timestamps, intervals
//   zigzag varints; float, double 4 and 8 bytes little-endian; decimal 16 bytes little-endian;
//   string, binary varint length and bytes; struct as a value of its own; array, map a varint
//   count, a bitmap of nulls and the elements (a map's entries as structs of key and value).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "columnar/data_type.h"
#include "state/encoded_rows.h"

namespace arrow {
class Array;
class RecordBatch;
}  // namespace arrow

namespace weir::state {

using base::Result;
using ArrayPtr = std::shared_ptr<arrow::Array>;

// One thread at a time; keeps its buffers from batch to batch.
class KeyEncoder {
 public:
  // kUnsupported by name for a type that cannot be a key. `prefix_columns` of the first columns
  // make the prefix (0: all of them).
  static Result<KeyEncoder> make(columnar::Schema schema, int prefix_columns = 0);
  // Replaces `keys`. The arrays are of the schema's types (to_arrow) and of one length.
  Result<void> encode(std::span<const ArrayPtr> columns, EncodedRows& keys);
  const columnar::Schema& schema() const { return schema_; }

 private:
  explicit KeyEncoder(columnar::Schema schema, int prefix_columns)
      : schema_(std::move(schema)), prefix_columns_(prefix_columns) {}
  columnar::Schema schema_;
  int prefix_columns_;
  std::vector<uint64_t> cursor_;
};

class ValueEncoder {
 public:
  static Result<ValueEncoder> make(columnar::Schema schema);
  Result<void> encode(std::span<const ArrayPtr> columns, EncodedRows& values);
  const columnar::Schema& schema() const { return schema_; }

 private:
  explicit ValueEncoder(columnar::Schema schema) : schema_(std::move(schema)) {}
  columnar::Schema schema_;
  std::vector<uint64_t> cursor_;
};

// Encoded rows back to columns; kCorruption where the bytes are not of this schema. An absent row
// (data() == nullptr) gives nulls.
Result<std::vector<ArrayPtr>> decode_keys(const columnar::Schema& schema,
                                          std::span<const std::string_view> keys);
Result<std::vector<ArrayPtr>> decode_values(const columnar::Schema& schema,
                                            std::span<const std::string_view> values);

}  // namespace weir::state
