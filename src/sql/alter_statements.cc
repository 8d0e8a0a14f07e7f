// ALTER TABLE and ALTER VIEW.
#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/trim.hpp>
#include <fmt/format.h>

#include "sql/keywords.h"
#include "sql/statement_parser.h"

namespace weir::sql {

using columnar::DataType;
using columnar::TypeKind;

StatementParser::Kind StatementParser::alter() {
  cursor_.take();
  const bool view = cursor_.is_word("VIEW");
  if (view || cursor_.is_word("TABLE")) {
    cursor_.take();
    return alter_table(view);
  }
  if (at_namespace()) return alter_database();
  if (cursor_.is_word("INDEX")) return unsupported_rest("ALTER " + cursor_.peek().upper);
  return cursor_.unexpected();
}

StatementParser::Kind StatementParser::alter_database() {
  const std::string head = "ALTER " + cursor_.take().upper;
  plan::AlterDatabase made;
  WEIR_ASSIGN(made.name, table_name());
  if (cursor_.accept_words({"SET", "LOCATION"})) {
    WEIR_ASSIGN(made.location, string_literal());
  } else if (cursor_.accept_words({"SET", "DBPROPERTIES"}) ||
             cursor_.accept_words({"SET", "PROPERTIES"})) {
    WEIR_ASSIGN(made.properties, properties(false));
  } else if (cursor_.is_words({"UNSET", "DBPROPERTIES"}) ||
             cursor_.is_words({"UNSET", "PROPERTIES"}) || cursor_.is_word("DEFAULT")) {
    return unsupported_rest(head + " … " + cursor_.peek().upper);
  } else {
    return cursor_.unexpected();
  }
  return plan::StatementKind(std::move(made));
}

// COMMENT ON TABLE t IS 'text', COMMENT ON DATABASE d IS NULL
StatementParser::Kind StatementParser::comment_on() {
  cursor_.take();
  cursor_.take();
  const bool database = at_namespace();
  if (!database && !cursor_.is_word("TABLE")) return cursor_.unexpected();
  cursor_.take();
  WEIR_ASSIGN(auto name, table_name());
  WEIR_TRY(cursor_.expect_word("IS"));
  std::optional<std::string> text;
  if (!cursor_.accept_word("NULL")) {
    WEIR_ASSIGN(text, string_literal());
  }
  if (database) {
    plan::AlterDatabase made;
    made.name = std::move(name);
    made.comment = text.value_or("");
    return plan::StatementKind(std::move(made));
  }
  plan::AlterTable made;
  made.name = std::move(name);
  made.kind =
      text ? plan::AlterTable::Kind::kSetProperties : plan::AlterTable::Kind::kUnsetProperties;
  if (text) {
    made.properties["comment"] = std::move(*text);
  } else {
    made.property_keys = {"comment"};
  }
  return plan::StatementKind(std::move(made));
}

// WITH SCHEMA BINDING, COMPENSATION, [TYPE] EVOLUTION.
Result<std::string> StatementParser::schema_mode() {
  cursor_.accept_words({"WITH", "SCHEMA"});
  if (cursor_.accept_words({"TYPE", "EVOLUTION"})) return std::string("TYPE EVOLUTION");
  for (const char* mode : {"BINDING", "COMPENSATION", "EVOLUTION"})
    if (cursor_.accept_word(mode)) return std::string(mode);
  return cursor_.unexpected();
}

StatementParser::Kind StatementParser::alter_table(bool view) {
  using What = plan::AlterTable::Kind;
  const std::string head = view ? "ALTER VIEW" : "ALTER TABLE";
  plan::AlterTable made;
  made.view = view;
  WEIR_ASSIGN(made.name, table_name());
  if (view && cursor_.is_words({"WITH", "SCHEMA"})) {
    made.kind = What::kSetSchemaMode;
    WEIR_ASSIGN(made.schema_mode, schema_mode());
    return plan::StatementKind(std::move(made));
  }
  if (view && (cursor_.accept_word("AS") || starts_query(cursor_))) {
    plan::CreateView changed;
    changed.name = std::move(made.name);
    changed.or_replace = true;
    changed.alter = true;
    const uint32_t begin = cursor_.peek().begin;
    WEIR_ASSIGN(changed.plan, query());
    changed.text = boost::trim_copy(cursor_.source_since(begin));
    return plan::StatementKind(std::move(changed));
  }
  if (cursor_.accept_words({"RENAME", "TO"})) {
    made.kind = What::kRename;
    WEIR_ASSIGN(made.new_name, table_name());
    return plan::StatementKind(std::move(made));
  }
  if (cursor_.accept_words({"SET", "TBLPROPERTIES"})) {
    made.kind = What::kSetProperties;
    WEIR_ASSIGN(made.properties, properties(false));
    return plan::StatementKind(std::move(made));
  }
  if (cursor_.accept_words({"UNSET", "TBLPROPERTIES"})) {
    made.kind = What::kUnsetProperties;
    made.if_exists = if_exists();
    WEIR_TRY(cursor_.expect_symbol("("));
    do {
      WEIR_ASSIGN(auto key, property_key());
      made.property_keys.push_back(std::move(key));
    } while (cursor_.accept_symbol(","));
    WEIR_TRY(cursor_.expect_symbol(")"));
    return plan::StatementKind(std::move(made));
  }
  if (!view && cursor_.accept_words({"RENAME", "COLUMN"})) {
    made.kind = What::kRenameColumn;
    WEIR_ASSIGN(auto from, qualified_name());
    WEIR_TRY(cursor_.expect_word("TO"));
    WEIR_ASSIGN(auto to, name());
    made.column_names = {std::move(from), {std::move(to)}};
    return plan::StatementKind(std::move(made));
  }
  if (!view && (cursor_.is_words({"ADD", "COLUMN"}) || cursor_.is_words({"ADD", "COLUMNS"}))) {
    cursor_.take();
    cursor_.take();
    return add_columns(std::move(made));
  }
  if (!view && (cursor_.is_words({"DROP", "COLUMN"}) || cursor_.is_words({"DROP", "COLUMNS"}))) {
    cursor_.take();
    cursor_.take();
    made.kind = What::kDropColumns;
    made.if_exists = if_exists();
    const bool closed = cursor_.accept_symbol("(");
    do {
      WEIR_ASSIGN(auto column_name, qualified_name());
      made.column_names.push_back(std::move(column_name));
    } while (cursor_.accept_symbol(","));
    if (closed) WEIR_TRY(cursor_.expect_symbol(")"));
    return plan::StatementKind(std::move(made));
  }
  if (!view && cursor_.accept_words({"SET", "LOCATION"})) {
    made.kind = What::kSetLocation;
    WEIR_ASSIGN(made.location, string_literal());
    return plan::StatementKind(std::move(made));
  }
  if (!view && (cursor_.is_word("ALTER") || cursor_.is_word("CHANGE"))) {
    const bool change = cursor_.take().upper == "CHANGE";
    cursor_.accept_word("COLUMN");
    return change_column(std::move(made), change);
  }
  static const std::set<std::string_view> kOthers = {
      "ADD",       "DROP",    "SET",    "PARTITION", "RECOVER",    "REPLACE", "CLUSTER",
      "CLUSTERED", "NOT",     "SKEWED", "EXCHANGE",  "ARCHIVE",    "TOUCH",   "UNARCHIVE",
      "COMPACT",   "DEFAULT", "WITH",   "UNSET",     "CONCATENATE"};
  const std::string word = cursor_.peek().upper;
  if (cursor_.peek().kind == TokenKind::kWord && kOthers.contains(word)) {
    const std::string second = cursor_.peek(1).upper;
    return unsupported_rest(head + " … " + word + (second.empty() ? "" : " " + second));
  }
  return cursor_.unexpected();
}

// name TYPE options, …, with or without parentheses. column_names has the whole paths.
StatementParser::Kind StatementParser::add_columns(plan::AlterTable made) {
  made.kind = plan::AlterTable::Kind::kAddColumns;
  const bool closed = cursor_.accept_symbol("(");
  do {
    WEIR_ASSIGN(auto path, qualified_name());
    WEIR_ASSIGN(auto column_type, type(true));
    plan::ColumnDefinition added{columnar::make_field(path.back(), std::move(column_type)), nullptr,
                                 nullptr};
    WEIR_TRY(column_options(added));
    if (cursor_.is_word("FIRST") || cursor_.is_word("AFTER"))
      return unsupported_rest("ALTER TABLE … ADD COLUMN … " + cursor_.peek().upper);
    made.columns.push_back(std::move(added));
    made.column_names.push_back(std::move(path));
  } while (cursor_.accept_symbol(","));
  if (closed) WEIR_TRY(cursor_.expect_symbol(")"));
  return plan::StatementKind(std::move(made));
}

// ALTER COLUMN c (TYPE t | COMMENT 'c' | SET NOT NULL | DROP NOT NULL | SET DEFAULT e), or Hive's
// CHANGE c c TYPE [COMMENT 'c']. A type of kNull: stays as it is.
StatementParser::Kind StatementParser::change_column(plan::AlterTable made, bool change) {
  const uint32_t begin = cursor_.peek().begin;
  made.kind = plan::AlterTable::Kind::kChangeColumn;
  WEIR_ASSIGN(auto path, qualified_name());
  plan::ColumnDefinition changed{columnar::make_field(path.back(), DataType::of(TypeKind::kNull)),
                                 nullptr, nullptr};
  if (cursor_.accept_word("TYPE")) {
    WEIR_ASSIGN(auto new_type, type(true));
    changed.field = columnar::make_field(path.back(), std::move(new_type));
  } else if (cursor_.accept_word("COMMENT")) {
    WEIR_ASSIGN(auto comment, string_literal());
    changed.field.metadata["comment"] = std::move(comment);
  } else if (cursor_.accept_words({"SET", "NOT", "NULL"})) {
    made.nullable = false;
  } else if (cursor_.accept_words({"DROP", "NOT", "NULL"})) {
    made.nullable = true;
  } else if (cursor_.accept_words({"SET", "DEFAULT"})) {
    WEIR_ASSIGN(changed.default_value, expression());
  } else if (cursor_.is_word("FIRST") || cursor_.is_word("AFTER") ||
             cursor_.is_words({"DROP", "DEFAULT"})) {
    return unsupported_rest("ALTER TABLE … ALTER COLUMN … " + cursor_.peek().upper);
  } else if (change && at_name()) {
    WEIR_ASSIGN(auto new_name, name());
    WEIR_ASSIGN(auto new_type, type(true));
    if (boost::to_lower_copy(new_name) != boost::to_lower_copy(path.back()))
      return unsupported_rest("ALTER TABLE … CHANGE COLUMN to another name");
    changed.field = columnar::make_field(path.back(), std::move(new_type));
    if (cursor_.accept_word("COMMENT")) {
      WEIR_ASSIGN(auto comment, string_literal());
      changed.field.metadata["comment"] = std::move(comment);
    }
    if (cursor_.is_word("FIRST") || cursor_.is_word("AFTER"))
      return unsupported_rest("ALTER TABLE … CHANGE COLUMN … " + cursor_.peek().upper);
  } else {
    const std::string message =
        "ALTER TABLE table CHANGE COLUMN requires a TYPE, a SET/DROP, a COMMENT, or a FIRST/AFTER";
    return parse_error("_LEGACY_ERROR_TEMP_0035", "", "Operation not allowed: " + message,
                       cursor_.origin_since(begin))
        .with_parameter("message", message);
  }
  if (cursor_.is_symbol(",")) return unsupported_rest("ALTER TABLE … ALTER COLUMN of several");
  made.columns.push_back(std::move(changed));
  made.column_names.push_back(std::move(path));
  return plan::StatementKind(std::move(made));
}

}  // namespace weir::sql
