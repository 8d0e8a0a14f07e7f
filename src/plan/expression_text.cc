// The texts of expressions: the names that Spark gives to columns without alias, and the SQL that
// stands in messages.
#include <algorithm>
#include <map>
#include <set>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "plan/calendar.h"
#include "plan/expression.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

enum class Style { kName, kSql };

std::string literal_text(const Literal& literal, Style style) {
  if (std::holds_alternative<std::monostate>(literal.value)) return "NULL";
  if (const auto* flag = std::get_if<bool>(&literal.value)) return *flag ? "true" : "false";
  if (const auto* decimal = std::get_if<Int128>(&literal.value)) {
    return format_decimal(*decimal, literal.type.scale()) + (style == Style::kSql ? "BD" : "");
  }
  if (const auto* real = std::get_if<double>(&literal.value)) {
    if (literal.type.is(TypeKind::kFloat)) return format_float(static_cast<float>(*real));
    return format_double(*real) + (style == Style::kSql ? "D" : "");
  }
  if (const auto* text = std::get_if<std::string>(&literal.value)) {
    if (literal.type.is(TypeKind::kBinary)) {
      std::string hex = "X'";
      for (const unsigned char byte : *text)
        hex += fmt::format("{:02X}", byte);
      return hex + "'";
    }
    return style == Style::kSql ? "'" + boost::replace_all_copy(*text, "'", "\\'") + "'" : *text;
  }
  const int64_t number = std::get<int64_t>(literal.value);
  switch (literal.type.kind()) {
    case TypeKind::kDate:
      return "DATE '" + format_date(number) + "'";
    case TypeKind::kTimestamp:
      return "TIMESTAMP '" + format_local_timestamp(number) + "'";
    case TypeKind::kTimestampNtz:
      return "TIMESTAMP_NTZ '" + format_local_timestamp(number) + "'";
    case TypeKind::kDayTimeInterval:
      return format_day_time_interval(number, literal.type.first_unit(), literal.type.last_unit());
    case TypeKind::kYearMonthInterval:
      return format_year_month_interval(number, literal.type.first_unit(),
                                        literal.type.last_unit());
    case TypeKind::kLong:
      return std::to_string(number) + (style == Style::kSql ? "L" : "");
    default:
      return std::to_string(number);
  }
}

// Functions whose name Spark shows in another way than it is called.
std::string shown_name(const std::string& name) {
  static const std::set<std::string_view> kUpper = {
      "acos",   "acosh",      "asin",         "asinh",       "atan",
      "atanh",  "atan2",      "cbrt",         "cos",         "cosh",
      "exp",    "expm1",      "log",          "log10",       "log1p",
      "log2",   "sin",        "sinh",         "sqrt",        "tan",
      "tanh",   "cot",        "sec",          "csc",         "ceil",
      "floor",  "degrees",    "hypot",        "e",           "pi",
      "power",  "radians",    "rlike",        "signum",      "rank",
      "regexp", "dense_rank", "percent_rank", "regexp_like", "spark_partition_id"};
  if (kUpper.contains(name)) return boost::to_upper_copy(name);
  static const std::map<std::string_view, std::string_view> kOther = {
      {"==", "="},
      {"current_database", "current_schema"},
      {"random", "rand"},
      {"array_agg", "collect_list"},
      {"dateadd", "date_add"},
      {"curdate", "current_date"}};
  const auto found = kOther.find(name);
  return found == kOther.end() ? name : std::string(found->second);
}

class Text {
 public:
  Text(Style style, const NameLookup* look) : style_(style), look_(look) {}

  std::string of(const Expression& expression) const {
    if (look_) {
      if (const auto* known = (*look_)(expression)) return *known;
    }
    return std::visit([&](const auto& node) { return (*this)(node); }, expression.node);
  }

  // Of a whole select item.
  std::string top(const Expression& expression) const {
    const auto* alias = std::get_if<Alias>(&expression.node);
    return alias && style_ == Style::kName ? alias->name : of(expression);
  }

