// Operators, predicates and what is around an operand. Calls and words: word_parser.cc; literals:
// literals.cc, intervals.cc.
#include "sql/expression_parser.h"

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/predicate.hpp>
#include <fmt/format.h>

#include "sql/keywords.h"

namespace weir::sql {

using columnar::DataType;
using columnar::TypeKind;
using plan::ExpressionPtr;

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
      s == ">" || s == ">=" || s == "!<" || s == "!>")
    return 5;
  if (s == "|") return 6;
  if (s == "^") return 7;
  if (s == "&") return 8;
  if (s == "<<" || s == ">>" || s == ">>>") return 9;
  if (s == "+" || s == "-" || s == "||") return 10;
  if (s == "*" || s == "/" || s == "%") return 11;
  return 0;
}

// The function that an operator is.
std::string function_of(const std::string& op) {
  if (op == "==") return "=";
  if (op == "||") return "concat";
  if (op == "!<") return ">=";
  if (op == "!>") return "<=";
  return boost::to_lower_copy(op);
}

bool starts_predicate(const TokenCursor& cursor, size_t ahead = 0) {
  for (const auto* word : {"IN", "BETWEEN", "LIKE", "ILIKE", "RLIKE", "REGEXP"}) {
    if (cursor.is_word(word, ahead)) return true;
  }
  return false;
}

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

ExpressionParser::Made ExpressionParser::text_literal(std::string text, uint32_t begin) {
  return make(plan::Literal{DataType::of(TypeKind::kString), std::move(text)}, begin);
}

base::Result<void> ExpressionParser::deeper() const {
  if (nesting_ > kNestingMax) return cursor_.unexpected("the text is nested too deep");
  return {};
}

base::Result<bool> ExpressionParser::accept_not() {
  if (!cursor_.is_symbol("!")) return cursor_.accept_word("NOT");
  const uint32_t begin = cursor_.take().begin;
  if (options_.bang_is_not) return true;
  const std::string clause = "! " + cursor_.peek().upper;
  return parse_error("SYNTAX_DISCONTINUED.BANG_EQUALS_NOT", "42601",
                     "Support of the clause or keyword: '" + clause +
                         "' has been discontinued in this context. Use NOT",
                     cursor_.origin_since(begin))
      .with_parameter("clause", "!");
}

ExpressionParser::Made ExpressionParser::value_expression() {
  return binary(kPredicatePrecedence + 1);
}

ExpressionParser::Made ExpressionParser::binary(int precedence_min) {
  const Nesting nesting(nesting_);
  WEIR_TRY(deeper());
  const uint32_t begin = cursor_.peek().begin;
  ExpressionPtr left;
  if (precedence_min <= kNotPrecedence && (cursor_.is_word("NOT") || cursor_.is_symbol("!")) &&
      !cursor_.is_symbol(",", 1) && !cursor_.is_symbol(")", 1)) {
    cursor_.take();
    WEIR_ASSIGN(auto operand, binary(kNotPrecedence));
    WEIR_ASSIGN(left, make(plan::Call{"not", {operand}}, begin));
  } else {
    WEIR_ASSIGN(left, unary());
  }
  bool predicated = false;
  while (true) {
    const auto& token = cursor_.peek();
    const bool negated =
        (cursor_.is_word("NOT") || cursor_.is_symbol("!")) && starts_predicate(cursor_, 1);
    if (precedence_min <= kPredicatePrecedence && !predicated &&
        (negated || starts_predicate(cursor_) || cursor_.is_word("IS"))) {
      WEIR_ASSIGN(left, predicate(std::move(left), begin));
      predicated = true;
      continue;
    }
    const int level = precedence(token);
    if (level == 0 || level < precedence_min || (predicated && level > kPredicatePrecedence))
      return left;
    if (level <= 2) predicated = false;
    const std::string op = function_of(cursor_.take().text);
    WEIR_ASSIGN(auto right, binary(level + 1));
    if (op == "<>" || op == "!=") {
      WEIR_ASSIGN(auto equal, make(plan::Call{"=", {left, right}}, begin));
      WEIR_ASSIGN(left, make(plan::Call{"not", {equal}}, begin));
    } else {
      WEIR_ASSIGN(left, make(plan::Call{op, {left, right}}, begin));
    }
  }
}

