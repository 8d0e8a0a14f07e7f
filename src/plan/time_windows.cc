// window(time, width [, slide [, start]]): the windows that a time belongs to, and
// session_window(time, gap).
//
// The first clause that calls it (select list, GROUP BY, withColumns) gets them as a column of its
// input: rows without a time are left out, and where windows overlap a row comes once for each of
// them. Calls are then references to that column; it can also be named `window`.
#include <fmt/format.h>

#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"
#include "plan/session_windows.h"
#include "plan/signature_rules.h"
#include "plan/temporal_text.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

bool is_window_call(const Expression& expression) {
  const auto* call = std::get_if<Call>(&expression.node);
  return call && (names_equal(call->function, "window", /*case_sensitive=*/false) ||
                  names_equal(call->function, "session_window", /*case_sensitive=*/false));
}

// The calls of window() in an expression as written.
void find_calls(const ExpressionPtr& expression, std::vector<const Expression*>& found) {
  if (!expression) return;
  if (is_window_call(*expression)) {
    found.push_back(expression.get());
    return;
  }
  if (const auto* alias = std::get_if<Alias>(&expression->node)) find_calls(alias->child, found);
  if (const auto* cast = std::get_if<CastTo>(&expression->node)) find_calls(cast->child, found);
  if (const auto* field = std::get_if<Extract>(&expression->node)) find_calls(field->child, found);
  if (const auto* call = std::get_if<Call>(&expression->node)) {
    for (const auto& argument : call->arguments)
      find_calls(argument, found);
  }
}

base::Error out_of_range(std::string_view name, int64_t value, std::string_view range,
                         const Origin& origin) {
  return analysis_error("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "42K09",
                        fmt::format("Cannot resolve \"window\" due to data type mismatch: The {} "
                                    "must be between {} (current value = {}L).",
                                    name, range, value),
                        origin)
      .with_parameter("exprName", fmt::format("`{}`", name))
      .with_parameter("valueRange", std::string(range))
      .with_parameter("currentValue", fmt::format("{}L", value));
}

TypedPtr micros(int64_t value) {
  return make_typed(DataType::of(TypeKind::kLong), false, TypedLiteral{value});
}

}  // namespace

Result<int64_t> ExpressionAnalyzer::window_duration(const Expression& expression) {
  WEIR_ASSIGN(const auto typed, analyze(expression));
  const auto invalid = [&](std::string_view text) {
    return analysis_error("CANNOT_PARSE_INTERVAL", "22006",
                          fmt::format("Unable to parse '{}'. Please ensure that the value provided "
                                      "is in a valid format for defining an interval.",
                                      text),
                          expression.origin)
        .with_parameter("intervalString", fmt::format("'{}'", text));
  };
  if (!query_ || !is_foldable(*typed)) return invalid(expression_sql(expression));
  WEIR_ASSIGN(const auto value, query_->fold(typed));
  if (const auto* number = std::get_if<int64_t>(&value);
      number && (is_integral(typed->type) || typed->type.is(TypeKind::kDayTimeInterval)))
    return *number;
  const auto* text = std::get_if<std::string>(&value);
  if (!text) return invalid(expression_sql(expression));
  const auto duration = parse_duration(*text);
  if (!duration) return invalid(*text);
  if (duration->months != 0) {
    return analysis_error(
               "_LEGACY_ERROR_TEMP_3231", "42K09",
               fmt::format("Intervals greater than a month is not supported ({}).", *text),
               expression.origin)
        .with_parameter("interval", *text);
  }
  return duration->us;
}

