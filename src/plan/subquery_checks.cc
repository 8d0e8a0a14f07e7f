#include "plan/subquery_checks.h"

#include <unordered_set>

#include <fmt/format.h>

#include "plan/analysis.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

namespace {

base::Error refused(std::string_view category, std::string_view message, const Origin& origin) {
  return analysis_error(fmt::format("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.{}", category),
                        "0A000", fmt::format("Unsupported subquery expression: {}", message),
                        origin);
}

bool reads_outside(const Typed& expression) {
  return any_typed(expression, [](const Typed& one) {
    return std::holds_alternative<TypedOuterColumn>(one.node);
  });
}

bool reads_inside(const Typed& expression) {
  return any_typed(expression,
                   [](const Typed& one) { return std::holds_alternative<TypedColumn>(one.node); });
}

bool plan_is_deterministic(const Operator& plan) {
  for (const auto& expression : operator_expressions(plan)) {
    if (!is_deterministic(*expression)) return false;
  }
  for (const auto& child : children_of(plan)) {
    if (!plan_is_deterministic(*child)) return false;
  }
  return true;
}

bool at_most_one_row(const Operator& plan) {
  const auto& node = plan.node;
  if (std::holds_alternative<op::OneRow>(node)) return true;
  if (const auto* values = std::get_if<op::Values>(&node)) return values->rows.size() <= 1;
  if (const auto* aggregate = std::get_if<op::Aggregate>(&node))
    return aggregate->keys.empty() && aggregate->sets.empty();
  if (const auto* limit = std::get_if<op::Limit>(&node); limit && limit->limit >= 0)
    return limit->limit <= 1 || at_most_one_row(*limit->child);
  if (const auto* project = std::get_if<op::Project>(&node))
    return at_most_one_row(*project->child);
  if (const auto* filter = std::get_if<op::Filter>(&node)) return at_most_one_row(*filter->child);
  return false;
}

class Checks {
 public:
  Result<void> plan(const Operator& node, bool inner) {
    if (!seen_.insert(&node).second) return {};
    if (const auto* aggregate = std::get_if<op::Aggregate>(&node.node); aggregate && inner)
      WEIR_TRY(grouping(*aggregate));
    const auto* join = std::get_if<op::Join>(&node.node);
    if (join && join->lateral) {
      if (!at_most_one_row(*join->left) && !plan_is_deterministic(*join->right)) {
        return refused("NON_DETERMINISTIC_LATERAL_SUBQUERIES",
                       "Non-deterministic lateral subqueries are not supported when joining with "
                       "outer relations that produce more than one row.",
                       {});
      }
      if (join->condition && !is_deterministic(*join->condition)) {
        return refused("LATERAL_JOIN_CONDITION_NON_DETERMINISTIC",
                       "Lateral join condition cannot be non-deterministic.",
                       join->condition->origin);
      }
    }
    for (const auto& expression : operator_expressions(node))
      WEIR_TRY(subqueries(*expression));
    for (const auto& child : children_of(node)) {
      const bool lateral = join && join->lateral && child == join->right;
      WEIR_TRY(plan(*child, inner || lateral));
    }
    return {};
  }

 private:
  Result<void> grouping(const op::Aggregate& node) {
    for (const auto& key : node.keys) {
      if (!reads_outside(*key)) continue;
      return refused("CORRELATED_REFERENCE",
                     "Expressions referencing the outer query are not supported outside of "
                     "WHERE/HAVING clauses.",
                     key->origin);
    }
    for (const auto& call : node.aggregates) {
      if (!reads_outside(*call)) continue;
      if (reads_inside(*call)) {
        return refused("AGGREGATE_FUNCTION_MIXED_OUTER_LOCAL_REFERENCES",
                       "Found an aggregate function in a correlated predicate that has both outer "
                       "and local references, which is not supported.",
                       call->origin);
      }
      return refused("CORRELATED_REFERENCE",
                     "Expressions referencing the outer query are not supported outside of "
                     "WHERE/HAVING clauses.",
                     call->origin);
    }
    return {};
  }

  Result<void> subqueries(const Typed& expression) {
    if (const auto* query = std::get_if<TypedSubquery>(&expression.node))
      WEIR_TRY(plan(*query->plan, true));
    for (const auto& child : typed_children(expression))
      WEIR_TRY(subqueries(*child));
    return {};
  }

  std::unordered_set<const Operator*> seen_;
};

}  // namespace

base::Error streaming_subquery(const Origin& origin) {
  return analysis_error("INVALID_SUBQUERY_EXPRESSION.STREAMING_QUERY", "42823",
                        "Invalid subquery: Streaming query is not allowed in subquery "
                        "expressions.",
                        origin);
}

Result<void> check_subqueries(const Operator& plan) { return Checks().plan(plan, false); }

Result<void> check_sort_key(const Typed& key) {
  if (const auto* query = std::get_if<TypedSubquery>(&key.node)) {
    if (query->kind != SubqueryKind::kScalar) {
      return refused("UNSUPPORTED_IN_EXISTS_SUBQUERY",
                     "IN/EXISTS predicate subqueries can only be used in filters, joins, "
                     "aggregations, window functions, projections, and UPDATE/MERGE/DELETE "
                     "commands.",
                     key.origin);
    }
    if (has_outer_columns(*query->plan)) {
      return refused("UNSUPPORTED_CORRELATED_SCALAR_SUBQUERY",
                     "Correlated scalar subqueries can only be used in filters, aggregations, "
                     "projections, and UPDATE/MERGE/DELETE commands.",
                     key.origin);
    }
  }
  for (const auto& child : typed_children(key))
    WEIR_TRY(check_sort_key(*child));
  return {};
}

}  // namespace weir::plan