  std::string operator()(const Literal& node) const { return literal_text(node, style_); }
  std::string operator()(const ColumnReference& node) const {
    return style_ == Style::kName ? node.parts.back()
                                  : fmt::format("{}", fmt::join(node.parts, "."));
  }
  std::string operator()(const Star&) const { return "*"; }
  std::string operator()(const CastTo& node) const {
    return fmt::format("{}({} AS {})", node.try_cast ? "TRY_CAST" : "CAST", of(*node.child),
                       node.type.sql());
  }
  std::string operator()(const Alias& node) const {
    const auto child = of(*node.child);  // as a whole name it is the alias: see top() below
    return style_ == Style::kName ? child + " AS " + node.name : child;
  }
  std::string operator()(const ColumnRegex& node) const { return node.pattern; }
  std::string operator()(const Lambda& node) const {
    std::string text = "lambdafunction(" + of(*node.body);
    for (const auto& parameter : node.parameters)
      text += ", " + (style_ == Style::kName ? std::string("namedlambdavariable()") : parameter);
    return text + ")";
  }
  std::string operator()(const LambdaVariable& node) const {
    return style_ == Style::kName ? "namedlambdavariable()" : node.name;
  }
  std::string operator()(const Subquery& node) const {
    if (node.kind == SubqueryKind::kScalar) return "scalarsubquery()";
    if (node.kind == SubqueryKind::kExists) return "exists()";
    return fmt::format("({} IN (listquery()))", node.values.size() == 1
                                                    ? of(*node.values[0])
                                                    : "(" + list(node.values) + ")");
  }
  std::string operator()(const UpdateField& node) const {
    if (!node.value) return fmt::format("update_fields({}, dropfield())", of(*node.child));
    return fmt::format("update_fields({}, WithField({}))", of(*node.child), of(*node.value));
  }
  std::string operator()(const Parameter& node) const {
    return node.name.empty() ? "?" : ":" + node.name;
  }
  std::string operator()(const PythonCall& node) const {
    return fmt::format("{}({})", node.function->name, list(node.arguments));
  }
  std::string operator()(const Extract& node) const {
    const auto* key = std::get_if<Literal>(&node.key->node);
    const auto* field = key ? std::get_if<std::string>(&key->value) : nullptr;
    if (field) return of(*node.child) + "." + *field;
    return fmt::format("{}[{}]", of(*node.child), of(*node.key));
  }
  std::string operator()(const Over& node) const {
    return of(*node.function) + " OVER (" + window(node) + ")";
  }
  std::string operator()(const Call& call) const {
    const auto name = boost::to_lower_copy(call.function);
    if (auto text = operator_text(name, call.arguments); !text.empty()) return text;
    if (name == "mode" && (!call.within_group.empty() || call.arguments.size() == 2)) {
      if (auto text = mode(call); !text.empty()) {
        if (call.filter) text += " FILTER (WHERE " + of(*call.filter) + ")";
        return text;
      }
    }
    const bool scaled = (name == "ceil" || name == "floor") && call.arguments.size() == 2;
    auto text = (scaled ? name : shown_name(name)) + "(" + (call.distinct ? "DISTINCT " : "");
    static const std::set<std::string_view> kFirstOnly = {"first",
                                                          "last",
                                                          "first_value",
                                                          "last_value",
                                                          "any_value",
                                                          "mode",
                                                          "approx_count_distinct",
                                                          "from_json",
                                                          "from_csv",
                                                          "to_json",
                                                          "to_csv",
                                                          "from_xml",
                                                          "to_xml",
                                                          "schema_of_xml",
                                                          "schema_of_json",
                                                          "schema_of_csv"};
    if (name == "count" && call.arguments.size() == 1 &&
        std::holds_alternative<Star>(call.arguments[0]->node)) {
      text += "1";
    } else if (name == "rank" || name == "dense_rank" || name == "percent_rank") {
      // Spark leaves their arguments away.
    } else if (kFirstOnly.contains(name) && call.arguments.size() > 1) {
      text += of(*call.arguments[0]);
    } else if ((name == "datepart" || name == "extract") && call.arguments.size() == 2) {
      text += of(*call.arguments[0]) + " FROM " + of(*call.arguments[1]);
    } else if (name == "assert_true" && call.arguments.size() == 1) {
      const auto condition = of(*call.arguments[0]);
      text += condition + ", '" + condition + "' is not true!";
    } else if (name == "raise_error" && call.arguments.size() == 1) {
      text += "USER_RAISED_EXCEPTION, map(errorMessage, " + of(*call.arguments[0]) + ")";
    } else if (name == "convert_timezone" && call.arguments.size() == 2) {
      text += "current_timezone(), " + list(call.arguments);
    } else if (name == "ilike" && call.arguments.size() == 3) {
      text += of(*call.arguments[0]) + ", " + of(*call.arguments[1]);
    } else if (name == "try_make_timestamp" && call.arguments.size() == 7) {
      text += list({call.arguments.begin(), call.arguments.end() - 1});
    } else if ((name == "unix_timestamp" || name == "to_unix_timestamp") &&
               call.arguments.empty()) {
      text += "current_timestamp(), yyyy-MM-dd HH:mm:ss";
    } else if (name == "log" && call.arguments.size() == 1) {
      text += "E(), " + of(*call.arguments[0]);
    } else {
      text += list(call.arguments);
    }
    text += left_out(name, call.arguments.size()) + ")";
    if (!call.within_group.empty()) {
      const bool percentile = name.starts_with("percentile");
      if (name == "string_agg") text.replace(0, name.size(), "listagg");
      text += " WITHIN GROUP (ORDER BY " +
              (percentile ? short_keys(call.within_group) : keys(call.within_group)) + ")";
    }
    if (call.filter) text += " FILTER (WHERE " + of(*call.filter) + ")";
    return text;
  }

