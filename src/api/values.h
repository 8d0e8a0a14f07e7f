// Between Arrow's columns and the values of include/weir/value.h.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "columnar/data_type.h"
#include "weir/value.h"

namespace arrow {
class RecordBatch;
}

namespace weir::api {

// The rows of a batch whose columns are of the schema's types.
base::Result<std::vector<Row>> to_rows(const arrow::RecordBatch& batch,
                                       const columnar::Schema& schema);
// kInvalidArgument, naming column and value, where a value does not fit its column: another kind, a
// number out of its range, NULL in a NOT NULL column, too few or too many values.
base::Result<std::shared_ptr<arrow::RecordBatch>> to_batch(const std::vector<Row>& rows,
                                                           const columnar::Schema& schema);

}  // namespace weir::api
