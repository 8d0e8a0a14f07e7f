#include "sql/expression_parser.h"

#include <set>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/predicate.hpp>
#include <fmt/format.h>

namespace weir::sql {

using columnar::DataType;
using columnar::TypeKind;
using plan::ExpressionPtr;

bool is_reserved(std::string_view upper) {
  static const std::set<std::string_view> kReserved = {
      "FROM",    "WHERE",       "GROUP",     "HAVING",  "ORDER",      "LIMIT",  "OFFSET",  "UNION",
      "EXCEPT",  "MINUS",       "INTERSECT", "ON",      "USING",      "JOIN",   "INNER",   "LEFT",
      "RIGHT",   "FULL",        "CROSS",     "NATURAL", "LATERAL",    "WINDOW", "SELECT",  "AND",
      "OR",      "NOT",         "IN",        "BETWEEN", "LIKE",       "ILIKE",  "RLIKE",   "REGEXP",
      "IS",      "AS",          "CASE",      "WHEN",    "THEN",       "ELSE",   "END",     "ASC",
      "DESC",    "NULLS",       "DISTINCT",  "CLUSTER", "DISTRIBUTE", "SORT",   "QUALIFY", "PIVOT",
      "UNPIVOT", "TABLESAMPLE", "DIV"};
  return kReserved.contains(upper);
}

namespace {

// 0: none. OR 1, AND 2, NOT 3 (prefix), predicates 4, comparison 5, | 6, ^ 7, & 8, shift 9,
// additive 10, multiplicative 11.
constexpr int kNotPrecedence = 3;
constexpr int kPredicatePrecedence = 4;

int precedence(const Token& token) {
  if (token.kind == TokenKind::kWord) {
    if (token.upper == "OR") return 1;
    if (token.upper == "AND") return 2;
    if (token.upper == "DIV") return 11;
    return 0;
  }
  if (token.kind != TokenKind::kSymbol) return 0;
  const auto& s = token.text;
  if (s == "=" || s == "==" || s == "<=>" || s == "<>" || s == "!=" || s == "<" || s == "<=" ||
      s == ">" || s == ">=")
    return 5;
  if (s == "|") return 6;
  if (s == "^") return 7;
  if (s == "&") return 8;
  if (s == "<<" || s == ">>") return 9;
  if (s == "+" || s == "-" || s == "||") return 10;
  if (s == "*" || s == "/" || s == "%") return 11;
  return 0;
}

bool starts_predicate(const TokenCursor& cursor, size_t ahead = 0) {
  for (const auto* word : {"IN", "BETWEEN", "LIKE", "ILIKE", "RLIKE", "REGEXP"}) {
    if (cursor.is_word(word, ahead)) return true;
  }
  return false;
}

class Nesting {
 public:
  explicit Nesting(int& depth) : depth_(depth) { ++depth_; }
  ~Nesting() { --depth_; }

