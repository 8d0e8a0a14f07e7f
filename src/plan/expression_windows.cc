// function OVER (…): the window's parts typed, its frame checked.
#include <algorithm>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "plan/expression_analyzer.h"
#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

using columnar::TypeKind;
using BoundKind = FrameBound::Kind;

namespace {

// Ranking functions, whose frame is always all rows up to the current one.
bool ranks(const Function& function) {
  return function.kind == FunctionKind::kWindow && function.name != "nth_value" &&
         function.name != "first_value" && function.name != "last_value" &&
         function.name != "lag" && function.name != "lead";
}

bool looks_aside(const Function& function) {
  return function.name == "lag" || function.name == "lead";
}

}  // namespace

Result<WindowSpec> ExpressionAnalyzer::whole_spec(const WindowSpec& spec,
                                                  const Origin& origin) const {
  if (spec.name.empty()) return spec;
  if (scope_.windows) {
    for (const auto& known : *scope_.windows) {
      if (!names_equal(known.name, spec.name, false)) continue;
      WEIR_ASSIGN(auto whole, whole_spec(known.window, origin));
      if (!spec.partition_by.empty()) whole.partition_by = spec.partition_by;
      if (!spec.order_by.empty()) whole.order_by = spec.order_by;
      if (spec.frame) whole.frame = spec.frame;
      whole.name.clear();
      return whole;
    }
  }
  return analysis_error("MISSING_WINDOW_SPECIFICATION", "42P20",
                        fmt::format("Window specification is not defined in the WINDOW clause for "
                                    "{}.",
                                    spec.name),
                        origin)
      .with_parameter("windowName", spec.name);
}

Result<TypedPtr> ExpressionAnalyzer::visit(const Over& over, const Expression& whole) {
  if (!scope_.windows_allowed || in_aggregate_ || in_window_) {
    if (scope_.clause == Clause::kWhere) return aggregate_misplaced("window function", whole);
    return analysis_error("UNSUPPORTED_EXPR_FOR_OPERATOR", "42K0E",
                          "A query operator contains a window function where none can be: it has "
                          "to stand in the select list or in ORDER BY, and not inside of another.",
                          whole.origin)
        .with_parameter("invalidExprSqls", "\"" + expression_sql(whole) + "\"");
  }
  WEIR_ASSIGN(const auto spec, whole_spec(over.window, whole.origin));
  if (const auto* python = std::get_if<PythonCall>(&over.function->node)) {
    return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                          fmt::format("The Python function {} over a window is not supported yet.",
                                      python->function->name),
                          whole.origin);
  }
  const auto* call = std::get_if<Call>(&over.function->node);
  const auto* function = call ? find_function(call->function) : nullptr;
  if (!function ||
      (function->kind != FunctionKind::kAggregate && function->kind != FunctionKind::kWindow)) {
    if (call && !function) return analyze(*over.function);
    return analysis_error("UNSUPPORTED_EXPR_FOR_WINDOW", "42P20",
                          fmt::format("Expression \"{}\" not supported within a window function.",
                                      expression_sql(*over.function)),
                          whole.origin)
        .with_parameter("sqlExpr", "\"" + expression_sql(*over.function) + "\"");
  }
  if (call->distinct && function->kind == FunctionKind::kAggregate) {
    return analysis_error("DISTINCT_WINDOW_FUNCTION_UNSUPPORTED", "0A000",
                          fmt::format("Distinct window functions are not supported: \"{}\".",
                                      expression_sql(whole)),
                          whole.origin)
        .with_parameter("windowExpr", "\"" + expression_sql(whole) + "\"");
  }
  TypedWindow window;
  in_window_ = true;
  auto typed = analyze(*over.function);
  in_window_ = false;
  if (!typed.ok()) return typed;
  window.function = std::move(typed).value();
  for (const auto& key : spec.partition_by) {
    WEIR_ASSIGN(auto one, analyze(*key));
    if (one->type.is(TypeKind::kMap)) {
      return analysis_error("DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "42K09",
                            "A map cannot partition a window.", key->origin);
    }
    window.partition_by.push_back(std::move(one));
  }
  for (const auto& key : spec.order_by) {
    WEIR_ASSIGN(auto one, analyze(*key.expression));
    window.order_by.push_back({std::move(one), key.ascending, key.nulls_first});
  }
  WEIR_TRY(set_frame(window, spec, *function, whole.origin));
  if (!over.window.name.empty()) {
    // Shown with the window's parts, not its name.
    const auto written = make_expression(Over{over.function, spec}, whole.origin);
    names_[&whole] = name_of(*written);
  }
  const auto type = window.function->type;
  const bool nullable = window.function->nullable;
  return make_typed(type, nullable, std::move(window), whole.origin);
}

