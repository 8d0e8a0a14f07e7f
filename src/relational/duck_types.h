// How our types look inside DuckDB, and arrays on the way there and back (no value is copied but
// text in views).
#pragma once

#include <duckdb.h>
#include <memory>
#include <string>

#include <arrow/type_fwd.h>

#include "relational/batch_stream.h"

namespace weir::relational {

// timestamp(us, UTC) → timestamp(us), duration → int64, text in plain layout, struct fields named
// by position.
std::shared_ptr<arrow::DataType> duck_form(const std::shared_ptr<arrow::DataType>& type);
// Owned by the caller (duckdb_destroy_logical_type). nullptr for a type that does not cross.
duckdb_logical_type duck_logical_type(const arrow::DataType& duck_form_type);
// The same values under another type of the same layout.
Result<std::shared_ptr<arrow::Array>> relabel(const std::shared_ptr<arrow::Array>& array,
                                              const std::shared_ptr<arrow::DataType>& type);
// The type as DuckDB's SQL writes it: "DECIMAL(10,2)", "STRUCT(f0 INTEGER)[]".
std::string duck_sql_type(const columnar::DataType& type);

}  // namespace weir::relational