ExpressionParser::Made ExpressionParser::negate_if(bool negated, ExpressionPtr made,
                                                   uint32_t begin) {
  return negated ? make(plan::Call{"not", {std::move(made)}}, begin) : Made(std::move(made));
}

ExpressionParser::Made ExpressionParser::predicate(ExpressionPtr left, uint32_t begin) {
  if (cursor_.accept_word("IS")) return is_predicate(std::move(left), begin);
  WEIR_ASSIGN(const bool negated, accept_not());
  if (cursor_.accept_word("BETWEEN")) {
    WEIR_ASSIGN(auto low, value_expression());
    WEIR_TRY(cursor_.expect_word("AND"));
    WEIR_ASSIGN(auto high, value_expression());
    WEIR_ASSIGN(auto made, make(plan::Call{"between", {left, low, high}}, begin));
    return negate_if(negated, std::move(made), begin);
  }
  if (cursor_.accept_word("IN")) return in_predicate(std::move(left), begin, negated);
  return like_predicate(std::move(left), begin, negated);
}

ExpressionParser::Made ExpressionParser::is_predicate(ExpressionPtr left, uint32_t begin) {
  WEIR_ASSIGN(const bool negated, accept_not());
  if (cursor_.accept_word("NULL") || cursor_.accept_word("UNKNOWN"))
    return make(plan::Call{negated ? "isnotnull" : "isnull", {left}}, begin);
  const bool wanted = cursor_.is_word("TRUE");
  if (cursor_.accept_word("TRUE") || cursor_.accept_word("FALSE")) {
    WEIR_ASSIGN(auto literal, make(plan::Literal{DataType::of(TypeKind::kBoolean), wanted}, begin));
    WEIR_ASSIGN(auto made, make(plan::Call{"<=>", {left, literal}}, begin));
    return negate_if(negated, std::move(made), begin);
  }
  WEIR_TRY(cursor_.expect_word("DISTINCT"));
  WEIR_TRY(cursor_.expect_word("FROM"));
  WEIR_ASSIGN(auto right, value_expression());
  WEIR_ASSIGN(auto made, make(plan::Call{"<=>", {left, right}}, begin));
  return negate_if(!negated, std::move(made), begin);
}

ExpressionParser::Made ExpressionParser::in_predicate(ExpressionPtr left, uint32_t begin,
                                                      bool negated) {
  const bool is_query = starts_query(cursor_, 1) && cursor_.is_symbol("(");
  WEIR_TRY(cursor_.expect_symbol("("));
  ExpressionPtr made;
  if (is_query) {
    WEIR_ASSIGN(auto plan, query());
    WEIR_TRY(cursor_.expect_symbol(")"));
    plan::Subquery subquery{plan::SubqueryKind::kIn, std::move(plan), {left}};
    const auto* row = std::get_if<plan::Call>(&left->node);
    if (row && row->function == "struct") subquery.values = row->arguments;
    WEIR_ASSIGN(made, make(std::move(subquery), begin));
  } else {
    plan::Call in{"in", {left}};
    WEIR_ASSIGN(auto list, expressions());
    in.arguments.insert(in.arguments.end(), list.begin(), list.end());
    WEIR_TRY(cursor_.expect_symbol(")"));
    WEIR_ASSIGN(made, make(std::move(in), begin));
  }
  return negate_if(negated, std::move(made), begin);
}