 private:
  static constexpr std::string_view kIdentity =
      "lambdafunction(namedlambdavariable(), namedlambdavariable())";
  static constexpr std::string_view kComparator =
      "lambdafunction((IF(((namedlambdavariable() IS NULL) AND (namedlambdavariable() IS NULL)), "
      "0, (IF((namedlambdavariable() IS NULL), 1, (IF((namedlambdavariable() IS NULL), -1, "
      "(IF((namedlambdavariable() < namedlambdavariable()), -1, (IF((namedlambdavariable() > "
      "namedlambdavariable()), 1, 0)))))))))), namedlambdavariable(), namedlambdavariable())";

  // mode() WITHIN GROUP (ORDER BY x) and mode(x, true) take the first of several in the order
  // turned round; empty for mode(x, false).
  std::string mode(const Call& call) const {
    if (call.within_group.size() == 1) {
      const auto& key = call.within_group[0];
      return fmt::format("mode() WITHIN GROUP (ORDER BY {}{})", of(*key.expression),
                         key.ascending ? " DESC" : "");
    }
    if (call.arguments.size() != 2 || of(*call.arguments[1]) != "true") return {};
    return fmt::format("mode() WITHIN GROUP (ORDER BY {} DESC)", of(*call.arguments[0]));
  }

  // Defaults that Spark shows where the arguments are not given.
  static std::string left_out(const std::string& name, size_t given) {
    static const std::map<std::string_view, std::pair<size_t, std::vector<std::string_view>>>
        kDefaults = {{"lag", {1, {"1", "NULL"}}},
                     {"lead", {1, {"1", "NULL"}}},
                     {"mask", {1, {"X", "x", "n", "NULL"}}},
                     {"hll_sketch_agg", {1, {"12"}}},
                     {"hll_union", {2, {"false"}}},
                     {"hll_union_agg", {1, {"false"}}},
                     {"theta_sketch_agg", {1, {"12"}}},
                     {"theta_union", {2, {"12"}}},
                     {"theta_union_agg", {1, {"12"}}},
                     {"approx_top_k", {1, {"5", "10000"}}},
                     {"approx_top_k_accumulate", {1, {"10000"}}},
                     {"approx_top_k_combine", {1, {"-1"}}},
                     {"approx_top_k_estimate", {1, {"5"}}},
                     {"tuple_sketch_agg_double", {2, {"12", "sum"}}},
                     {"tuple_union_agg_double", {1, {"12", "sum"}}},
                     {"tuple_intersection_agg_double", {1, {"sum"}}},
                     {"tuple_sketch_summary_double", {1, {"sum"}}},
                     {"tuple_union_double", {2, {"12", "sum"}}},
                     {"tuple_intersection_double", {2, {"sum"}}},
                     {"tuple_union_theta_double", {2, {"12", "sum"}}},
                     {"tuple_intersection_theta_double", {2, {"sum"}}},
                     {"tuple_sketch_agg_integer", {2, {"12", "sum"}}},
                     {"tuple_union_agg_integer", {1, {"12", "sum"}}},
                     {"tuple_intersection_agg_integer", {1, {"sum"}}},
                     {"tuple_sketch_summary_integer", {1, {"sum"}}},
                     {"tuple_union_integer", {2, {"12", "sum"}}},
                     {"tuple_intersection_integer", {2, {"sum"}}},
                     {"tuple_union_theta_integer", {2, {"12", "sum"}}},
                     {"tuple_intersection_theta_integer", {2, {"sum"}}},
                     {"sort_array", {1, {"true"}}},
                     {"listagg", {1, {"NULL"}}},
                     {"string_agg", {1, {"NULL"}}},
                     {"percentile", {2, {"1"}}},
                     {"percentile_approx", {2, {"10000"}}},
                     {"approx_percentile", {2, {"10000"}}},
                     {"make_dt_interval", {0, {"0", "0", "0", "0.000000"}}},
                     {"make_ym_interval", {0, {"0", "0"}}},
                     {"make_interval", {0, {"0", "0", "0", "0", "0", "0", "0.000000"}}},
                     {"time_bucket", {2, {"TIMESTAMP '1970-01-01 00:00:00'"}}},
                     {"months_between", {2, {"true"}}},
                     {"from_unixtime", {1, {"yyyy-MM-dd HH:mm:ss"}}},
                     {"unix_timestamp", {1, {"yyyy-MM-dd HH:mm:ss"}}},
                     {"to_unix_timestamp", {1, {"yyyy-MM-dd HH:mm:ss"}}},
                     {"str_to_map", {1, {",", ":"}}},
                     {"aes_encrypt", {2, {"GCM", "DEFAULT", "", ""}}},
                     {"aes_decrypt", {2, {"GCM", "DEFAULT", ""}}},
                     {"try_aes_decrypt", {2, {"GCM", "DEFAULT", ""}}},
                     {"replace", {2, {""}}},
                     {"split", {2, {"-1"}}},
                     {"regexp_replace", {3, {"1"}}},
                     {"regexp_extract", {2, {"1"}}},
                     {"regexp_extract_all", {2, {"1"}}},
                     {"regexp_instr", {2, {"0"}}},
                     {"locate", {2, {"1"}}},
                     {"position", {2, {"1"}}},
                     {"round", {1, {"0"}}},
                     {"bround", {1, {"0"}}},
                     {"aggregate", {3, {kIdentity}}},
                     {"reduce", {3, {kIdentity}}},
                     {"array_sort", {1, {kComparator}}},
                     {"lpad", {2, {" "}}},
                     {"rpad", {2, {" "}}},
                     {"substr", {2, {"2147483647"}}},
                     {"substring", {2, {"2147483647"}}}};
    const auto found = kDefaults.find(name);
    std::string text;
    if (found == kDefaults.end() || given < found->second.first) return text;
    for (size_t i = given - found->second.first; i < found->second.second.size(); ++i)
      text += fmt::format(", {}", found->second.second[i]);
    return text;
  }
  std::string list(const std::vector<ExpressionPtr>& many, size_t from = 0) const {
    std::string text;
    for (size_t i = from; i < many.size(); ++i)
      text += (i > from ? ", " : "") + of(*many[i]);
    return text;
  }
  std::string keys(const std::vector<SortKey>& many) const {
    std::string text;
    for (const auto& key : many) {
      text += fmt::format("{}{} {} NULLS {}", text.empty() ? "" : ", ", of(*key.expression),
                          key.ascending ? "ASC" : "DESC", key.nulls_first ? "FIRST" : "LAST");
    }
    return text;
  }

