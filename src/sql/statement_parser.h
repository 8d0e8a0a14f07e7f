// Statements: what stands before or around a query, and everything that changes the catalog, a
// table or the session.
#pragma once

#include "plan/statement.h"
#include "sql/query_parser.h"

namespace weir::sql {

class StatementParser : public QueryParser {
 public:
  using QueryParser::QueryParser;

  // Up to the end of the text or a semicolon.
  base::Result<plan::Statement> statement();
  base::Result<Names> whole_name() { return qualified_name(); }
};

}  // namespace weir::sql