ExpressionParser::Made ExpressionParser::like_predicate(ExpressionPtr left, uint32_t begin,
                                                        bool negated) {
  std::string op = boost::to_lower_copy(cursor_.take().text);
  if (op == "regexp") op = "rlike";
  const bool all = cursor_.is_word("ALL");
  if ((all || cursor_.is_word("ANY") || cursor_.is_word("SOME")) && cursor_.is_symbol("(", 1) &&
      op != "rlike") {
    cursor_.take();
    return like_quantified(left, op, all, negated, begin);
  }
  WEIR_ASSIGN(auto pattern, value_expression());
  plan::Call like{op, {left, pattern}};
  if (op != "rlike" && cursor_.accept_word("ESCAPE")) {
    const auto& token = cursor_.peek();
    const uint32_t escape_begin = token.begin;
    const auto origin = cursor_.origin_of(token);
    WEIR_ASSIGN(auto escape, string_literal());
    if (escape.size() != 1) {
      return parse_error("INVALID_ESC", "42604",
                         fmt::format("`EscapeChar` should be a string literal of length one, but "
                                     "got \"{}\"",
                                     escape),
                         origin)
          .with_parameter("invalidEscape", "'" + escape + "'");
    }
    WEIR_ASSIGN(auto literal, text_literal(escape, escape_begin));
    like.arguments.push_back(std::move(literal));
  }
  WEIR_ASSIGN(auto made, make(std::move(like), begin));
  return negate_if(negated, std::move(made), begin);
}

// a LIKE ALL (p, q) is a LIKE p AND a LIKE q; NOT LIKE ANY is NOT LIKE p OR NOT LIKE q.
ExpressionParser::Made ExpressionParser::like_quantified(const ExpressionPtr& left,
                                                         const std::string& op, bool all,
                                                         bool negated, uint32_t begin) {
  WEIR_TRY(cursor_.expect_symbol("("));
  if (cursor_.is_symbol(")")) {
    const std::string message = "Expected something between '(' and ')'.";
    return parse_error("_LEGACY_ERROR_TEMP_0064", "", message, cursor_.origin_since(begin))
        .with_parameter("msg", message);
  }
  WEIR_ASSIGN(auto patterns, expressions());
  WEIR_TRY(cursor_.expect_symbol(")"));
  std::vector<ExpressionPtr> parts;
  for (auto& pattern : patterns) {
    WEIR_ASSIGN(auto part, make(plan::Call{op, {left, std::move(pattern)}}, begin));
    WEIR_ASSIGN(part, negate_if(negated, std::move(part), begin));
    parts.push_back(std::move(part));
  }
  return chain(all ? "and" : "or", std::move(parts), begin);
}

// The operator between all of the list, as a tree that stays flat.
ExpressionParser::Made ExpressionParser::chain(const std::string& op,
                                               std::vector<ExpressionPtr> list, uint32_t begin) {
  while (list.size() > 1) {
    std::vector<ExpressionPtr> next;
    for (size_t i = 0; i < list.size(); i += 2) {
      if (i + 1 == list.size()) {
        next.push_back(list[i]);
      } else {
        WEIR_ASSIGN(auto pair, make(plan::Call{op, {list[i], list[i + 1]}}, begin));
        next.push_back(std::move(pair));
      }
    }
    list = std::move(next);
  }
  return list.front();
}

ExpressionParser::Made ExpressionParser::unary() {
  const Nesting nesting(nesting_);
  WEIR_TRY(deeper());
  const uint32_t begin = cursor_.peek().begin;
  if (cursor_.accept_symbol("-")) {
    if (cursor_.peek().kind == TokenKind::kNumber) {
      WEIR_ASSIGN(auto literal, number(true));
      auto with_sign = *literal;
      with_sign.origin.begin = begin;
      return postfix(std::make_shared<const plan::Expression>(std::move(with_sign)), begin);
    }
    WEIR_ASSIGN(auto operand, unary());
    return make(plan::Call{"-", {operand}}, begin);
  }
  if (cursor_.accept_symbol("+")) {
    WEIR_ASSIGN(auto operand, unary());
    return make(plan::Call{"+", {operand}}, begin);
  }
  if (cursor_.accept_symbol("~")) {
    WEIR_ASSIGN(auto operand, unary());
    return make(plan::Call{"~", {operand}}, begin);
  }
  return primary_expression();
}

