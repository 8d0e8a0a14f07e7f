// What df.na, df.describe(), df.summary() and df.stat are made of.
#include <algorithm>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }

TypedPtr literal_of(const Literal& literal) {
  return make_typed(literal.type, std::holds_alternative<std::monostate>(literal.value),
                    TypedLiteral{literal.value});
}
TypedPtr text_value(const std::string& text) {
  return make_typed(of(TypeKind::kString), false, TypedLiteral{text});
}
TypedPtr integer_value(int64_t value) {
  return make_typed(of(TypeKind::kInteger), false, TypedLiteral{value});
}
TypedPtr double_value(double value) {
  return make_typed(of(TypeKind::kDouble), false, TypedLiteral{value});
}

// A value stands in for what is missing in columns of its own family of types.
bool fits(const DataType& value, const DataType& column) {
  if (value.is_numeric()) return column.is_numeric();
  if (is_text(value)) return is_text(column);
  return value.is(TypeKind::kBoolean) && column.is(TypeKind::kBoolean);
}

// Spark's aggregate behind freqItems, which has no name in SQL.
Result<TypedPtr> frequent_items(const TypedPtr& value, int64_t items_max) {
  static const Function function = [] {
    Function made;
    made.name = "collect_frequent_items";
    made.kind = FunctionKind::kAggregate;
    made.arguments_min = made.arguments_max = 2;
    return made;
  }();
  const auto& type = value->type;
  if (type.is_nested() || type.is_interval() || type.is(TypeKind::kNull)) {
    return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                          fmt::format("The feature is not supported: freqItems() of a column of "
                                      "type {}.",
                                      type.sql()),
                          value->origin);
  }
  return make_typed(DataType::array(type, value->nullable), false,
                    TypedCall{&function, {value, integer_value(items_max)}});
}

bool listed(const std::vector<std::string>& names, const std::string& name, bool case_sensitive) {
  return names.empty() || std::any_of(names.begin(), names.end(), [&](const auto& one) {
           return names_equal(one, name, case_sensitive);
         });
}

}  // namespace

Result<OperatorPtr> RelationAnalyzer::visit(const FillNa& node, const PlanNode&) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  if (!node.columns.empty()) WEIR_TRY(positions(node.columns, *child));
  ExpressionScope scope;
  scope.columns = &child->columns;
  auto analyzer = expressions(scope);
  auto items = items_of(child, true);
  for (auto& item : items) {
    if (item.column.hidden) continue;
    const Literal* value = nullptr;
    if (node.values.size() == 1) {
      if (listed(node.columns, item.name, options().case_sensitive)) value = &node.values[0];
    } else {
      for (size_t i = 0; i < node.columns.size() && i < node.values.size(); ++i) {
        if (names_equal(node.columns[i], item.name, options().case_sensitive))
          value = &node.values[i];
      }
    }
    const auto type = item.expression->type;
    if (!value || !fits(value->type, type)) continue;
    auto filled = literal_of(*value);
    if (!filled->type.same_type(type)) {
      filled = make_typed(type, false, TypedCast{filled, false, false});
    }
    auto current = item.expression;
    if (is_fractional(type)) {
      const auto null = make_typed(type, true, TypedLiteral{std::monostate{}});
      WEIR_ASSIGN(auto nan, analyzer.call("isnan", {current}, {}));
      WEIR_ASSIGN(current, analyzer.call("if", {nan, null, current}, {}));
    }
    WEIR_ASSIGN(item.expression, analyzer.call("coalesce", {current, filled}, {}));
    item.column.id = 0;
  }
  return project(child, items);
}

