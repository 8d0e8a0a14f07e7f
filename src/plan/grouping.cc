#include "plan/grouping.h"

#include <fmt/format.h>

#include "plan/analysis.h"
#include "plan/expression_analyzer.h"
#include "plan/operator_rewrites.h"
#include "plan/python_calls.h"
#include "plan/session_windows.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

TypedPtr long_value(int64_t value) {
  return make_typed(DataType::of(TypeKind::kLong), false, TypedLiteral{value});
}

TypedPtr binary(std::string_view function, const TypedPtr& a, const TypedPtr& b) {
  TypedCall call;
  call.function = find_function(function);
  call.arguments = {a, b};
  return make_typed(DataType::of(TypeKind::kLong), false, std::move(call));
}

}  // namespace

TypedPtr Grouping::key_column(size_t key, const TypedPtr& like) const {
  const auto* column = std::get_if<TypedColumn>(&keys[key]->node);
  return make_typed(
      like->type, like->nullable || with_sets,
      TypedColumn{static_cast<int>(key), column ? column->name : fmt::format("_g{}", key)},
      like->origin);
}

base::Error Grouping::missing(const Typed& expression, const std::string& name) const {
  if (keys.empty()) {
    return analysis_error("MISSING_GROUP_BY", "42803",
                          "The query does not include a GROUP BY clause. Add GROUP BY or turn it "
                          "into the window functions using OVER clauses.",
                          expression.origin);
  }
  return analysis_error(
             "MISSING_AGGREGATION", "42803",
             fmt::format("The non-aggregating expression \"{}\" is based on columns which are not "
                         "participating in the GROUP BY clause. Add the columns or the expression "
                         "to the GROUP BY, aggregate the expression, or use \"any_value({})\" if "
                         "you do not care which of the values within a group is returned.",
                         name, name),
             expression.origin)
      .with_parameter("expression", "\"" + name + "\"")
      .with_parameter("expressionAnyValue", "\"any_value(" + name + ")\"");
}

Result<TypedPtr> Grouping::children_above(const TypedPtr& expression) {
  std::optional<base::Error> failure;
  auto made = map_typed_children(expression, [&](const TypedPtr& child) {
    if (failure) return child;
    auto one = above(child);
    if (one.ok()) return *one;
    failure = std::move(one).error();
    return child;
  });
  if (failure) return std::move(*failure);
  return made;
}

Result<TypedPtr> Grouping::above(const TypedPtr& expression) {
  if (const auto* column = std::get_if<TypedColumn>(&expression->node);
      column && column->index >= kGroupingIdColumn)
    return expression;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (same_expression(*keys[i], *expression)) return key_column(i, expression);
  }
  if (const auto* call = std::get_if<TypedCall>(&expression->node);
      call && call->function->kind == FunctionKind::kAggregate) {
    if (call->function == &grouping_function(false) || call->function == &grouping_function(true))
      return grouping_value(expression, *call);
    return aggregate(expression);
  }
  if (is_python_aggregate(*expression)) return aggregate(expression);
  if (const auto* column = std::get_if<TypedColumn>(&expression->node))
    return missing(*expression, column->name);
  if (const auto* window = std::get_if<TypedWindow>(&expression->node)) {
    // The window's own function stays, what it is applied to is above the grouping.
    WEIR_ASSIGN(auto function, children_above(window->function));
    std::optional<base::Error> failure;
    auto made = map_typed_children(expression, [&](const TypedPtr& child) {
      if (failure) return child;
      if (child == window->function) return function;
      auto one = above(child);
      if (one.ok()) return *one;
      failure = std::move(one).error();
      return child;
    });
    if (failure) return std::move(*failure);
    return made;
  }
  WEIR_ASSIGN(auto made, children_above(expression));
  const auto* query = std::get_if<TypedSubquery>(&made->node);
  if (!query) return made;
  // What the subquery reads of the rows has to be a key.
  std::optional<base::Error> failure;
  auto below = map_outer_columns(query->plan, 1, [&](const TypedPtr& one) {
    const auto& outer = std::get<TypedOuterColumn>(one->node);
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto* key = std::get_if<TypedColumn>(&keys[i]->node);
      if (!key || key->index != outer.index) continue;
      return make_typed(one->type, one->nullable || with_sets,
                        TypedOuterColumn{outer.level, static_cast<int>(i), outer.name},
                        one->origin);
    }
    if (!failure) failure = missing(*one, outer.name);
    return one;
  });
  if (failure) return std::move(*failure);
  if (below == query->plan) return made;
  Typed copy = *made;
  std::get<TypedSubquery>(copy.node).plan = std::move(below);
  return std::make_shared<const Typed>(std::move(copy));
}

