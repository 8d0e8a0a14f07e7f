// Brings Arrow arrays to a table's types: casts that lose nothing, missing fields as NULL, fields
// in the table's order.
#pragma once

#include <memory>

#include "columnar/data_type.h"

namespace arrow {
class Array;
class Field;
}  // namespace arrow

namespace weir::delta {

// How a field of the table is found among the fields of a file or batch.
enum class FieldMatch {
  kName,          // by its name: exact, else in any case
  kPhysicalName,  // column mapping "name": metadata delta.columnMapping.physicalName
  kFieldId,       // column mapping "id": metadata delta.columnMapping.id against Parquet's field_id
};

// The array as to_arrow(target). Errors name types, not columns: the caller adds the column.
columnar::Result<std::shared_ptr<arrow::Array>> conform(const std::shared_ptr<arrow::Array>& array,
                                                        const columnar::DataType& target,
                                                        FieldMatch match);

// Index of the field among a file's or batch's, -1 where it is not there.
int find_field(const std::vector<std::shared_ptr<arrow::Field>>& fields,
               const columnar::Field& wanted, FieldMatch match);

// The name that a column has in data files, partition values and statistics.
std::string physical_name(const columnar::Field& field, FieldMatch match);

}  // namespace weir::delta
