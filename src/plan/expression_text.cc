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
      return format_day_time_interval(number);
    case TypeKind::kYearMonthInterval:
      return format_year_month_interval(number);
    case TypeKind::kLong:
      return std::to_string(number) + (style == Style::kSql ? "L" : "");
    default:
      return std::to_string(number);
  }
}

// Functions whose name Spark shows in another way than it is called.
std::string shown_name(const std::string& name) {
  static const std::set<std::string_view> kUpper = {
      "acos",  "acosh",  "asin",    "asinh",  "atan",       "atanh",        "atan2",      "cbrt",
      "cos",   "cosh",   "exp",     "expm1",  "log",        "log10",        "log1p",      "log2",
      "sin",   "sinh",   "sqrt",    "tan",    "tanh",       "cot",          "sec",        "csc",
      "ceil",  "floor",  "degrees", "hypot",  "e",          "pi",           "power",      "radians",
      "rlike", "signum", "rank",    "regexp", "dense_rank", "percent_rank", "regexp_like"};
  if (kUpper.contains(name)) return boost::to_upper_copy(name);
  static const std::map<std::string_view, std::string_view> kOther = {
      {"==", "="}, {"current_database", "current_schema"}, {"random", "rand"}};
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
    return style_ == Style::kName ? node.name : of(*node.child);
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
    // With a scale they are other functions, which Spark shows as called.
    const bool scaled = (name == "ceil" || name == "floor") && call.arguments.size() == 2;
    auto text = (scaled ? name : shown_name(name)) + "(" + (call.distinct ? "DISTINCT " : "");
    if (name == "count" && call.arguments.size() == 1 &&
        std::holds_alternative<Star>(call.arguments[0]->node)) {
      text += "1";
    } else if ((name == "from_json" || name == "from_csv" || name == "to_json" ||
                name == "to_csv" || name == "schema_of_json" || name == "schema_of_csv") &&
               call.arguments.size() > 1) {
      text += of(*call.arguments[0]);
    } else if (name == "log" && call.arguments.size() == 1) {
      text += "E(), " + of(*call.arguments[0]);
    } else {
      text += list(call.arguments);
    }
    text += left_out(name, call.arguments.size()) + ")";
    if (!call.within_group.empty())
      text += " WITHIN GROUP (ORDER BY " + keys(call.within_group) + ")";
    if (call.filter) text += " FILTER (WHERE " + of(*call.filter) + ")";
    return text;
  }

 private:
  // Defaults that Spark shows where the arguments are not given.
  static std::string left_out(const std::string& name, size_t given) {
    static const std::map<std::string_view, std::pair<size_t, std::vector<std::string_view>>>
        kDefaults = {{"lag", {1, {"1", "NULL"}}},
                     {"lead", {1, {"1", "NULL"}}},
                     {"mask", {1, {"X", "x", "n", "NULL"}}},
                     {"sort_array", {1, {"true"}}},
                     {"listagg", {1, {"NULL"}}},
                     {"string_agg", {1, {"NULL"}}},
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
      if (name == "negative") return fmt::format("(- {})", argument(0));
      if (name == "positive") return fmt::format("(+ {})", argument(0));
      if (name == "not" || name == "!") return fmt::format("(NOT {})", argument(0));
      if (name == "isnull") return fmt::format("({} IS NULL)", argument(0));
      if (name == "isnotnull") return fmt::format("({} IS NOT NULL)", argument(0));
      if (name == "~") return "~" + argument(0);
    }
    if (name == "in" && !arguments.empty())
      return fmt::format("({} IN ({}))", argument(0), list(arguments, 1));
    if (name == "like" && arguments.size() == 2)
      return fmt::format("{} LIKE {}", argument(0), argument(1));
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
    if (const auto* call = std::get_if<Call>(&bound.value->node);
        call && call->function == "negative" && call->arguments.size() == 1)
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
  return Text(Style::kName, nullptr).of(expression);
}

std::string default_name(const Expression& expression, const NameLookup& look) {
  return Text(Style::kName, &look).of(expression);
}

std::string expression_sql(const Expression& expression) {
  return Text(Style::kSql, nullptr).of(expression);
}

}  // namespace weir::plan
