// CREATE, DROP, INSERT, TRUNCATE.
#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/trim.hpp>
#include <fmt/format.h>

#include "sql/keywords.h"
#include "sql/statement_parser.h"

namespace weir::sql {

using columnar::DataType;

base::Result<bool> StatementParser::if_not_exists() {
  if (!cursor_.is_word("IF") || !(cursor_.is_word("NOT", 1) || cursor_.is_symbol("!", 1)))
    return false;
  cursor_.take();
  WEIR_TRY(accept_not());
  WEIR_TRY(cursor_.expect_word("EXISTS"));
  return true;
}

base::Result<void> StatementParser::first_clause(std::set<std::string>& seen,
                                                 const std::string& clause) {
  if (seen.insert(clause).second) return {};
  return parse_error("DUPLICATE_CLAUSES", "42614",
                     fmt::format("Found duplicate clauses: {}. Please, remove one of them", clause),
                     cursor_.origin_of(cursor_.peek()))
      .with_parameter("clauseName", clause);
}

base::Result<void> StatementParser::first_option(std::set<std::string>& seen,
                                                 const plan::ColumnDefinition& column_made,
                                                 const std::string& option) {
  if (seen.insert(option).second) return {};
  return parse_error("CREATE_TABLE_COLUMN_DESCRIPTOR_DUPLICATE", "42710",
                     fmt::format("CREATE TABLE column {} specifies descriptor \"{}\" more than "
                                 "once, which is invalid",
                                 column_made.field.name, option),
                     cursor_.origin_of(cursor_.peek()))
      .with_parameter("columnName", column_made.field.name)
      .with_parameter("optionName", option);
}

StatementParser::Kind StatementParser::create() {
  cursor_.take();
  const bool or_replace = cursor_.accept_words({"OR", "REPLACE"});
  if (at_namespace() && !or_replace) return create_database();
  const bool global = cursor_.accept_word("GLOBAL");
  const bool temporary = cursor_.accept_word("TEMPORARY") || cursor_.accept_word("TEMP");
  if (cursor_.accept_word("VIEW")) return create_view(or_replace, global, temporary);
  if (!temporary && !global) {
    if (cursor_.accept_words({"EXTERNAL", "TABLE"})) return create_table(or_replace, false);
    if (cursor_.accept_word("TABLE")) return create_table(or_replace, false);
  }
  for (const auto* word : {"TABLE", "FUNCTION", "MACRO", "INDEX", "ROLE", "MATERIALIZED",
                           "STREAMING", "FLOW", "VARIABLE", "CATALOG"}) {
    if (!cursor_.is_word(word)) continue;
    return unsupported_rest(fmt::format("CREATE {}{}", temporary ? "TEMPORARY " : "", word));
  }
  return cursor_.unexpected();
}

// NOT NULL, DEFAULT e, GENERATED ALWAYS AS (e), COMMENT 'c' in any order
base::Result<void> StatementParser::column_options(plan::ColumnDefinition& made) {
  std::set<std::string> seen;
  while (true) {
    if (cursor_.is_word("NOT") || cursor_.is_symbol("!")) {
      WEIR_TRY(first_option(seen, made, "NOT NULL"));
      WEIR_TRY(accept_not());
      WEIR_TRY(cursor_.expect_word("NULL"));
      made.field.nullable = false;
    } else if (cursor_.is_words({"DEFAULT", "COLLATION"})) {
      return cursor_.unsupported("COLLATION");
    } else if (cursor_.is_word("DEFAULT")) {
      WEIR_TRY(first_option(seen, made, "DEFAULT"));
      cursor_.take();
      WEIR_ASSIGN(made.default_value, expression());
    } else if (cursor_.is_word("GENERATED")) {
      WEIR_TRY(first_option(seen, made, "GENERATED ALWAYS AS"));
      cursor_.take();
      if (cursor_.is_word("BY")) return cursor_.unsupported("identity column");
      WEIR_TRY(cursor_.expect_word("ALWAYS"));
      WEIR_TRY(cursor_.expect_word("AS"));
      if (cursor_.is_word("IDENTITY")) return cursor_.unsupported("identity column");
      WEIR_TRY(cursor_.expect_symbol("("));
      WEIR_ASSIGN(made.generated_as, expression());
      WEIR_TRY(cursor_.expect_symbol(")"));
    } else if (cursor_.is_word("COMMENT")) {
      WEIR_TRY(first_option(seen, made, "COMMENT"));
      cursor_.take();
      WEIR_ASSIGN(auto comment, string_literal());
      made.field.metadata["comment"] = std::move(comment);
    } else if (cursor_.is_word("CONSTRAINT") || cursor_.is_word("PRIMARY") ||
               cursor_.is_word("UNIQUE") || cursor_.is_word("REFERENCES") ||
               cursor_.is_word("CHECK")) {
      return cursor_.unsupported("column constraint (" + cursor_.peek().upper + ")");
    } else {
      return {};
    }
  }
}

base::Result<plan::ColumnDefinition> StatementParser::column() {
  WEIR_ASSIGN(auto column_name, name());
  if (cursor_.is_symbol(":")) cursor_.take();
  WEIR_ASSIGN(auto column_type, type(true));
  plan::ColumnDefinition made{columnar::make_field(std::move(column_name), std::move(column_type)),
                              nullptr, nullptr};
  WEIR_TRY(column_options(made));
  return made;
}

// PARTITIONED BY (a, b INT, …): false for transforms such as bucket(4, a).
base::Result<bool> StatementParser::partitioning(plan::CreateTable& made) {
  WEIR_TRY(cursor_.expect_symbol("("));
  do {
    if (at_name() && cursor_.is_symbol("(", 1)) return false;
    if (at_name() &&
        (cursor_.is_symbol(",", 1) || cursor_.is_symbol(")", 1) || cursor_.is_symbol(".", 1))) {
      WEIR_ASSIGN(auto parts, qualified_name());
      made.partition_by.push_back(fmt::format("{}", fmt::join(parts, ".")));
    } else {
      WEIR_ASSIGN(auto added, column());
      made.partition_by.push_back(added.field.name);
      made.columns.push_back(std::move(added));
    }
  } while (cursor_.accept_symbol(","));
  WEIR_TRY(cursor_.expect_symbol(")"));
  return true;
}

base::Result<bool> StatementParser::table_clause(plan::CreateTable& made,
                                                 std::set<std::string>& seen, std::string& what) {
  if (cursor_.is_word("USING") && made.provider.empty()) {
    cursor_.take();
    WEIR_ASSIGN(auto parts, qualified_name());
    made.provider = fmt::format("{}", fmt::join(parts, "."));
    return true;
  }
  if (cursor_.is_word("OPTIONS") && cursor_.is_symbol("(", 1)) {
    WEIR_TRY(first_clause(seen, "OPTIONS"));
    cursor_.take();
    WEIR_ASSIGN(made.options, properties());
    return true;
  }
  if (cursor_.is_words({"PARTITIONED", "BY"})) {
    WEIR_TRY(first_clause(seen, "PARTITIONED BY"));
    cursor_.accept_words({"PARTITIONED", "BY"});
    WEIR_ASSIGN(const bool plain, partitioning(made));
    if (!plain) what = "PARTITIONED BY a transform";
    return plain;
  }
  if (cursor_.is_word("LOCATION")) {
    WEIR_TRY(first_clause(seen, "LOCATION"));
    cursor_.take();
    WEIR_ASSIGN(made.location, string_literal());
    return true;
  }
  if (cursor_.is_word("COMMENT")) {
    WEIR_TRY(first_clause(seen, "COMMENT"));
    cursor_.take();
    WEIR_ASSIGN(made.comment, string_literal());
    return true;
  }
  if (cursor_.is_word("TBLPROPERTIES") && cursor_.is_symbol("(", 1)) {
    WEIR_TRY(first_clause(seen, "TBLPROPERTIES"));
    cursor_.take();
    WEIR_ASSIGN(made.properties, properties(false));
    return true;
  }
  for (const auto* word : {"CLUSTER", "CLUSTERED", "SKEWED", "ROW", "STORED"}) {
    if (cursor_.is_word(word)) what = word + (" " + cursor_.peek(1).upper);
  }
  if (cursor_.is_words({"DEFAULT", "COLLATION"})) what = "DEFAULT COLLATION";
  return false;
}

StatementParser::Kind StatementParser::create_table(bool or_replace, bool replace) {
  plan::CreateTable made;
  made.or_replace = or_replace;
  made.replace = replace;
  WEIR_ASSIGN(made.if_not_exists, if_not_exists());
  WEIR_ASSIGN(made.name, table_name());
  if (cursor_.accept_word("LIKE")) return create_table_like(std::move(made));
  if (cursor_.is_symbol("(") && !starts_query(cursor_)) {
    cursor_.take();
    do {
      const bool constraint =
          cursor_.is_word("CONSTRAINT") || cursor_.is_words({"PRIMARY", "KEY"}) ||
          cursor_.is_words({"FOREIGN", "KEY"}) ||
          ((cursor_.is_word("UNIQUE") || cursor_.is_word("CHECK")) && cursor_.is_symbol("(", 1));
      if (constraint) return cursor_.unsupported("table constraint");
      WEIR_ASSIGN(auto added, column());
      made.columns.push_back(std::move(added));
    } while (cursor_.accept_symbol(","));
    WEIR_TRY(cursor_.expect_symbol(")"));
  }
  std::set<std::string> seen;
  std::string what;
  while (true) {
    WEIR_ASSIGN(const bool more, table_clause(made, seen, what));
    if (!what.empty()) return unsupported_rest("CREATE TABLE … " + what);
    if (!more) break;
  }
  if (cursor_.accept_word("AS") || starts_query(cursor_)) {
    WEIR_ASSIGN(made.as_select, query());
  }
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::create_table_like(plan::CreateTable made) {
  WEIR_ASSIGN(made.like, table_name());
  std::set<std::string> seen;
  std::string what;
  while (true) {
    WEIR_ASSIGN(const bool more, table_clause(made, seen, what));
    if (!what.empty()) return unsupported_rest("CREATE TABLE … LIKE … " + what);
    if (!more) break;
  }
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::create_view(bool or_replace, bool global, bool temporary) {
  plan::CreateView made;
  const uint32_t begin = cursor_.peek().begin;
  made.or_replace = or_replace;
  made.global = global;
  made.temporary = temporary;
  WEIR_ASSIGN(made.if_not_exists, if_not_exists());
  WEIR_ASSIGN(made.name, table_name());
  if (temporary && made.name.size() > 1 && !global) {
    const auto full = fmt::format("`{}`", fmt::join(made.name, "`.`"));
    return parse_error("TEMP_VIEW_NAME_TOO_MANY_NAME_PARTS", "428EK",
                       fmt::format("CREATE TEMPORARY VIEW or the corresponding Dataset APIs only "
                                   "accept single-part view names, but got: {}",
                                   full),
                       cursor_.origin_since(begin))
        .with_parameter("actualName", full);
  }
  if (made.if_not_exists && (temporary || or_replace)) {
    return parse_error(temporary ? "_LEGACY_ERROR_TEMP_0053" : "_LEGACY_ERROR_TEMP_0052", "",
                       temporary ? "It is not allowed to define a TEMPORARY view with IF NOT EXISTS"
                                 : "CREATE VIEW with both IF NOT EXISTS and REPLACE is not allowed",
                       cursor_.origin_since(begin));
  }
  if (cursor_.is_symbol("(") && at_name(2) && !cursor_.is_word("COMMENT", 2)) {
    // (column TYPE, …) USING …
    cursor_.take();
    std::vector<columnar::Field> fields;
    do {
      WEIR_ASSIGN(auto added, column());
      fields.push_back(std::move(added.field));
    } while (cursor_.accept_symbol(","));
    WEIR_TRY(cursor_.expect_symbol(")"));
    made.schema = DataType::structure(std::move(fields));
    if (!cursor_.is_word("USING")) return cursor_.unexpected("missing 'USING'");
  } else if (cursor_.accept_symbol("(")) {
    do {
      std::pair<std::string, std::string> view_column;
      WEIR_ASSIGN(view_column.first, name());
      if (cursor_.accept_word("COMMENT")) {
        WEIR_ASSIGN(view_column.second, string_literal());
      }
      made.columns.push_back(std::move(view_column));
    } while (cursor_.accept_symbol(","));
    WEIR_TRY(cursor_.expect_symbol(")"));
  }
  if (cursor_.accept_word("USING")) {
    WEIR_ASSIGN(auto parts, qualified_name());
    made.provider = fmt::format("{}", fmt::join(parts, "."));
    if (cursor_.accept_word("OPTIONS")) {
      WEIR_ASSIGN(made.options, properties());
    }
    return plan::StatementKind(std::move(made));
  }
  std::set<std::string> seen;
  while (!cursor_.accept_word("AS")) {
    if (cursor_.is_word("COMMENT")) {
      WEIR_TRY(first_clause(seen, "COMMENT"));
      cursor_.take();
      WEIR_ASSIGN(made.comment, string_literal());
    } else if (cursor_.is_word("TBLPROPERTIES")) {
      WEIR_TRY(first_clause(seen, "TBLPROPERTIES"));
      cursor_.take();
      WEIR_ASSIGN(made.properties, properties(false));
    } else if (cursor_.is_words({"WITH", "SCHEMA"})) {
      WEIR_TRY(first_clause(seen, "WITH SCHEMA"));
      WEIR_ASSIGN(made.schema_mode, schema_mode());
    } else if (cursor_.is_words({"PARTITIONED", "ON"})) {
      return unsupported_rest("CREATE VIEW … PARTITIONED ON");
    } else if (cursor_.is_words({"DEFAULT", "COLLATION"})) {
      return unsupported_rest("CREATE VIEW … DEFAULT COLLATION");
    } else if (cursor_.is_word("WITH") && cursor_.is_word("METRICS", 1)) {
      return unsupported_rest("CREATE VIEW … WITH METRICS");
    } else {
      return cursor_.unexpected("missing 'AS'");
    }
  }
  const uint32_t text_begin = cursor_.peek().begin;
  WEIR_ASSIGN(made.plan, query());
  made.text = boost::trim_copy(cursor_.source_since(text_begin));
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::create_database() {
  cursor_.take();
  plan::CreateDatabase made;
  WEIR_ASSIGN(made.if_not_exists, if_not_exists());
  WEIR_ASSIGN(made.name, table_name());
  std::set<std::string> seen;
  while (!cursor_.at_statement_end()) {
    if (cursor_.is_word("COMMENT")) {
      WEIR_TRY(first_clause(seen, "COMMENT"));
      cursor_.take();
      WEIR_ASSIGN(made.comment, string_literal());
    } else if (cursor_.is_word("LOCATION")) {
      WEIR_TRY(first_clause(seen, "LOCATION"));
      cursor_.take();
      WEIR_ASSIGN(made.location, string_literal());
    } else if (cursor_.is_words({"WITH", "DBPROPERTIES"}) ||
               cursor_.is_words({"WITH", "PROPERTIES"})) {
      WEIR_TRY(first_clause(seen, "WITH PROPERTIES"));
      cursor_.take();
      cursor_.take();
      WEIR_ASSIGN(made.properties, properties(false));
    } else if (cursor_.is_words({"DEFAULT", "COLLATION"})) {
      return unsupported_rest("CREATE DATABASE … DEFAULT COLLATION");
    } else {
      break;
    }
  }
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::drop() {
  cursor_.take();
  if (at_namespace()) {
    cursor_.take();
    plan::DropDatabase made;
    made.if_exists = if_exists();
    WEIR_ASSIGN(made.name, table_name());
    made.cascade = cursor_.accept_word("CASCADE");
    if (!made.cascade) cursor_.accept_word("RESTRICT");
    return plan::StatementKind(std::move(made));
  }
  const bool view = cursor_.is_word("VIEW");
  if (view || cursor_.is_word("TABLE")) {
    cursor_.take();
    plan::DropTable made;
    made.view = view;
    made.if_exists = if_exists();
    WEIR_ASSIGN(made.name, table_name());
    made.purge = !view && cursor_.accept_word("PURGE");
    return plan::StatementKind(std::move(made));
  }
  const bool temporary = cursor_.accept_word("TEMPORARY") || cursor_.accept_word("TEMP");
  for (const auto* word :
       {"FUNCTION", "MACRO", "INDEX", "ROLE", "VARIABLE", "VAR", "MATERIALIZED", "CATALOG"}) {
    if (!cursor_.is_word(word)) continue;
    if (word[0] == 'V' && !temporary) break;
    return unsupported_rest(fmt::format("DROP {}{}", temporary ? "TEMPORARY " : "", word));
  }
  return cursor_.unexpected();
}

StatementParser::Kind StatementParser::insert() {
  cursor_.take();
  plan::Insert made;
  if (cursor_.accept_words({"WITH", "SCHEMA", "EVOLUTION"}))
    return unsupported_rest("INSERT WITH SCHEMA EVOLUTION");
  made.overwrite = cursor_.accept_word("OVERWRITE");
  if (!made.overwrite) WEIR_TRY(cursor_.expect_word("INTO"));
  if (made.overwrite && (cursor_.is_word("DIRECTORY") || cursor_.is_words({"LOCAL", "DIRECTORY"})))
    return unsupported_rest("INSERT OVERWRITE DIRECTORY");
  if (cursor_.is_word("TABLE") && at_name(1)) cursor_.take();
  WEIR_ASSIGN(made.name, table_name());
  if (cursor_.is_word("AS") || (at_name() && cursor_.is_word("REPLACE", 1)))
    return unsupported_rest("INSERT INTO … AS alias");
  if (cursor_.is_word("PARTITION") && cursor_.is_symbol("(", 1)) {
    cursor_.take();
    cursor_.take();
    do {
      std::pair<std::string, plan::ExpressionPtr> part;
      WEIR_ASSIGN(part.first, name());
      if (cursor_.accept_symbol("=") || cursor_.accept_symbol("==")) {
        WEIR_ASSIGN(part.second, expression());
      }
      made.partition.push_back(std::move(part));
    } while (cursor_.accept_symbol(","));
    WEIR_TRY(cursor_.expect_symbol(")"));
  }
  WEIR_ASSIGN(const bool only_new, if_not_exists());
  if (only_new) return unsupported_rest("INSERT … IF NOT EXISTS");
  if (cursor_.is_word("REPLACE") && cursor_.is_word("WHERE", 1) && !made.overwrite) {
    cursor_.take();
    cursor_.take();
    WEIR_ASSIGN(made.replace_where, expression());
  } else if (cursor_.accept_words({"BY", "NAME"})) {
    made.by_name = true;
  } else if (cursor_.is_symbol("(") && !starts_query(cursor_)) {
    WEIR_ASSIGN(made.columns, name_list());
  }
  if (cursor_.is_word("SET")) return unsupported_rest("INSERT … SET");
  if (cursor_.is_word("REPLACE") && !made.replace_where)
    return unsupported_rest("INSERT … REPLACE " + cursor_.peek(1).upper);
  WEIR_ASSIGN(made.source, query());
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::truncate() {
  cursor_.take();
  plan::Truncate made;
  WEIR_TRY(cursor_.expect_word("TABLE"));
  WEIR_ASSIGN(made.name, table_name());
  if (cursor_.is_word("PARTITION")) return unsupported_rest("TRUNCATE TABLE … PARTITION");
  return plan::StatementKind(std::move(made));
}

}  // namespace weir::sql
