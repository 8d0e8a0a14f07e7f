// Joins and set operations.
#include <algorithm>

#include <fmt/format.h>

#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"
#include "plan/subquery_checks.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

bool left_only(JoinKind kind) { return kind == JoinKind::kLeftSemi || kind == JoinKind::kLeftAnti; }

std::vector<Column> joined_columns(const OperatorPtr& left, const OperatorPtr& right,
                                   JoinKind kind) {
  auto columns = left->columns;
  if (kind == JoinKind::kRight || kind == JoinKind::kFull) {
    for (auto& column : columns)
      column.nullable = true;
  }
  if (left_only(kind)) return columns;
  for (auto column : right->columns) {
    if (kind == JoinKind::kLeft || kind == JoinKind::kFull) column.nullable = true;
    columns.push_back(std::move(column));
  }
  return columns;
}

int position_of(const OperatorPtr& side, const std::string& name, bool case_sensitive) {
  for (size_t i = 0; i < side->columns.size(); ++i) {
    if (!side->columns[i].hidden && names_equal(side->columns[i].name, name, case_sensitive))
      return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

Result<OperatorPtr> RelationAnalyzer::visit(const Join& node, const PlanNode& whole) {
  WEIR_ASSIGN(const auto left, analyze(node.left));
  OperatorPtr right;
  if (node.lateral) {
    outers_.push_back(&left->columns);
    auto made = analyze(node.right);
    outers_.pop_back();
    if (!made.ok()) return made;
    right = std::move(made).value();
    if (right->streaming) return streaming_subquery(whole.origin);
    if (node.kind == JoinKind::kRight || node.kind == JoinKind::kFull || left_only(node.kind)) {
      return analysis_error("UNSUPPORTED_JOIN_TYPE", "0A000",
                            "Unsupported join type with LATERAL: only inner, cross and left outer "
                            "joins can be lateral.",
                            whole.origin);
    }
    if (node.natural || !node.using_columns.empty()) {
      return analysis_error("UNSUPPORTED_FEATURE.LATERAL_JOIN_USING", "0A000",
                            "The feature is not supported: JOIN USING with LATERAL correlation.",
                            whole.origin);
    }
  } else {
    WEIR_ASSIGN(right, analyze(node.right));
  }
  auto names = node.using_columns;
  if (node.natural) {
    for (const auto& column : left->columns) {
      if (!column.hidden && position_of(right, column.name, options().case_sensitive) >= 0)
        names.push_back(column.name);
    }
  }
  if (!names.empty()) return using_join(node, left, right, std::move(names), whole.origin);
  op::Join join{left, right, node.kind, nullptr, node.lateral};
  if (node.condition) {
    auto columns = left->columns;
    columns.insert(columns.end(), right->columns.begin(), right->columns.end());
    ExpressionScope scope;
    scope.columns = &columns;
    scope.clause = Clause::kJoin;
    WEIR_ASSIGN(join.condition, expressions(scope).condition(*node.condition, "join"));
  }
  auto columns = joined_columns(left, right, node.kind);
  const bool streaming = left->streaming || right->streaming;
  return make_operator(std::move(join), std::move(columns), streaming);
}

Result<OperatorPtr> RelationAnalyzer::using_join(const Join& node, const OperatorPtr& left,
                                                 const OperatorPtr& right,
                                                 std::vector<std::string> names,
                                                 const Origin& origin) {
  const bool exact = options().case_sensitive;
  const size_t left_width = left->columns.size();
  auto both = left->columns;
  both.insert(both.end(), right->columns.begin(), right->columns.end());
  ExpressionScope scope;
  scope.columns = &both;
  auto analyzer = expressions(scope);
  std::vector<std::pair<size_t, size_t>> pairs;
  TypedPtr condition;
  for (const auto& name : names) {
    int at[2];
    for (int side = 0; side < 2; ++side) {
      const auto& input = side == 0 ? left : right;
      at[side] = position_of(input, name, exact);
      if (at[side] >= 0) {
        // NATURAL takes the first of several, USING none.
        if (!node.natural) WEIR_TRY(find_column(input->columns, {name}, exact, origin));
        continue;
      }
      std::vector<std::string> known;
      for (const auto& column : input->columns) {
        if (!column.hidden) known.push_back("`" + column.name + "`");
      }
      std::sort(known.begin(), known.end());
      const std::string_view word = side == 0 ? "left" : "right";
      const auto list = fmt::format("[{}]", fmt::join(known, ", "));
      return analysis_error("UNRESOLVED_USING_COLUMN_FOR_JOIN", "42703",
                            fmt::format("USING column `{}` cannot be resolved on the {} side of "
                                        "the join. The {}-side columns: {}.",
                                        name, word, word, list),
                            origin)
          .with_parameter("colName", "`" + name + "`")
          .with_parameter("side", std::string(word))
          .with_parameter("suggestion", list);
    }
    const auto l = static_cast<size_t>(at[0]), r = left_width + static_cast<size_t>(at[1]);
    pairs.emplace_back(l, r);
    WEIR_ASSIGN(
        auto equal,
        analyzer.call("=", {column_at(both, l, origin), column_at(both, r, origin)}, origin));
    if (!condition) {
      condition = std::move(equal);
    } else {
      WEIR_ASSIGN(condition, analyzer.call("and", {condition, equal}, origin));
    }
  }
  const auto kind = node.kind == JoinKind::kCross ? JoinKind::kInner : node.kind;
  auto columns = joined_columns(left, right, kind);
  const auto join = make_operator(op::Join{left, right, kind, condition, false}, columns,
                                  left->streaming || right->streaming);
  if (left_only(kind)) {
    // The keys first, as for the other kinds.
    std::vector<int> order;
    for (const auto& [l, r] : pairs)
      order.push_back(static_cast<int>(l));
    for (size_t i = 0; i < left_width; ++i) {
      const bool key = std::any_of(pairs.begin(), pairs.end(),
                                   [&](const auto& pair) { return pair.first == i; });
      if (!key) order.push_back(static_cast<int>(i));
    }
    return keep(join, order);
  }
  std::vector<SelectItem> items, hidden;
  const auto item_at = [&](size_t i) {
    return SelectItem{columns[i].name, column_at(columns, i, origin), false, columns[i]};
  };
  const auto hide = [&](size_t i) {
    hidden.push_back(item_at(i));
    hidden.back().column.hidden = true;
  };
  std::vector<bool> used(columns.size());
  for (const auto& [l, r] : pairs) {
    used[l] = used[r] = true;
    if (kind == JoinKind::kFull) {
      WEIR_ASSIGN(
          auto value,
          analyzer.call("coalesce", {column_at(columns, l, origin), column_at(columns, r, origin)},
                        origin));
      items.push_back({columns[l].name, std::move(value), false, {}});
      hide(l);
      hide(r);
    } else {
      items.push_back(item_at(kind == JoinKind::kRight ? r : l));
      hide(kind == JoinKind::kRight ? l : r);
    }
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!used[i]) items.push_back(item_at(i));
  }
  for (auto& one : hidden)
    items.push_back(std::move(one));
  return project(join, items);
}

Result<OperatorPtr> RelationAnalyzer::by_name(const OperatorPtr& right, const OperatorPtr& left,
                                              bool allow_missing, const Origin& origin) {
  std::vector<SelectItem> items;
  const auto null_item = [&](const Column& like) {
    return SelectItem{
        like.name, make_typed(like.type, true, TypedLiteral{std::monostate{}}, origin), true, {}};
  };
  const bool exact = options().case_sensitive;
  std::vector<bool> used(right->columns.size());
  for (const auto& column : left->columns) {
    const int at = position_of(right, column.name, exact);
    if (at >= 0) {
      used[static_cast<size_t>(at)] = true;
      items.push_back({column.name, column_at(right->columns, static_cast<size_t>(at)), false,
                       right->columns[static_cast<size_t>(at)]});
    } else if (allow_missing) {
      items.push_back(null_item(column));
    } else {
      return unresolved_column(right->columns, {column.name}, origin);
    }
  }
  for (size_t i = 0; i < right->columns.size(); ++i) {
    if (used[i]) continue;
    if (!allow_missing && right->columns.size() != left->columns.size()) break;
    items.push_back(
        {right->columns[i].name, column_at(right->columns, i), false, right->columns[i]});
  }
  return project(right, items);
}

Result<OperatorPtr> RelationAnalyzer::visit(const SetOperation& node, const PlanNode& whole) {
  if (const auto recursive = recursions_.find(&whole); recursive != recursions_.end()) {
    const auto recursion = recursive->second;
    recursions_.erase(recursive);
    auto made = recursive_union(node, whole, *recursion);
    if (!made.ok() || *made) {
      recursions_[&whole] = recursion;
      return made;
    }
  }
  WEIR_ASSIGN(auto left, analyze(node.left));
  WEIR_ASSIGN(auto right, analyze(node.right));
  left = visible(left);
  right = visible(right);
  const std::string_view word = node.kind == SetKind::kUnion       ? "UNION"
                                : node.kind == SetKind::kIntersect ? "INTERSECT"
                                                                   : "EXCEPT";
  const auto shown =
      node.all && node.kind != SetKind::kUnion ? fmt::format("{} ALL", word) : std::string(word);
  if (node.by_name) {
    if (!node.allow_missing && left->columns.size() != right->columns.size()) {
      // falls to the count below
    } else {
      WEIR_ASSIGN(right, by_name(right, left, node.allow_missing, whole.origin));
      if (right->columns.size() > left->columns.size()) {
        // Columns that only the right side has.
        auto items = items_of(left);
        for (size_t i = left->columns.size(); i < right->columns.size(); ++i) {
          const auto& column = right->columns[i];
          items.push_back({column.name,
                           make_typed(column.type, true, TypedLiteral{std::monostate{}}),
                           true,
                           {}});
        }
        left = project(left, items);
      }
    }
  }
  if (left->columns.size() != right->columns.size()) {
    return analysis_error("NUM_COLUMNS_MISMATCH", "42826",
                          fmt::format("{} can only be performed on inputs with the same number of "
                                      "columns, but the first input has {} columns and the second "
                                      "input has {} columns.",
                                      shown, left->columns.size(), right->columns.size()),
                          whole.origin)
        .with_parameter("operator", shown)
        .with_parameter("firstNumColumns", std::to_string(left->columns.size()))
        .with_parameter("invalidOrdinalNum", "second")
        .with_parameter("invalidNumColumns", std::to_string(right->columns.size()));
  }
  static const char* const kOrdinals[] = {"first", "second",  "third",  "fourth", "fifth",
                                          "sixth", "seventh", "eighth", "ninth",  "tenth"};
  std::vector<DataType> types;
  for (size_t i = 0; i < left->columns.size(); ++i) {
    const auto& a = left->columns[i].type;
    const auto& b = right->columns[i].type;
    const auto common = common_type(a, b, options().ansi);
    if (!common) {
      const auto ordinal =
          i < std::size(kOrdinals) ? std::string(kOrdinals[i]) : fmt::format("{}th", i + 1);
      return analysis_error(
                 "INCOMPATIBLE_COLUMN_TYPE", "42825",
                 fmt::format("{} can only be performed on tables with compatible column types. The "
                             "{} column of the second table is \"{}\" type which is not compatible "
                             "with \"{}\" at the same column of the first table.",
                             shown, ordinal, b.sql(), a.sql()),
                 whole.origin)
          .with_parameter("operator", shown)
          .with_parameter("columnOrdinalNumber", ordinal)
          .with_parameter("tableOrdinalNumber", "second")
          .with_parameter("dataType1", "\"" + b.sql() + "\"")
          .with_parameter("dataType2", "\"" + a.sql() + "\"")
          .with_parameter("hint", "");
    }
    if (common->is(TypeKind::kMap) && !(node.kind == SetKind::kUnion && node.all)) {
      return analysis_error("UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE", "0A000",
                            fmt::format("The feature is not supported: Cannot have MAP type "
                                        "columns in DataFrame which calls set operations "
                                        "(INTERSECT, EXCEPT, etc.), but the type of column `{}` is "
                                        "\"{}\".",
                                        left->columns[i].name, common->sql()),
                            whole.origin)
          .with_parameter("colName", "`" + left->columns[i].name + "`")
          .with_parameter("dataType", "\"" + common->sql() + "\"");
    }
    types.push_back(*common);
  }
  const auto cast_to = [&](const OperatorPtr& side) {
    ExpressionScope scope;
    scope.columns = &side->columns;
    auto analyzer = expressions(scope);
    auto items = items_of(side);
    bool changed = false;
    for (size_t i = 0; i < items.size(); ++i) {
      auto typed = analyzer.coerce(items[i].expression, types[i]);
      changed = changed || typed != items[i].expression;
      items[i].expression = std::move(typed);
    }
    return changed ? project(side, items) : side;
  };
  left = cast_to(left);
  right = cast_to(right);
  auto columns = left->columns;
  for (size_t i = 0; i < columns.size(); ++i) {
    const bool right_null = right->columns[i].nullable;
    if (node.kind == SetKind::kUnion) {
      columns[i].nullable = columns[i].nullable || right_null;
      columns[i].id = fresh_id();
    } else if (node.kind == SetKind::kIntersect) {
      columns[i].nullable = columns[i].nullable && right_null;
    }
    columns[i].type = types[i];
  }
  return make_operator(op::SetOperation{left, right, node.kind, node.all}, std::move(columns),
                       left->streaming || right->streaming);
}

}  // namespace weir::plan
