#include "plan/time_windows.h"

#include <algorithm>
#include <charconv>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/split.hpp>
#include <boost/algorithm/string/trim.hpp>
#include <fmt/format.h>

#include "plan/calendar.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

constexpr const char* kColumn = "window";

bool is_time_window(const Call& call) {
  return boost::to_lower_copy(call.function) == "window" && call.arguments.size() >= 2 &&
         call.arguments.size() <= 4;
}

// The calls of window() in the expression, those inside of aggregates and windows too.
void find_windows(const ExpressionPtr& expression, std::vector<ExpressionPtr>& found) {
  if (!expression) return;
  if (const auto* call = std::get_if<Call>(&expression->node)) {
    if (is_time_window(*call)) found.push_back(expression);
    for (const auto& argument : call->arguments)
      find_windows(argument, found);
  } else if (const auto* alias = std::get_if<Alias>(&expression->node)) {
    find_windows(alias->child, found);
  } else if (const auto* cast = std::get_if<CastTo>(&expression->node)) {
    find_windows(cast->child, found);
  } else if (const auto* extract = std::get_if<Extract>(&expression->node)) {
    find_windows(extract->child, found);
  }
}

ExpressionPtr replaced(const ExpressionPtr& expression) {
  if (!expression) return expression;
  std::vector<ExpressionPtr> found;
  find_windows(expression, found);
  if (found.empty()) return expression;
  const auto& origin = expression->origin;
  if (const auto* call = std::get_if<Call>(&expression->node)) {
    if (is_time_window(*call)) return make_expression(ColumnReference{{kColumn}}, origin);
    Call copy = *call;
    for (auto& argument : copy.arguments)
      argument = replaced(argument);
    return make_expression(std::move(copy), origin);
  }
  if (const auto* alias = std::get_if<Alias>(&expression->node)) {
    Alias copy = *alias;
    copy.child = replaced(copy.child);
    return make_expression(std::move(copy), origin);
  }
  if (const auto* cast = std::get_if<CastTo>(&expression->node)) {
    CastTo copy = *cast;
    copy.child = replaced(copy.child);
    return make_expression(std::move(copy), origin);
  }
  Extract copy = std::get<Extract>(expression->node);
  copy.child = replaced(copy.child);
  return make_expression(std::move(copy), origin);
}

base::Error bad_duration(std::string_view what, const Origin& origin) {
  return analysis_error("CANNOT_PARSE_INTERVAL", "22006",
                        fmt::format("Unable to parse '{}'. Please ensure that the value provided "
                                    "is in a valid format for defining an interval.",
                                    what),
                        origin)
      .with_parameter("intervalString", fmt::format("'{}'", what));
}

// "10 minutes", "1 hour 30 minutes", or an interval literal: microseconds.
Result<int64_t> duration_of(const Expression& expression) {
  const auto* literal = std::get_if<Literal>(&expression.node);
  if (!literal) return bad_duration(expression_sql(expression), expression.origin);
  if (const auto* number = std::get_if<int64_t>(&literal->value)) {
    if (literal->type.is(TypeKind::kDayTimeInterval)) return *number;
    return bad_duration(std::to_string(*number), expression.origin);
  }
  const auto* given = std::get_if<std::string>(&literal->value);
  if (!given) return bad_duration(expression_sql(expression), expression.origin);
  auto text = boost::to_lower_copy(boost::trim_copy(*given));
  if (text.starts_with("interval ")) text = text.substr(9);
  std::vector<std::string> words;
  boost::split(words, text, boost::is_space(), boost::token_compress_on);
  if (words.size() < 2 || words.size() % 2 != 0) return bad_duration(*given, expression.origin);
  static const std::pair<std::string_view, int64_t> kUnits[] = {{"microsecond", 1},
                                                                {"millisecond", 1000},
                                                                {"second", kMicrosPerSecond},
                                                                {"minute", 60 * kMicrosPerSecond},
                                                                {"hour", 3600 * kMicrosPerSecond},
                                                                {"day", kMicrosPerDay},
                                                                {"week", 7 * kMicrosPerDay}};
  int64_t total = 0;
  for (size_t i = 0; i < words.size(); i += 2) {
    int64_t count = 0;
    const auto& number = words[i];
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), count);
    if (parsed.ec != std::errc() || parsed.ptr != number.data() + number.size())
      return bad_duration(*given, expression.origin);
    auto unit = words[i + 1];
    if (unit.ends_with("s") && unit.size() > 1) unit.pop_back();
    const auto* known = std::find_if(std::begin(kUnits), std::end(kUnits),
                                     [&](const auto& one) { return one.first == unit; });
    int64_t part = 0;
    if (known == std::end(kUnits) || __builtin_mul_overflow(count, known->second, &part) ||
        __builtin_add_overflow(total, part, &total))
      return bad_duration(*given, expression.origin);
  }
  return total;
}

