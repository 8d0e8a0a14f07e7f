// PIVOT: a column for each value of another, the rest grouped.
#include <algorithm>

#include <fmt/format.h>

#include "plan/integer_setting.h"
#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

constexpr const char* kValuesMax = "spark.sql.pivotMaxValues";

std::string value_text(const DataType& type, const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return "null";
  auto text = default_name(*make_expression(Literal{type, value}));
  // DATE '2020-01-01' is called 2020-01-01.
  const auto quote = text.find('\'');
  if (!std::holds_alternative<std::string>(value) && quote != std::string::npos &&
      text.ends_with("'") &&
      (type.is(TypeKind::kDate) || type.is(TypeKind::kTimestamp) ||
       type.is(TypeKind::kTimestampNtz)))
    return text.substr(quote + 1, text.size() - quote - 2);
  return text;
}

}  // namespace

// First grouped by the keys and the pivot's column, then by the keys, where each value picks its
// group's aggregate: so a group that has no rows of a value gives NULL, count() too.
Result<OperatorPtr> RelationAnalyzer::visit(const Pivot& node, const PlanNode& whole) {
  if (node.list.empty() && node.keys.empty()) return transpose(node, whole.origin);
  WEIR_ASSIGN(auto child, analyze(node.child));
  ExpressionScope scope;
  scope.columns = &child->columns;
  auto analyzer = expressions(scope);
  std::vector<TypedPtr> by;
  for (const auto& column : node.columns) {
    WEIR_ASSIGN(auto typed, analyzer.analyze(*column));
    by.push_back(std::move(typed));
  }
  TypedPtr pivot = by[0];
  if (by.size() > 1) {
    std::vector<TypedPtr> fields;
    for (size_t i = 0; i < by.size(); ++i) {
      const auto* column = std::get_if<TypedColumn>(&by[i]->node);
      fields.push_back(make_typed(DataType::of(TypeKind::kString), false,
                                  TypedLiteral{column ? column->name : fmt::format("_{}", i)}));
      fields.push_back(by[i]);
    }
    WEIR_ASSIGN(pivot, analyzer.call("named_struct", std::move(fields), whole.origin));
  }
  SelectBlock lists;
  lists.input = child;
  WEIR_TRY(select_list(lists, node.list));
  for (const auto& item : lists.items) {
    if (contains_aggregate(*item.expression)) continue;
    return analysis_error("_LEGACY_ERROR_TEMP_1006", "",
                          fmt::format("Aggregate expression required for pivot, but '{}' did not "
                                      "appear in any aggregate function.",
                                      item.name),
                          whole.origin)
        .with_parameter("sql", item.name);
  }
  std::vector<SelectItem> keys;
  if (node.keys_implicit) {
    std::vector<TypedPtr> mentioned = by;
    for (const auto& item : lists.items)
      mentioned.push_back(item.expression);
    const auto used = columns_needed(mentioned);
    for (size_t i = 0; i < child->columns.size(); ++i) {
      if (child->columns[i].hidden ||
          std::find(used.begin(), used.end(), static_cast<int>(i)) != used.end())
        continue;
      keys.push_back(
          {child->columns[i].name, column_at(child->columns, i), false, child->columns[i]});
    }
  } else {
    for (const auto& key : node.keys) {
      WEIR_ASSIGN(auto items, analyzer.expand(*key));
      for (auto& item : items)
        keys.push_back(std::move(item));
    }
  }

  struct PivotValue {
    TypedPtr value;
    std::string name;
  };
  std::vector<PivotValue> values;
  if (node.values.empty()) {
    if (child->streaming) {
      return analysis_error("_LEGACY_ERROR_TEMP_3063", "",
                            "pivot is not supported on a streaming DataFrames/Datasets",
                            whole.origin);
    }
    if (!small_query_) {
      return analysis_error("UNSUPPORTED_FEATURE.PIVOT_WITHOUT_VALUES", "0A000",
                            "A pivot without values cannot be analysed here.", whole.origin);
    }
    SelectItem item{"value", pivot, true, {}};
    auto distinct = project(child, {item});
    distinct = make_operator(op::Distinct{distinct}, distinct->columns, distinct->streaming);
    op::Sort sort{distinct, {{column_at(distinct->columns, 0), true, true}}};
    auto sorted = make_operator(std::move(sort), distinct->columns);
    WEIR_ASSIGN(const int64_t values_max, integer_setting(settings_.conf, kValuesMax, 10'000));
    sorted = make_operator(op::Limit{sorted, values_max + 1, 0}, sorted->columns);
    WEIR_ASSIGN(const auto rows, small_query_(sorted));
    if (static_cast<int64_t>(rows.size()) > values_max) {
      const auto column = expression_sql(*node.columns[0]);
      return analysis_error("_LEGACY_ERROR_TEMP_1324", "",
                            fmt::format("The pivot column {} has more than {} distinct values, "
                                        "this could indicate an error. If this was intended, set "
                                        "{} to at least the number of distinct values of the "
                                        "pivot column.",
                                        column, values_max, kValuesMax),
                            whole.origin)
          .with_parameter("pivotColumn", column)
          .with_parameter("maxValues", std::to_string(values_max))
          .with_parameter("config", kValuesMax);
    }
    for (const auto& row : rows) {
      values.push_back(
          {make_typed(pivot->type, true, TypedLiteral{row[0]}), value_text(pivot->type, row[0])});
    }
  }
  for (const auto& [expression, alias] : node.values) {
    ExpressionScope constants;
    auto of_value = expressions(constants);
    WEIR_ASSIGN(auto typed, of_value.analyze(*expression));
    if (!is_foldable(*typed)) {
      return analysis_error("NON_LITERAL_PIVOT_VALUES", "42K08",
                            fmt::format("Literal expressions required for pivot values, found "
                                        "\"{}\".",
                                        expression_sql(*expression)),
                            expression->origin)
          .with_parameter("expression", "\"" + expression_sql(*expression) + "\"");
    }
    const auto common = comparison_type(typed->type, pivot->type, options().ansi);
    if (!common) {
      return analysis_error(
                 "PIVOT_VALUE_DATA_TYPE_MISMATCH", "42K09",
                 fmt::format("Invalid pivot value '{}': value data type \"{}\" does not "
                             "match pivot column data type \"{}\".",
                             expression_sql(*expression), typed->type.sql(), pivot->type.sql()),
                 expression->origin)
          .with_parameter("value", expression_sql(*expression))
          .with_parameter("valueType", typed->type.sql())
          .with_parameter("pivotType", pivot->type.sql());
    }
    std::string name = alias;
    if (name.empty()) {
      const auto* literal = std::get_if<TypedLiteral>(&typed->node);
      name = literal ? value_text(typed->type, literal->value) : default_name(*expression);
      if (const auto* call = std::get_if<Call>(&expression->node);
          call && call->function == "struct") {
        name = "{";
        for (size_t i = 0; i < call->arguments.size(); ++i)
          name += (i ? ", " : "") + default_name(*call->arguments[i]);
        name += "}";
      }
    }
    values.push_back({typed, std::move(name)});
  }

  // By keys and pivot.
  Grouping inner;
  inner.active = true;
  for (const auto& key : keys)
    inner.keys.push_back(key.expression);
  inner.keys.push_back(pivot);
  std::vector<SelectItem> first = keys;
  for (size_t i = 0; i < first.size(); ++i) {
    WEIR_ASSIGN(first[i].expression, inner.above(first[i].expression));
  }
  WEIR_ASSIGN(auto pivot_above, inner.above(pivot));
  first.push_back({"_pivot", std::move(pivot_above), true, {}});
  for (const auto& item : lists.items) {
    WEIR_ASSIGN(auto above, inner.above(item.expression));
    first.push_back({item.name, std::move(above), true, {}});
  }
  const auto grouped = project(inner.make(child, next_id_), first);

  // By keys.
  ExpressionScope second_scope;
  second_scope.columns = &grouped->columns;
  auto second = expressions(second_scope);
  Grouping outer;
  outer.active = true;
  std::vector<SelectItem> items;
  for (size_t i = 0; i < keys.size(); ++i) {
    outer.keys.push_back(column_at(grouped->columns, i));
    items.push_back({keys[i].name, outer.keys.back(), false, keys[i].column});
  }
  for (auto& item : items) {
    WEIR_ASSIGN(item.expression, outer.above(item.expression));
  }
  const auto* pick = find_function("any_value");
  for (const auto& value : values) {
    for (size_t i = 0; i < lists.items.size(); ++i) {
      const auto source = column_at(grouped->columns, keys.size() + 1 + i);
      TypedCall call;
      call.function = pick;
      call.arguments = {source};
      WEIR_ASSIGN(call.filter,
                  second.call("<=>", {column_at(grouped->columns, keys.size()), value.value},
                              whole.origin));
      WEIR_ASSIGN(auto above,
                  outer.above(make_typed(source->type, true, std::move(call), whole.origin)));
      const auto name =
          lists.items.size() == 1 ? value.name : value.name + "_" + lists.items[i].name;
      items.push_back({name, std::move(above), true, {}});
    }
  }
  return project(outer.make(grouped, next_id_), items);
}

}  // namespace weir::plan