  std::string short_keys(const std::vector<SortKey>& many) const {
    std::string text;
    for (const auto& key : many) {
      text += fmt::format("{}{}{}", text.empty() ? "" : ", ", of(*key.expression),
                          key.ascending ? "" : " DESC");
    }
    return text;
  }

  // What is not written as name(arguments); empty for the rest.
  std::string operator_text(const std::string& name,
                            const std::vector<ExpressionPtr>& arguments) const {
    const auto argument = [&](size_t i) { return of(*arguments[i]); };
    static const std::set<std::string_view> kBinary = {
        "+",  "-", "*", "/", "%",   "div", "=",  "<=>", "<",  "<=", ">",
        ">=", "&", "|", "^", "and", "or",  "==", "<<",  ">>", ">>>"};
    if (arguments.size() == 2 && kBinary.contains(name)) {
      const bool word = name == "and" || name == "or";
      return fmt::format("({} {} {})", argument(0),
                         word ? boost::to_upper_copy(name) : shown_name(name), argument(1));
    }
    if (arguments.size() == 2 && (name == "!=" || name == "<>"))
      return fmt::format("(NOT ({} = {}))", argument(0), argument(1));
    if (arguments.size() == 1) {
      if (name == "-") return fmt::format("(- {})", argument(0));
      if (name == "+" || name == "positive") return fmt::format("(+ {})", argument(0));
      if (name == "not" || name == "!") return fmt::format("(NOT {})", argument(0));
      if (name == "isnull") return fmt::format("({} IS NULL)", argument(0));
      if (name == "isnotnull") return fmt::format("({} IS NOT NULL)", argument(0));
      if (name == "~") return "~" + argument(0);
    }
    if (name == "in" && !arguments.empty())
      return fmt::format("({} IN ({}))", argument(0), list(arguments, 1));
    if (name == "like" && arguments.size() == 2)
      return fmt::format("{} LIKE {}", argument(0), argument(1));
    if (name == "like" && arguments.size() == 3)
      return fmt::format("{} LIKE {} ESCAPE '{}'", argument(0), argument(1), argument(2));
    if (name == "if" && arguments.size() == 3)
      return fmt::format("(IF({}, {}, {}))", argument(0), argument(1), argument(2));
    if (name == "when" && arguments.size() > 1) {
      std::string text = "CASE";
      for (size_t i = 0; i + 1 < arguments.size(); i += 2)
        text += " WHEN " + argument(i) + " THEN " + argument(i + 1);
      if (arguments.size() % 2 == 1) text += " ELSE " + argument(arguments.size() - 1);
      return text + " END";
    }
    return {};
  }

