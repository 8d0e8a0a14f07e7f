// Calls of functions.
#include <algorithm>
#include <map>
#include <set>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "plan/expression_analyzer.h"
#include "plan/functions_unbuilt.h"
#include "plan/input_files.h"
#include "plan/metadata_column.h"
#include "plan/named_argument.h"
#include "plan/operator_rewrites.h"
#include "plan/signature_rules.h"

namespace weir::plan {

using columnar::TypeKind;

const Function& grouping_function(bool id) {
  static const auto make = [](std::string_view name, int max) {
    Function made;
    made.name = name;
    made.kind = FunctionKind::kAggregate;
    made.arguments_max = max;
    made.doc = "Whether a row of GROUPING SETS is one over the column's values.";
    return made;
  };
  static const Function kGrouping = make("grouping", 1), kGroupingId = make("grouping_id", -1);
  return id ? kGroupingId : kGrouping;
}

namespace {

std::string dotted_lower(const std::string& function) {
  auto name = boost::to_lower_copy(function);
  for (const auto* prefix : {"system.builtin.", "builtin.", "system.session.", "session."}) {
    if (name.starts_with(prefix)) return name.substr(std::string_view(prefix).size());
  }
  return name;
}

base::Error no_such_function(const std::string& name, const Origin& origin) {
  if (is_unbuilt_function(name)) {
    return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                          fmt::format("weir does not have Spark's function `{}`.", name), origin);
  }
  return analysis_error(
             "UNRESOLVED_ROUTINE", "42883",
             fmt::format("Cannot resolve routine `{}` on search path [`system`.`builtin`, "
                         "`system`.`session`, `spark_catalog`.`default`].",
                         name),
             origin)
      .with_parameter("routineName", "`" + name + "`")
      .with_parameter("searchPath",
                      "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]");
}

base::Error syntax_unsupported(std::string_view name, std::string_view syntax,
                               const Origin& origin) {
  return analysis_error("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", "42000",
                        fmt::format("Invalid SQL syntax: The function `{}` does not support {}.",
                                    name, syntax),
                        origin)
      .with_parameter("prettyName", fmt::format("`{}`", name))
      .with_parameter("syntax", fmt::format("{}", syntax));
}

base::Error generator_misplaced(std::string_view kind, const Expression& whole) {
  const auto sql = expression_sql(whole);
  return analysis_error(fmt::format("UNSUPPORTED_GENERATOR.{}", kind), "42K0E",
                        fmt::format("The generator is not supported: {} \"{}\".",
                                    kind == "OUTSIDE_SELECT" ? "outside the SELECT clause, found:"
                                                             : "nested in expressions",
                                    sql),
                        whole.origin)
      .with_parameter(kind == "OUTSIDE_SELECT" ? "plan" : "expression", "\"" + sql + "\"");
}

bool is_lambda(const Expression& expression) {
  return std::holds_alternative<Lambda>(expression.node);
}

bool is_higher_order(std::string_view name) {
  static const std::map<std::string_view, int> kNames = {
      {"transform", 2},  {"filter", 2},         {"exists", 2},           {"any_match", 2},
      {"forall", 2},     {"aggregate", 3},      {"reduce", 3},           {"zip_with", 3},
      {"map_filter", 2}, {"transform_keys", 2}, {"transform_values", 2}, {"map_zip_with", 3},
      {"array_sort", 2}};
  return kNames.contains(name);
}

// Where TIMESTAMP means TIMESTAMP_NTZ.
std::string_view local_time_function(std::string_view name) {
  if (name == "to_timestamp") return "to_timestamp_ntz";
  if (name == "make_timestamp") return "make_timestamp_ntz";
  if (name == "try_make_timestamp") return "try_make_timestamp_ntz";
  return name;
}

// Functions that Spark declares nullable whatever their arguments are.
bool declared_nullable(std::string_view name) {
  static const std::set<std::string_view> kNames = {"acos",
                                                    "acosh",
                                                    "asin",
                                                    "asinh",
                                                    "atan",
                                                    "atanh",
                                                    "bround",
                                                    "cbrt",
                                                    "ceil",
                                                    "cos",
                                                    "cosh",
                                                    "cot",
                                                    "csc",
                                                    "degrees",
                                                    "exp",
                                                    "expm1",
                                                    "floor",
                                                    "radians",
                                                    "rint",
                                                    "round",
                                                    "sec",
                                                    "sign",
                                                    "sin",
                                                    "sinh",
                                                    "sqrt",
                                                    "tan",
                                                    "tanh",
                                                    "from_unixtime",
                                                    "aes_encrypt",
                                                    "aes_decrypt",
                                                    "url_encode",
                                                    "url_decode",
                                                    "to_json",
                                                    "encode",
                                                    "decode",
                                                    "is_valid_utf8",
                                                    "luhn_check",
                                                    "right",
                                                    "split_part",
                                                    "make_valid_utf8",
                                                    "validate_utf8",
                                                    "map_contains_key",
                                                    "pmod",
                                                    "parse_url",
                                                    "get_json_object"};
  return kNames.contains(name);
}

// int('1') is a cast, as are the other types' names.
std::optional<DataType> cast_function(std::string_view name) {
  static const std::map<std::string_view, TypeKind> kTypes = {
      {"boolean", TypeKind::kBoolean},     {"tinyint", TypeKind::kByte},
      {"smallint", TypeKind::kShort},      {"int", TypeKind::kInteger},
      {"bigint", TypeKind::kLong},         {"float", TypeKind::kFloat},
      {"double", TypeKind::kDouble},       {"date", TypeKind::kDate},
      {"timestamp", TypeKind::kTimestamp}, {"binary", TypeKind::kBinary},
      {"string", TypeKind::kString}};
  if (name == "decimal") return DataType::decimal(10, 0);
  const auto found = kTypes.find(name);
  if (found == kTypes.end()) return std::nullopt;
  return DataType::of(found->second);
}

}  // namespace