Result<void> ExpressionAnalyzer::set_frame(TypedWindow& window, const WindowSpec& spec,
                                           const Function& function, const Origin& origin) {
  if (ranks(function) || looks_aside(function)) {
    if (window.order_by.empty()) {
      return analysis_error("WINDOW_FUNCTION_REQUIRES_ORDER", "42601",
                            fmt::format("Window function {}() requires window to be ordered, "
                                        "please add ORDER BY clause.",
                                        function.name),
                            origin);
    }
    if (spec.frame) {
      const auto& given = *spec.frame;
      const bool fits = given.unit == FrameUnit::kRows &&
                        given.lower.kind == BoundKind::kUnboundedPreceding &&
                        given.upper.kind == BoundKind::kCurrentRow && ranks(function);
      if (!fits) {
        return analysis_error(
            "WINDOW_FUNCTION_FRAME_MISMATCH", "42K0E",
            fmt::format("Window Frame must match the required frame of {}().", function.name),
            origin);
      }
    }
    window.unit = function.name == "cume_dist" ? FrameUnit::kRange : FrameUnit::kRows;
    window.lower.kind = BoundKind::kUnboundedPreceding;
    window.upper.kind =
        looks_aside(function) ? BoundKind::kUnboundedFollowing : BoundKind::kCurrentRow;
    return {};
  }
  if (!spec.frame) {
    window.unit = window.order_by.empty() ? FrameUnit::kRows : FrameUnit::kRange;
    window.lower.kind = BoundKind::kUnboundedPreceding;
    window.upper.kind =
        window.order_by.empty() ? BoundKind::kUnboundedFollowing : BoundKind::kCurrentRow;
    return {};
  }
  window.unit = spec.frame->unit;
  WEIR_ASSIGN(window.lower, frame_bound(spec.frame->lower, window, origin));
  WEIR_ASSIGN(window.upper, frame_bound(spec.frame->upper, window, origin));
  if (window.lower.kind == BoundKind::kUnboundedFollowing ||
      window.upper.kind == BoundKind::kUnboundedPreceding) {
    return analysis_error("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_WRONG_COMPARISON", "42K09",
                          "Cannot resolve the window due to data type mismatch: the lower bound of "
                          "the frame has to be before the upper one.",
                          origin);
  }
  const auto literal = [](const TypedFrameBound& bound) -> const int64_t* {
    if (bound.kind != BoundKind::kValue) return nullptr;
    const auto* value = std::get_if<TypedLiteral>(&bound.value->node);
    return value ? std::get_if<int64_t>(&value->value) : nullptr;
  };
  if (literal(window.lower) && literal(window.upper) &&
      *literal(window.lower) > *literal(window.upper)) {
    return analysis_error("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_WRONG_COMPARISON", "42K09",
                          "Cannot resolve the window due to data type mismatch: the lower bound of "
                          "the frame has to be less than or equal to the upper bound.",
                          origin)
        .with_parameter("comparison", "less than or equal");
  }
  return {};
}

Result<TypedFrameBound> ExpressionAnalyzer::frame_bound(const FrameBound& bound,
                                                        const TypedWindow& window,
                                                        const Origin& origin) {
  TypedFrameBound made{bound.kind, nullptr};
  if (bound.kind != BoundKind::kValue) return made;
  WEIR_ASSIGN(auto value, analyze(*bound.value));
  if (!is_foldable(*value)) {
    return analysis_error(
        "DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE", "42K09",
        fmt::format("Window frame bound \"{}\" is not a literal.", expression_sql(*bound.value)),
        origin);
  }
  DataType wanted = DataType::of(TypeKind::kInteger);
  if (window.unit == FrameUnit::kRange) {
    if (window.order_by.empty()) {
      return analysis_error("DATATYPE_MISMATCH.RANGE_FRAME_WITHOUT_ORDER", "42K09",
                            "A range window frame cannot be used in an unordered window "
                            "specification.",
                            origin);
    }
    if (window.order_by.size() > 1) {
      return analysis_error("DATATYPE_MISMATCH.RANGE_FRAME_MULTI_ORDER", "42K09",
                            "A range window frame with value boundaries cannot be used in a window "
                            "specification with multiple order by expressions.",
                            origin);
    }
    const auto& key = window.order_by[0].expression->type;
    const auto& type = value->type;
    const bool interval = type.is_interval();
    const bool date = key.is(TypeKind::kDate),
               time = key.is(TypeKind::kTimestamp) || key.is(TypeKind::kTimestampNtz);
    wanted = date && is_integral(type)    ? DataType::of(TypeKind::kInteger)
             : (date || time) && interval ? type
                                          : key;
    const bool hours = date && type.is(TypeKind::kDayTimeInterval) && type.last_unit() != 0;
    if ((!key.is_numeric() && !date && !time) || (time && !interval) || hours) {
      return analysis_error("DATATYPE_MISMATCH.RANGE_FRAME_INVALID_TYPE", "42K09",
                            fmt::format("The data type \"{}\" used in the order specification does "
                                        "not support the data type \"{}\" which is used in the "
                                        "range frame.",
                                        key.sql(), type.sql()),
                            origin)
          .with_parameter("orderSpecType", "\"" + key.sql() + "\"")
          .with_parameter("valueBoundaryType", "\"" + type.sql() + "\"");
    }
  }
  if (!can_cast_implicitly(value->type, wanted, options_.ansi) || is_text(value->type) ||
      (window.unit == FrameUnit::kRows && !is_integral(value->type))) {
    return analysis_error("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE", "42K09",
                          fmt::format("The data type of the frame's bound \"{}\" does not match "
                                      "the expected data type \"{}\".",
                                      value->type.sql(), wanted.sql()),
                          origin)
        .with_parameter("exprType", "\"" + value->type.sql() + "\"")
        .with_parameter("expectedType", "\"" + wanted.sql() + "\"");
  }
  made.value = coerce(value, wanted);
  // Spark shows what it casts as it is, not as PRECEDING.
  if (const auto* call = std::get_if<Call>(&bound.value->node);
      call && call->function == "-" && !value->type.same_type(wanted))
    names_[bound.value.get()] = fmt::format("(- {})", inner_name(*call->arguments[0]));
  if (query_ && !std::holds_alternative<TypedLiteral>(made.value->node)) {
    WEIR_ASSIGN(auto folded, query_->fold(made.value));
    made.value = make_typed(made.value->type, std::holds_alternative<std::monostate>(folded),
                            TypedLiteral{std::move(folded)}, made.value->origin);
  }
  return made;
}

}  // namespace weir::plan
