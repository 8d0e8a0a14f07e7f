#include "sql/statement_parser.h"

namespace weir::sql {

base::Result<plan::Statement> StatementParser::statement() {
  const uint32_t begin = cursor_.peek().begin;
  WEIR_ASSIGN(auto plan, query());
  return plan::Statement{plan::QueryStatement{std::move(plan)}, cursor_.origin_since(begin)};
}

}  // namespace weir::sql