ExpressionParser::Made ExpressionParser::primary_expression() {
  const uint32_t begin = cursor_.peek().begin;
  WEIR_ASSIGN(auto left, primary());
  return postfix(std::move(left), begin);
}

ExpressionParser::Made ExpressionParser::postfix(ExpressionPtr left, uint32_t begin) {
  while (true) {
    if (cursor_.accept_symbol("[")) {
      WEIR_ASSIGN(auto key, value_expression());
      WEIR_TRY(cursor_.expect_symbol("]"));
      WEIR_ASSIGN(left, make(plan::Extract{left, key}, begin));
    } else if (cursor_.is_symbol(".") && at_name(1) &&
               !std::holds_alternative<plan::Star>(left->node)) {
      cursor_.take();
      const uint32_t key_begin = cursor_.peek().begin;
      std::string field;
      if (at_identifier_text()) {
        WEIR_ASSIGN(field, name());
      } else {
        field = cursor_.take().text;
      }
      WEIR_ASSIGN(auto key, text_literal(std::move(field), key_begin));
      WEIR_ASSIGN(left, make(plan::Extract{left, key}, begin));
    } else if (cursor_.accept_symbol("::")) {
      WEIR_ASSIGN(auto target, type(false));
      WEIR_ASSIGN(left, make(plan::CastTo{left, target, false}, begin));
    } else if (cursor_.is_word("COLLATE") && at_name(1)) {
      return cursor_.unsupported("COLLATE");
    } else if (cursor_.is_symbol(":") && (at_name(1) || cursor_.is_symbol("[", 1))) {
      return cursor_.unsupported("path into a variant (column:path)");
    } else {
      return left;
    }
  }
}

ExpressionParser::Made ExpressionParser::primary() {
  const auto& token = cursor_.peek();
  const uint32_t begin = token.begin;
  switch (token.kind) {
    case TokenKind::kString: {
      WEIR_ASSIGN(auto text, string_literal());
      return text_literal(std::move(text), begin);
    }
    case TokenKind::kNumber:
      return number(false);
    case TokenKind::kQuotedName:
      return column_or_call();
    case TokenKind::kWord:
      return word();
    case TokenKind::kEnd:
      return cursor_.unexpected();
    case TokenKind::kSymbol:
      break;
  }
  if (cursor_.is_symbol("?") || (cursor_.is_symbol(":") && at_name(1))) return parameter();
  if (cursor_.accept_symbol("*")) return star({}, begin);
  if (cursor_.is_symbol("(")) return parenthesised();
  return cursor_.unexpected();
}

// (x, y) -> … starts here.
bool ExpressionParser::at_lambda_parameters() const {
  size_t ahead = 1;
  while (at_name(ahead) && cursor_.is_symbol(",", ahead + 1))
    ahead += 2;
  return at_name(ahead) && cursor_.is_symbol(")", ahead + 1) && cursor_.is_symbol("->", ahead + 2);
}