Result<TypedPtr> ExpressionAnalyzer::time_window(const Call& call, const Origin& origin) {
  const bool session = names_equal(call.function, "session_window", /*case_sensitive=*/false);
  const char* name = session ? "session_window" : "window";
  if (call.arguments.size() < 2 || call.arguments.size() > (session ? 2 : 4))
    return wrong_argument_count(name, *find_function(name), static_cast<int>(call.arguments.size()),
                                origin);
  WEIR_ASSIGN(auto time, analyze(*call.arguments[0]));
  if (time->type.is(TypeKind::kStruct) && time->type.field_index("end") >= 0) {
    WEIR_ASSIGN(time, this->call("window_time", {time}, origin));
  }
  if (!time->type.is(TypeKind::kTimestamp) && !time->type.is(TypeKind::kTimestampNtz)) {
    if (!time->type.is(TypeKind::kString) && !time->type.is(TypeKind::kDate)) {
      return analysis_error("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
                            fmt::format("Cannot resolve \"window\" due to data type mismatch: The "
                                        "first parameter requires the (\"TIMESTAMP\" or "
                                        "\"TIMESTAMP WITHOUT TIME ZONE\") type, however it has the "
                                        "type \"{}\".",
                                        time->type.sql()),
                            origin)
          .with_parameter("inputType", "\"" + time->type.sql() + "\"");
    }
    time = coerce(time, DataType::of(TypeKind::kTimestamp));
  }
  if (session) {
    WEIR_ASSIGN(auto gap, analyze(*call.arguments[1]));
    if (is_foldable(*gap)) {
      WEIR_ASSIGN(const int64_t length, window_duration(*call.arguments[1]));
      gap = micros(length);
    }
    return this->call("session_window", {time, std::move(gap)}, origin);
  }
  WEIR_ASSIGN(const int64_t width, window_duration(*call.arguments[1]));
  int64_t slide = width;
  int64_t start = 0;
  if (call.arguments.size() > 2) {
    WEIR_ASSIGN(slide, window_duration(*call.arguments[2]));
  }
  if (call.arguments.size() > 3) {
    WEIR_ASSIGN(start, window_duration(*call.arguments[3]));
  }
  if (width <= 0) return out_of_range("window_duration", width, "(0, 9223372036854775807]", origin);
  if (slide <= 0) return out_of_range("slide_duration", slide, "(0, 9223372036854775807]", origin);
  if (slide > width || std::abs(start) >= slide) {
    const bool too_long = slide > width;
    return analysis_error(
               "DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION", "42K09",
               fmt::format("Cannot resolve \"window\" due to data type mismatch: The {} must be {} "
                           "the {}.",
                           too_long ? fmt::format("`slide_duration`({}L)", slide)
                                    : fmt::format("`abs(start_time)`({}L)", std::abs(start)),
                           too_long ? "<=" : "<",
                           too_long ? fmt::format("`window_duration`({}L)", width)
                                    : fmt::format("`slide_duration`({}L)", slide)),
               origin)
        .with_parameter("leftExprName", too_long ? "`slide_duration`" : "`abs(start_time)`")
        .with_parameter("rightExprName", too_long ? "`window_duration`" : "`slide_duration`");
  }
  return this->call("window", {time, micros(width), micros(slide), micros(start)}, origin);
}

Result<TypedPtr> RelationAnalyzer::time_window_column(const TypedPtr& call,
                                                      const std::vector<Column>& columns) {
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto found = time_windows_.find(columns[i].id);
    if (found != time_windows_.end() && same_expression(*found->second, *call))
      return column_at(columns, i, call->origin);
  }
  return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                        "window() outside of a select list, GROUP BY or withColumn", call->origin);
}

Result<OperatorPtr> RelationAnalyzer::with_time_windows(
    const OperatorPtr& input, const std::vector<const std::vector<ExpressionPtr>*>& lists) {
  std::vector<const Expression*> calls;
  for (const auto* list : lists) {
    for (const auto& expression : *list)
      find_calls(expression, calls);
  }
  if (calls.empty()) return input;
  ExpressionScope scope;
  scope.columns = &input->columns;
  TypedPtr window;
  for (const auto* call : calls) {
    WEIR_ASSIGN(auto typed,
                expressions(scope).time_window(std::get<Call>(call->node), call->origin));
    if (window && !same_expression(*window, *typed)) {
      return analysis_error("_LEGACY_ERROR_TEMP_1039", "42K0E",
                            "Multiple time/session window expressions would result in a cartesian "
                            "product of rows, therefore they are currently not supported.",
                            call->origin);
    }
    window = std::move(typed);
  }
  const auto& arguments = std::get<TypedCall>(window->node).arguments;
  const bool session = std::get<TypedCall>(window->node).function->name == "session_window";
  auto analyzer = expressions(scope);
  // A session also ends where its gap is not positive.
  WEIR_ASSIGN(auto there,
              analyzer.call("isnotnull", {session ? window : arguments[0]}, window->origin));
  auto plan = make_operator(op::Filter{input, std::move(there)}, input->columns, input->streaming);
  Column column = column_of(session ? "session_window" : "window", *window);
  column.metadata = event_time_metadata(*arguments[0], input->columns);
  column.metadata[session ? kSessionWindow : kTimeWindow] = true;
  column.hidden = true;
  column.nullable = false;
  time_windows_[column.id] = window;
  const auto value_of = [](const TypedPtr& literal) {
    return std::get<int64_t>(std::get<TypedLiteral>(literal->node).value);
  };
  auto columns = plan->columns;
  columns.push_back(column);
  if (session || value_of(arguments[1]) == value_of(arguments[2])) {
    std::vector<TypedPtr> list;
    for (size_t i = 0; i < plan->columns.size(); ++i)
      list.push_back(column_at(plan->columns, i));
    list.push_back(window);
    return make_operator(op::Project{plan, std::move(list)}, std::move(columns), plan->streaming);
  }
  // Overlapping: a row for each of them.
  WEIR_ASSIGN(auto list, analyzer.call("time windows", arguments, window->origin));
  WEIR_ASSIGN(auto exploded, analyzer.call("explode", {std::move(list)}, window->origin));
  return make_operator(op::Generate{plan, std::move(exploded), false}, std::move(columns),
                       plan->streaming);
}

}  // namespace weir::plan