Result<TypedPtr> ExpressionAnalyzer::visit(const Call& call, const Expression& whole) {
  const auto name = dotted_lower(call.function);
  const auto& origin = whole.origin;
  if (query_) {
    if (const auto python = query_->python_function(call.function))
      return visit(python_call_of(python, call), whole);
  }
  if (!call.argument_names.empty()) {
    WEIR_ASSIGN(auto ordered, positional(call, name, origin));
    const auto written = make_expression(std::move(ordered), origin);
    auto made = visit(std::get<Call>(written->node), *written);
    names_[&whole] = name_of(*written);
    return made;
  }
  if (name == "window" || name == "session_window") {
    names_[&whole] = name;
    WEIR_ASSIGN(const auto window, time_window(call, origin));
    if (query_ && scope_.columns) return query_->time_window_column(window, *scope_.columns);
    return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                          "window() outside of a query's select list or GROUP BY", origin);
  }
  if (name == "between" && call.arguments.size() == 3) return between(call, origin);
  if (name == "nullif" && call.arguments.size() == 2) {  // the first's type, whatever the second's
    const auto& value = call.arguments[0];
    const auto null = make_expression(Literal{DataType::of(TypeKind::kNull), Value()}, origin);
    const auto equal = make_expression(Call{"=", call.arguments}, origin);
    return visit(Call{"if", {equal, null, value}}, whole);
  }
  const bool makes_time = name == "make_timestamp" || name == "try_make_timestamp" ||
                          name == "make_timestamp_ntz" || name == "try_make_timestamp_ntz";
  const size_t least = name.ends_with("_ntz") ? 2 : 1;  // only the others take a date alone
  if (makes_time && call.arguments.size() >= least && call.arguments.size() < 4)
    return timestamp_of_date(call, name, whole);
  if (name == "nullifzero" && call.arguments.size() == 1) {
    const auto zero =
        make_expression(Literal{DataType::of(TypeKind::kInteger), int64_t{0}}, origin);
    return visit(Call{"nullif", {call.arguments[0], zero}}, whole);
  }
  if (name == "zeroifnull" && call.arguments.size() == 1) {
    const auto zero =
        make_expression(Literal{DataType::of(TypeKind::kInteger), int64_t{0}}, origin);
    return visit(Call{"coalesce", {call.arguments[0], zero}}, whole);
  }
  if ((name == "!=" || name == "<>") && call.arguments.size() == 2) {
    const auto equal = make_expression(Call{"=", call.arguments}, origin);
    return visit(Call{"not", {equal}}, whole);
  }
  if (name == "grouping" || name == "grouping_id" || name == "grouping__id")
    return grouping_call(call, name, whole);
  if (query_ && call.arguments.empty()) {
    if (const auto constant = query_->constant_function(name)) return visit(*constant, whole);
  }
  const bool sign = call.arguments.size() == 1 && (name == "-" || name == "+");
  const auto* function = find_function(sign ? name == "-" ? "negative" : "positive"
                                       : options_.timestamp_ntz ? local_time_function(name)
                                                                : std::string_view(name));
  if (!function && call.arguments.size() == 1) {
    if (const auto type = cast_function(name)) {
      auto made = visit(CastTo{call.arguments[0], *type}, whole);
      names_[&whole] = name_of(*call.arguments[0]);  // as Spark leaves such a cast out
      return made;
    }
  }
  if (!function) return no_such_function(call.function, origin);
  if (function->kind == FunctionKind::kAggregate)
    return aggregate_call(call, name, *function, whole);
  if (function->kind == FunctionKind::kWindow && !in_window_) {
    return analysis_error("WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", "42601",
                          fmt::format("Window function \"{}\" requires an OVER clause.",
                                      expression_sql(whole)),
                          origin)
        .with_parameter("funcName", "\"" + expression_sql(whole) + "\"");
  }
  if (call.distinct) return syntax_unsupported(name, "DISTINCT", origin);
  if (call.filter) return syntax_unsupported(name, "FILTER CLAUSE", origin);
  if (call.ignore_nulls && function->kind != FunctionKind::kWindow)
    return syntax_unsupported(name, "IGNORE NULLS", origin);
  if (function->kind == FunctionKind::kGenerator) {
    if (!std::exchange(generator_here_, false)) {
      return generator_misplaced(scope_.generators ? "NESTED_IN_EXPRESSIONS" : "OUTSIDE_SELECT",
                                 whole);
    }
  }
  generator_here_ = false;
  const bool lambdas = std::any_of(call.arguments.begin(), call.arguments.end(),
                                   [](const auto& one) { return is_lambda(*one); });
  if (is_higher_order(name) && call.arguments.size() > 1)
    return higher_order(call, name, *function, whole);
  if (lambdas) {
    return analysis_error("INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION", "42K0D",
                          fmt::format("Invalid lambda function call. A lambda function should only "
                                      "be used in a higher order function. However, its class is "
                                      "`{}`, which is not a higher order function.",
                                      name),
                          origin)
        .with_parameter("class", std::string(function->name));
  }
  return plain_call(call, name, *function, whole);
}

