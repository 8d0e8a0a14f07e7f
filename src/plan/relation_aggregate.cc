// GROUP BY in all its forms, HAVING, PIVOT.
#include <algorithm>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

constexpr size_t kCubeKeysMax = 16;

std::vector<std::vector<int>> sets_of(GroupingKind kind, const std::vector<int>& keys) {
  std::vector<std::vector<int>> sets;
  if (kind == GroupingKind::kRollup) {
    for (size_t count = keys.size() + 1; count-- > 0;)
      sets.emplace_back(keys.begin(), keys.begin() + static_cast<long>(count));
    return sets;
  }
  for (size_t mask = size_t{1} << keys.size(); mask-- > 0;) {
    std::vector<int> set;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (mask & (size_t{1} << (keys.size() - 1 - i))) set.push_back(keys[i]);
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

}  // namespace

Result<SelectBlock> RelationAnalyzer::aggregate_block(const Aggregate& node,
                                                      std::vector<NamedWindow> windows,
                                                      const Origin& origin) {
  SelectBlock block;
  block.windows = std::move(windows);
  block.grouping.active = true;
  WEIR_ASSIGN(block.input, analyze(node.child));
  WEIR_ASSIGN(block.input, with_time_windows(block.input, {&node.keys, &node.list}));
  if (!node.sql) WEIR_TRY(select_list(block, node.keys));
  const size_t key_items = block.items.size();
  WEIR_TRY(select_list(block, node.list));
  if (node.keys_all) {
    WEIR_TRY(all_keys(block, origin));
  } else if (!node.sql && key_items == node.keys.size()) {
    for (size_t i = 0; i < key_items; ++i)
      block.grouping.keys.push_back(block.items[i].expression);
    std::vector<int> all;
    for (size_t i = 0; i < key_items; ++i)
      all.push_back(static_cast<int>(i));
    if (node.kind != GroupingKind::kPlain) {
      block.grouping.with_sets = true;
      block.grouping.sets = node.kind == GroupingKind::kSets ? node.sets : sets_of(node.kind, all);
    }
  } else {
    WEIR_TRY(grouping_keys(node, block));
  }
  if (node.having) {
    ExpressionScope scope;
    scope.columns = &block.input->columns;
    scope.items = &block.items;
    scope.items_first = true;
    scope.aggregates = true;
    auto analyzer = expressions(scope);
    WEIR_ASSIGN(block.having, analyzer.analyze(*node.having));
    const auto boolean = DataType::of(TypeKind::kBoolean);
    if (!block.having->type.is(TypeKind::kBoolean)) {
      WEIR_ASSIGN(block.having, analyzer.cast(block.having, boolean, false,
                                              expression_sql(*node.having), node.having->origin));
    }
  }
  return block;
}

Result<TypedPtr> RelationAnalyzer::grouping_key(const Expression& key, bool sql,
                                                const SelectBlock& block) {
  const auto* literal = std::get_if<Literal>(&key.node);
  const auto* number = literal ? std::get_if<int64_t>(&literal->value) : nullptr;
  if (number && literal->type.is(TypeKind::kInteger) && sql && settings_.group_by_ordinal) {
    if (*number < 1 || *number > static_cast<int64_t>(block.items.size())) {
      return analysis_error("GROUP_BY_POS_OUT_OF_RANGE", "42805",
                            fmt::format("GROUP BY position {} is not in select list (valid range "
                                        "is [1, {}]).",
                                        *number, block.items.size()),
                            key.origin)
          .with_parameter("index", std::to_string(*number))
          .with_parameter("size", std::to_string(block.items.size()));
    }
    const auto& item = block.items[static_cast<size_t>(*number - 1)];
    if (contains_aggregate(*item.expression)) {
      return analysis_error("GROUP_BY_POS_AGGREGATE", "42903",
                            fmt::format("GROUP BY {} refers to an expression {} that contains an "
                                        "aggregate function. Aggregate functions are not allowed "
                                        "in GROUP BY.",
                                        *number, item.name),
                            key.origin)
          .with_parameter("index", std::to_string(*number))
          .with_parameter("aggExpr", item.name);
    }
    return item.expression;
  }
  ExpressionScope scope;
  scope.columns = &block.input->columns;
  scope.clause = Clause::kGroupBy;
  if (settings_.group_by_aliases) scope.items = &block.items;
  WEIR_ASSIGN(auto typed, expressions(scope).analyze(key));
  if (contains_aggregate(*typed)) {
    return analysis_error("GROUP_BY_AGGREGATE", "42903",
                          fmt::format("Aggregate functions are not allowed in GROUP BY, but found "
                                      "{}.",
                                      expression_sql(key)),
                          key.origin)
        .with_parameter("sqlExpr", expression_sql(key));
  }
  return typed;
}

Result<void> RelationAnalyzer::grouping_keys(const Aggregate& node, SelectBlock& block) {
  std::vector<int> place;  // of each written key among the different ones
  for (const auto& key : node.keys) {
    std::vector<TypedPtr> made;
    if (std::holds_alternative<Star>(key->node)) {
      ExpressionScope scope;
      scope.columns = &block.input->columns;
      WEIR_ASSIGN(auto items, expressions(scope).expand(*key));
      for (auto& item : items)
        made.push_back(std::move(item.expression));
    } else {
      WEIR_ASSIGN(auto typed, grouping_key(*key, node.sql, block));
      made.push_back(std::move(typed));
    }
    for (auto& typed : made) {
      auto& keys = block.grouping.keys;
      size_t at = 0;
      while (at < keys.size() && !same_expression(*keys[at], *typed))
        ++at;
      if (at == keys.size()) keys.push_back(std::move(typed));
      place.push_back(static_cast<int>(at));
    }
  }
  if (node.kind == GroupingKind::kPlain) return {};
  block.grouping.with_sets = true;
  if (node.kind == GroupingKind::kCube && place.size() > kCubeKeysMax) {
    return analysis_error(
               "GROUPING_SIZE_LIMIT_EXCEEDED", "54000",
               fmt::format("Grouping sets size cannot be greater than {}.", kCubeKeysMax),
               block.input->columns.empty() ? Origin{} : node.keys[0]->origin)
        .with_parameter("maxSize", std::to_string(kCubeKeysMax));
  }
  auto sets = node.kind == GroupingKind::kSets ? node.sets : sets_of(node.kind, place);
  for (auto& set : sets) {
    if (node.kind == GroupingKind::kSets) {
      for (auto& key : set)
        key = place[static_cast<size_t>(key)];
    }
    std::sort(set.begin(), set.end());
    set.erase(std::unique(set.begin(), set.end()), set.end());
  }
  block.grouping.sets = std::move(sets);
  return {};
}

Result<void> RelationAnalyzer::all_keys(SelectBlock& block, const Origin& origin) {
  auto& keys = block.grouping.keys;
  for (const auto& item : block.items) {
    if (contains_aggregate(*item.expression) || has_window(*item.expression)) continue;
    keys.push_back(item.expression);
  }
  for (const auto& item : block.items) {
    if (!contains_aggregate(*item.expression)) continue;
    Grouping trial = block.grouping;
    if (trial.above(item.expression).ok()) continue;
    return analysis_error("UNRESOLVED_ALL_IN_GROUP_BY", "42803",
                          "Cannot infer grouping columns for GROUP BY ALL based on the select "
                          "clause. Please explicitly specify the grouping columns.",
                          origin);
  }
  return {};
}

}  // namespace weir::plan