 private:
  int& depth_;
};

}  // namespace

ExpressionParser::Made ExpressionParser::make(plan::ExpressionNode node, uint32_t begin) {
  auto made = plan::make_expression(std::move(node), cursor_.origin_since(begin));
  if (made->height > kExpressionHeightMax) {
    return base::error(base::ErrorKind::kInvalidArgument,
                       "an expression is nested more than {} levels deep", kExpressionHeightMax)
        .with_class("EXCEED_LIMIT_LENGTH");
  }
  return made;
}

ExpressionParser::Made ExpressionParser::binary(int precedence_min) {
  const Nesting nesting(nesting_);
  if (nesting_ > kNestingMax) return cursor_.unexpected("the expression is nested too deep");
  const uint32_t begin = cursor_.peek().begin;
  ExpressionPtr left;
  if (precedence_min <= kNotPrecedence && (cursor_.is_word("NOT") || cursor_.is_symbol("!"))) {
    cursor_.take();
    WEIR_ASSIGN(auto operand, binary(kNotPrecedence));
    WEIR_ASSIGN(left, make(plan::Call{"not", {operand}}, begin));
  } else {
    WEIR_ASSIGN(left, unary());
  }
  while (true) {
    const auto& token = cursor_.peek();
    const bool negated =
        token.upper == "NOT" && token.kind == TokenKind::kWord && starts_predicate(cursor_, 1);
    if (precedence_min <= kPredicatePrecedence &&
        (negated || starts_predicate(cursor_) || cursor_.is_word("IS"))) {
      if (negated) cursor_.take();
      WEIR_ASSIGN(left, predicate(std::move(left), begin, negated));
      continue;
    }
    const int level = precedence(token);
    if (level == 0 || level < precedence_min) return left;
    std::string op = boost::to_lower_copy(cursor_.take().text);
    if (op == "==") op = "=";
    if (op == "||") op = "concat";
    if (op == "<<") op = "shiftleft";
    if (op == ">>") op = "shiftright";
    WEIR_ASSIGN(auto right, binary(level + 1));
    if (op == "<>" || op == "!=") {
      WEIR_ASSIGN(auto equal, make(plan::Call{"=", {left, right}}, begin));
      WEIR_ASSIGN(left, make(plan::Call{"not", {equal}}, begin));
    } else {
      WEIR_ASSIGN(left, make(plan::Call{op, {left, right}}, begin));
    }
  }
}

ExpressionParser::Made ExpressionParser::predicate(ExpressionPtr left, uint32_t begin,
                                                   bool negated) {
  const auto finish = [&](plan::Call call) -> Made {
    WEIR_ASSIGN(auto made, make(std::move(call), begin));
    return negated ? make(plan::Call{"not", {made}}, begin) : Made(made);
  };
  if (cursor_.accept_word("IS")) {
    negated = cursor_.accept_word("NOT");
    if (cursor_.accept_word("NULL"))
      return make(plan::Call{negated ? "isnotnull" : "isnull", {left}}, begin);
    const bool wanted = cursor_.is_word("TRUE");
    if (cursor_.accept_word("TRUE") || cursor_.accept_word("FALSE")) {
      WEIR_ASSIGN(auto literal,
                  make(plan::Literal{DataType::of(TypeKind::kBoolean), wanted}, begin));
      return finish(plan::Call{"<=>", {left, literal}});
    }
    if (cursor_.accept_word("UNKNOWN"))
      return make(plan::Call{negated ? "isnotnull" : "isnull", {left}}, begin);
    WEIR_TRY(cursor_.expect_word("DISTINCT"));
    WEIR_TRY(cursor_.expect_word("FROM"));
    WEIR_ASSIGN(auto right, binary(kPredicatePrecedence + 1));
    negated = !negated;
    return finish(plan::Call{"<=>", {left, right}});
  }
  if (cursor_.accept_word("BETWEEN")) {
    WEIR_ASSIGN(auto low, binary(kPredicatePrecedence + 1));
    WEIR_TRY(cursor_.expect_word("AND"));
    WEIR_ASSIGN(auto high, binary(kPredicatePrecedence + 1));
    return finish(plan::Call{"between", {left, low, high}});
  }
  if (cursor_.accept_word("IN")) {
    WEIR_TRY(cursor_.expect_symbol("("));
    if (cursor_.is_word("SELECT") || cursor_.is_word("WITH"))
      return cursor_.unsupported("subquery (IN)");
    plan::Call in{"in", {left}};
    do {
      WEIR_ASSIGN(auto item, expression());
      in.arguments.push_back(std::move(item));
    } while (cursor_.accept_symbol(","));
    WEIR_TRY(cursor_.expect_symbol(")"));
    return finish(std::move(in));
  }
  std::string op = boost::to_lower_copy(cursor_.take().text);
  if (op == "regexp") op = "rlike";
  if (cursor_.is_word("ANY") || cursor_.is_word("ALL") || cursor_.is_word("SOME")) {
    if (cursor_.is_symbol("(", 1)) return cursor_.unsupported("LIKE ANY, ALL or SOME");
  }
  WEIR_ASSIGN(auto pattern, binary(kPredicatePrecedence + 1));
  plan::Call like{op, {left, pattern}};
  if (op != "rlike" && cursor_.accept_word("ESCAPE")) {
    const auto& token = cursor_.peek();
    if (token.kind != TokenKind::kString || token.text.size() != 1)
      return cursor_.unexpected("ESCAPE takes one character");
    const uint32_t escape_begin = token.begin;
    const std::string escape = cursor_.take().text;
    WEIR_ASSIGN(auto literal,
                make(plan::Literal{DataType::of(TypeKind::kString), escape}, escape_begin));
    like.arguments.push_back(std::move(literal));
  }
  return finish(std::move(like));
}

ExpressionParser::Made ExpressionParser::unary() {
  const Nesting nesting(nesting_);
  if (nesting_ > kNestingMax) return cursor_.unexpected("the expression is nested too deep");
  const uint32_t begin = cursor_.peek().begin;
  if (cursor_.accept_symbol("-")) {
    if (cursor_.peek().kind == TokenKind::kNumber) {
      WEIR_ASSIGN(auto literal, number(true));
      auto with_sign = *literal;
      with_sign.origin.begin = begin;
      return postfix(std::make_shared<const plan::Expression>(std::move(with_sign)), begin);
    }
    WEIR_ASSIGN(auto operand, unary());
    return make(plan::Call{"negative", {operand}}, begin);
  }
  if (cursor_.accept_symbol("+")) {
    WEIR_ASSIGN(auto operand, unary());
    return make(plan::Call{"positive", {operand}}, begin);
  }
  if (cursor_.accept_symbol("~")) {
    WEIR_ASSIGN(auto operand, unary());
    return make(plan::Call{"~", {operand}}, begin);
  }
  WEIR_ASSIGN(auto left, primary());
  return postfix(std::move(left), begin);
}

ExpressionParser::Made ExpressionParser::postfix(ExpressionPtr left, uint32_t begin) {
  while (true) {
    if (cursor_.accept_symbol("[")) {
      WEIR_ASSIGN(auto key, expression());
      WEIR_TRY(cursor_.expect_symbol("]"));
      WEIR_ASSIGN(left, make(plan::Extract{left, key}, begin));
    } else if (cursor_.is_symbol(".") && !std::holds_alternative<plan::Literal>(left->node)) {
      cursor_.take();
      if (cursor_.is_symbol("*")) return cursor_.unexpected("only a column can be followed by .*");
      const uint32_t key_begin = cursor_.peek().begin;
      WEIR_ASSIGN(auto field, name());
      WEIR_ASSIGN(auto key, make(plan::Literal{DataType::of(TypeKind::kString), field}, key_begin));
      WEIR_ASSIGN(left, make(plan::Extract{left, key}, begin));
    } else if (cursor_.accept_symbol("::")) {
      WEIR_ASSIGN(auto type, type_after_colons());
      WEIR_ASSIGN(left, make(plan::CastTo{left, type, false}, begin));
    } else {
      return left;
    }
  }
}

ExpressionParser::Made ExpressionParser::primary() {
  const auto& token = cursor_.peek();
  switch (token.kind) {
    case TokenKind::kString: {
      const uint32_t begin = token.begin;
      std::string text = cursor_.take().text;
      return make(plan::Literal{DataType::of(TypeKind::kString), std::move(text)}, begin);
    }
    case TokenKind::kNumber:
      return number(false);
    case TokenKind::kQuotedName:
      return column_or_call();
    case TokenKind::kWord:
      return word();
    case TokenKind::kEnd:
      return cursor_.unexpected("an expression is expected");
    case TokenKind::kSymbol:
      break;
  }
  if (cursor_.is_symbol("?") || cursor_.is_symbol(":"))
    return cursor_.unsupported("parameter marker");
  if (!cursor_.accept_symbol("(")) return cursor_.unexpected("an expression is expected");
  if (cursor_.is_word("SELECT") || cursor_.is_word("WITH"))
    return cursor_.unsupported("scalar subquery");
  const uint32_t begin = cursor_.peek().begin;
  WEIR_ASSIGN(auto inner, expression());
  if (cursor_.accept_symbol(",")) {  // (a, b) is a struct
    plan::Call call{"struct", {inner}};
    do {
      WEIR_ASSIGN(auto next, expression());
      call.arguments.push_back(std::move(next));
    } while (cursor_.accept_symbol(","));
    WEIR_TRY(cursor_.expect_symbol(")"));
    return make(std::move(call), begin);
  }
  WEIR_TRY(cursor_.expect_symbol(")"));
  return inner;
}

ExpressionParser::Made ExpressionParser::word() {
  const auto& token = cursor_.peek();
  const uint32_t begin = token.begin;
  const std::string upper = token.upper;
  const bool followed_by_call = cursor_.is_symbol("(", 1);
  if (upper == "NULL" && !followed_by_call) {
    cursor_.take();
    return make(plan::Literal{DataType::of(TypeKind::kNull), std::monostate{}}, begin);
  }
  if ((upper == "TRUE" || upper == "FALSE") && !cursor_.is_symbol(".", 1)) {
    cursor_.take();
    return make(plan::Literal{DataType::of(TypeKind::kBoolean), upper == "TRUE"}, begin);
  }
  if (upper == "CASE" && !followed_by_call) return case_expression();
  if (followed_by_call && (upper == "CAST" || upper == "TRY_CAST"))
    return cast(upper == "TRY_CAST");
  if (followed_by_call && upper == "EXTRACT") return extract_field();
  if (followed_by_call && upper == "TRIM") return trim();
  if (followed_by_call && upper == "EXISTS") return cursor_.unsupported("subquery (EXISTS)");
  const bool text_follows = cursor_.peek(1).kind == TokenKind::kString;
  if (text_follows && (upper == "DATE" || upper == "TIMESTAMP" || upper == "TIMESTAMP_NTZ" ||
                       upper == "TIMESTAMP_LTZ" || upper == "X")) {
    cursor_.take();
    return typed_literal(upper);
  }
  if (upper == "INTERVAL" &&
      (text_follows || cursor_.peek(1).kind == TokenKind::kNumber || cursor_.is_symbol("-", 1))) {
    return interval();
  }
  if (!followed_by_call && (upper == "CURRENT_TIMESTAMP" || upper == "CURRENT_DATE") &&
      !cursor_.is_symbol(".", 1)) {
    cursor_.take();
    return make(plan::Call{boost::to_lower_copy(upper), {}}, begin);
  }
  if (is_reserved(upper) &&
      !(followed_by_call && (upper == "LEFT" || upper == "RIGHT" || upper == "LIKE" ||
                             upper == "RLIKE" || upper == "ILIKE" || upper == "REGEXP"))) {
    return cursor_.unexpected("an expression is expected");
  }
  return column_or_call();
}

base::Result<std::string> ExpressionParser::name() {
  const auto& token = cursor_.peek();
  if (token.kind == TokenKind::kWord || token.kind == TokenKind::kQuotedName)
    return cursor_.take().text;
  return cursor_.unexpected("a name is expected");
}

ExpressionParser::Made ExpressionParser::column_or_call() {
  const uint32_t begin = cursor_.peek().begin;
  std::vector<std::string> parts;
  WEIR_ASSIGN(auto first, name());
  parts.push_back(std::move(first));
  while (cursor_.is_symbol(".")) {
    if (cursor_.is_symbol("*", 1)) {
      cursor_.take();
      cursor_.take();
      return make(plan::Star{std::move(parts)}, begin);
    }
    cursor_.take();
    WEIR_ASSIGN(auto part, name());
    parts.push_back(std::move(part));
  }
  if (cursor_.is_symbol("->")) return cursor_.unsupported("lambda function");
  if (!cursor_.is_symbol("(")) return make(plan::ColumnReference{std::move(parts)}, begin);
  return call(fmt::format("{}", fmt::join(parts, ".")), begin);
}

base::Result<std::vector<ExpressionPtr>> ExpressionParser::arguments(bool& distinct) {
  std::vector<ExpressionPtr> list;
  WEIR_TRY(cursor_.expect_symbol("("));
  distinct = cursor_.accept_word("DISTINCT");
  if (!distinct && cursor_.is_word("ALL") && !cursor_.is_symbol(",", 1) &&
      !cursor_.is_symbol(")", 1))
    cursor_.take();
  if (cursor_.accept_symbol(")")) return list;
  while (true) {
    const uint32_t begin = cursor_.peek().begin;
    if (cursor_.accept_symbol("*")) {
      WEIR_ASSIGN(auto star, make(plan::Star{}, begin));
      list.push_back(std::move(star));
    } else {
      if (cursor_.is_symbol("=>", 1)) return cursor_.unsupported("named argument");
      const bool position = std::exchange(position_in_, false);
      auto argument = position ? binary(kPredicatePrecedence + 1) : named_expression();
      if (!argument.ok()) return std::move(argument).error();
      list.push_back(std::move(argument).value());
      if (position && cursor_.accept_word("IN")) continue;
    }
    // substring(s FROM a FOR b)
    if (cursor_.accept_word("FROM") || cursor_.accept_word("FOR")) continue;
    if (!cursor_.accept_symbol(",")) break;
  }
  WEIR_TRY(cursor_.expect_symbol(")"));
  return list;
}

ExpressionParser::Made ExpressionParser::call(std::string function, uint32_t begin) {
  const Nesting nesting(nesting_);
  plan::Call made{std::move(function), {}, false};
  position_in_ =
      boost::iequals(made.function, "position");  // position(a IN b): IN is no predicate there
  WEIR_ASSIGN(made.arguments, arguments(made.distinct));
  if (cursor_.is_word("OVER")) return cursor_.unsupported("window function (OVER)");
  if (cursor_.is_word("FILTER") && cursor_.is_symbol("(", 1))
    return cursor_.unsupported("aggregate FILTER");
  if (cursor_.is_word("WITHIN") && cursor_.is_word("GROUP", 1))
    return cursor_.unsupported("WITHIN GROUP");
  return make(std::move(made), begin);
}

ExpressionParser::Made ExpressionParser::case_expression() {
  const Nesting nesting(nesting_);
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
  if (when.arguments.empty()) return cursor_.unexpected("WHEN is expected");
  if (cursor_.accept_word("ELSE")) {
    WEIR_ASSIGN(auto otherwise, expression());
    when.arguments.push_back(std::move(otherwise));
  }
  WEIR_TRY(cursor_.expect_word("END"));
  return make(std::move(when), begin);
}

ExpressionParser::Made ExpressionParser::cast(bool try_cast) {
  const Nesting nesting(nesting_);
  const uint32_t begin = cursor_.take().begin;
  WEIR_TRY(cursor_.expect_symbol("("));
  WEIR_ASSIGN(auto child, expression());
  WEIR_TRY(cursor_.expect_word("AS"));
  WEIR_ASSIGN(auto type, type_until_close());
  return make(plan::CastTo{child, type, try_cast}, begin);
}

base::Result<DataType> ExpressionParser::parse_type(uint32_t begin, uint32_t end) {
  const auto text = std::string_view(*cursor_.text()).substr(begin, end - begin);
  auto type = columnar::parse_ddl_type(text);
  if (type.ok()) {
    // A cast to char or varchar is a cast to string in Spark.
    if (type->is(TypeKind::kChar) || type->is(TypeKind::kVarchar))
      return DataType::of(TypeKind::kString);
    return type;
  }
  if (type.error().kind() == base::ErrorKind::kUnsupported) return std::move(type).error();
  return base::Error(base::ErrorKind::kInvalidArgument,
                     fmt::format("Unsupported data type \"{}\". SQLSTATE: 0A000{}",
                                 boost::to_upper_copy(std::string(text)),
                                 plan::origin_context({cursor_.text(), begin, end})))
      .with_class("UNSUPPORTED_DATATYPE");
}

base::Result<DataType> ExpressionParser::type_until_close() {
  const uint32_t begin = cursor_.peek().begin;
  int depth = 0;
  while (!cursor_.at_end() && !(depth == 0 && cursor_.is_symbol(")"))) {
    if (cursor_.is_symbol("(")) ++depth;
    if (cursor_.is_symbol(")")) --depth;
    cursor_.take();
  }
  const uint32_t end = cursor_.origin_since(begin).end;
  WEIR_TRY(cursor_.expect_symbol(")"));
  if (end <= begin) return cursor_.unexpected("a type is expected");
  return parse_type(begin, end);
}

base::Result<DataType> ExpressionParser::type_after_colons() {
  const uint32_t begin = cursor_.peek().begin;
  WEIR_TRY(name());
  int depth = 0;
  while (!cursor_.at_end()) {
    if (cursor_.is_symbol("(") || cursor_.is_symbol("<")) {
      ++depth;
    } else if (depth > 0 && (cursor_.is_symbol(")") || cursor_.is_symbol(">"))) {
      --depth;
    } else if (depth > 0 && cursor_.is_symbol(">>")) {
      depth -= 2;
    } else if (depth <= 0) {
      break;
    }
    cursor_.take();
  }
  return parse_type(begin, cursor_.origin_since(begin).end);
}

ExpressionParser::Made ExpressionParser::named_expression() {
  const uint32_t begin = cursor_.peek().begin;
  if (cursor_.accept_symbol("*")) {
    if (cursor_.is_word("EXCEPT") && cursor_.is_symbol("(", 1))
      return cursor_.unsupported("* EXCEPT (…)");
    return make(plan::Star{}, begin);
  }
  WEIR_ASSIGN(auto made, expression());
  const bool as = cursor_.accept_word("AS");
  if (as && cursor_.is_symbol("("))
    return cursor_.unsupported("several aliases for one expression");
  const auto& token = cursor_.peek();
  if (token.kind == TokenKind::kQuotedName ||
      (token.kind == TokenKind::kWord && (as || !is_reserved(token.upper)) &&
       !(token.upper == "FOR" && !as))) {
    std::string alias = cursor_.take().text;
    return make(plan::Alias{made, std::move(alias)}, begin);
  }
  if (as) return cursor_.unexpected("a name is expected after AS");
  return made;
}

base::Result<std::vector<ExpressionPtr>> ExpressionParser::named_expressions() {
  std::vector<ExpressionPtr> list;
  do {
    WEIR_ASSIGN(auto one, named_expression());
    list.push_back(std::move(one));
  } while (cursor_.accept_symbol(","));
  return list;
}

ExpressionParser::Made ExpressionParser::extract_field() {
  const uint32_t begin = cursor_.take().begin;
  WEIR_TRY(cursor_.expect_symbol("("));
  WEIR_ASSIGN(auto field, name());
  field = boost::to_lower_copy(field);
  WEIR_TRY(cursor_.expect_word("FROM"));
  WEIR_ASSIGN(auto source, expression());
  WEIR_TRY(cursor_.expect_symbol(")"));
  static const std::set<std::string_view> kFields = {"year", "quarter", "month", "day",
                                                     "hour", "minute",  "second"};
  static const std::set<std::string_view> kOthers = {"dayofweek", "dow",     "doy",    "week",
                                                     "weeks",     "years",   "months", "days",
                                                     "hours",     "minutes", "seconds"};
  if (field == "second" || field == "seconds")
    return cursor_.unsupported("EXTRACT(SECOND …), a decimal; use second()");
  if (kFields.contains(field)) return make(plan::Call{field, {source}}, begin);
  if (field == "dow" || field == "dayofweek") return make(plan::Call{"dayofweek", {source}}, begin);
  if (field == "doy") return make(plan::Call{"dayofyear", {source}}, begin);
  if (field == "week" || field == "weeks") return make(plan::Call{"weekofyear", {source}}, begin);
  if (kOthers.contains(field))
    return make(plan::Call{field.substr(0, field.size() - 1), {source}}, begin);
  return cursor_.unsupported("EXTRACT of " + field);
}

// TRIM([BOTH | LEADING | TRAILING] [characters] FROM text), TRIM(text), TRIM(characters FROM text)
ExpressionParser::Made ExpressionParser::trim() {
  const uint32_t begin = cursor_.take().begin;
  WEIR_TRY(cursor_.expect_symbol("("));
  std::string function = "btrim";
  bool sided = true;
  if (cursor_.accept_word("LEADING")) {
    function = "ltrim";
  } else if (cursor_.accept_word("TRAILING")) {
    function = "rtrim";
  } else if (!cursor_.accept_word("BOTH")) {
    sided = false;
  }
  ExpressionPtr first;
  if (!(sided && cursor_.is_word("FROM"))) {
    WEIR_ASSIGN(first, expression());
  }
  if (cursor_.accept_word("FROM")) {
    WEIR_ASSIGN(auto source, expression());
    WEIR_TRY(cursor_.expect_symbol(")"));
    if (!first) return make(plan::Call{function, {source}}, begin);
    // Spark's ltrim and rtrim take the characters first.
    if (function == "btrim") return make(plan::Call{function, {source, first}}, begin);
    return make(plan::Call{function, {first, source}}, begin);
  }
  WEIR_TRY(cursor_.expect_symbol(")"));
  return make(plan::Call{sided ? function : "trim", {first}}, begin);
}

}  // namespace weir::sql