Result<OperatorPtr> RelationAnalyzer::visit(const DropNa& node, const PlanNode&) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  if (!node.columns.empty()) WEIR_TRY(positions(node.columns, *child));
  ExpressionScope scope;
  scope.columns = &child->columns;
  auto analyzer = expressions(scope);
  TypedPtr all, count;
  for (size_t i = 0; i < child->columns.size(); ++i) {
    const auto& column = child->columns[i];
    if (column.hidden || !listed(node.columns, column.name, options().case_sensitive)) continue;
    const auto value = column_at(child->columns, i);
    WEIR_ASSIGN(auto there, analyzer.call("isnotnull", {value}, {}));
    if (is_fractional(column.type)) {
      WEIR_ASSIGN(auto nan, analyzer.call("isnan", {value}, {}));
      WEIR_ASSIGN(nan, analyzer.call("not", {nan}, {}));
      WEIR_ASSIGN(there, analyzer.call("and", {there, nan}, {}));
    }
    if (!node.non_null_min) {
      if (all) {
        WEIR_ASSIGN(there, analyzer.call("and", {all, there}, {}));
      }
      all = std::move(there);
      continue;
    }
    WEIR_ASSIGN(auto one, analyzer.call("if", {there, integer_value(1), integer_value(0)}, {}));
    if (count) {
      WEIR_ASSIGN(one, analyzer.call("+", {count, one}, {}));
    }
    count = std::move(one);
  }
  if (count) {
    WEIR_ASSIGN(all, analyzer.call(">=", {count, integer_value(*node.non_null_min)}, {}));
  }
  if (!all) return child;
  return make_operator(op::Filter{child, all}, child->columns, child->streaming);
}

Result<OperatorPtr> RelationAnalyzer::visit(const ReplaceValues& node, const PlanNode&) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  if (!node.columns.empty()) WEIR_TRY(positions(node.columns, *child));
  ExpressionScope scope;
  scope.columns = &child->columns;
  auto analyzer = expressions(scope);
  auto items = items_of(child, true);
  for (auto& item : items) {
    if (item.column.hidden || !listed(node.columns, item.name, options().case_sensitive)) continue;
    const auto type = item.expression->type;
    std::vector<TypedPtr> arguments;
    for (const auto& [from, to] : node.values) {
      const bool null_from = std::holds_alternative<std::monostate>(from.value);
      if (!null_from && !fits(from.type, type)) continue;
      TypedPtr hit;
      if (null_from) {
        WEIR_ASSIGN(hit, analyzer.call("isnull", {item.expression}, {}));
      } else {
        auto value = make_typed(type, false, TypedCast{literal_of(from), false, false});
        if (from.type.same_type(type)) value = literal_of(from);
        WEIR_ASSIGN(hit, analyzer.call("=", {item.expression, value}, {}));
      }
      arguments.push_back(std::move(hit));
      const auto made = literal_of(to);
      arguments.push_back(made->type.same_type(type)
                              ? made
                              : make_typed(type, made->nullable, TypedCast{made, false, false}));
    }
    if (arguments.empty()) continue;
    arguments.push_back(item.expression);
    WEIR_ASSIGN(item.expression, analyzer.call("when", std::move(arguments), {}));
    item.column.id = 0;
  }
  return project(child, items);
}

