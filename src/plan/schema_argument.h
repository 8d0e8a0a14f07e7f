// The schema that from_json, from_csv and from_xml are given.
#pragma once

#include "plan/function_catalog.h"

namespace weir::plan {

// Argument `at`: a literal with a type or columns as DDL, or a type as Spark's JSON. Errors as
// Spark's: INVALID_SCHEMA.NON_STRING_LITERAL, PARSE_EMPTY_STATEMENT for blank text, what the
// parser of DDL says.
Result<DataType> schema_argument(const SignatureCall& call, size_t at);
// DATATYPE_MISMATCH.<condition>: not a type that `function` makes.
base::Error wrong_schema_type(const SignatureCall& call, std::string_view condition,
                              const DataType& type, std::string_view wanted);

}  // namespace weir::plan
