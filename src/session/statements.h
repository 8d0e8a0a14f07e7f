// Runs the statements of SQL in a session: everything that is not a query.
#pragma once

#include <stop_token>

#include "session/queries.h"

namespace weir::session {

class StatementRunner {
 public:
  StatementRunner(SessionState& state, SqlParameters parameters, std::stop_token stop)
      : state_(state), parameters_(std::move(parameters)), stop_(std::move(stop)) {}

  Result<StatementResult> run(const plan::Statement& statement);

  // One kind each; the files statements_*.cc hold them.
  using Done = Result<StatementResult>;
  Done on(const plan::QueryStatement& statement);
  // tables
  Done on(const plan::CreateTable& statement);
  Done on(const plan::DropTable& statement);
  Done on(const plan::AlterTable& statement);
  Done on(const plan::Insert& statement);
  Done on(const plan::Truncate& statement);
  // views, databases
  Done on(const plan::CreateView& statement);
  Done on(const plan::CreateDatabase& statement);
  Done on(const plan::DropDatabase& statement);
  Done on(const plan::AlterDatabase& statement);
  Done on(const plan::Use& statement);
  // session
  Done on(const plan::CacheTable& statement);
  Done on(const plan::UncacheTable& statement);
  Done on(const plan::Refresh& statement);
  Done on(const plan::SetStatement& statement);
  Done on(const plan::ResetStatement& statement);
  Done on(const plan::SetTimeZone& statement);
  // asking
  Done on(const plan::Show& statement);
  Done on(const plan::DescribeStatement& statement);
  Done on(const plan::Explain& statement);
  Done on(const plan::UnsupportedStatement& statement);

 private:
  Result<TableEntry> table_entry(const Name& name);  // TABLE_OR_VIEW_NOT_FOUND where there is none
  Result<DatabaseEntry> database_entry(const Name& name);
  // The columns of a table, partition columns where the table has them.
  Result<Schema> table_schema(const TableEntry& entry);
  Result<std::vector<std::string>> table_partitions(const TableEntry& entry);
  Done create_like(const plan::CreateTable& statement, const TableName& name);
  Done show_tables(const plan::Show& statement);
  Done show_views(const plan::Show& statement);
  Done show_create_table(const plan::Show& statement);
  Done show_properties(const plan::Show& statement);
  Done show_partitions(const plan::Show& statement);
  Done show_columns(const plan::Show& statement);
  Done describe_table(const plan::DescribeStatement& statement);
  Done describe_column(const plan::DescribeStatement& statement);
  Done describe_database(const plan::DescribeStatement& statement);
  Done describe_function(const plan::DescribeStatement& statement);

  SessionState& state_;
  SqlParameters parameters_;
  std::stop_token stop_;
};

// Hive's pattern of SHOW: '*' any characters, '|' alternatives; any case.
bool matches_pattern(std::string_view pattern, std::string_view name);

// A table or column option's key as TBLPROPERTIES shows it, values of secrets hidden.
std::string shown_properties(const TextMap& properties);

}  // namespace weir::session
