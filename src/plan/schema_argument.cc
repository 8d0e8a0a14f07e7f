#include "plan/schema_argument.h"

#include <fmt/format.h>

#include "plan/json_options.h"

namespace weir::plan {

Result<DataType> schema_argument(const SignatureCall& call, size_t at) {
  const auto* text = literal_text(*call.arguments[at]);
  if (!text) {
    return analysis_error("INVALID_SCHEMA.NON_STRING_LITERAL", "42K07",
                          "The input schema is not a valid schema string. The input expression "
                          "must be string literal and not null.",
                          call.origin);
  }
  const auto begin = text->find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) {
    return analysis_error("PARSE_EMPTY_STATEMENT", "42617",
                          "Syntax error, unexpected empty statement.", call.origin);
  }
  const bool json = (*text)[begin] == '{';
  auto type = json ? columnar::parse_type_json_text(*text) : columnar::parse_ddl_type(*text);
  if (type.ok()) return type;
  if (!json) {
    auto columns = columnar::parse_ddl_schema(*text);
    if (columns.ok()) return columns;
  }
  const auto& why = type.error();
  if (why.error_class() == "UNSUPPORTED_DATATYPE")
    return analysis_error("UNSUPPORTED_DATATYPE", "0A000", why.message(), call.origin);
  if (why.error_class() == "PARSE_SYNTAX_ERROR")
    return analysis_error("PARSE_SYNTAX_ERROR", "42601", why.message(), call.origin);
  return analysis_error(
      "INVALID_SCHEMA.PARSE_ERROR", "42K07",
      fmt::format("The input schema \"{}\" is not a valid schema string. {}", *text, why.message()),
      call.origin);
}

base::Error wrong_schema_type(const SignatureCall& call, std::string_view condition,
                              const DataType& type, std::string_view wanted) {
  return analysis_error(
             fmt::format("DATATYPE_MISMATCH.{}", condition), "42K09",
             fmt::format("Cannot resolve \"{}\" due to data type mismatch: Input schema \"{}\" "
                         "must be {}.",
                         call.name, type.sql(), wanted),
             call.origin)
      .with_parameter("schema", "\"" + type.sql() + "\"");
}

}  // namespace weir::plan
