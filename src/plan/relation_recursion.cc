// WITH RECURSIVE: a common table whose UNION ALL reads itself.
#include <algorithm>

#include <fmt/format.h>

#include "plan/integer_setting.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"

namespace weir::plan {

namespace {

constexpr int32_t kLevelMax = 100;
constexpr int32_t kRowMax = 1'000'000;

bool reads(const Operator& plan, int64_t id);

bool reads(const Typed& expression, int64_t id) {
  return any_typed(expression, [&](const Typed& one) {
    const auto* query = std::get_if<TypedSubquery>(&one.node);
    return query && reads(*query->plan, id);
  });
}

bool reads(const Operator& plan, int64_t id) {
  const auto* rows = std::get_if<op::RecursiveRows>(&plan.node);
  if (rows && rows->id == id) return true;
  for (const auto& expression : operator_expressions(plan)) {
    if (reads(*expression, id)) return true;
  }
  const auto children = children_of(plan);
  return std::any_of(children.begin(), children.end(),
                     [&](const auto& child) { return reads(*child, id); });
}

// Whether the reference stands where a row of it may be missing, or only counts together with
// others.
bool misplaced(const Operator& plan, int64_t id) {
  for (const auto& expression : operator_expressions(plan)) {
    const bool inside = any_typed(*expression, [&](const Typed& one) {
      const auto* query = std::get_if<TypedSubquery>(&one.node);
      return query && misplaced(*query->plan, id);
    });
    if (inside) return true;
  }
  const auto& node = plan.node;
  const bool whole_input =
      std::holds_alternative<op::Aggregate>(node) || std::holds_alternative<op::Window>(node) ||
      std::holds_alternative<op::Sort>(node) || std::holds_alternative<op::Distinct>(node) ||
      std::holds_alternative<op::Deduplicate>(node);
  if (whole_input && reads(plan, id)) return true;
  if (const auto* join = std::get_if<op::Join>(&node)) {
    const bool left_optional = join->kind == JoinKind::kRight || join->kind == JoinKind::kFull;
    const bool right_optional = join->kind != JoinKind::kInner && join->kind != JoinKind::kCross &&
                                join->kind != JoinKind::kRight;
    if ((left_optional && reads(*join->left, id)) || (right_optional && reads(*join->right, id)))
      return true;
  }
  const auto children = children_of(plan);
  return std::any_of(children.begin(), children.end(),
                     [&](const auto& child) { return misplaced(*child, id); });
}

}  // namespace

const PlanNode* RelationAnalyzer::union_of(const PlanPtr& plan) {
  const PlanNode* at = plan.get();
  while (at) {
    if (const auto* with = std::get_if<With>(&at->node)) {
      at = with->child.get();
    } else if (const auto* alias = std::get_if<SubqueryAlias>(&at->node)) {
      at = alias->child.get();
    } else {
      const auto* sets = std::get_if<SetOperation>(&at->node);
      return sets && sets->kind == SetKind::kUnion ? at : nullptr;
    }
  }
  return nullptr;
}

Result<OperatorPtr> RelationAnalyzer::recursive_reference(const CommonTableEntry& entry,
                                                          const std::string& name,
                                                          const Origin& origin) {
  if (!entry.recursion || !entry.recursion->open) {
    return analysis_error("INVALID_RECURSIVE_CTE", "42836",
                          fmt::format("Invalid recursive definition found. Recursive queries must "
                                      "contain an UNION ALL statement with 2 children. The first "
                                      "child needs to be the anchor term without any recursive "
                                      "references (here `{}`).",
                                      name),
                          origin);
  }
  ++entry.recursion->references;
  auto columns = entry.recursion->columns;
  for (auto& column : columns) {
    column.id = fresh_id();
    column.qualifier = {name};
  }
  return make_operator(op::RecursiveRows{entry.recursion->id}, std::move(columns));
}

// Null where the right side does not refer to the table.
Result<OperatorPtr> RelationAnalyzer::recursive_union(const SetOperation& node,
                                                      const PlanNode& whole, Recursion& recursion) {
  WEIR_ASSIGN(auto left, analyze(node.left));
  left = visible(left);
  recursion.id = ++recursion_ids_;
  recursion.columns = left->columns;
  for (size_t i = 0; i < recursion.columns.size(); ++i) {
    recursion.columns[i].nullable = true;
    if (i < recursion.table->columns.size())
      recursion.columns[i].name = recursion.table->columns[i];
  }
  recursion.references = 0;
  recursion.open = true;
  auto right_made = analyze(node.right);
  recursion.open = false;
  WEIR_ASSIGN(auto right, std::move(right_made));
  if (recursion.references == 0) return OperatorPtr();
  right = visible(right);
  if (!node.all) {
    return analysis_error("UNION_NOT_SUPPORTED_IN_RECURSIVE_CTE", "42836",
                          "The UNION operator is not yet supported within recursive common table "
                          "expressions (WITH clauses that refer to themselves, directly or "
                          "indirectly). Please use UNION ALL instead.",
                          whole.origin);
  }
  if (misplaced(*right, recursion.id)) {
    return analysis_error("INVALID_RECURSIVE_REFERENCE.PLACE", "42836",
                          "Invalid recursive reference found inside of the WITH RECURSIVE clause. "
                          "Recursive references cannot be used on the right side of left "
                          "outer/semi/anti joins, on the left side of right outer joins, in full "
                          "outer joins, in aggregates, window functions, sorts or subqueries.",
                          whole.origin);
  }
  if (left->columns.size() != right->columns.size()) {
    return analysis_error("NUM_COLUMNS_MISMATCH", "42826",
                          fmt::format("UNION can only be performed on inputs with the same number "
                                      "of columns, but the first input has {} columns and the "
                                      "second input has {} columns.",
                                      left->columns.size(), right->columns.size()),
                          whole.origin)
        .with_parameter("operator", "UNION")
        .with_parameter("firstNumColumns", std::to_string(left->columns.size()))
        .with_parameter("invalidOrdinalNum", "second")
        .with_parameter("invalidNumColumns", std::to_string(right->columns.size()));
  }
  // The first side's types hold.
  ExpressionScope scope;
  scope.columns = &right->columns;
  auto analyzer = expressions(scope);
  auto items = items_of(right);
  auto columns = left->columns;
  bool changed = false;
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto& type = columns[i].type;
    const auto common = common_type(type, right->columns[i].type, options().ansi);
    if (!common || !common->same_type(type)) {
      const auto& other = right->columns[i].type;
      return analysis_error("CANNOT_MERGE_INCOMPATIBLE_DATA_TYPE", "42825",
                            fmt::format("Failed to merge incompatible data types \"{}\" and "
                                        "\"{}\". Please check the data types of the columns "
                                        "being merged and ensure that they are compatible.",
                                        type.sql(), other.sql()),
                            whole.origin)
          .with_parameter("left", "\"" + type.sql() + "\"")
          .with_parameter("right", "\"" + other.sql() + "\"");
    }
    auto typed = analyzer.coerce(items[i].expression, type);
    changed = changed || typed != items[i].expression;
    items[i].expression = std::move(typed);
    columns[i].nullable = columns[i].nullable || right->columns[i].nullable;
    columns[i].id = fresh_id();
  }
  if (changed) right = project(right, items);
  op::Recursion made{left, right, recursion.id};
  WEIR_ASSIGN(const int64_t levels,
              integer_setting(settings_.conf, "spark.sql.cteRecursionLevelLimit", kLevelMax));
  made.level_max = recursion.table->recursion_max.value_or(levels);
  WEIR_ASSIGN(made.row_max,
              integer_setting(settings_.conf, "spark.sql.cteRecursionRowLimit", kRowMax));
  return make_operator(std::move(made), std::move(columns));
}

}  // namespace weir::plan
