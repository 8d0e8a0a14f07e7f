// Spark data types ↔ Arrow types.
//
// boolean, byte … double, decimal → decimal128, string/char/varchar → utf8, binary → binary, date →
// date32, timestamp → timestamp(us, "UTC"), timestamp_ntz → timestamp(us), day-time interval →
// duration(us), year-month interval → int32 with field metadata, array → list<element>, map → map,
// struct → struct, null → null. Reading accepts more: large_utf8, utf8_view, binary_view,
// large_list, dictionaries, other timestamp units are mapped to the Spark type that Spark's Parquet
// reader gives; what has none is kUnsupported by name.
#pragma once

#include <memory>

#include "base/result.h"
#include "columnar/data_type.h"

namespace arrow {
class DataType;
class Field;
class Schema;
class RecordBatch;
}  // namespace arrow

namespace weir::columnar {

std::shared_ptr<arrow::DataType> to_arrow(const DataType& type);
std::shared_ptr<arrow::Field> to_arrow(const Field& field);
std::shared_ptr<arrow::Schema> to_arrow_schema(const Schema& schema);
Result<DataType> from_arrow(const arrow::DataType& type);
Result<Schema> from_arrow(const arrow::Schema& schema);

}  // namespace weir::columnar
