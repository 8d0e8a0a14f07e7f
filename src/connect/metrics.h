// The row of an observe() as the client takes it: ObservedMetrics.
#pragma once

#include <string>

#include "connect/arrow_results.h"

namespace arrow {
class Array;
}
namespace spark::connect {
class ExecutePlanResponse_ObservedMetrics;
class Expression_Literal;
}  // namespace spark::connect

namespace weir::connect {

// The value of one row of a column that has `type`'s plain layout (columnar::to_arrow_type).
void write_cell(const columnar::DataType& type, const arrow::Array& array, int64_t row,
                spark::connect::Expression_Literal& out);

// `row`: one row, a column a metric.
Result<void> write_metrics(const std::string& name, const BatchPtr& row,
                           spark::connect::ExecutePlanResponse_ObservedMetrics& out);

}  // namespace weir::connect
