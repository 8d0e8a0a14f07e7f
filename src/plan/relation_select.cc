// SELECT, WHERE, ORDER BY, DISTINCT, LIMIT.
#include <algorithm>

#include <fmt/format.h>

#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"
#include "plan/subquery_checks.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

bool holds_map(const DataType& type) {
  if (type.is(TypeKind::kMap)) return true;
  if (type.is(TypeKind::kArray)) return holds_map(type.element());
  if (!type.is(TypeKind::kStruct)) return false;
  return std::any_of(type.fields().begin(), type.fields().end(),
                     [](const auto& field) { return holds_map(field.type()); });
}

}  // namespace

Result<OperatorPtr> RelationAnalyzer::visit(const Project&, const PlanNode& whole) {
  WEIR_ASSIGN(auto block, open_block(std::make_shared<const PlanNode>(whole)));
  std::vector<TypedPtr> none;
  return close_block(block, none);
}

Result<OperatorPtr> RelationAnalyzer::visit(const Aggregate&, const PlanNode& whole) {
  WEIR_ASSIGN(auto block, open_block(std::make_shared<const PlanNode>(whole)));
  std::vector<TypedPtr> none;
  return close_block(block, none);
}

Result<OperatorPtr> RelationAnalyzer::visit(const WindowClause&, const PlanNode& whole) {
  WEIR_ASSIGN(auto block, open_block(std::make_shared<const PlanNode>(whole)));
  std::vector<TypedPtr> none;
  return close_block(block, none);
}

Result<OperatorPtr> RelationAnalyzer::visit(const Filter& node, const PlanNode&) {
  WEIR_ASSIGN(auto block, open_block(node.child));
  ExpressionScope scope;
  scope.columns = &block.input->columns;
  scope.clause = Clause::kWhere;
  if (!block.identity) {
    scope.items = &block.items;
    scope.items_first = true;
    scope.items_as_columns = true;
    scope.aggregates = block.grouping.active;
  }
  WEIR_ASSIGN(auto condition, expressions(scope).condition(*node.condition, "filter"));
  std::vector<TypedPtr> extras{std::move(condition)};
  WEIR_ASSIGN(const auto plan, close_block(block, extras));
  const auto filtered = make_operator(op::Filter{plan, extras[0]}, plan->columns, plan->streaming);
  const bool widened = !block.identity && std::any_of(plan->columns.begin(), plan->columns.end(),
                                                      [](const auto& c) { return c.hidden; });
  return widened ? visible(filtered) : filtered;
}

Result<OperatorPtr> RelationAnalyzer::visit(const Sort& node, const PlanNode& whole) {
  WEIR_ASSIGN(auto block, open_block(node.child));
  const auto items = block.identity ? items_of(block.input) : block.items;
  ExpressionScope scope;
  scope.columns = &block.input->columns;
  scope.windows = &block.windows;
  scope.aggregates = !block.identity;
  scope.windows_allowed = true;
  if (!block.identity) {
    scope.items = &block.items;
    scope.items_first = true;
    scope.items_as_columns = true;
  }
  const auto item = [&](size_t i) {
    if (block.identity) return items[i].expression;
    return make_typed(items[i].expression->type, items[i].expression->nullable,
                      TypedColumn{kItemColumns + static_cast<int>(i), items[i].name}, whole.origin);
  };
  std::vector<TypedPtr> extras;
  std::vector<TypedSortKey> keys;
  if (node.all) {
    const auto direction = node.keys.empty() ? SortKey{} : node.keys[0];
    for (size_t i = 0; i < items.size(); ++i) {
      extras.push_back(item(i));
      keys.push_back({nullptr, direction.ascending, direction.nulls_first});
    }
  }
  for (const auto& key : node.keys) {
    if (node.all) break;
    keys.push_back({nullptr, key.ascending, key.nulls_first});
    const auto* literal = std::get_if<Literal>(&key.expression->node);
    const auto* number = literal ? std::get_if<int64_t>(&literal->value) : nullptr;
    if (number && literal->type.is(TypeKind::kInteger) && node.sql && settings_.order_by_ordinal) {
      if (*number < 1 || *number > static_cast<int64_t>(items.size())) {
        return analysis_error("ORDER_BY_POS_OUT_OF_RANGE", "42805",
                              fmt::format("ORDER BY position {} is not in select list (valid range "
                                          "is [1, {}]).",
                                          *number, items.size()),
                              key.expression->origin)
            .with_parameter("index", std::to_string(*number))
            .with_parameter("size", std::to_string(items.size()));
      }
      extras.push_back(item(static_cast<size_t>(*number - 1)));
      continue;
    }
    WEIR_ASSIGN(auto typed, expressions(scope).analyze(*key.expression));
    // What the select list or GROUP BY has is sorted by as a column.
    const auto holds_subquery = [](const TypedPtr& one) {
      return any_typed(
          *one, [](const Typed& part) { return std::holds_alternative<TypedSubquery>(part.node); });
    };
    const auto& grouped = block.grouping.keys;
    const bool known = std::any_of(grouped.begin(), grouped.end(), holds_subquery) ||
                       std::any_of(items.begin(), items.end(),
                                   [&](const auto& one) { return holds_subquery(one.expression); });
    if (!known) WEIR_TRY(check_sort_key(*typed));
    extras.push_back(std::move(typed));
  }
  for (size_t i = 0; i < extras.size(); ++i) {
    if (!holds_map(extras[i]->type)) continue;
    const auto& origin = node.all ? whole.origin : node.keys[i].expression->origin;
    return analysis_error("DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "42K09",
                          fmt::format("Cannot resolve the sort key due to data type mismatch: The "
                                      "`sortorder` does not support ordering on type \"{}\".",
                                      extras[i]->type.sql()),
                          origin)
        .with_parameter("functionName", "`sortorder`")
        .with_parameter("dataType", "\"" + extras[i]->type.sql() + "\"");
  }
  WEIR_ASSIGN(const auto plan, close_block(block, extras));
  for (size_t i = 0; i < keys.size(); ++i)
    keys[i].expression = extras[i];
  // Within partitions there is one partition here: the same as a sort.
  const auto sorted =
      make_operator(op::Sort{plan, std::move(keys)}, plan->columns, plan->streaming);
  const auto& before = block.identity ? block.input->columns : plan->columns;
  const bool widened = block.identity ? plan->columns.size() != before.size()
                                      : std::any_of(plan->columns.begin(), plan->columns.end(),
                                                    [](const auto& c) { return c.hidden; });
  return widened ? visible(sorted) : sorted;
}

