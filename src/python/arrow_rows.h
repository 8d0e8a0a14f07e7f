// Batches on their way to a worker and back: pieces of Arrow streams, types checked.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "columnar/data_type.h"
#include "relational/batch_stream.h"

namespace arrow {
class Buffer;
class Schema;
}  // namespace arrow

namespace weir::python {

using base::Result;
using relational::BatchPtr;
using StreamPtr = std::unique_ptr<relational::BatchStream>;

// One worker's Arrow streams, all of one schema.
class ArrowOut {
 public:
  explicit ArrowOut(std::shared_ptr<arrow::Schema> schema) : schema_(std::move(schema)) {}
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  Result<std::shared_ptr<arrow::Buffer>> begin() const;  // the schema's message
  Result<std::shared_ptr<arrow::Buffer>> rows(const BatchPtr& batch) const;
  static std::string end();

 private:
  std::shared_ptr<arrow::Schema> schema_;
};

// All columns as one, of struct type ("struct"), as map functions get them.
BatchPtr in_one_struct(const BatchPtr& batch);
std::shared_ptr<arrow::Schema> in_one_struct(const std::shared_ptr<arrow::Schema>& schema);
// The fields of the batch's one column as columns.
Result<BatchPtr> out_of_struct(const BatchPtr& batch);

// What a worker gave, as rows of `wanted`; ARROW_TYPE_MISMATCH where the types differ. `operation`
// is as Spark names it.
Result<BatchPtr> checked_rows(const BatchPtr& given, const columnar::Schema& wanted,
                              std::string_view operation);

// The input's rows in batches of `rows` (the last has less).
StreamPtr in_batches_of(StreamPtr input, int64_t rows);

}  // namespace weir::python
