// Spark's SQL dialect, text to plan. Only this room knows SQL text; what it gives is unresolved.
//
// Strings in either quote (backslash escapes, r'raw', adjacent literals joined), `quoted names`,
// numbers with suffixes L S Y F D BD, DATE '…' TIMESTAMP '…' X'…' INTERVAL, -- and /* nested */
// comments. Errors are PARSE_SYNTAX_ERROR with the position; what Spark has and weir has not yet is
// UNSUPPORTED_FEATURE by name. Stateless; nesting is bounded (an expression too deep is an error,
// not a crash).
#pragma once

#include <string_view>
#include <vector>

#include "plan/expression.h"
#include "plan/logical_plan.h"

namespace weir::sql {

using base::Result;

// "a, b + 1 AS c, data.*"
Result<std::vector<plan::ExpressionPtr>> parse_select_list(std::string_view text);
// "a > 1 AND b LIKE 'x%'"
Result<plan::ExpressionPtr> parse_expression(std::string_view text);
// One SELECT statement (a trailing ';' is allowed).
Result<plan::QueryPtr> parse_query(std::string_view text);
// Statements separated by ';'. Empty ones are left out.
Result<std::vector<plan::QueryPtr>> parse_statements(std::string_view text);

}  // namespace weir::sql