ExpressionPtr whole_number(int64_t value) {
  return make_expression(Literal{DataType::of(TypeKind::kLong), value});
}

// The child with the column `window`.
Result<PlanPtr> with_windows(const PlanPtr& child, const Expression& whole) {
  const auto& call = std::get<Call>(whole.node);
  WEIR_ASSIGN(const auto length, duration_of(*call.arguments[1]));
  int64_t slide = length, start = 0;
  if (call.arguments.size() > 2) {
    WEIR_ASSIGN(slide, duration_of(*call.arguments[2]));
  }
  if (call.arguments.size() > 3) {
    WEIR_ASSIGN(start, duration_of(*call.arguments[3]));
  }
  const bool fits = length > 0 && slide > 0 && slide <= length &&
                    (start < 0 ? -start : start) < slide && length / slide <= 10000;
  if (!fits) {
    return analysis_error("DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION", "42K09",
                          fmt::format("Cannot resolve \"{}\" due to data type mismatch: The window "
                                      "and slide durations have to be above 0, the slide at the "
                                      "most the window, the start time below the slide.",
                                      expression_sql(whole)),
                          whole.origin);
  }
  const auto list = make_expression(
      Call{"time windows",
           {call.arguments[0], whole_number(length), whole_number(slide), whole_number(start)}},
      whole.origin);
  const auto exploded = make_expression(Call{"explode", {list}}, whole.origin);
  return make_plan(Project{child,
                           {make_expression(Star{}, whole.origin),
                            make_expression(Alias{exploded, kColumn}, whole.origin)}},
                   whole.origin);
}

}  // namespace

Result<PlanPtr> expand_time_windows(const PlanPtr& node) {
  std::vector<ExpressionPtr> found;
  const auto find_all = [&](const std::vector<ExpressionPtr>& list) {
    for (const auto& one : list)
      find_windows(one, found);
  };
  const auto* project = std::get_if<Project>(&node->node);
  const auto* aggregate = std::get_if<Aggregate>(&node->node);
  if (project) {
    find_all(project->list);
  } else if (aggregate) {
    find_all(aggregate->keys);
    find_all(aggregate->list);
    find_windows(aggregate->having, found);
  }
  if (found.empty()) return node;
  const auto first = expression_sql(*found[0]);
  for (const auto& one : found) {
    if (expression_sql(*one) != first) {
      return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                            "Several time windows in one query are not supported.", one->origin);
    }
  }
  const auto all_replaced = [](std::vector<ExpressionPtr> list) {
    for (auto& one : list)
      one = replaced(one);
    return list;
  };
  if (project) {
    WEIR_ASSIGN(auto child, with_windows(project->child, *found[0]));
    return make_plan(Project{std::move(child), all_replaced(project->list)}, node->origin);
  }
  Aggregate copy = *aggregate;
  WEIR_ASSIGN(copy.child, with_windows(aggregate->child, *found[0]));
  copy.keys = all_replaced(std::move(copy.keys));
  copy.list = all_replaced(std::move(copy.list));
  copy.having = replaced(copy.having);
  return make_plan(std::move(copy), node->origin);
}

}  // namespace weir::plan
