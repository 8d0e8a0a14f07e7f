#include "plan/analysis.h"

#include <algorithm>

#include <fmt/format.h>

#include "plan/expression_analyzer.h"
#include "plan/operator_rewrites.h"
#include "plan/python_calls.h"

namespace weir::plan {

base::Error analysis_error(std::string error_class, std::string_view sql_state, std::string message,
                           const Origin& origin) {
  const auto kind = error_class.starts_with("UNSUPPORTED_FEATURE")
                        ? base::ErrorKind::kUnsupported
                        : base::ErrorKind::kInvalidArgument;
  if (!sql_state.empty()) message += fmt::format(" SQLSTATE: {}", sql_state);
  return base::Error(kind, message + origin_context(origin))
      .with_class(std::move(error_class))
      .with_sql_state(std::string(sql_state));
}

namespace {

// A schema's columns, each under every qualifier that the scope allows.
std::vector<Column> columns_of(const Scope& scope) {
  std::vector<Column> columns;
  if (!scope.schema) return columns;
  for (const auto& field : scope.schema->fields()) {
    Column column;
    column.name = field.name;
    column.type = field.type();
    column.nullable = field.nullable;
    column.id = static_cast<ColumnId>(columns.size()) + 1;
    if (!scope.qualifiers.empty()) column.qualifier = {scope.qualifiers.back()};
    column.metadata = field.metadata;
    columns.push_back(std::move(column));
  }
  return columns;
}

Result<std::vector<NamedTyped>> analyze_list(const std::vector<ExpressionPtr>& list,
                                             const Scope& scope, const AnalysisOptions& options,
                                             bool aggregates) {
  const auto columns = columns_of(scope);
  ExpressionScope names;
  names.columns = &columns;
  names.aggregates = aggregates;
  std::vector<NamedTyped> result;
  for (const auto& expression : list) {
    WEIR_ASSIGN(auto expanded, ExpressionAnalyzer(names, options, nullptr).expand(*expression));
    for (auto& one : expanded)
      result.push_back({std::move(one.name), std::move(one.expression)});
  }
  return result;
}

}  // namespace

Result<TypedPtr> analyze_expression(const Expression& expression, const Scope& scope,
                                    const AnalysisOptions& options) {
  const auto columns = columns_of(scope);
  ExpressionScope names;
  names.columns = &columns;
  return ExpressionAnalyzer(names, options, nullptr).analyze(expression);
}

Result<TypedPtr> analyze_condition(const Expression& expression, const Scope& scope,
                                   const AnalysisOptions& options) {
  const auto columns = columns_of(scope);
  ExpressionScope names;
  names.columns = &columns;
  names.clause = Clause::kWhere;
  return ExpressionAnalyzer(names, options, nullptr).condition(expression, "filter");
}

Result<std::vector<NamedTyped>> analyze_select_list(const std::vector<ExpressionPtr>& list,
                                                    const Scope& scope,
                                                    const AnalysisOptions& options) {
  return analyze_list(list, scope, options, false);
}

Result<std::vector<NamedTyped>> analyze_aggregate_list(const std::vector<ExpressionPtr>& list,
                                                       const Scope& scope,
                                                       const AnalysisOptions& options) {
  return analyze_list(list, scope, options, true);
}

bool contains_aggregate(const Expression& expression) {
  const auto any = [](const std::vector<ExpressionPtr>& list) {
    return std::any_of(list.begin(), list.end(),
                       [](const auto& one) { return contains_aggregate(*one); });
  };
  if (const auto* call = std::get_if<Call>(&expression.node)) {
    const auto* function = find_function(call->function);
    return (function && function->kind == FunctionKind::kAggregate) || any(call->arguments);
  }
  if (const auto* cast = std::get_if<CastTo>(&expression.node))
    return contains_aggregate(*cast->child);
  if (const auto* alias = std::get_if<Alias>(&expression.node))
    return contains_aggregate(*alias->child);
  if (const auto* extract = std::get_if<Extract>(&expression.node))
    return contains_aggregate(*extract->child) || contains_aggregate(*extract->key);
  if (const auto* update = std::get_if<UpdateField>(&expression.node)) {
    return contains_aggregate(*update->child) ||
           (update->value && contains_aggregate(*update->value));
  }
  if (const auto* python = std::get_if<PythonCall>(&expression.node))
    return is_python_aggregate(*python->function) || any(python->arguments);
  return false;
}

bool contains_aggregate(const Typed& expression) {
  if (is_python_aggregate(expression)) return true;
  if (const auto* call = std::get_if<TypedCall>(&expression.node);
      call && call->function->kind == FunctionKind::kAggregate)
    return true;
  // The function of a window is none of the query's aggregates, what it is applied to may be.
  if (const auto* window = std::get_if<TypedWindow>(&expression.node)) {
    for (const auto& child : typed_children(expression)) {
      const bool own = child == window->function;
      const auto below = own ? typed_children(*child) : std::vector<TypedPtr>{child};
      for (const auto& one : below) {
        if (contains_aggregate(*one)) return true;
      }
    }
    return false;
  }
  for (const auto& child : typed_children(expression)) {
    if (contains_aggregate(*child)) return true;
  }
  return false;
}

Schema schema_of(const std::vector<NamedTyped>& list) {
  std::vector<columnar::Field> fields;
  for (const auto& one : list)
    fields.push_back(
        columnar::make_field(one.name, one.expression->type, one.expression->nullable));
  return Schema::structure(std::move(fields));
}

}  // namespace weir::plan
