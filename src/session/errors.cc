#include "session/errors.h"

namespace weir::session {

base::Error sql_error(std::string error_class, std::string_view sql_state, std::string message,
                      const Origin& origin) {
  return plan::analysis_error(std::move(error_class), sql_state, std::move(message), origin);
}

base::Error plain_error(std::string error_class, std::string message, const Origin& origin) {
  return base::Error(base::ErrorKind::kInvalidArgument, message + plan::origin_context(origin))
      .with_class(std::move(error_class));
}

base::Error unsupported(std::string_view what, const Origin& origin) {
  return base::error(base::ErrorKind::kUnsupported,
                     "The feature is not supported: {}. SQLSTATE: 0A000{}", what,
                     plan::origin_context(origin))
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

std::string quoted_word(std::string_view word) {
  std::string quoted = "`";
  for (const char c : word) {
    if (c == '`') quoted += '`';
    quoted += c;
  }
  return quoted + "`";
}

std::string quoted_name(const Name& name) {
  std::string text;
  for (const auto& part : name)
    text += (text.empty() ? "" : ".") + quoted_word(part);
  return text;
}

base::Error table_not_found(const Name& name, const Origin& origin) {
  return sql_error(
             "TABLE_OR_VIEW_NOT_FOUND", "42P01",
             fmt::format("The table or view {} cannot be found. Verify the spelling and "
                         "correctness of the schema and catalog.\nIf you did not qualify the name "
                         "with a schema, verify the current_schema() output, or qualify the name "
                         "with the correct schema and catalog.\nTo tolerate the error on drop use "
                         "DROP VIEW IF EXISTS or DROP TABLE IF EXISTS.",
                         quoted_name(name)),
             origin)
      .with_parameter("relationName", quoted_name(name));
}

base::Error table_exists(const Name& name) {
  return sql_error(
             "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07",
             fmt::format("Cannot create table or view {} because it already exists.\nChoose a "
                         "different name, drop or replace the existing object, or add the IF "
                         "NOT EXISTS clause to tolerate pre-existing objects.",
                         quoted_name(name)))
      .with_parameter("relationName", quoted_name(name));
}

base::Error schema_not_found(const std::string& database) {
  return sql_error("SCHEMA_NOT_FOUND", "42704",
                   fmt::format(
                       "The schema {} cannot be found. Verify the spelling and correctness of the "
                       "schema and catalog.\nIf you did not qualify the name with a catalog, "
                       "verify the current_schema() output, or qualify the name with the correct "
                       "catalog.\nTo tolerate the error on drop use DROP SCHEMA IF EXISTS.",
                       quoted_name({"spark_catalog", database})))
      .with_parameter("schemaName", quoted_name({"spark_catalog", database}));
}

}  // namespace weir::session