Result<OperatorPtr> RelationAnalyzer::visit(const Describe& node, const PlanNode& whole) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  child = visible(child);
  std::vector<int> columns;
  if (node.columns.empty()) {
    for (size_t i = 0; i < child->columns.size(); ++i) {
      const auto& type = child->columns[i].type;
      if (type.is_numeric() || is_text(type)) columns.push_back(static_cast<int>(i));
    }
  } else {
    WEIR_ASSIGN(columns, positions(node.columns, *child));
  }
  auto statistics = node.statistics;
  if (statistics.empty()) {
    statistics = {"count", "mean", "stddev", "min", "max"};
    if (node.summary) statistics.insert(statistics.end() - 1, {"25%", "50%", "75%"});
  }
  ExpressionScope scope;
  scope.columns = &child->columns;
  scope.aggregates = true;
  auto analyzer = expressions(scope);
  std::vector<NamedTyped> list;
  for (const auto& statistic : statistics) {
    const auto lower = boost::to_lower_copy(statistic);
    for (const int position : columns) {
      const auto column = column_at(child->columns, static_cast<size_t>(position));
      const auto number = column->type.is_numeric() ? column
                                                    : make_typed(of(TypeKind::kDouble), true,
                                                                 TypedCast{column, true, false});
      TypedPtr value;
      if (statistic.ends_with("%")) {
        const double percentile = std::atof(statistic.c_str()) / 100;
        if (percentile < 0 || percentile > 1) {
          return analysis_error("INVALID_PARAMETER_VALUE.PERCENTILE", "22023",
                                "Percentiles must be in the range [0, 1].", whole.origin);
        }
        WEIR_ASSIGN(value, analyzer.call("percentile_approx", {number, double_value(percentile)},
                                         whole.origin));
      } else if (lower == "count" || lower == "min" || lower == "max") {
        WEIR_ASSIGN(value, analyzer.call(lower, {column}, whole.origin));
      } else if (lower == "count_distinct") {
        WEIR_ASSIGN(value, analyzer.call("count", {column}, whole.origin));
        Typed copy = *value;
        std::get<TypedCall>(copy.node).distinct = true;
        value = std::make_shared<const Typed>(std::move(copy));
      } else if (lower == "approx_count_distinct") {
        WEIR_ASSIGN(value, analyzer.call(lower, {column}, whole.origin));
      } else if (lower == "mean" || lower == "stddev") {
        WEIR_ASSIGN(value,
                    analyzer.call(lower == "mean" ? "avg" : "stddev", {number}, whole.origin));
      } else {
        return analysis_error("INVALID_PARAMETER_VALUE.STATISTIC", "22023",
                              fmt::format("{} is not a recognised statistic.", statistic),
                              whole.origin);
      }
      if (!is_text(value->type))
        value = make_typed(of(TypeKind::kString), true, TypedCast{value, false, false});
      list.push_back({fmt::format("_s{}", list.size()), std::move(value)});
    }
  }
  WEIR_ASSIGN(const auto row, aggregate_of(child, {}, list));
  // A row for each statistic.
  ExpressionScope after;
  after.columns = &row->columns;
  auto builder = expressions(after);
  std::vector<TypedPtr> rows;
  for (size_t s = 0; s < statistics.size(); ++s) {
    std::vector<TypedPtr> fields{text_value("summary"), text_value(statistics[s])};
    for (size_t c = 0; c < columns.size(); ++c) {
      fields.push_back(text_value(child->columns[static_cast<size_t>(columns[c])].name));
      fields.push_back(column_at(row->columns, s * columns.size() + c));
    }
    WEIR_ASSIGN(auto one, builder.call("named_struct", std::move(fields), {}));
    rows.push_back(std::move(one));
  }
  WEIR_ASSIGN(auto array, builder.call("array", std::move(rows), {}));
  WEIR_ASSIGN(auto call, builder.call("inline", {std::move(array)}, {}));
  auto all = row->columns;
  std::vector<int> shown;
  for (const auto& field : call->type.element().fields()) {
    Column column;
    column.name = field.name;
    column.type = field.type();
    column.id = fresh_id();
    shown.push_back(static_cast<int>(all.size()));
    all.push_back(std::move(column));
  }
  return keep(make_operator(op::Generate{row, std::move(call), false}, std::move(all)), shown);
}