namespace {

// input_file_name() and its kin where the rows come from files: from `_metadata`. nullptr
// elsewhere.
Result<TypedPtr> input_file_call(const std::vector<Column>* columns, const Function& function,
                                 const Expression& whole) {
  TypedPtr metadata;
  for (size_t i = 0; columns && i < columns->size(); ++i) {
    const auto& column = (*columns)[i];
    if (!column.hidden || column.name != kMetadataColumn) continue;
    if (metadata) {
      return analysis_error("MULTI_SOURCES_UNSUPPORTED_FOR_EXPRESSION", "42K0E",
                            fmt::format("The expression \"{}\" does not support more than one "
                                        "source.",
                                        expression_sql(whole)),
                            whole.origin)
          .with_parameter("expr", "\"" + expression_sql(whole) + "\"");
    }
    metadata = column_at(*columns, i, whole.origin);
  }
  if (!metadata) return metadata;
  return input_file_value(metadata, function, whole.origin);
}

}  // namespace

Result<TypedPtr> ExpressionAnalyzer::plain_call(const Call& call, const std::string& name,
                                                const Function& function, const Expression& whole) {
  if (name.starts_with("input_file_") && call.arguments.empty()) {
    WEIR_ASSIGN(auto made, input_file_call(scope_.columns, function, whole));
    if (made) return made;
  }
  if (name == "struct") {  // a star's columns keep their names
    Call flat{call.function, {}};
    bool stars = false;
    std::set<std::string> names;  // where some are the same, they are told apart by position
    for (const auto& argument : call.arguments) {
      const auto* star = std::get_if<Star>(&argument->node);
      if (!star) {
        flat.arguments.push_back(argument);
        continue;
      }
      stars = names.empty();
      WEIR_ASSIGN(const auto items, expand_star(*star, argument->origin));
      for (const auto& item : items) {
        if (!names.insert(boost::to_lower_copy(item.name)).second) stars = false;
        auto parts = star->qualifier;
        parts.push_back(item.name);
        flat.arguments.push_back(
            make_expression(ColumnReference{std::move(parts), star->plan_id}, argument->origin));
      }
    }
    if (stars) {
      const auto written = make_expression(std::move(flat), whole.origin);
      auto made = visit(std::get<Call>(written->node), *written);
      names_[&whole] = inner_name(*written);
      return made;
    }
  }
  WEIR_ASSIGN(auto arguments, arguments_of(call, name, whole));
  if (name == "typeof" && arguments.size() == 1) {
    return make_typed(DataType::of(TypeKind::kString), false,
                      TypedLiteral{arguments[0]->type.simple_string()}, whole.origin);
  }
  if (name == "struct" && arguments.size() == call.arguments.size())
    return named_structure(call, std::move(arguments), whole);
  if (name == "rank" || name == "dense_rank" || name == "percent_rank") arguments.clear();
  // Text beside an interval is a timestamp, and the result text again.
  bool text_again = false;
  if (arguments.size() == 2 && (name == "+" || name == "-")) {
    for (size_t i = name == "-" ? 1 : 0; i < 2; ++i) {
      auto& other = arguments[1 - i];
      if (!arguments[i]->type.is_interval() || !is_text(other->type)) continue;
      other = coerce(other, DataType::of(TypeKind::kTimestamp));
      text_again = true;
    }
  }
  WEIR_ASSIGN(auto made, call_function(function, name, std::move(arguments), whole.origin));
  if (text_again) {
    note_temporal_name(call, name, *made, whole);
    return coerce(made, DataType::of(TypeKind::kString));
  }
  if (name == "+" || name == "-" || name == "*") note_temporal_name(call, name, *made, whole);
  if (call.ignore_nulls) {
    Typed copy = *made;
    std::get<TypedCall>(copy.node).ignore_nulls = true;
    made = std::make_shared<const Typed>(std::move(copy));
  }
  return made;
}

