#include "plan/function_catalog.h"

#include <unordered_map>

#include <boost/algorithm/string/case_conv.hpp>

#include "plan/signature_rules.h"

namespace weir::plan {

namespace {

constexpr auto kScalar = FunctionKind::kScalar;
constexpr auto kAggregate = FunctionKind::kAggregate;
constexpr auto kStrict = EvaluationForm::kStrict;
constexpr auto B = TypeKind::kBoolean;
constexpr auto I = TypeKind::kInteger;
constexpr auto L = TypeKind::kLong;
constexpr auto D = TypeKind::kDouble;
constexpr auto S = TypeKind::kString;
constexpr auto Bin = TypeKind::kBinary;
constexpr auto Date = TypeKind::kDate;
constexpr auto Ts = TypeKind::kTimestamp;

// A strict scalar function that no value makes fail.
Function sure(std::string_view name, int min, int max, SignatureRule rule, std::string_view doc,
              std::vector<std::string_view> aliases = {}) {
  return {name, std::move(aliases), kScalar, kStrict, min, max, std::move(rule), true, false, doc};
}
// A strict scalar function that some values make fail.
Function risky(std::string_view name, int min, int max, SignatureRule rule, std::string_view doc,
               std::vector<std::string_view> aliases = {}) {
  return {name, std::move(aliases), kScalar, kStrict, min, max, std::move(rule), true, true, doc};
}
Function lazy(std::string_view name, EvaluationForm form, int min, int max, SignatureRule rule,
              std::string_view doc, std::vector<std::string_view> aliases = {}) {
  return {name, std::move(aliases), kScalar, form, min, max, std::move(rule), true, false, doc};
}
Function aggregate(std::string_view name, int min, int max, SignatureRule rule,
                   std::string_view doc, std::vector<std::string_view> aliases = {}) {
  return {name, std::move(aliases), kAggregate, kStrict, min,
          max,  std::move(rule),    true,       true,    doc};
}

void add_operators(std::vector<Function>& list) {
  list.push_back(risky("+", 2, 2, arithmetic(), "Sum; also dates and timestamps plus intervals."));
  list.push_back(risky("-", 2, 2, arithmetic(), "Difference."));
  list.push_back(risky("*", 2, 2, arithmetic(), "Product."));
  list.push_back(risky("/", 2, 2, arithmetic(), "Quotient: double, or decimal of decimals."));
  list.push_back(
      risky("%", 2, 2, arithmetic(), "Remainder with the sign of the dividend.", {"mod"}));
  list.push_back(
      risky("div", 2, 2, integral_division(), "Integral part of the quotient, as bigint."));
  list.push_back(risky("pmod", 2, 2, arithmetic(), "Positive remainder."));
  list.push_back(sure("try_add", 2, 2, arithmetic(), "Sum, NULL on overflow."));
  list.push_back(sure("try_subtract", 2, 2, arithmetic(), "Difference, NULL on overflow."));
  list.push_back(sure("try_multiply", 2, 2, arithmetic(), "Product, NULL on overflow."));
  list.push_back(sure("try_divide", 2, 2, arithmetic(), "Quotient, NULL where the divisor is 0."));
  list.push_back(risky("negative", 1, 1, same_numeric(), "The value with its sign turned."));
  list.push_back(sure("positive", 1, 1, same_numeric(), "The value itself."));
  list.push_back(sure("=", 2, 2, comparison(false), "True where both are equal.", {"=="}));
  list.push_back(
      sure("<=>", 2, 2, comparison(true), "As =, and NULL equals NULL.", {"equal_null"}));
  list.push_back(sure("<", 2, 2, comparison(false), "Less than."));
  list.push_back(sure("<=", 2, 2, comparison(false), "Less than or equal."));
  list.push_back(sure(">", 2, 2, comparison(false), "Greater than."));
  list.push_back(sure(">=", 2, 2, comparison(false), "Greater than or equal."));
  list.push_back(lazy("and", EvaluationForm::kAnd, 2, 2, fixed({B}, B), "Three-valued AND."));
  list.push_back(lazy("or", EvaluationForm::kOr, 2, 2, fixed({B}, B), "Three-valued OR."));
  list.push_back(sure("not", 1, 1, fixed({B}, B), "Three-valued NOT.", {"!"}));
  list.push_back(sure("isnull", 1, 1, any_never_null(B), "True for NULL."));
  list.push_back(sure("isnotnull", 1, 1, any_never_null(B), "False for NULL."));
  list.push_back(sure(
      "isnan", 1, 1,
      [](const Function&, const SignatureCall& call) -> Result<Signature> {
        const auto type = call.arguments[0]->type.is(TypeKind::kFloat) ? TypeKind::kFloat : D;
        return Signature{{DataType::of(type)}, DataType::of(B), false};
      },
      "True for NaN, false for NULL."));
  list.push_back(
      sure("in", 2, -1, in_list(), "True where the first argument equals one of the others."));
  list.push_back(risky("like", 2, 3, fixed({S}, B),
                       "Matches the pattern (% any text, _ one character); third: escape."));
  list.push_back(risky("ilike", 2, 3, fixed({S}, B), "As like, whatever the case."));
  list.push_back(risky("rlike", 2, 2, fixed({S}, B), "Some part matches the regular expression.",
                       {"regexp", "regexp_like"}));
  list.push_back(sure("&", 2, 2, bitwise(), "Bitwise AND."));
  list.push_back(sure("|", 2, 2, bitwise(), "Bitwise OR."));
  list.push_back(sure("^", 2, 2, bitwise(), "Bitwise exclusive OR."));
  list.push_back(sure("~", 1, 1, bitwise(), "Bitwise NOT."));
  list.push_back(sure("shiftleft", 2, 2, shift(), "Bits moved left.", {"<<"}));
  list.push_back(sure("shiftright", 2, 2, shift(), "Bits moved right, sign kept.", {">>"}));
}

void add_conditionals(std::vector<Function>& list) {
  list.push_back(
      lazy("when", EvaluationForm::kCase, 2, -1, case_when(), "CASE WHEN c THEN v … ELSE e END."));
  list.push_back(lazy("if", EvaluationForm::kCase, 3, 3, conditional(),
                      "The second where the first is true, else the third.", {"iff"}));
  list.push_back(lazy("coalesce", EvaluationForm::kCoalesce, 1, -1, same_type_all(true),
                      "The first that is not NULL."));
  list.push_back(lazy("nvl", EvaluationForm::kCoalesce, 2, 2, same_type_all(true),
                      "The first that is not NULL.", {"ifnull"}));
  list.push_back(
      sure("nvl2", 3, 3, nvl2_rule(), "The second where the first is not NULL, else the third."));
  list.push_back(sure("nullif", 2, 2, null_if(), "NULL where both are equal, else the first."));
  list.push_back(
      sure("nanvl", 2, 2, fixed({D}, D), "The first unless it is NaN, else the second."));
  list.push_back(sure("greatest", 2, -1, same_type_all(true), "The greatest, NULLs left out."));
  list.push_back(sure("least", 2, -1, same_type_all(true), "The least, NULLs left out."));
  list.push_back(sure("typeof", 1, 1, any_never_null(S), "The argument's type as text."));
}

void add_strings(std::vector<Function>& list) {
  const auto S1 = fixed({S}, S);
  list.push_back(sure("concat", 0, -1, concat_rule(), "The arguments joined.", {"||"}));
  list.push_back(sure("concat_ws", 1, -1, concat_ws_rule(),
                      "The arguments after the first joined by it, NULLs left out."));
  list.push_back(sure("upper", 1, 1, S1, "Upper case.", {"ucase"}));
  list.push_back(sure("lower", 1, 1, S1, "Lower case.", {"lcase"}));
  list.push_back(sure("initcap", 1, 1, S1, "First letter of each word in upper case."));
  list.push_back(sure("length", 1, 1, string_or_binary(I),
                      "Number of characters, of bytes for binary.",
                      {"char_length", "character_length", "len"}));
  list.push_back(sure("octet_length", 1, 1, string_or_binary(I), "Number of bytes."));
  list.push_back(sure("bit_length", 1, 1, string_or_binary(I), "Number of bits."));
  list.push_back(sure("substring", 2, 3, substring_rule(),
                      "Part from a position (1 the first, negative from the end).", {"substr"}));
  list.push_back(sure("left", 2, 2, fixed({S, I}, S), "The leftmost characters."));
  list.push_back(sure("right", 2, 2, fixed({S, I}, S), "The rightmost characters."));
  list.push_back(sure("trim", 1, 1, S1, "Spaces taken off both ends."));
  list.push_back(sure("ltrim", 1, 2, S1,
                      "Characters (spaces) taken off the left; two arguments: which first."));
  list.push_back(sure("rtrim", 1, 2, S1,
                      "Characters (spaces) taken off the right; two arguments: which first."));
  list.push_back(
      sure("btrim", 1, 2, S1, "Characters (spaces) taken off both ends; second: which."));
  list.push_back(
      sure("lpad", 2, 3, fixed({S, I, S}, S), "Padded or cut to a length, on the left."));
  list.push_back(
      sure("rpad", 2, 3, fixed({S, I, S}, S), "Padded or cut to a length, on the right."));
  list.push_back(
      sure("replace", 2, 3, S1, "Every occurrence of the second replaced by the third."));
  list.push_back(
      sure("translate", 3, 3, S1, "Characters of the second turned into those of the third."));
  list.push_back(sure("instr", 2, 2, fixed({S}, I),
                      "Position of the second in the first, 0 where it is not."));
  list.push_back(sure("locate", 2, 3, fixed({S, S, I}, I), "Position of the first in the second.",
                      {"position"}));
  list.push_back(sure("contains", 2, 2, string_or_binary(B), "The first contains the second."));
  list.push_back(
      sure("startswith", 2, 2, string_or_binary(B), "The first starts with the second."));
  list.push_back(sure("endswith", 2, 2, string_or_binary(B), "The first ends with the second."));
  list.push_back(sure("repeat", 2, 2, fixed({S, I}, S), "The text several times."));
  list.push_back(sure("reverse", 1, 1, S1, "The characters backwards."));
  list.push_back(sure("ascii", 1, 1, fixed({S}, I), "Code point of the first character."));
  list.push_back(
      sure("chr", 1, 1, fixed({L}, S), "The character of a code (modulo 256).", {"char"}));
  list.push_back(
      risky("split_part", 3, 3, fixed({S, S, I}, S), "One part of the text split at a delimiter."));
  list.push_back(risky("regexp_replace", 3, 3, S1, "Every match replaced; $1 refers to a group."));
  list.push_back(risky("regexp_extract", 2, 3, fixed({S, S, I}, S),
                       "One group (default 1) of the first match, '' without match."));
  list.push_back(sure(
      "hex", 1, 1,
      [](const Function&, const SignatureCall& call) -> Result<Signature> {
        const auto& type = call.arguments[0]->type;
        const auto kind = type.is(Bin) ? Bin : is_text(type) ? S : L;
        return Signature{{DataType::of(kind)}, DataType::of(S), call.arguments[0]->nullable};
      },
      "Hexadecimal text of a number or of bytes."));
  list.push_back(sure("unhex", 1, 1, fixed_nullable({S}, Bin),
                      "Bytes of a hexadecimal text, NULL where it is not one."));
  list.push_back(sure("base64", 1, 1, fixed({Bin}, S), "Base 64 of bytes."));
  list.push_back(risky("unbase64", 1, 1, fixed({S}, Bin), "Bytes of a base 64 text."));
}

void add_math(std::vector<Function>& list) {
  const auto D1 = fixed({D}, D);
  list.push_back(risky("abs", 1, 1, same_numeric(), "Absolute value."));
  list.push_back(
      sure("ceil", 1, 1, ceiling_floor(), "Smallest whole number not below.", {"ceiling"}));
  list.push_back(sure("floor", 1, 1, ceiling_floor(), "Largest whole number not above."));
  list.push_back(risky("round", 1, 2, rounding(), "Rounded half away from zero."));
  list.push_back(risky("bround", 1, 2, rounding(), "Rounded half to even."));
  list.push_back(sure("rint", 1, 1, D1, "The nearest whole double."));
  list.push_back(sure("sqrt", 1, 1, D1, "Square root."));
  list.push_back(sure("cbrt", 1, 1, D1, "Cube root."));
  list.push_back(sure("pow", 2, 2, D1, "Power.", {"power"}));
  list.push_back(sure("exp", 1, 1, D1, "e to the power."));
  list.push_back(sure("expm1", 1, 1, D1, "exp(x) - 1."));
  const auto logarithm = fixed_nullable({D}, D);
  list.push_back(sure("ln", 1, 1, logarithm, "Natural logarithm, NULL at or below 0."));
  list.push_back(sure("log", 1, 2, logarithm, "Logarithm; two arguments: the base first."));
  list.push_back(sure("log10", 1, 1, logarithm, "Logarithm to base 10."));
  list.push_back(sure("log2", 1, 1, logarithm, "Logarithm to base 2."));
  list.push_back(sure("log1p", 1, 1, logarithm, "ln(1 + x)."));
  list.push_back(sure("sign", 1, 1, D1, "-1, 0 or 1.", {"signum"}));
  for (const auto* name : {"sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"}) {
    list.push_back(sure(name, 1, 1, D1, "Trigonometry, in radians."));
  }
  list.push_back(sure("atan2", 2, 2, D1, "Angle of (x, y) given y, x."));
  list.push_back(sure("hypot", 2, 2, D1, "sqrt(a² + b²)."));
  list.push_back(sure("degrees", 1, 1, D1, "Radians to degrees."));
  list.push_back(sure("radians", 1, 1, D1, "Degrees to radians."));
  list.push_back(sure("pi", 0, 0, D1, "π."));
  list.push_back(sure("e", 0, 0, D1, "e."));
  list.push_back(
      sure("hash", 1, -1, any_never_null(I), "Murmur3 of the arguments as Spark computes it."));
  list.push_back(sure("xxhash64", 1, -1, any_never_null(L),
                      "xxHash64 of the arguments as Spark computes it."));
}

void add_times(std::vector<Function>& list) {
  list.push_back(sure("current_timestamp", 0, 0, any_never_null(Ts), "The batch's time.", {"now"}));
  list.push_back(sure("current_date", 0, 0, any_never_null(Date),
                      "The batch's date in the session's zone.", {"curdate"}));
  list.push_back(sure("current_timezone", 0, 0, any_never_null(S), "The session's zone."));
  list.push_back(
      risky("to_timestamp", 1, 2, timestamp_from(Ts), "Text (by a pattern) to timestamp."));
  list.push_back(
      sure("try_to_timestamp", 1, 2, timestamp_from(Ts), "As to_timestamp, NULL where it fails."));
  list.push_back(risky("to_date", 1, 2, timestamp_from(Date), "Text (by a pattern) to date."));
  list.push_back(risky("unix_timestamp", 0, 2, timestamp_from(L),
                       "Seconds since 1970 of a time (by a pattern).", {"to_unix_timestamp"}));
  list.push_back(
      risky("from_unixtime", 1, 2, fixed({L, S}, S), "Seconds since 1970 as text (by a pattern)."));
  list.push_back(
      risky("date_format", 2, 2, fixed({Ts, S}, S), "A timestamp as text by a pattern."));
  list.push_back(sure("date_trunc", 2, 2, fixed_nullable({S, Ts}, Ts),
                      "Timestamp cut to a unit (the unit first)."));
  list.push_back(sure("trunc", 2, 2, fixed_nullable({Date, S}, Date),
                      "Date cut to a unit (the unit second)."));
  const auto date_part = date_or_timestamp_part(false);
  const auto time_part = date_or_timestamp_part(true);
  list.push_back(sure("year", 1, 1, date_part, "The year."));
  list.push_back(sure("quarter", 1, 1, date_part, "The quarter, 1 to 4."));
  list.push_back(sure("month", 1, 1, date_part, "The month."));
  list.push_back(sure("day", 1, 1, date_part, "The day of the month.", {"dayofmonth"}));
  list.push_back(sure("dayofweek", 1, 1, date_part, "1 for Sunday to 7 for Saturday."));
  list.push_back(sure("weekday", 1, 1, date_part, "0 for Monday to 6 for Sunday."));
  list.push_back(sure("dayofyear", 1, 1, date_part, "The day of the year."));
  list.push_back(sure("weekofyear", 1, 1, date_part, "ISO week of the year."));
  list.push_back(sure("hour", 1, 1, time_part, "The hour."));
  list.push_back(sure("minute", 1, 1, time_part, "The minute."));
  list.push_back(sure("second", 1, 1, time_part, "The second."));
  list.push_back(sure("datediff", 2, 2, fixed({Date}, I), "Days from the second to the first.",
                      {"date_diff"}));
  list.push_back(sure("date_add", 2, 2, fixed({Date, I}, Date), "Days later.", {"dateadd"}));
  list.push_back(sure("date_sub", 2, 2, fixed({Date, I}, Date), "Days earlier."));
  list.push_back(sure("add_months", 2, 2, fixed({Date, I}, Date),
                      "Months later, at the most the month's last day."));
  list.push_back(sure("last_day", 1, 1, fixed({Date}, Date), "Last day of the month."));
  list.push_back(risky("make_date", 3, 3, fixed_nullable({I}, Date), "Date of year, month, day."));
  list.push_back(sure("unix_date", 1, 1, fixed({Date}, I), "Days since 1970."));
  list.push_back(sure("date_from_unix_date", 1, 1, fixed({I}, Date), "Date of days since 1970."));
  list.push_back(sure("unix_seconds", 1, 1, fixed({Ts}, L), "Seconds since 1970."));
  list.push_back(sure("unix_millis", 1, 1, fixed({Ts}, L), "Milliseconds since 1970."));
  list.push_back(sure("unix_micros", 1, 1, fixed({Ts}, L), "Microseconds since 1970."));
  list.push_back(
      risky("timestamp_seconds", 1, 1, seconds_to_timestamp(), "Timestamp of seconds since 1970."));
  list.push_back(
      risky("timestamp_millis", 1, 1, fixed({L}, Ts), "Timestamp of milliseconds since 1970."));
  list.push_back(
      risky("timestamp_micros", 1, 1, fixed({L}, Ts), "Timestamp of microseconds since 1970."));
  list.push_back(
      risky("from_utc_timestamp", 2, 2, fixed({Ts, S}, Ts), "A UTC time shown in a zone."));
  list.push_back(
      risky("to_utc_timestamp", 2, 2, fixed({Ts, S}, Ts), "A zone's time shown in UTC."));
}

void add_nested(std::vector<Function>& list) {
  list.push_back(sure("named_struct", 2, -1, structure(true), "A struct of names and values."));
  list.push_back(sure("struct", 1, -1, structure(false), "A struct of the arguments."));
  list.push_back(sure("array", 0, -1, array_of(), "An array of the arguments."));
  list.push_back(sure("size", 1, 1,
                      [](const Function&, const SignatureCall& call) -> Result<Signature> {
                        const auto& type = call.arguments[0]->type;
                        if (!type.is(TypeKind::kArray) && !type.is(TypeKind::kMap))
                          return unexpected_input(call, 0, "(\"ARRAY\" or \"MAP\")");
                        return Signature{{type}, DataType::of(I), call.arguments[0]->nullable};
                      },
                      "Number of elements.", {"cardinality"}));
  list.push_back(
      risky("element_at", 2, 2, element_rule(),
            "Element of an array (1 the first, negative from the end) or value of a map."));
  list.push_back(
      sure("get", 2, 2, element_rule(), "Element of an array (0 the first), NULL outside."));
  list.push_back(risky("getitem", 2, 2, element_rule(),
                       "a[i]: element of an array (0 the first) or value of a map."));
  list.push_back(
      sure("array_contains", 2, 2, array_contains_rule(), "The array contains the value."));
}

void add_aggregates(std::vector<Function>& list) {
  list.push_back(aggregate("count", 1, -1, count_rule(), "Number of rows, of rows without NULL."));
  list.push_back(aggregate("sum", 1, 1, sum_rule(), "Sum."));
  list.push_back(aggregate("avg", 1, 1, average_rule(), "Mean.", {"mean"}));
  list.push_back(aggregate("min", 1, 1, extreme_rule(), "Least value."));
  list.push_back(aggregate("max", 1, 1, extreme_rule(), "Greatest value."));
  list.push_back(aggregate("any_value", 1, 1, extreme_rule(), "Some value of the group."));
  list.push_back(aggregate(
      "count_if", 1, 1,
      [](const Function&, const SignatureCall& call) -> Result<Signature> {
        if (!call.arguments[0]->type.is(B)) return unexpected_input(call, 0, "\"BOOLEAN\"");
        return Signature{{DataType::of(B)}, DataType::of(L), false};
      },
      "Number of rows for which it is true."));
  list.push_back(
      aggregate("bool_and", 1, 1, fixed_nullable({B}, B), "True where all are.", {"every"}));
  list.push_back(
      aggregate("bool_or", 1, 1, fixed_nullable({B}, B), "True where some are.", {"some", "any"}));
}

const std::vector<Function>& catalog() {
  static const std::vector<Function> functions = [] {
    std::vector<Function> list;
    add_operators(list);
    add_conditionals(list);
    add_strings(list);
    add_math(list);
    add_times(list);
    add_nested(list);
    add_aggregates(list);
    return list;
  }();
  return functions;
}

}  // namespace

std::span<const Function> all_functions() { return catalog(); }

const Function* find_function(std::string_view name) {
  static const auto by_name = [] {
    std::unordered_map<std::string_view, const Function*> map;
    for (const auto& function : catalog()) {
      WEIR_CHECK(map.emplace(function.name, &function).second, function.name);
      for (const auto alias : function.aliases)
        WEIR_CHECK(map.emplace(alias, &function).second, alias);
    }
    return map;
  }();
  const auto lower = boost::to_lower_copy(std::string(name));
  const auto found = by_name.find(lower);
  return found == by_name.end() ? nullptr : found->second;
}

}  // namespace weir::plan