Result<OperatorPtr> RelationAnalyzer::visit(const Statistic& node, const PlanNode& whole) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  child = visible(child);
  ExpressionScope scope;
  scope.columns = &child->columns;
  scope.aggregates = true;
  auto analyzer = expressions(scope);
  if (node.kind == StatisticKind::kSampleBy) {
    WEIR_ASSIGN(const auto stratum, analyzer.analyze(*node.by));
    std::vector<TypedPtr> arguments;
    for (const auto& [value, fraction] : node.fractions) {
      WEIR_ASSIGN(auto hit, analyzer.call("=", {stratum, literal_of(value)}, whole.origin));
      arguments.push_back(std::move(hit));
      arguments.push_back(double_value(fraction));
    }
    arguments.push_back(double_value(0));
    TypedPtr fraction = arguments.back();
    if (arguments.size() > 1) {
      WEIR_ASSIGN(fraction, analyzer.call("when", std::move(arguments), whole.origin));
    }
    std::vector<TypedPtr> seed;
    if (node.seed) seed.push_back(make_typed(of(TypeKind::kLong), false, TypedLiteral{*node.seed}));
    WEIR_ASSIGN(auto random, analyzer.call("rand", std::move(seed), whole.origin));
    WEIR_ASSIGN(auto keep_row, analyzer.call("<", {random, fraction}, whole.origin));
    return make_operator(op::Filter{child, keep_row}, child->columns, child->streaming);
  }
  WEIR_ASSIGN(const auto at, positions(node.columns, *child));
  const auto column = [&](size_t i) {
    return column_at(child->columns, static_cast<size_t>(at[i]), whole.origin);
  };
  switch (node.kind) {
    case StatisticKind::kCovariance:
    case StatisticKind::kCorrelation: {
      const bool cov = node.kind == StatisticKind::kCovariance;
      WEIR_ASSIGN(auto value,
                  analyzer.call(cov ? "covar_samp" : "corr", {column(0), column(1)}, whole.origin));
      return aggregate_of(child, {}, {{cov ? "cov" : "corr", std::move(value)}});
    }
    case StatisticKind::kQuantiles: {
      const std::vector<double> probabilities(node.numbers.begin(), node.numbers.end() - 1);
      const double error = node.numbers.back();
      std::vector<TypedPtr> wanted;
      for (const double one : probabilities)
        wanted.push_back(double_value(one));
      WEIR_ASSIGN(const auto array, analyzer.call("array", std::move(wanted), whole.origin));
      const int64_t accuracy = error > 0 ? static_cast<int64_t>(1.0 / error) : 2'147'483'647;
      std::vector<NamedTyped> list;
      for (size_t i = 0; i < at.size(); ++i) {
        const auto number =
            make_typed(of(TypeKind::kDouble), true, TypedCast{column(i), false, false});
        WEIR_ASSIGN(auto value,
                    analyzer.call("percentile_approx", {number, array, integer_value(accuracy)},
                                  whole.origin));
        list.push_back({fmt::format("_q{}", i), std::move(value)});
      }
      WEIR_ASSIGN(const auto row, aggregate_of(child, {}, list));
      ExpressionScope after;
      after.columns = &row->columns;
      std::vector<TypedPtr> each;
      for (size_t i = 0; i < row->columns.size(); ++i)
        each.push_back(column_at(row->columns, i));
      WEIR_ASSIGN(auto all, expressions(after).call("array", std::move(each), whole.origin));
      return project(row, {{"approx_quantile", std::move(all), true, {}}});
    }
    case StatisticKind::kCrosstab: {
      const auto reference = [&](size_t i) {
        return make_expression(ColumnReference{{node.columns[i]}}, whole.origin);
      };
      const auto text = [&](size_t i) {
        const auto cast = make_expression(CastTo{reference(i), of(TypeKind::kString)});
        const auto null = make_expression(Literal{of(TypeKind::kString), std::string("null")});
        return make_expression(Call{"coalesce", {cast, null}});
      };
      const auto name = node.columns[0] + "_" + node.columns[1];
      Pivot pivot;
      pivot.child = node.child;
      pivot.keys = {make_expression(Alias{text(0), name})};
      pivot.columns = {text(1)};
      pivot.list = {make_expression(Call{"count", {make_expression(Star{{}})}})};
      FillNa filled;
      filled.child = make_plan(std::move(pivot), whole.origin);
      filled.values = {Literal{of(TypeKind::kLong), Value(int64_t{0})}};
      return analyze(make_plan(std::move(filled), whole.origin));
    }
    case StatisticKind::kFrequentItems: {
      const double support = node.numbers[0];
      if (!(support >= 1e-4 && support <= 1)) {
        return base::error(base::ErrorKind::kInvalidArgument,
                           "requirement failed: Support must be in [1e-4, 1], but got {}.",
                           support);
      }
      std::vector<NamedTyped> list;
      for (size_t i = 0; i < at.size(); ++i) {
        auto items = frequent_items(column(i), static_cast<int64_t>(1 / support));
        if (!items.ok()) return std::move(items).error();
        list.push_back({node.columns[i] + "_freqItems", std::move(items).value()});
      }
      return list.empty() ? project(child, {}) : aggregate_of(child, {}, list);
    }
    default:
      return base::error(base::ErrorKind::kInternal, "a statistic of kind {}",
                         static_cast<int>(node.kind));
  }
}

}  // namespace weir::plan