Result<TypedPtr> Grouping::aggregate(const TypedPtr& expression) {
  if (!aggregates_.empty()) {  // a worker computes all of them or none
    const auto* first = std::get_if<TypedPython>(&aggregates_[0]->node);
    const auto* here = std::get_if<TypedPython>(&expression->node);
    if ((first == nullptr) != (here == nullptr)) {
      const auto& name = (first ? first : here)->function->name;
      return analysis_error("INVALID_PANDAS_UDF_PLACEMENT", "0A000",
                            fmt::format("The group aggregate pandas UDF `{}` cannot be invoked "
                                        "together with as other, non-pandas aggregate functions.",
                                        name),
                            expression->origin)
          .with_parameter("functionList", "`" + name + "`");
    }
    if (first && first->function->eval_type != here->function->eval_type)
      return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                            "Grouped aggregates of Python of different kinds in one query are not "
                            "supported yet.",
                            expression->origin);
  }
  size_t slot = 0;
  while (slot < aggregates_.size() && !same_expression(*aggregates_[slot], *expression))
    ++slot;
  if (slot == aggregates_.size()) aggregates_.push_back(expression);
  return make_typed(expression->type, expression->nullable,
                    TypedColumn{static_cast<int>(keys.size() + slot), fmt::format("_a{}", slot)},
                    expression->origin);
}

Result<TypedPtr> Grouping::grouping_value(const TypedPtr& expression, const TypedCall& call) {
  if (!with_sets) {
    return analysis_error("UNSUPPORTED_GROUPING_EXPRESSION", "42K0E",
                          "grouping()/grouping_id() can only be used with "
                          "GroupingSets/Cube/Rollup.",
                          expression->origin);
  }
  const auto id =
      make_typed(DataType::of(TypeKind::kLong), false,
                 TypedColumn{kGroupingIdColumn, "spark_grouping_id"}, expression->origin);
  const bool whole = call.function == &grouping_function(true);
  std::vector<size_t> places;
  for (const auto& argument : call.arguments) {
    size_t key = 0;
    while (key < keys.size() && !same_expression(*keys[key], *argument))
      ++key;
    if (key == keys.size()) {
      const auto* column = std::get_if<TypedColumn>(&argument->node);
      return analysis_error(whole ? "GROUPING_ID_COLUMN_MISMATCH" : "GROUPING_COLUMN_MISMATCH",
                            "42803",
                            fmt::format("Column of grouping ({}) can't be found in grouping "
                                        "columns.",
                                        column ? column->name : "expression"),
                            expression->origin)
          .with_parameter("grouping", column ? "\"" + column->name + "\"" : "");
    }
    places.push_back(key);
  }
  const auto bit = [&](size_t key) {
    const auto shift = static_cast<int64_t>(keys.size() - 1 - key);
    TypedCall moved;
    moved.function = find_function("shiftright");
    moved.arguments = {id,
                       make_typed(DataType::of(TypeKind::kInteger), false, TypedLiteral{shift})};
    return binary("&", make_typed(DataType::of(TypeKind::kLong), false, std::move(moved)),
                  long_value(1));
  };
  if (!whole) {
    return make_typed(DataType::of(TypeKind::kByte), false, TypedCast{bit(places[0]), false, true},
                      expression->origin);
  }
  if (places.empty()) return id;
  if (places.size() != keys.size()) {
    return analysis_error("GROUPING_ID_COLUMN_MISMATCH", "42803",
                          "Columns of grouping_id do not match the grouping columns.",
                          expression->origin);
  }
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i] != i) {
      return analysis_error("GROUPING_ID_COLUMN_MISMATCH", "42803",
                            "Columns of grouping_id do not match the grouping columns.",
                            expression->origin);
    }
  }
  return id;
}

TypedPtr Grouping::with_grouping_id(const TypedPtr& expression) const {
  if (!with_sets) return expression;
  const int place = static_cast<int>(keys.size() + aggregates_.size());
  return replace_columns(expression, [&](const TypedPtr& one) {
    const auto& column = std::get<TypedColumn>(one->node);
    if (column.index != kGroupingIdColumn) return one;
    return make_typed(one->type, one->nullable, TypedColumn{place, column.name}, one->origin);
  });
}

OperatorPtr Grouping::make(const OperatorPtr& input, ColumnId& next_id) const {
  std::vector<Column> columns;
  const auto add = [&](std::string name, const DataType& type, bool nullable) {
    Column column;
    column.name = std::move(name);
    column.type = type;
    column.nullable = nullable;
    column.id = next_id++;
    columns.push_back(std::move(column));
  };
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto* column = std::get_if<TypedColumn>(&keys[i]->node);
    add(column ? column->name : fmt::format("_g{}", i), keys[i]->type,
        keys[i]->nullable || with_sets);
  }
  for (size_t i = 0; i < aggregates_.size(); ++i)
    add(fmt::format("_a{}", i), aggregates_[i]->type, aggregates_[i]->nullable);
  if (with_sets) add("spark_grouping_id", DataType::of(TypeKind::kLong), false);
  auto made = make_operator(op::Aggregate{input, keys, aggregates_, sets}, std::move(columns),
                            input->streaming);
  return input->streaming || with_sets ? made : with_sessions_merged(made, next_id);
}

}  // namespace weir::plan
