// Which statement it is, and those about the session: SET, USE, SHOW, DESCRIBE, EXPLAIN, CACHE.
#include "sql/statement_parser.h"

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/trim.hpp>
#include <fmt/format.h>

#include "plan/calendar.h"
#include "sql/keywords.h"

namespace weir::sql {

base::Result<plan::Statement> StatementParser::statement() {
  const Nesting nesting(nesting_, kQueryNesting);
  WEIR_TRY(deeper());
  const uint32_t begin = cursor_.peek().begin;
  WEIR_ASSIGN(auto made, kind());
  if (!cursor_.at_statement_end()) {
    const auto& token = cursor_.peek();
    return token.kind == TokenKind::kSymbol
               ? cursor_.unexpected()
               : cursor_.unexpected("extra input '" + std::string(cursor_.source(token)) + "'");
  }
  return plan::Statement{std::move(made), cursor_.origin_since(begin)};
}

StatementParser::Kind StatementParser::kind() {
  if (starts_query(cursor_) || cursor_.is_symbol("(")) return query_statement();
  const std::string word = cursor_.peek().upper;
  if (word == "INSERT") return insert();
  if (word == "CREATE") return create();
  if (word == "REPLACE" && cursor_.is_word("TABLE", 1)) {
    cursor_.take();
    cursor_.take();
    return create_table(false, true);
  }
  if (word == "DROP") return drop();
  if (word == "ALTER") return alter();
  if (cursor_.is_words({"COMMENT", "ON"})) return comment_on();
  if (word == "TRUNCATE") return truncate();
  if (word == "SET") return set();
  if (word == "RESET") return reset();
  if (word == "USE") return use();
  if (word == "SHOW") return show();
  if (word == "DESCRIBE" || word == "DESC") return describe();
  if (word == "EXPLAIN") return explain();
  if (word == "CACHE" || word == "UNCACHE" || word == "CLEAR") return cache();
  if (word == "REFRESH") return refresh();
  return known_elsewhere();
}

// WITH … may belong to an INSERT too.
StatementParser::Kind StatementParser::query_statement() {
  if (cursor_.is_word("WITH")) {
    const size_t here = cursor_.position();
    const uint32_t begin = cursor_.peek().begin;
    WEIR_ASSIGN(auto with, common_tables());
    if (cursor_.is_word("INSERT")) {
      WEIR_ASSIGN(auto made, insert());
      if (auto* into = std::get_if<plan::Insert>(&made)) {
        with.child = into->source;
        WEIR_ASSIGN(into->source, node(std::move(with), begin));
      }
      return made;
    }
    for (const auto* word : {"UPDATE", "DELETE", "MERGE"}) {
      if (cursor_.is_word(word)) return unsupported_rest(word);
    }
    cursor_.seek(here);
  }
  WEIR_ASSIGN(auto plan, query());
  return plan::StatementKind(plan::QueryStatement{std::move(plan)});
}

std::string StatementParser::rest_of_statement() {
  const uint32_t begin = cursor_.peek().begin;
  if (cursor_.at_statement_end()) return {};
  while (!cursor_.at_statement_end())
    cursor_.take();
  return boost::trim_copy(cursor_.source_since(begin));
}

StatementParser::Kind StatementParser::unsupported_rest(std::string what) {
  rest_of_statement();
  return plan::StatementKind(plan::UnsupportedStatement{std::move(what)});
}

// Statements that other versions or Delta's parser have: named by their first words.
StatementParser::Kind StatementParser::known_elsewhere() {
  const Token first = cursor_.peek();
  const Token second = cursor_.peek(1);
  if (first.kind != TokenKind::kWord) return cursor_.unexpected();
  static const std::set<std::string_view> kOneWord = {
      "UPDATE", "DELETE",  "OPTIMIZE", "VACUUM", "GRANT", "REVOKE", "COMMIT", "ROLLBACK",
      "DFS",    "DECLARE", "CALL",     "FSCK",   "COPY",  "UNDROP", "CONVERT"};
  static const std::set<std::pair<std::string_view, std::string_view>> kTwoWords = {
      {"ANALYZE", "TABLE"},     {"ANALYZE", "TABLES"},    {"MERGE", "INTO"},
      {"MERGE", "WITH"},        {"LOAD", "DATA"},         {"MSCK", "REPAIR"},
      {"REPAIR", "TABLE"},      {"EXPORT", "TABLE"},      {"IMPORT", "TABLE"},
      {"LOCK", "TABLE"},        {"LOCK", "DATABASE"},     {"UNLOCK", "TABLE"},
      {"UNLOCK", "DATABASE"},   {"START", "TRANSACTION"}, {"RESTORE", "TABLE"},
      {"EXECUTE", "IMMEDIATE"}, {"DECLARE", "OR"}};
  if (first.upper == "BEGIN") {
    while (!cursor_.at_end())
      cursor_.take();
    return plan::StatementKind(plan::UnsupportedStatement{"BEGIN … END"});
  }
  const bool more = second.kind != TokenKind::kEnd;
  if (kOneWord.contains(first.upper) &&
      (more || first.upper == "COMMIT" || first.upper == "ROLLBACK"))
    return unsupported_rest(first.upper);
  if (kTwoWords.contains({first.upper, second.upper}))
    return unsupported_rest(first.upper + " " + second.upper);
  if ((first.upper == "ADD" || first.upper == "LIST") && second.kind == TokenKind::kWord)
    return unsupported_rest(first.upper + " " + second.upper);
  return cursor_.unexpected();
}

// SET; SET -v; SET key; SET key = value; SET TIME ZONE …; SET CATALOG …
StatementParser::Kind StatementParser::set() {
  const uint32_t begin = cursor_.take().begin;
  if (cursor_.is_words({"TIME", "ZONE"})) return set_time_zone();
  if (cursor_.is_word("CATALOG") && (at_name(1) || cursor_.peek(1).kind == TokenKind::kString)) {
    cursor_.take();
    plan::Use made{{}, true};
    if (at_string()) {
      WEIR_ASSIGN(auto catalog, string_literal());
      made.name.push_back(std::move(catalog));
    } else {
      WEIR_ASSIGN(made.name, table_name());
    }
    return plan::StatementKind(std::move(made));
  }
  if (cursor_.is_word("ROLE")) return unsupported_rest("SET ROLE");
  const bool variable = cursor_.is_word("VARIABLE") || cursor_.is_word("VAR");
  if (variable && cursor_.is_symbol("(", 1) && cursor_.is_symbol(")", 2)) {
    rest_of_statement();
    return parse_error("INVALID_SET_SYNTAX", "42000",
                       "Expected format is 'SET', 'SET key', or 'SET key=value'",
                       cursor_.origin_since(begin));
  }
  if (variable && (at_name(1) || cursor_.is_symbol("(", 1)))
    return unsupported_rest("SET VARIABLE");
  plan::SetStatement made;
  const bool quoted_key = cursor_.peek().kind == TokenKind::kQuotedName;
  if (quoted_key) {
    made.key = cursor_.take().text;
  } else {
    const uint32_t key_begin = cursor_.peek().begin;
    while (!cursor_.at_statement_end() && !cursor_.is_symbol("="))
      cursor_.take();
    if (cursor_.peek().begin > key_begin)
      made.key = boost::trim_copy(cursor_.source_since(key_begin));
  }
  if (cursor_.accept_symbol("=")) {
    const bool quoted = cursor_.peek().kind == TokenKind::kQuotedName;
    const std::string name_given = cursor_.peek().text;
    made.value = rest_of_statement();
    if (quoted && made.value == "`" + name_given + "`") made.value = name_given;
  }
  if (made.key == "-v" && !made.value) return plan::StatementKind(plan::SetStatement{{}, {}, true});
  if (made.key && !quoted_key &&
      (made.key->empty() || made.key->find_first_of(" \t\n'\"") != std::string::npos)) {
    return parse_error("INVALID_SET_SYNTAX", "42000",
                       "Expected format is 'SET', 'SET key', or 'SET key=value'. If you want to "
                       "include special characters in key, or include semicolon in value, please "
                       "use backquotes, e.g., SET `key`=`value`",
                       cursor_.origin_since(begin));
  }
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::set_time_zone() {
  const uint32_t begin = cursor_.peek().begin;
  cursor_.accept_words({"TIME", "ZONE"});
  plan::SetTimeZone made;
  if (at_string()) {
    WEIR_ASSIGN(made.zone, string_literal());
  } else if (cursor_.accept_word("LOCAL")) {
    made.zone = "LOCAL";
  } else if (cursor_.is_word("INTERVAL")) {
    const uint32_t value_begin = cursor_.peek().begin;
    WEIR_ASSIGN(made.interval, interval());
    const auto* literal = std::get_if<plan::Literal>(&made.interval->node);
    const auto* us = literal ? std::get_if<int64_t>(&literal->value) : nullptr;
    constexpr int64_t kMost = 18 * 3600 * plan::kMicrosPerSecond;
    if (!us || !literal->type.is(columnar::TypeKind::kDayTimeInterval) || *us > kMost ||
        *us < -kMost || *us % plan::kMicrosPerSecond != 0) {
      return parse_error("INVALID_INTERVAL_FORMAT.TIMEZONE_INTERVAL_OUT_OF_RANGE", "22006",
                         "The interval value must be in the range of [-18, +18] hours with second "
                         "precision",
                         cursor_.origin_since(begin))
          .with_parameter("input", cursor_.source_since(value_begin));
    }
  } else {
    rest_of_statement();
    return parse_error("_LEGACY_ERROR_TEMP_0045", "", "Invalid time zone displacement value",
                       cursor_.origin_since(begin));
  }
  if (!cursor_.at_statement_end()) {
    rest_of_statement();
    return parse_error("_LEGACY_ERROR_TEMP_0045", "", "Invalid time zone displacement value",
                       cursor_.origin_since(begin));
  }
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::reset() {
  cursor_.take();
  plan::ResetStatement made;
  const bool quoted = cursor_.peek().kind == TokenKind::kQuotedName;
  const std::string name_given = cursor_.peek().text;
  auto key = rest_of_statement();
  if (quoted && key == "`" + name_given + "`") key = name_given;
  if (!key.empty()) made.key = std::move(key);
  return plan::StatementKind(std::move(made));
}

bool StatementParser::at_namespace() const {
  return cursor_.is_word("DATABASE") || cursor_.is_word("SCHEMA") || cursor_.is_word("NAMESPACE");
}

StatementParser::Kind StatementParser::use() {
  cursor_.take();
  plan::Use made;
  made.catalog = cursor_.is_word("CATALOG") && at_name(1);
  if (made.catalog || (at_namespace() && at_name(1))) cursor_.take();
  WEIR_ASSIGN(made.name, table_name());
  return plan::StatementKind(std::move(made));
}

base::Result<std::optional<std::string>> StatementParser::like_pattern() {
  const bool like = cursor_.accept_word("LIKE");
  if (!like && !at_string()) return std::optional<std::string>();
  WEIR_ASSIGN(auto pattern, string_literal());
  return std::optional<std::string>(std::move(pattern));
}

base::Result<void> StatementParser::in_namespace(plan::Name& name) {
  if (!cursor_.is_word("FROM") && !cursor_.is_word("IN")) return {};
  cursor_.take();
  WEIR_ASSIGN(name, table_name());
  return {};
}

StatementParser::Kind StatementParser::show() {
  using What = plan::Show::Kind;
  cursor_.take();
  plan::Show made;
  const std::string word = cursor_.peek().upper;
  if (cursor_.is_words({"CREATE", "TABLE"})) {
    cursor_.accept_words({"CREATE", "TABLE"});
    made.kind = What::kCreateTable;
    WEIR_ASSIGN(made.name, table_name());
    if (cursor_.accept_words({"AS", "SERDE"}))
      return unsupported_rest("SHOW CREATE TABLE … AS SERDE");
    return plan::StatementKind(std::move(made));
  }
  if (word == "CURRENT" && (cursor_.is_word("DATABASE", 1) || cursor_.is_word("SCHEMA", 1) ||
                            cursor_.is_word("NAMESPACE", 1))) {
    cursor_.take();
    cursor_.take();
    made.kind = What::kCurrentDatabase;
    return plan::StatementKind(std::move(made));
  }
  if (word == "TBLPROPERTIES") {
    cursor_.take();
    made.kind = What::kTableProperties;
    WEIR_ASSIGN(made.name, table_name());
    if (cursor_.accept_symbol("(")) {
      WEIR_ASSIGN(made.key, property_key());
      WEIR_TRY(cursor_.expect_symbol(")"));
    }
    return plan::StatementKind(std::move(made));
  }
  if (word == "COLUMNS") return show_columns();
  if (word == "PARTITIONS") {
    cursor_.take();
    made.kind = What::kPartitions;
    WEIR_ASSIGN(made.name, table_name());
    if (cursor_.is_word("PARTITION")) return unsupported_rest("SHOW PARTITIONS … PARTITION");
    return plan::StatementKind(std::move(made));
  }
  if (word == "FUNCTIONS" || cursor_.is_word("FUNCTIONS", 1)) return show_functions();
  if (word == "DATABASES" || word == "SCHEMAS" || word == "NAMESPACES") {
    made.kind = What::kDatabases;
  } else if (word == "TABLES") {
    made.kind = What::kTables;
  } else if (word == "VIEWS") {
    made.kind = What::kViews;
  } else if (word == "CATALOGS") {
    made.kind = What::kCatalogs;
  } else {
    static const std::set<std::string_view> kOthers = {
        "TABLE", "GRANT",       "ROLE",         "ROLES",   "PRINCIPALS", "CURRENT",
        "LOCKS", "COMPACTIONS", "TRANSACTIONS", "INDEXES", "PROCEDURES"};
    if (kOthers.contains(word)) return unsupported_rest("SHOW " + word);
    return cursor_.unexpected();
  }
  cursor_.take();
  if (made.kind != What::kCatalogs) WEIR_TRY(in_namespace(made.name));
  WEIR_ASSIGN(made.pattern, like_pattern());
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::show_functions() {
  plan::Show made{plan::Show::Kind::kFunctions, {}, {}, {}};
  if (!cursor_.is_word("FUNCTIONS")) made.key = boost::to_lower_copy(cursor_.take().text);
  cursor_.take();
  WEIR_TRY(in_namespace(made.name));
  const bool like = cursor_.accept_word("LIKE");
  if (at_string()) {
    WEIR_ASSIGN(made.pattern, string_literal());
  } else if (at_name()) {
    WEIR_ASSIGN(auto parts, qualified_name());
    made.pattern = parts.back();
    parts.pop_back();
    if (!parts.empty()) made.name = std::move(parts);
  } else if (like) {
    return cursor_.unexpected();
  }
  return plan::StatementKind(std::move(made));
}

// SHOW COLUMNS IN table [IN database]
StatementParser::Kind StatementParser::show_columns() {
  cursor_.take();
  plan::Show made{plan::Show::Kind::kColumns, {}, {}, {}};
  if (!cursor_.accept_word("FROM")) WEIR_TRY(cursor_.expect_word("IN"));
  WEIR_ASSIGN(made.name, table_name());
  plan::Name database;
  WEIR_TRY(in_namespace(database));
  if (!database.empty()) {
    if (made.name.size() > 1 && boost::to_lower_copy(made.name[made.name.size() - 2]) !=
                                    boost::to_lower_copy(database.back()))
      return parse_error("SHOW_COLUMNS_WITH_CONFLICT_NAMESPACE", "42K05",
                         "SHOW COLUMNS with conflicting namespaces",
                         cursor_.origin_since(cursor_.peek().begin));
    database.push_back(made.name.back());
    made.name = std::move(database);
  }
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::describe() {
  using What = plan::DescribeStatement::Kind;
  cursor_.take();
  plan::DescribeStatement made;
  const bool ends = cursor_.peek(1).kind == TokenKind::kEnd || cursor_.is_symbol(";", 1) ||
                    cursor_.is_symbol(".", 1);
  if (!ends && cursor_.accept_word("FUNCTION")) {
    made.kind = What::kFunction;
    made.extended = cursor_.accept_word("EXTENDED");
    if (at_string()) {
      WEIR_ASSIGN(auto text, string_literal());
      made.name.push_back(std::move(text));
    } else if (at_name()) {
      WEIR_ASSIGN(made.name, table_name());
    } else {
      made.name.push_back(cursor_.take().text);  // an operator
    }
    return plan::StatementKind(std::move(made));
  }
  if (!ends && cursor_.is_word("PROCEDURE") && at_name(1))
    return unsupported_rest("DESCRIBE PROCEDURE");
  for (const char* word : {"HISTORY", "DETAIL"})  // Delta's own
    if (!ends && cursor_.is_word(word) &&
        (at_name(1) || cursor_.peek(1).kind == TokenKind::kString))
      return unsupported_rest(std::string("DESCRIBE ") + word);
  if (!ends && at_namespace()) {
    cursor_.take();
    made.kind = What::kDatabase;
    made.extended = cursor_.is_word("EXTENDED") && at_name(1) && (cursor_.take(), true);
    WEIR_ASSIGN(made.name, table_name());
    return plan::StatementKind(std::move(made));
  }
  if (!ends && cursor_.is_word("QUERY") && starts_query(cursor_, 1)) cursor_.take();
  if (starts_query(cursor_) && !(cursor_.is_word("TABLE") && !cursor_.is_word("FROM", 1))) {
    made.kind = What::kQuery;
    WEIR_ASSIGN(made.plan, query());
    return plan::StatementKind(std::move(made));
  }
  return describe_table();
}

// [TABLE] [EXTENDED | FORMATTED] table [column] [AS JSON]
StatementParser::Kind StatementParser::describe_table() {
  plan::DescribeStatement made;
  const uint32_t begin = cursor_.peek().begin;
  if (cursor_.is_word("TABLE") && (at_name(1))) cursor_.take();
  if ((cursor_.is_word("EXTENDED") || cursor_.is_word("FORMATTED")) && at_name(1)) {
    cursor_.take();
    made.extended = true;
  }
  WEIR_ASSIGN(made.name, table_name());
  if (cursor_.is_word("PARTITION") && cursor_.is_symbol("(", 1))
    return unsupported_rest("DESCRIBE … PARTITION");
  if (at_name() && !cursor_.is_words({"AS", "JSON"})) {
    WEIR_ASSIGN(auto parts, qualified_name());
    made.kind = plan::DescribeStatement::Kind::kColumn;
    made.column = fmt::format("{}", fmt::join(parts, "."));
  }
  made.as_json = cursor_.accept_words({"AS", "JSON"});
  if (made.as_json && !made.extended) {
    return parse_error("DESCRIBE_JSON_NOT_EXTENDED", "0A000",
                       "DESCRIBE TABLE ... AS JSON only supported when [EXTENDED|FORMATTED] is "
                       "specified",
                       cursor_.origin_since(begin));
  }
  if (made.as_json && !made.column.empty()) {
    return parse_error("UNSUPPORTED_FEATURE.DESC_TABLE_COLUMN_JSON", "0A000",
                       "The feature is not supported: DESC TABLE COLUMN AS JSON",
                       cursor_.origin_since(begin));
  }
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::explain() {
  using Mode = plan::Explain::Mode;
  const uint32_t begin = cursor_.take().begin;
  plan::Explain made;
  if (cursor_.accept_word("EXTENDED")) {
    made.mode = Mode::kExtended;
  } else if (cursor_.accept_word("FORMATTED")) {
    made.mode = Mode::kFormatted;
  } else if (cursor_.accept_word("CODEGEN")) {
    made.mode = Mode::kCodegen;
  } else if (cursor_.accept_word("COST")) {
    made.mode = Mode::kCost;
  } else if (cursor_.accept_word("LOGICAL")) {
    return parse_error("_LEGACY_ERROR_TEMP_0035", "", "Operation not allowed: EXPLAIN LOGICAL",
                       cursor_.origin_since(begin))
        .with_parameter("message", "EXPLAIN LOGICAL");
  }
  WEIR_ASSIGN(auto inner, statement());
  made.statement = std::make_shared<const plan::Statement>(std::move(inner));
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::cache() {
  const std::string word = cursor_.take().upper;
  if (word == "CLEAR") {
    WEIR_TRY(cursor_.expect_word("CACHE"));
    return plan::StatementKind(plan::UncacheTable{{}, false, true});
  }
  if (word == "UNCACHE") {
    plan::UncacheTable made;
    WEIR_TRY(cursor_.expect_word("TABLE"));
    made.if_exists = if_exists();
    WEIR_ASSIGN(made.name, table_name());
    return plan::StatementKind(std::move(made));
  }
  plan::CacheTable made;
  made.lazy = cursor_.accept_word("LAZY");
  WEIR_TRY(cursor_.expect_word("TABLE"));
  WEIR_ASSIGN(made.name, table_name());
  if (cursor_.is_word("OPTIONS") && cursor_.is_symbol("(", 1)) {
    cursor_.take();
    WEIR_ASSIGN(made.options, properties());
  }
  if (cursor_.accept_word("AS") || starts_query(cursor_)) {
    WEIR_ASSIGN(made.as_select, query());
  }
  return plan::StatementKind(std::move(made));
}

StatementParser::Kind StatementParser::refresh() {
  cursor_.take();
  if (cursor_.is_word("FUNCTION") && at_name(1)) return unsupported_rest("REFRESH FUNCTION");
  if (!cursor_.is_word("TABLE") || !at_name(1)) return unsupported_rest("REFRESH of a path");
  cursor_.take();
  plan::Refresh made;
  WEIR_ASSIGN(made.name, table_name());
  return plan::StatementKind(std::move(made));
}

}  // namespace weir::sql
