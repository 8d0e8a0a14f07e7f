// Arrow as Spark's clients and workers speak it, and rows on the way there and back.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "columnar/data_type.h"

namespace arrow {
class Array;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace weir::columnar {

// The same rows in another schema of as many columns: layouts (text in views, dictionaries) are
// converted, labels (time zone, nullability, names) replaced.
Result<std::shared_ptr<arrow::RecordBatch>> conform(
    const std::shared_ptr<arrow::RecordBatch>& batch, const std::shared_ptr<arrow::Schema>& schema);

// As Spark's ArrowUtils: timestamps in the session's zone, year-month intervals as months.
std::shared_ptr<arrow::Schema> client_schema(const Schema& schema, const std::string& zone);

}  // namespace weir::columnar
