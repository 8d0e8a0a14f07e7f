// Spark's SQL dialect, text to plan. Only this room knows SQL text; what it gives is unresolved.
//
// Strings in either quote (backslash escapes, r'raw', adjacent literals joined), `quoted names`,
// numbers with suffixes L S Y F D BD, DATE '…' TIMESTAMP '…' X'…' INTERVAL, -- and /* nested */
// comments. Errors carry Spark's error class, SQLSTATE and the position; what Spark has and weir
// has not yet is UNSUPPORTED_FEATURE by name (in a query) or plan::UnsupportedStatement. Stateless;
// nesting is bounded (a text too deep is an error, not a crash).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "plan/expression.h"
#include "plan/plan_node.h"
#include "plan/statement.h"

namespace weir::sql {

using base::Result;

// Values for :name and ? markers: a marker without a value stays a plan::Parameter, whose position
// counts the ? before it in the text.
struct ParseOptions {
  std::map<std::string, plan::ExpressionPtr> named = {};
  std::vector<plan::ExpressionPtr> positional = {};
  bool double_quoted_names = false;       // spark.sql.ansi.doubleQuotedIdentifiers
  bool legacy_identifier_clause = false;  // spark.sql.legacy.identifierClause
  bool bang_is_not = false;               // spark.sql.legacy.bangEqualsNot: a ! IN (1)
};

// One statement (trailing ';' allowed). PARSE_EMPTY_STATEMENT where there is none.
Result<plan::Statement> parse_statement(std::string_view text, const ParseOptions& options = {});
// Statements separated by ';'. Empty ones are left out.
Result<std::vector<plan::Statement>> parse_script(std::string_view text,
                                                  const ParseOptions& options = {});
// A query.
Result<plan::PlanPtr> parse_plan(std::string_view text, const ParseOptions& options = {});
// "a, b + 1 AS c, data.*"
Result<std::vector<plan::ExpressionPtr>> parse_select_list(std::string_view text);
// "a > 1 AND b LIKE 'x%'"
Result<plan::ExpressionPtr> parse_expression(std::string_view text);
// "a + 1 AS b": an expression that may have an alias, or a star.
Result<plan::ExpressionPtr> parse_named_expression(std::string_view text);
// "catalog.db.`my table`"
Result<plan::Name> parse_table_name(std::string_view text);

}  // namespace weir::sql