Result<void> RelationAnalyzer::comparable_rows(const Operator& rows, const Origin& origin) {
  for (const auto& column : rows.columns) {
    if (!holds_map(column.type)) continue;
    return analysis_error("UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE", "0A000",
                          fmt::format("The feature is not supported: Cannot have MAP type columns "
                                      "in DataFrame which calls set operations (INTERSECT, EXCEPT, "
                                      "etc.), but the type of column `{}` is \"{}\".",
                                      column.name, column.type.sql()),
                          origin)
        .with_parameter("colName", "`" + column.name + "`")
        .with_parameter("dataType", "\"" + column.type.sql() + "\"");
  }
  return {};
}

Result<OperatorPtr> RelationAnalyzer::visit(const Distinct& node, const PlanNode& whole) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  child = visible(child);
  WEIR_TRY(comparable_rows(*child, whole.origin));
  return make_operator(op::Distinct{child}, child->columns, child->streaming);
}

Result<int64_t> RelationAnalyzer::limit_value(const ExpressionPtr& expression,
                                              std::string_view name) {
  const auto error = [&](std::string_view kind, std::string message) {
    return analysis_error(fmt::format("INVALID_LIMIT_LIKE_EXPRESSION.{}", kind), "42K0E",
                          std::move(message), expression->origin)
        .with_parameter("name", std::string(name))
        .with_parameter("expr", "\"" + expression_sql(*expression) + "\"");
  };
  ExpressionScope scope;
  auto analyzed = expressions(scope).analyze(*expression);
  if (!analyzed.ok()) {
    if (!analyzed.error().error_class().starts_with("UNRESOLVED_COLUMN"))
      return std::move(analyzed).error();
    return error("IS_UNFOLDABLE",
                 fmt::format("The limit like expression \"{}\" is invalid. The {} expression must "
                             "evaluate to a constant value.",
                             expression_sql(*expression), name));
  }
  auto typed = std::move(analyzed).value();
  if (!is_foldable(*typed)) {
    return error("IS_UNFOLDABLE",
                 fmt::format("The limit like expression \"{}\" is invalid. The {} expression must "
                             "evaluate to a constant value.",
                             expression_sql(*expression), name));
  }
  if (!is_integral(typed->type) || typed->type.is(TypeKind::kLong)) {
    const bool null = typed->type.is(TypeKind::kNull);
    if (!typed->type.is(TypeKind::kLong)) {
      return error(null ? "IS_NULL" : "DATA_TYPE",
                   fmt::format("The limit like expression \"{}\" is invalid. The {} expression "
                               "must be integer type, but got \"{}\".",
                               expression_sql(*expression), name, typed->type.sql()));
    }
  }
  WEIR_ASSIGN(const auto value, fold(typed));
  const auto* number = std::get_if<int64_t>(&value);
  if (!number) {
    return error("IS_NULL", fmt::format("The limit like expression \"{}\" is invalid. The "
                                        "evaluated {} expression must not be null.",
                                        expression_sql(*expression), name));
  }
  if (*number < 0) {
    return error("IS_NEGATIVE",
                 fmt::format("The limit like expression \"{}\" is invalid. The {} expression must "
                             "be equal to or greater than 0, but got {}.",
                             expression_sql(*expression), name, *number));
  }
  return *number;
}

Result<OperatorPtr> RelationAnalyzer::visit(const Limit& node, const PlanNode&) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  op::Limit made{child};
  if (node.limit) {
    WEIR_ASSIGN(made.limit, limit_value(node.limit, "limit"));
  }
  if (node.offset) {
    WEIR_ASSIGN(made.offset, limit_value(node.offset, "offset"));
  }
  return make_operator(std::move(made), child->columns, child->streaming);
}

Result<OperatorPtr> RelationAnalyzer::visit(const Tail& node, const PlanNode&) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  return make_operator(op::Tail{child, node.rows}, child->columns, child->streaming);
}

}  // namespace weir::plan