// make_timestamp(date[, time[, zone]]). There is no TIME here but NULL.
Result<TypedPtr> ExpressionAnalyzer::timestamp_of_date(const Call& call, const std::string& name,
                                                       const Expression& whole) {
  WEIR_ASSIGN(auto arguments, arguments_of(call, name, whole));
  const SignatureCall asked{name, arguments, &options_, whole.origin};
  const bool local = name.ends_with("_ntz") || options_.timestamp_ntz;
  const auto result = DataType::of(local ? TypeKind::kTimestampNtz : TypeKind::kTimestamp);
  const auto& date = arguments[0]->type;
  const bool is_null = date.is(TypeKind::kNull);
  if (!date.is(TypeKind::kDate) && !is_null && !is_text(date))
    return unexpected_input(asked, 0, "\"DATE\"");
  if (arguments.size() > 1 && !arguments[1]->type.is(TypeKind::kNull))
    return unexpected_input(asked, 1, "\"TIME(6)\"");
  const auto text = default_name(whole);
  if (is_null || arguments.size() > 1)
    return make_typed(result, true, TypedLiteral{std::monostate{}}, whole.origin);
  return cast(coerce(arguments[0], DataType::of(TypeKind::kDate)), result, name.starts_with("try_"),
              text, whole.origin);
}

// Arithmetic of dates, times and intervals under the names of what Spark makes of it.
void ExpressionAnalyzer::note_temporal_name(const Call& call, const std::string& name,
                                            const Typed& made, const Expression& whole) {
  const auto* typed = std::get_if<TypedCall>(&made.node);
  if (!typed || typed->arguments.size() != 2) return;
  const auto& left = typed->arguments[0]->type;
  const auto& right = typed->arguments[1]->type;
  const bool swapped =
      (left.is_interval() || is_integral(left)) && !right.is_interval() && name == "+";
  const auto& time = swapped ? right : left;
  const auto& delta = swapped ? left : right;
  auto text = inner_name(*call.arguments[swapped ? 1 : 0]);
  auto by = inner_name(*call.arguments[swapped ? 0 : 1]);
  if (name == "*") {
    if (!left.is_interval() && right.is_interval())
      names_[&whole] = fmt::format("({} * {})", by, text);
    return;
  }
  const bool date = time.is(TypeKind::kDate);
  if (date && is_integral(delta)) {
    names_[&whole] = fmt::format("{}({}, {})", name == "+" ? "date_add" : "date_sub", text, by);
  } else if (date && delta.is(TypeKind::kDayTimeInterval)) {
    by = fmt::format("extractansiintervaldays({})", by);
    names_[&whole] =
        fmt::format("date_add({}, {})", text, name == "+" ? by : fmt::format("(- {})", by));
  } else if (delta.is_interval() &&
             (date || time.is(TypeKind::kTimestamp) || time.is(TypeKind::kTimestampNtz))) {
    names_[&whole] = fmt::format("{} {} {}", text, name, by);
  }
}

