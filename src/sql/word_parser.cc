// Operands that start with a word: columns, calls and what the grammar writes as calls.
#include <set>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/predicate.hpp>
#include <fmt/format.h>

#include "plan/function_catalog.h"
#include "sql/expression_parser.h"
#include "sql/keywords.h"

namespace weir::sql {

using columnar::DataType;
using columnar::TypeKind;
using plan::ExpressionPtr;

ExpressionParser::Made ExpressionParser::word() {
  const auto& token = cursor_.peek();
  const uint32_t begin = token.begin;
  const std::string upper = token.upper;
  const bool calls = cursor_.is_symbol("(", 1);
  const bool alone = !calls && !cursor_.is_symbol(".", 1);
  if (calls) {
    bool is_special = true;
    auto made = special_call(upper, is_special);
    if (is_special) return made;
    return column_or_call();
  }
  if (upper == "NULL" && alone) {
    cursor_.take();
    return make(plan::Literal{DataType::of(TypeKind::kNull), std::monostate{}}, begin);
  }
  if ((upper == "TRUE" || upper == "FALSE") && alone) {
    cursor_.take();
    return make(plan::Literal{DataType::of(TypeKind::kBoolean), upper == "TRUE"}, begin);
  }
  if (upper == "CASE" && alone && !cursor_.is_symbol(",", 1) && !cursor_.is_symbol(")", 1) &&
      cursor_.peek(1).kind != TokenKind::kEnd)
    return case_expression();
  if (upper == "INTERVAL" && at_interval()) return interval();
  if (cursor_.peek(1).kind == TokenKind::kString) return typed_literal(upper);
  if (cursor_.is_symbol("->", 1)) {
    std::string parameter = cursor_.take().text;
    return lambda({std::move(parameter)}, begin);
  }
  if ((upper == "CURRENT_TIMESTAMP" || upper == "CURRENT_DATE" || upper == "CURRENT_TIME") &&
      alone) {
    cursor_.take();
    return make(plan::Call{boost::to_lower_copy(upper), {}}, begin);
  }
  return column_or_call();
}

// What is written like a call but has words inside.
ExpressionParser::Made ExpressionParser::special_call(const std::string& upper, bool& is_special) {
  const uint32_t begin = cursor_.peek().begin;
  if (upper == "CASE") return case_expression();
  if (upper == "CAST" || upper == "TRY_CAST") return cast(upper == "TRY_CAST");
  if (upper == "EXTRACT" && cursor_.is_word("FROM", 3)) return extract_field();
  if (upper == "TRIM") return trim();
  if (upper == "SUBSTRING" || upper == "SUBSTR") return substring();
  if (upper == "OVERLAY") return overlay();
  if (upper == "POSITION") return position();
  if (upper == "EXISTS" && starts_query(cursor_, 2)) return exists();
  if (upper == "IDENTIFIER") {
    Names parts;
    if (at_identifier_text()) {
      WEIR_ASSIGN(parts, qualified_name());
    } else {
      WEIR_ASSIGN(parts, table_name());
    }
    if (cursor_.is_symbol("(")) return call(fmt::format("{}", fmt::join(parts, ".")), begin);
    return make(plan::ColumnReference{std::move(parts)}, begin);
  }
  static const std::set<std::string_view> kTimes = {
      "TIMESTAMPADD", "DATEADD", "DATE_ADD", "TIMESTAMPDIFF", "DATEDIFF", "DATE_DIFF", "TIMEDIFF"};
  static const std::set<std::string_view> kUnits = {"YEAR",   "QUARTER",     "MONTH",      "WEEK",
                                                    "DAY",    "DAYOFYEAR",   "HOUR",       "MINUTE",
                                                    "SECOND", "MILLISECOND", "MICROSECOND"};
  if (kTimes.contains(upper)) {
    const auto& unit = cursor_.peek(2);
    const bool named = unit.kind == TokenKind::kWord && kUnits.contains(unit.upper);
    if ((named || unit.kind == TokenKind::kString) && cursor_.is_symbol(",", 3)) {
      const size_t here = cursor_.position();
      auto made = time_difference(upper);
      if (named || !made.ok()) return made;
      cursor_.seek(here);  // date_add('2024-01-01', 1)
    }
  }
  is_special = false;
  return cursor_.unexpected();
}

ExpressionParser::Made ExpressionParser::column_or_call() {
  const uint32_t begin = cursor_.peek().begin;
  Names parts{cursor_.take().text};
  while (cursor_.is_symbol(".")) {
    if (cursor_.is_symbol("*", 1)) {
      cursor_.take();
      cursor_.take();
      return star(std::move(parts), begin);
    }
    if (!at_name(1) || at_identifier_text(1)) break;
    cursor_.take();
    parts.push_back(cursor_.take().text);
  }
  if (!cursor_.is_symbol("(")) return make(plan::ColumnReference{std::move(parts)}, begin);
  return call(fmt::format("{}", fmt::join(parts, ".")), begin);
}

ExpressionParser::Made ExpressionParser::lambda(Names parameters, uint32_t begin) {
  const Nesting nesting(nesting_);
  WEIR_TRY(cursor_.expect_symbol("->"));
  WEIR_ASSIGN(auto body, expression());
  return make(plan::Lambda{std::move(parameters), std::move(body)}, begin);
}

base::Result<void> ExpressionParser::arguments(plan::Call& made) {
  WEIR_TRY(cursor_.expect_symbol("("));
  if (cursor_.accept_symbol(")")) return {};
  const bool ends = cursor_.is_symbol(",", 1) || cursor_.is_symbol(")", 1);
  made.distinct = !ends && cursor_.accept_word("DISTINCT");
  if (!made.distinct && !ends) cursor_.accept_word("ALL");
  const bool structure = boost::iequals(made.function, "struct");
  bool named = false;
  do {
    std::string key;
    if (at_name() && cursor_.is_symbol("=>", 1)) {
      key = cursor_.take().text;
      cursor_.take();
      named = true;
    }
    if (cursor_.is_word("TABLE") && (at_name(1) || cursor_.is_symbol("(", 1)))
      return cursor_.unsupported("TABLE argument of a function");
    auto argument = structure ? named_expression() : expression();
    if (!argument.ok()) return std::move(argument).error();
    made.arguments.push_back(std::move(argument).value());
    made.argument_names.push_back(std::move(key));
  } while (cursor_.accept_symbol(","));
  if (!named) made.argument_names.clear();
  if (cursor_.accept_words({"IGNORE", "NULLS"})) {
    made.ignore_nulls = true;
  } else {
    cursor_.accept_words({"RESPECT", "NULLS"});
  }
  return cursor_.expect_symbol(")");
}

ExpressionParser::Made ExpressionParser::call(std::string function, uint32_t begin) {
  const Nesting nesting(nesting_);
  WEIR_TRY(deeper());
  plan::Call made{std::move(function), {}};
  WEIR_TRY(arguments(made));
  return call_suffixes(std::move(made), begin);
}

ExpressionParser::Made ExpressionParser::call_suffixes(plan::Call made, uint32_t begin) {
  if (cursor_.is_words({"WITHIN", "GROUP"}) && cursor_.is_symbol("(", 2)) {
    cursor_.accept_words({"WITHIN", "GROUP"});
    cursor_.take();
    WEIR_TRY(cursor_.expect_word("ORDER"));
    WEIR_TRY(cursor_.expect_word("BY"));
    WEIR_ASSIGN(made.within_group, sort_keys());
    WEIR_TRY(cursor_.expect_symbol(")"));
  }
  if (cursor_.is_word("FILTER") && cursor_.is_symbol("(", 1)) {
    cursor_.take();
    cursor_.take();
    WEIR_TRY(cursor_.expect_word("WHERE"));
    WEIR_ASSIGN(made.filter, expression());
    WEIR_TRY(cursor_.expect_symbol(")"));
  }
  if (cursor_.accept_words({"IGNORE", "NULLS"})) made.ignore_nulls = true;
  cursor_.accept_words({"RESPECT", "NULLS"});
  WEIR_ASSIGN(auto function, make(std::move(made), begin));
  if (!cursor_.is_word("OVER") || !(cursor_.is_symbol("(", 1) || at_name(1))) return function;
  cursor_.take();
  WEIR_ASSIGN(auto spec, window());
  return make(plan::Over{std::move(function), std::move(spec)}, begin);
}

base::Result<plan::WindowSpec> ExpressionParser::window() {
  const Nesting nesting(nesting_);
  plan::WindowSpec spec;
  if (!cursor_.is_symbol("(")) {
    WEIR_ASSIGN(spec.name, name());
    return spec;
  }
  cursor_.take();
  if (at_name() && cursor_.is_symbol(")", 1)) {
    WEIR_ASSIGN(spec.name, name());
    cursor_.take();
    return spec;
  }
  if (cursor_.accept_words({"CLUSTER", "BY"})) {
    WEIR_ASSIGN(spec.partition_by, expressions());
  } else {
    if (cursor_.accept_words({"PARTITION", "BY"}) || cursor_.accept_words({"DISTRIBUTE", "BY"})) {
      WEIR_ASSIGN(spec.partition_by, expressions());
    }
    if (cursor_.accept_words({"ORDER", "BY"}) || cursor_.accept_words({"SORT", "BY"})) {
      WEIR_ASSIGN(spec.order_by, sort_keys());
    }
  }
  if (cursor_.is_word("ROWS") || cursor_.is_word("RANGE")) {
    WEIR_ASSIGN(spec.frame, window_frame());
  }
  WEIR_TRY(cursor_.expect_symbol(")"));
  return spec;
}

base::Result<plan::WindowFrame> ExpressionParser::window_frame() {
  plan::WindowFrame frame;
  frame.unit = cursor_.take().upper == "ROWS" ? plan::FrameUnit::kRows : plan::FrameUnit::kRange;
  frame.upper.kind = plan::FrameBound::Kind::kCurrentRow;
  const bool between = cursor_.accept_word("BETWEEN");
  WEIR_ASSIGN(frame.lower, frame_bound());
  if (between) {
    WEIR_TRY(cursor_.expect_word("AND"));
    WEIR_ASSIGN(frame.upper, frame_bound());
  }
  return frame;
}

base::Result<plan::FrameBound> ExpressionParser::frame_bound() {
  using Kind = plan::FrameBound::Kind;
  if (cursor_.accept_words({"UNBOUNDED", "PRECEDING"}))
    return plan::FrameBound{Kind::kUnboundedPreceding};
  if (cursor_.accept_words({"UNBOUNDED", "FOLLOWING"}))
    return plan::FrameBound{Kind::kUnboundedFollowing};
  if (cursor_.accept_words({"CURRENT", "ROW"})) return plan::FrameBound{Kind::kCurrentRow};
  const uint32_t begin = cursor_.peek().begin;
  WEIR_ASSIGN(auto value, expression());
  const auto* call = std::get_if<plan::Call>(&value->node);
  if (std::holds_alternative<plan::ColumnReference>(value->node) ||
      (call && call->arguments.empty())) {
    const std::string message = "Frame bound value must be a literal.";
    return parse_error("_LEGACY_ERROR_TEMP_0064", "", message, value->origin)
        .with_parameter("msg", message);
  }
  if (cursor_.accept_word("FOLLOWING")) return plan::FrameBound{Kind::kValue, std::move(value)};
  WEIR_TRY(cursor_.expect_word("PRECEDING"));
  auto literal = std::get_if<plan::Literal>(&value->node);
  const auto* whole = literal ? std::get_if<int64_t>(&literal->value) : nullptr;
  if (whole && *whole != INT64_MIN) {
    WEIR_ASSIGN(value, make(plan::Literal{literal->type, -*whole}, begin));
  } else {
    WEIR_ASSIGN(value, make(plan::Call{"-", {value}}, begin));
  }
  return plan::FrameBound{Kind::kValue, std::move(value)};
}

ExpressionParser::Made ExpressionParser::exists() {
  const Nesting nesting(nesting_);
  const uint32_t begin = cursor_.take().begin;
  WEIR_TRY(cursor_.expect_symbol("("));
  WEIR_ASSIGN(auto plan, query());
  WEIR_TRY(cursor_.expect_symbol(")"));
  return make(plan::Subquery{plan::SubqueryKind::kExists, std::move(plan), {}}, begin);
}

ExpressionParser::Made ExpressionParser::case_expression() {
  const Nesting nesting(nesting_);
  WEIR_TRY(deeper());
  const uint32_t begin = cursor_.take().begin;
  ExpressionPtr subject;
  if (!cursor_.is_word("WHEN")) {
    WEIR_ASSIGN(subject, expression());
  }
  plan::Call when{"when", {}};
  while (cursor_.accept_word("WHEN")) {
    const uint32_t condition_begin = cursor_.peek().begin;
    WEIR_ASSIGN(auto condition, expression());
    if (subject) {
      WEIR_ASSIGN(condition, make(plan::Call{"=", {subject, condition}}, condition_begin));
    }
    WEIR_TRY(cursor_.expect_word("THEN"));
    WEIR_ASSIGN(auto value, expression());
    when.arguments.push_back(std::move(condition));
    when.arguments.push_back(std::move(value));
  }
  if (when.arguments.empty()) return cursor_.unexpected();
  if (cursor_.accept_word("ELSE")) {
    WEIR_ASSIGN(auto otherwise, expression());
    when.arguments.push_back(std::move(otherwise));
  }
  WEIR_TRY(cursor_.expect_word("END"));
  return make(std::move(when), begin);
}

ExpressionParser::Made ExpressionParser::cast(bool try_cast) {
  const Nesting nesting(nesting_);
  WEIR_TRY(deeper());
  const uint32_t begin = cursor_.take().begin;
  WEIR_TRY(cursor_.expect_symbol("("));
  WEIR_ASSIGN(auto child, expression());
  WEIR_TRY(cursor_.expect_word("AS"));
  WEIR_ASSIGN(auto target, type(false));
  WEIR_TRY(cursor_.expect_symbol(")"));
  return make(plan::CastTo{child, target, try_cast}, begin);
}

ExpressionParser::Made ExpressionParser::extract_field() {
  const Nesting nesting(nesting_);
  const uint32_t begin = cursor_.take().begin;
  WEIR_TRY(cursor_.expect_symbol("("));
  const uint32_t field_begin = cursor_.peek().begin;
  WEIR_ASSIGN(auto field, name());
  WEIR_TRY(cursor_.expect_word("FROM"));
  WEIR_ASSIGN(auto source, value_expression());
  WEIR_TRY(cursor_.expect_symbol(")"));
  if (plan::find_function("extract")) {
    WEIR_ASSIGN(auto key, text_literal(field, field_begin));
    return make(plan::Call{"extract", {key, source}}, begin);
  }
  boost::to_lower(field);
  if (field.size() > 3 && field.back() == 's') field.pop_back();
  static const std::set<std::string_view> kFields = {"year", "quarter", "month",
                                                     "day",  "hour",    "minute"};
  if (kFields.contains(field)) return make(plan::Call{field, {source}}, begin);
  if (field == "dow" || field == "dayofweek") return make(plan::Call{"dayofweek", {source}}, begin);
  if (field == "doy") return make(plan::Call{"dayofyear", {source}}, begin);
  if (field == "week") return make(plan::Call{"weekofyear", {source}}, begin);
  return cursor_.unsupported("EXTRACT of " + field);
}

// TRIM([BOTH | LEADING | TRAILING] [characters] FROM text), TRIM(text), TRIM(characters FROM text)
ExpressionParser::Made ExpressionParser::trim() {
  const Nesting nesting(nesting_);
  const uint32_t begin = cursor_.take().begin;
  WEIR_TRY(cursor_.expect_symbol("("));
  std::string function = "btrim";
  const bool sided = !cursor_.is_symbol(",", 1) && !cursor_.is_symbol(")", 1);
  bool with_side = true;
  if (sided && cursor_.accept_word("LEADING")) {
    function = "ltrim";
  } else if (sided && cursor_.accept_word("TRAILING")) {
    function = "rtrim";
  } else {
    with_side = sided && cursor_.accept_word("BOTH");
  }
  ExpressionPtr first;
  if (!(with_side && cursor_.is_word("FROM"))) {
    WEIR_ASSIGN(first, value_expression());
  }
  if (cursor_.accept_word("FROM")) {
    WEIR_ASSIGN(auto source, value_expression());
    WEIR_TRY(cursor_.expect_symbol(")"));
    if (!first) return make(plan::Call{function, {source}}, begin);
    // Spark's ltrim and rtrim take the characters first.
    if (function == "btrim") return make(plan::Call{function, {source, first}}, begin);
    return make(plan::Call{function, {first, source}}, begin);
  }
  if (with_side) return cursor_.unexpected();
  plan::Call made{"trim", {first}};
  while (cursor_.accept_symbol(",")) {
    WEIR_ASSIGN(auto more, expression());
    made.arguments.push_back(std::move(more));
  }
  WEIR_TRY(cursor_.expect_symbol(")"));
  return make(std::move(made), begin);
}

// SUBSTRING(text FROM start [FOR length]), or with commas; other forms are plain calls.
ExpressionParser::Made ExpressionParser::substring() {
  const uint32_t begin = cursor_.peek().begin;
  const size_t here = cursor_.position();
  const auto name = boost::to_lower_copy(cursor_.take().text);
  cursor_.take();
  if (!cursor_.is_symbol(")") && !cursor_.is_symbol("=>", 1)) {
    const Nesting nesting(nesting_);
    WEIR_ASSIGN(auto text, expression());
    if (cursor_.accept_word("FROM")) {
      plan::Call made{"substring", {text}};
      WEIR_ASSIGN(auto start, value_expression());
      made.arguments.push_back(std::move(start));
      if (cursor_.accept_word("FOR")) {
        WEIR_ASSIGN(auto length, value_expression());
        made.arguments.push_back(std::move(length));
      }
      WEIR_TRY(cursor_.expect_symbol(")"));
      return make(std::move(made), begin);
    }
    plan::Call made{name, {text}};
    while (cursor_.accept_symbol(",")) {
      WEIR_ASSIGN(auto more, expression());
      made.arguments.push_back(std::move(more));
    }
    WEIR_TRY(cursor_.expect_symbol(")"));
    return call_suffixes(std::move(made), begin);
  }
  cursor_.seek(here);
  return column_or_call();
}

// OVERLAY(text PLACING part FROM start [FOR length])
ExpressionParser::Made ExpressionParser::overlay() {
  const Nesting nesting(nesting_);
  const uint32_t begin = cursor_.take().begin;
  plan::Call made{"overlay", {}};
  WEIR_TRY(cursor_.expect_symbol("("));
  if (cursor_.is_symbol("=>", 1) || cursor_.is_symbol(")")) {
    cursor_.seek(cursor_.position() - 2);
    return column_or_call();
  }
  WEIR_ASSIGN(auto text, expression());
  made.arguments.push_back(std::move(text));
  if (cursor_.accept_word("PLACING")) {
    WEIR_ASSIGN(auto part, value_expression());
    made.arguments.push_back(std::move(part));
    WEIR_TRY(cursor_.expect_word("FROM"));
    WEIR_ASSIGN(auto start, value_expression());
    made.arguments.push_back(std::move(start));
    if (cursor_.accept_word("FOR")) {
      WEIR_ASSIGN(auto length, value_expression());
      made.arguments.push_back(std::move(length));
    }
  }
  while (cursor_.accept_symbol(",")) {
    WEIR_ASSIGN(auto more, expression());
    made.arguments.push_back(std::move(more));
  }
  WEIR_TRY(cursor_.expect_symbol(")"));
  return make(std::move(made), begin);
}

// POSITION(part IN text), or with commas
ExpressionParser::Made ExpressionParser::position() {
  const Nesting nesting(nesting_);
  const size_t here = cursor_.position();
  const uint32_t begin = cursor_.take().begin;
  WEIR_TRY(cursor_.expect_symbol("("));
  if (!cursor_.is_symbol("=>", 1) && !cursor_.is_symbol(")")) {
    WEIR_ASSIGN(auto part, value_expression());
    if (cursor_.accept_word("IN")) {
      WEIR_ASSIGN(auto text, value_expression());
      WEIR_TRY(cursor_.expect_symbol(")"));
      return make(plan::Call{"position", {part, text}}, begin);
    }
  }
  cursor_.seek(here);
  return column_or_call();
}

// TIMESTAMPADD(unit, count, time), TIMESTAMPDIFF(unit, from, to) under their several names. A unit
// in quotes is Spark's error, where the call has three arguments.
ExpressionParser::Made ExpressionParser::time_difference(const std::string& upper) {
  const Nesting nesting(nesting_);
  const uint32_t begin = cursor_.take().begin;
  cursor_.take();
  const Token unit = cursor_.take();
  cursor_.take();
  WEIR_ASSIGN(auto first, expression());
  if (!cursor_.is_symbol(",") && unit.kind == TokenKind::kString) return first;  // two arguments
  WEIR_TRY(cursor_.expect_symbol(","));
  WEIR_ASSIGN(auto second, expression());
  WEIR_TRY(cursor_.expect_symbol(")"));
  if (unit.kind == TokenKind::kString) {
    const auto function = "`" + boost::to_lower_copy(upper) + "`";
    return parse_error("INVALID_PARAMETER_VALUE.DATETIME_UNIT", "22023",
                       fmt::format("The value of parameter(s) `unit` in {} is invalid: expects one "
                                   "of the units without quotes YEAR, QUARTER, MONTH, WEEK, DAY, "
                                   "DAYOFYEAR, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND, but "
                                   "got the string literal '{}'",
                                   function, unit.text),
                       cursor_.origin_since(begin))
        .with_parameter("functionName", function)
        .with_parameter("parameter", "`unit`")
        .with_parameter("invalidValue", "'" + unit.text + "'");
  }
  const bool adds = upper.ends_with("ADD");
  WEIR_ASSIGN(auto key, text_literal(unit.upper, unit.begin));
  return make(plan::Call{adds ? "timestampadd" : "timestampdiff", {key, first, second}}, begin);
}

}  // namespace weir::sql
