// Statements: what stands before or around a query, and everything that changes the catalog, a
// table or the session. What Spark knows and weir does not build is an UnsupportedStatement; its
// text is taken up to the next semicolon unread.
#pragma once

#include <set>

#include "plan/statement.h"
#include "sql/query_parser.h"

namespace weir::sql {

class StatementParser : public QueryParser {
 public:
  using QueryParser::QueryParser;

  // Up to the end of the text or a semicolon.
  base::Result<plan::Statement> statement();
  base::Result<Names> whole_name() { return qualified_name(); }

 private:
  using Kind = base::Result<plan::StatementKind>;

  Kind kind();
  Kind query_statement();
  Kind known_elsewhere();
  Kind unsupported_rest(std::string what);

  // statement_parser.cc
  Kind set();
  Kind set_time_zone();
  Kind reset();
  Kind use();
  Kind show();
  Kind show_functions();
  Kind show_columns();
  Kind describe();
  Kind describe_table();
  Kind explain();
  Kind cache();
  Kind refresh();
  base::Result<std::optional<std::string>> like_pattern();
  base::Result<void> in_namespace(plan::Name& name);
  bool at_namespace() const;
  std::string rest_of_statement();

  // table_statements.cc
  Kind create();
  Kind create_table(bool or_replace, bool replace);
  Kind create_table_like(plan::CreateTable made);
  Kind create_view(bool or_replace, bool global, bool temporary);
  Kind create_database();
  Kind drop();
  Kind insert();
  Kind truncate();
  base::Result<plan::ColumnDefinition> column();
  base::Result<void> column_options(plan::ColumnDefinition& made);
  // False where the clause here is none of a table's; `what` then says it where it is known.
  base::Result<bool> table_clause(plan::CreateTable& made, std::set<std::string>& seen,
                                  std::string& what);
  base::Result<bool> partitioning(plan::CreateTable& made);
  base::Result<bool> if_not_exists();
  bool if_exists() { return cursor_.accept_words({"IF", "EXISTS"}); }
  base::Result<void> first_clause(std::set<std::string>& seen, const std::string& clause);
  base::Result<void> first_option(std::set<std::string>& seen,
                                  const plan::ColumnDefinition& column_made,
                                  const std::string& option);

  // alter_statements.cc
  Kind alter();
  Kind alter_database();
  Kind comment_on();
  Kind alter_table(bool view);
  Result<std::string> schema_mode();
  Kind add_columns(plan::AlterTable made);
  Kind change_column(plan::AlterTable made, bool change);
};

}  // namespace weir::sql