Result<std::vector<TypedPtr>> ExpressionAnalyzer::arguments_of(const Call& call,
                                                               const std::string& name,
                                                               const Expression&) {
  std::vector<TypedPtr> arguments;
  for (const auto& argument : call.arguments) {
    if (const auto* star = std::get_if<Star>(&argument->node)) {
      if (name == "count" && call.arguments.size() == 1 && star->qualifier.empty() &&
          star->except.empty()) {
        names_[argument.get()] = "1";
        arguments.push_back(make_typed(DataType::of(TypeKind::kInteger), false,
                                       TypedLiteral{int64_t{1}}, argument->origin));
        continue;
      }
      WEIR_ASSIGN(auto expanded, expand_star(*star, argument->origin));
      std::string text;
      for (auto& one : expanded) {
        text += (text.empty() ? "" : ", ") + one.name;
        arguments.push_back(std::move(one.expression));
      }
      names_[argument.get()] = std::move(text);
      continue;
    }
    if (is_quoted_regex(*argument)) {
      WEIR_ASSIGN(auto found, expand(*argument));
      std::string text;
      for (auto& one : found) {
        text += (text.empty() ? "" : ", ") + one.name;
        arguments.push_back(std::move(one.expression));
      }
      names_[argument.get()] = std::move(text);
      continue;
    }
    WEIR_ASSIGN(auto typed, analyze(*argument));
    arguments.push_back(std::move(typed));
  }
  return arguments;
}

// x BETWEEN a AND b is x >= a AND x <= b.
Result<TypedPtr> ExpressionAnalyzer::between(const Call& call, const Origin& origin) {
  const auto& a = call.arguments;
  const auto low = make_expression(Call{">=", {a[0], a[1]}}, origin);
  const auto high = make_expression(Call{"<=", {a[0], a[2]}}, origin);
  const auto both = make_expression(Call{"and", {low, high}}, origin);
  return visit(std::get<Call>(both->node), *both);
}

// struct(a, b AS c): fields keep the names of what they are made of.
Result<TypedPtr> ExpressionAnalyzer::named_structure(const Call& call, std::vector<TypedPtr> values,
                                                     const Expression& whole) {
  const auto& origin = whole.origin;
  const bool in_lambda = std::any_of(values.begin(), values.end(), [](const auto& value) {
    return std::holds_alternative<TypedLambdaVariable>(value->node);
  });
  std::string text;
  std::vector<TypedPtr> arguments;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& node = call.arguments[i]->node;
    auto name = fmt::format("col{}", i + 1);
    if (const auto* alias = std::get_if<Alias>(&node)) {
      name = alias->name;
    } else if (const auto* reference = std::get_if<ColumnReference>(&node)) {
      const bool variable = std::holds_alternative<TypedLambdaVariable>(values[i]->node);
      name = variable ? reference->parts.back() : name_of(*call.arguments[i]);
    } else if (const auto* lambda = std::get_if<LambdaVariable>(&node)) {
      name = lambda->name;
    } else if (const auto* extract = std::get_if<Extract>(&node)) {
      const auto* key = std::get_if<Literal>(&extract->key->node);
      const auto* field = key ? std::get_if<std::string>(&key->value) : nullptr;
      if (field) name = *field;
    }
    text += fmt::format("{}{}, {}", i > 0 ? ", " : "", name, inner_name(*call.arguments[i]));
    arguments.push_back(
        make_typed(DataType::of(TypeKind::kString), false, TypedLiteral{name}, origin));
    arguments.push_back(std::move(values[i]));
  }
  if (in_lambda) names_[&whole] = "named_struct(" + text + ")";
  return this->call("named_struct", std::move(arguments), origin);
}

Result<TypedPtr> ExpressionAnalyzer::call(std::string_view name, std::vector<TypedPtr> arguments,
                                          const Origin& origin) {
  const auto* function = find_function(name);
  if (!function) return no_such_function(std::string(name), origin);
  return call_function(*function, name, std::move(arguments), origin);
}

