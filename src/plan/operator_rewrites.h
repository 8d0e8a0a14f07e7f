// Walking and rebuilding typed operators.
#pragma once

#include <functional>
#include <vector>

#include "plan/operator.h"

namespace weir::plan {

using TypedMap = std::function<TypedPtr(const TypedPtr&)>;
using OperatorMap = std::function<OperatorPtr(const OperatorPtr&)>;

// The expressions of the operator itself (not of those below), in a fixed order.
std::vector<TypedPtr> operator_expressions(const Operator& node);
// The same operator with every expression of its own replaced.
OperatorPtr map_operator_expressions(const OperatorPtr& node, const TypedMap& replace);
// The same operator over other children.
OperatorPtr map_operator_children(const OperatorPtr& node, const OperatorMap& replace);

// The plan with its free references to the query `level` around it replaced (level 1: the operator
// that holds the subquery). Operators that are shared stay shared.
OperatorPtr map_outer_columns(const OperatorPtr& plan, int level, const TypedMap& replace);
// The expression with the columns of its own operator replaced: its TypedColumns, and the
// TypedOuterColumns of its subqueries that mean them (then `replace` is asked for a TypedColumn and
// has to give one).
TypedPtr replace_columns(const TypedPtr& expression, const TypedMap& replace);

// Depth first, every expression and those below it; subqueries' plans are not entered.
void visit_typed(const Typed& expression, const std::function<void(const Typed&)>& look);
// True where `test` is true for the expression or one below it.
bool any_typed(const Typed& expression, const std::function<bool(const Typed&)>& test);
bool has_window(const Typed& expression);
bool is_deterministic(const Typed& expression);
// No columns, outer columns, subqueries, aggregates or volatile functions: may be computed at once.
bool is_foldable(const Typed& expression);
// True where the plan reads columns from outside of it.
bool has_outer_columns(const Operator& plan, int level = 1);

TypedPtr make_typed(DataType type, bool nullable, decltype(Typed::node) node, Origin origin = {});
// A reference to a column of the operator, at its position.
TypedPtr column_at(const std::vector<Column>& columns, size_t index, const Origin& origin = {});

}  // namespace weir::plan