  std::string window(const Over& node) const {
    std::string text;
    const auto& spec = node.window;
    if (!spec.partition_by.empty()) text += "PARTITION BY " + list(spec.partition_by);
    if (!spec.order_by.empty())
      text += (text.empty() ? "ORDER BY " : " ORDER BY ") + keys(spec.order_by);
    return text + (text.empty() ? "" : " ") + frame(node);
  }

  std::string frame(const Over& node) const {
    const auto* call = std::get_if<Call>(&node.function->node);
    const auto name = call ? boost::to_lower_copy(call->function) : std::string();
    static const std::set<std::string_view> kRows = {"row_number", "rank", "dense_rank",
                                                     "percent_rank", "ntile"};
    if (name == "lag" || name == "lead") {
      const auto offset = call->arguments.size() > 1 ? of(*call->arguments[1]) : std::string("1");
      const auto signed_offset = name == "lag" ? "-" + offset : offset;
      return fmt::format("ROWS BETWEEN {0} FOLLOWING AND {0} FOLLOWING", signed_offset);
    }
    if (name == "cume_dist") return "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";
    if (kRows.contains(name)) return "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";
    const auto& given = node.window.frame;
    if (!given) {
      return node.window.order_by.empty()
                 ? "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
                 : "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";
    }
    return fmt::format("{} BETWEEN {} AND {}", given->unit == FrameUnit::kRows ? "ROWS" : "RANGE",
                       bound(given->lower), bound(given->upper));
  }

  std::string bound(const FrameBound& bound) const {
    switch (bound.kind) {
      case FrameBound::Kind::kUnboundedPreceding:
        return "UNBOUNDED PRECEDING";
      case FrameBound::Kind::kCurrentRow:
        return "CURRENT ROW";
      case FrameBound::Kind::kUnboundedFollowing:
        return "UNBOUNDED FOLLOWING";
      case FrameBound::Kind::kValue:
        break;
    }
    if (const auto* known = look_ ? (*look_)(*bound.value) : nullptr) return *known + " FOLLOWING";
    if (const auto* call = std::get_if<Call>(&bound.value->node);
        call && (call->function == "-" || call->function == "negative") &&
        call->arguments.size() == 1)
      return of(*call->arguments[0]) + " PRECEDING";
    const auto* literal = std::get_if<Literal>(&bound.value->node);
    const auto* number = literal ? std::get_if<int64_t>(&literal->value) : nullptr;
    if (number && *number < 0) {
      return literal_text(Literal{literal->type, Value(-*number)}, style_) + " PRECEDING";
    }
    return of(*bound.value) + " FOLLOWING";
  }

  Style style_;
  const NameLookup* look_;
};

}  // namespace

std::string default_name(const Expression& expression) {
  return Text(Style::kName, nullptr).top(expression);
}

std::string default_name(const Expression& expression, const NameLookup& look) {
  return Text(Style::kName, &look).top(expression);
}

std::string expression_sql(const Expression& expression) {
  return Text(Style::kSql, nullptr).of(expression);
}

}  // namespace weir::plan