Result<TypedPtr> ExpressionAnalyzer::call_function(const Function& function, std::string_view name,
                                                   std::vector<TypedPtr> arguments,
                                                   const Origin& origin) {
  const int count = static_cast<int>(arguments.size());
  if (count < function.arguments_min ||
      (function.arguments_max >= 0 && count > function.arguments_max))
    return wrong_argument_count(name, function, count, origin);
  SignatureCall call{name, std::move(arguments), &options_, origin};
  WEIR_ASSIGN(auto signature, function.rule(function, call));
  WEIR_CHECK(signature.argument_types.size() == call.arguments.size(),
             "a signature rule forgot an argument");
  TypedCall typed;
  typed.function = &function;
  bool casts_to_null = false;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    typed.arguments.push_back(coerce(call.arguments[i], signature.argument_types[i]));
    casts_to_null |= typed.arguments[i]->nullable && !call.arguments[i]->nullable;
  }
  if (casts_to_null && !signature.nullable) {  // asked again with what the casts made nullable
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      if (!call.arguments[i]->nullable) call.arguments[i] = typed.arguments[i];
    }
    auto again = function.rule(function, call);
    if (again.ok()) signature.nullable = again->nullable;
  }
  const bool nullable = signature.nullable || declared_nullable(function.name);
  return make_typed(std::move(signature.result), nullable, std::move(typed), origin);
}

base::Error ExpressionAnalyzer::aggregate_misplaced(const std::string& name,
                                                    const Expression& whole) const {
  const auto sql = expression_sql(whole);
  if (in_aggregate_) {
    return analysis_error("NESTED_AGGREGATE_FUNCTION", "42607",
                          "It is not allowed to use an aggregate function in the argument of "
                          "another aggregate function. Please use the inner aggregate function in "
                          "a sub-query.",
                          whole.origin);
  }
  switch (scope_.clause) {
    case Clause::kWhere:
      return analysis_error("INVALID_WHERE_CONDITION", "42903",
                            fmt::format("The WHERE condition \"{}\" contains invalid expressions: "
                                        "{}. Rewrite the query to avoid window functions, "
                                        "aggregate functions, and generator functions in the WHERE "
                                        "clause.",
                                        sql, name),
                            whole.origin)
          .with_parameter("condition", "\"" + sql + "\"")
          .with_parameter("expressionList", sql);
    case Clause::kGroupBy:
      return analysis_error("GROUP_BY_AGGREGATE", "42903",
                            fmt::format("Aggregate functions are not allowed in GROUP BY, but "
                                        "found {}.",
                                        sql),
                            whole.origin)
          .with_parameter("sqlExpr", sql);
    default:
      return analysis_error("UNSUPPORTED_EXPR_FOR_OPERATOR", "42K0E",
                            fmt::format("A query operator contains one or more unsupported "
                                        "expressions: \"{}\". The aggregate function `{}` cannot "
                                        "be used here.",
                                        sql, name),
                            whole.origin)
          .with_parameter("invalidExprSqls", "\"" + sql + "\"");
  }
}

namespace {

// WITHIN GROUP where it has to be, and where it may not be.
Result<void> check_within_group(const Call& call, const std::string& name,
                                const Expression& whole) {
  const auto refused = [&](std::string_view kind, const std::string& message) {
    return analysis_error(fmt::format("INVALID_WITHIN_GROUP_EXPRESSION.{}", kind), "42K0K",
                          fmt::format("Invalid function {} with WITHIN GROUP. {}", name, message),
                          whole.origin)
        .with_parameter("funcName", fmt::format("`{}`", name));
  };
  const bool mode = name == "mode" && call.arguments.empty();
  const bool one_key = mode || name == "percentile_cont" || name == "percentile_disc";
  if (call.distinct && (one_key || name == "mode"))
    return refused("DISTINCT_UNSUPPORTED", "The function does not support DISTINCT.");
  if (one_key && call.within_group.empty())
    return refused("WITHIN_GROUP_MISSING", "WITHIN GROUP is required for the function.");
  if (one_key && call.within_group.size() != 1) {
    return refused("WRONG_NUM_ORDERINGS",
                   fmt::format("The function requires 1 orderings in WITHIN GROUP but got {}.",
                               call.within_group.size()));
  }
  const bool joins = name == "listagg" || name == "string_agg";
  if (joins && call.distinct && !call.within_group.empty() && !call.arguments.empty()) {
    const bool same =
        call.within_group.size() == 1 &&
        expression_sql(*call.within_group[0].expression) == expression_sql(*call.arguments[0]);
    if (!same) {
      return refused("MISMATCH_WITH_DISTINCT_INPUT",
                     "The function is invoked with DISTINCT and WITHIN GROUP but expressions do "
                     "not match.");
    }
  }
  return {};
}

}  // namespace

