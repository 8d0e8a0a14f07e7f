// May rows of one schema be written to a table of another, and what schema does the table have
// then?
#pragma once

#include <string>

#include "columnar/data_type.h"

namespace weir::delta {

// The schema as a Delta table keeps it: char and varchar become string (their length in the field's
// metadata, as delta-spark does); names that Parquet tables cannot have, duplicates in any case,
// and types without a place in Delta are refused by name.
columnar::Result<columnar::Schema> delta_schema(const columnar::Schema& schema);

// The table's schema after a write of `rows`. Fields are matched in any case. New fields, at any
// depth, are appended as nullable where `add_columns`, else refused; a type of the rows that fits
// into the table's without loss is fine; one that would need the table's type widened is refused by
// name.
columnar::Result<columnar::Schema> merged_schema(const columnar::Schema& table,
                                                 const columnar::Schema& rows, bool add_columns);

// A type at any depth is timestamp_ntz, which needs the table feature timestampNtz.
bool has_timestamp_ntz(const columnar::DataType& type);

}  // namespace weir::delta
