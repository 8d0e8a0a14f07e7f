// What DuckDB computes as Spark does: the allowlist. Each entry has a differential test against our
// kernel (native_sql_test.cc).
#pragma once

#include <string>
#include <vector>

#include "plan/expression.h"
#include "relational/duck_types.h"

namespace weir::relational {

// The node itself, whatever its children are. `exact`: also never an error of DuckDB's.
bool is_native_node(const plan::Typed& expression, bool ansi, bool exact);
bool is_native_tree(const plan::Typed& expression, bool ansi, bool exact);
// AND, OR, CASE, COALESCE …: forms that leave operands unevaluated.
bool is_guard(const plan::Typed& expression);
// The call as SQL, of exactly the expression's type.
std::string native_call_sql(const plan::Typed& expression, const plan::TypedCall& call,
                            const std::vector<std::string>& arguments);
std::string quoted(std::string_view text);

}  // namespace weir::relational