Result<TypedPtr> ExpressionAnalyzer::aggregate_call(const Call& call, const std::string& name,
                                                    const Function& function,
                                                    const Expression& whole) {
  const bool windowed = std::exchange(in_window_, false);
  if (!windowed && (in_aggregate_ || !aggregates_)) return aggregate_misplaced(name, whole);
  // Inside of a window's aggregate the query's own aggregates may stand.
  const bool outer_in_aggregate = std::exchange(in_aggregate_, !windowed || in_aggregate_);
  const auto finish = [&]() -> Result<TypedPtr> {
    WEIR_ASSIGN(auto arguments, arguments_of(call, name, whole));
    TypedPtr filter;
    if (call.filter) {
      auto typed = condition(*call.filter, "filter");
      const auto bad_filter = [&](std::string_view kind, std::string_view what) {
        return analysis_error(
                   fmt::format("INVALID_AGGREGATE_FILTER.{}", kind), "42903",
                   fmt::format("The FILTER expression \"{}\" in an aggregate function is invalid. "
                               "Expected a FILTER expression without {}.",
                               expression_sql(*call.filter), what),
                   call.filter->origin)
            .with_parameter("filterExpr", "\"" + expression_sql(*call.filter) + "\"");
      };
      if (!typed.ok()) {
        const auto& kind = typed.error().error_class();
        if (kind == "NESTED_AGGREGATE_FUNCTION")
          return bad_filter("CONTAINS_AGGREGATE", "an aggregation");
        if (kind == "UNSUPPORTED_EXPR_FOR_OPERATOR")
          return bad_filter("CONTAINS_WINDOW_FUNCTION", "a window function");
        if (typed.error().error_class() != "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN")
          return std::move(typed).error();
        return analysis_error("INVALID_AGGREGATE_FILTER.NOT_BOOLEAN", "42903",
                              fmt::format("The FILTER expression \"{}\" in an aggregate function "
                                          "is invalid. Expected to be a BOOLEAN type.",
                                          expression_sql(*call.filter)),
                              call.filter->origin)
            .with_parameter("filterExpr", "\"" + expression_sql(*call.filter) + "\"");
      }
      filter = std::move(typed).value();
      if (!is_deterministic(*filter))
        return bad_filter("NON_DETERMINISTIC", "non-deterministic expressions");
    }
    WEIR_TRY(check_within_group(call, name, whole));
    std::vector<TypedSortKey> within;
    for (const auto& key : call.within_group) {
      WEIR_ASSIGN(auto typed, analyze(*key.expression));
      within.push_back({std::move(typed), key.ascending, key.nulls_first});
    }
    // percentile_cont(p) WITHIN GROUP (ORDER BY x): the rule sees x as the first argument's
    // companion only through the key, so functions that need it take it from there.
    if (!within.empty() && (static_cast<int>(arguments.size()) < function.arguments_min ||
                            (function.name == "mode" && arguments.empty())))
      arguments.insert(arguments.begin(), within[0].expression);
    WEIR_ASSIGN(auto made, call_function(function, name, std::move(arguments), whole.origin));
    if (!call.distinct && !filter && within.empty() && !call.ignore_nulls) return made;
    Typed copy = *made;
    auto& typed = std::get<TypedCall>(copy.node);
    typed.distinct = call.distinct;
    typed.filter = std::move(filter);
    typed.ignore_nulls = call.ignore_nulls;
    if (!within.empty()) {
      const auto& key = within[0].expression->type;
      if (name == "mode" && typed.arguments.empty()) copy.type = key;
      if (name.starts_with("percentile_") && key.is_interval()) {
        const auto one = DataType::of(key.kind());
        copy.type = copy.type.is(TypeKind::kArray) ? DataType::array(one, false) : one;
      }
    }
    typed.within_group = std::move(within);
    return std::make_shared<const Typed>(std::move(copy));
  };
  auto made = finish();
  in_aggregate_ = outer_in_aggregate;
  return made;
}

Result<TypedPtr> ExpressionAnalyzer::grouping_call(const Call& call, const std::string& name,
                                                   const Expression& whole) {
  if (!aggregates_) {
    return analysis_error("UNSUPPORTED_GROUPING_EXPRESSION", "42K0E",
                          "grouping()/grouping_id() can only be used with "
                          "GroupingSets/Cube/Rollup.",
                          whole.origin);
  }
  const bool id = name != "grouping";
  const auto& function = grouping_function(id);
  if (!id && call.arguments.size() != 1)
    return wrong_argument_count(name, function, static_cast<int>(call.arguments.size()),
                                whole.origin);
  TypedCall typed;
  typed.function = &function;
  for (const auto& argument : call.arguments) {
    WEIR_ASSIGN(auto one, analyze(*argument));
    typed.arguments.push_back(std::move(one));
  }
  return make_typed(DataType::of(id ? TypeKind::kLong : TypeKind::kByte), false, std::move(typed),
                    whole.origin);
}