ExpressionParser::Made ExpressionParser::parenthesised() {
  const uint32_t begin = cursor_.peek().begin;
  if (at_lambda_parameters()) {
    WEIR_ASSIGN(auto parameters, name_list());
    return lambda(std::move(parameters), begin);
  }
  if (starts_query(cursor_, 1)) {
    cursor_.take();
    WEIR_ASSIGN(auto plan, query());
    WEIR_TRY(cursor_.expect_symbol(")"));
    return make(plan::Subquery{plan::SubqueryKind::kScalar, std::move(plan), {}}, begin);
  }
  cursor_.take();
  const uint32_t inner_begin = cursor_.peek().begin;
  WEIR_ASSIGN(auto inner, named_expression());
  if (cursor_.accept_symbol(",")) {  // (a, b) is a struct
    plan::Call call{"struct", {inner}};
    WEIR_ASSIGN(auto rest, named_expressions());
    call.arguments.insert(call.arguments.end(), rest.begin(), rest.end());
    WEIR_TRY(cursor_.expect_symbol(")"));
    return make(std::move(call), begin);
  }
  if (std::holds_alternative<plan::Alias>(inner->node) && inner->origin.begin == inner_begin)
    return cursor_.unexpected();
  WEIR_TRY(cursor_.expect_symbol(")"));
  return inner;
}

ExpressionParser::Made ExpressionParser::star(Names qualifier, uint32_t begin) {
  plan::Star made{std::move(qualifier)};
  if (cursor_.is_word("EXCEPT") && cursor_.is_symbol("(", 1) && !starts_query(cursor_, 2)) {
    cursor_.take();
    cursor_.take();
    do {
      WEIR_ASSIGN(auto column, qualified_name());
      made.except.push_back(std::move(column));
    } while (cursor_.accept_symbol(","));
    WEIR_TRY(cursor_.expect_symbol(")"));
  }
  return make(std::move(made), begin);
}

ExpressionParser::Made ExpressionParser::parameter() {
  const uint32_t begin = cursor_.peek().begin;
  plan::Parameter marker;
  const plan::ExpressionPtr* value = nullptr;
  if (cursor_.accept_symbol("?")) {
    // The number of markers before this one in the text.
    marker.position = cursor_.count_markers_before();
    const auto at = static_cast<size_t>(marker.position);
    if (at < options_.positional.size()) value = &options_.positional[at];
  } else {
    cursor_.take();
    marker.name = cursor_.take().text;
    const auto found = options_.named.find(marker.name);
    if (found != options_.named.end()) value = &found->second;
  }
  if (!value) return make(std::move(marker), begin);
  return *value;
}

ExpressionParser::Made ExpressionParser::named_expression() {
  const uint32_t begin = cursor_.peek().begin;
  WEIR_ASSIGN(auto made, expression());
  const bool as = cursor_.accept_word("AS");
  if (cursor_.is_symbol("(") && at_name(1)) {
    WEIR_ASSIGN(auto names, name_list());
    std::string first = std::move(names.front());
    names.erase(names.begin());
    return make(plan::Alias{made, std::move(first), std::move(names)}, begin);
  }
  if (as || (at_name() && !starts_clause(cursor_))) {
    WEIR_ASSIGN(auto alias, name());
    return make(plan::Alias{made, std::move(alias)}, begin);
  }
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

base::Result<std::vector<ExpressionPtr>> ExpressionParser::expressions() {
  std::vector<ExpressionPtr> list;
  do {
    WEIR_ASSIGN(auto one, expression());
    list.push_back(std::move(one));
  } while (cursor_.accept_symbol(","));
  return list;
}

base::Result<plan::SortKey> ExpressionParser::sort_key() {
  plan::SortKey key;
  WEIR_ASSIGN(key.expression, expression());
  key.ascending = !cursor_.accept_word("DESC");
  if (key.ascending) cursor_.accept_word("ASC");
  key.nulls_first = key.ascending;
  if (cursor_.accept_word("NULLS")) {
    key.nulls_first = cursor_.accept_word("FIRST");
    if (!key.nulls_first) WEIR_TRY(cursor_.expect_word("LAST"));
  }
  return key;
}

base::Result<std::vector<plan::SortKey>> ExpressionParser::sort_keys() {
  std::vector<plan::SortKey> keys;
  do {
    WEIR_ASSIGN(auto key, sort_key());
    keys.push_back(std::move(key));
  } while (cursor_.accept_symbol(","));
  return keys;
}

}  // namespace weir::sql