Result<Call> ExpressionAnalyzer::positional(const Call& call, const std::string& name,
                                            const Origin& origin) const {
  static const std::map<std::string_view, std::vector<std::string_view>> kNames = {
      {"mask", {"str", "upperchar", "lowerchar", "digitchar", "otherchar"}},
      {"explode", {"collection"}},
      {"explode_outer", {"collection"}},
      {"posexplode", {"collection"}},
      {"posexplode_outer", {"collection"}},
      {"inline", {"input"}},
      {"inline_outer", {"input"}},
      {"variant_explode", {"input"}},
      {"count_min_sketch", {"column", "epsilon", "confidence", "seed"}}};
  Call made = call;
  made.argument_names.clear();
  made.arguments.clear();
  const bool any = std::any_of(call.argument_names.begin(), call.argument_names.end(),
                               [](const auto& one) { return !one.empty(); });
  if (!any) {
    made.arguments = call.arguments;
    return made;
  }
  const auto known = kNames.find(name);
  if (known == kNames.end()) {
    return analysis_error("NAMED_PARAMETERS_NOT_SUPPORTED", "4274K",
                          fmt::format("Named parameters are not supported for function `{}`; "
                                      "please retry the query with positional arguments to the "
                                      "function call instead.",
                                      name),
                          origin)
        .with_parameter("functionName", "`" + name + "`");
  }
  std::vector<ExpressionPtr> places(known->second.size());
  bool named = false;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    const auto& given = i < call.argument_names.size() ? call.argument_names[i] : std::string();
    if (given.empty()) {
      if (named) {
        return analysis_error("UNEXPECTED_POSITIONAL_ARGUMENT", "4274K",
                              fmt::format("Cannot invoke routine `{}` because it contains "
                                          "positional argument(s) following the named ones; "
                                          "please rearrange them.",
                                          name),
                              origin)
            .with_parameter("routineName", "`" + name + "`");
      }
      if (i >= places.size()) {
        made.arguments = call.arguments;
        return made;  // too many: told by the count
      }
      places[i] = call.arguments[i];
      continue;
    }
    named = true;
    const auto lower = boost::to_lower_copy(given);
    const auto place = std::find(known->second.begin(), known->second.end(), lower);
    if (place == known->second.end()) {
      return analysis_error("UNRECOGNIZED_PARAMETER_NAME", "4274K",
                            fmt::format("Cannot invoke routine `{}` because the routine call "
                                        "included a named argument reference for the argument "
                                        "named `{}`, but this routine does not include any "
                                        "signature containing an argument with this name.",
                                        name, given),
                            origin)
          .with_parameter("routineName", "`" + name + "`")
          .with_parameter("argumentName", "`" + given + "`");
    }
    auto& slot = places[static_cast<size_t>(place - known->second.begin())];
    if (slot) {
      return analysis_error(
                 "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE", "4274K",
                 fmt::format("Call to routine `{}` is invalid because it includes "
                             "multiple argument assignments to the same parameter name "
                             "`{}`.",
                             name, given),
                 origin)
          .with_parameter("routineName", "`" + name + "`")
          .with_parameter("parameterName", "`" + given + "`");
    }
    slot = call.arguments[i];
  }
  while (!places.empty() && !places.back())
    places.pop_back();
  for (size_t i = 0; i < places.size(); ++i) {
    if (!places[i]) {
      if (name == "mask" && i > 0) {  // the defaults of mask()
        static const char* const kDefaults[] = {"X", "x", "n"};
        places[i] = make_expression(
            Literal{DataType::of(TypeKind::kString), std::string(kDefaults[i - 1])}, origin);
        continue;
      }
      return analysis_error("REQUIRED_PARAMETER_NOT_FOUND", "4274K",
                            fmt::format("Cannot invoke routine `{}` because the parameter named "
                                        "`{}` is required at index {}, but the routine call did "
                                        "not supply a value.",
                                        name, known->second[i], i),
                            origin)
          .with_parameter("routineName", "`" + name + "`")
          .with_parameter("parameterName", fmt::format("`{}`", known->second[i]))
          .with_parameter("index", std::to_string(i));
    }
  }
  made.arguments = std::move(places);
  return made;
}

}  // namespace weir::plan
