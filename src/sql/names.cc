// Names, strings and types of the expression parser.
#include <charconv>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "sql/expression_parser.h"
#include "sql/keywords.h"

namespace weir::sql {

using columnar::DataType;
using columnar::TypeKind;

bool ExpressionParser::at_name(size_t ahead) const {
  const auto kind = cursor_.peek(ahead).kind;
  return kind == TokenKind::kWord || kind == TokenKind::kQuotedName;
}

// IDENTIFIER('text') stands here, which may be a part of a name.
bool ExpressionParser::at_identifier_text(size_t ahead) const {
  return !options_.legacy_identifier_clause && cursor_.is_word("IDENTIFIER", ahead) &&
         cursor_.is_symbol("(", ahead + 1) &&
         (cursor_.peek(ahead + 2).kind == TokenKind::kString || cursor_.is_symbol(":", ahead + 2) ||
          cursor_.is_symbol("?", ahead + 2));
}

base::Result<std::string> ExpressionParser::name() {
  if (!at_name()) return cursor_.unexpected();
  if (at_identifier_text()) {
    const uint32_t begin = cursor_.take().begin;
    WEIR_ASSIGN(const auto text, identifier_text());
    const auto origin = cursor_.origin_since(begin);
    WEIR_ASSIGN(auto parts, split_name(text, origin));
    if (parts.size() == 1) return std::move(parts[0]);
    const auto full = fmt::format("`{}`", fmt::join(parts, "`.`"));
    return parse_error(
               "IDENTIFIER_TOO_MANY_NAME_PARTS", "42601",
               fmt::format("{} is not a valid identifier as it has more than 1 name part", full),
               origin)
        .with_parameter("identifier", full)
        .with_parameter("limit", "1");
  }
  const Token token = cursor_.take();
  if (!cursor_.is_symbol("-") || !at_name(1) || cursor_.peek().begin != token.end)
    return token.text;
  // test-table, where no expression can stand
  std::string whole = token.text;
  while (cursor_.is_symbol("-") && at_name(1)) {
    cursor_.take();
    whole += "-" + cursor_.take().text;
  }
  return parse_error("INVALID_IDENTIFIER", "42602",
                     fmt::format("The unquoted identifier {} is invalid and must be back quoted "
                                 "as: `{}`",
                                 whole, whole),
                     cursor_.origin_since(token.begin))
      .with_parameter("ident", whole);
}

base::Result<std::string> ExpressionParser::strict_name() {
  if (cursor_.peek().kind == TokenKind::kWord && is_strict(cursor_.peek().upper))
    return cursor_.unexpected();
  return name();
}

base::Result<ExpressionParser::Names> ExpressionParser::qualified_name() {
  Names parts;
  do {
    if (at_identifier_text()) {
      const uint32_t begin = cursor_.take().begin;
      WEIR_ASSIGN(const auto text, identifier_text());
      WEIR_ASSIGN(auto several, split_name(text, cursor_.origin_since(begin)));
      parts.insert(parts.end(), several.begin(), several.end());
    } else {
      WEIR_ASSIGN(auto part, name());
      parts.push_back(std::move(part));
    }
  } while (cursor_.accept_symbol("."));
  return parts;
}

base::Result<ExpressionParser::Names> ExpressionParser::name_list() {
  Names names;
  WEIR_TRY(cursor_.expect_symbol("("));
  do {
    WEIR_ASSIGN(auto one, name());
    names.push_back(std::move(one));
  } while (cursor_.accept_symbol(","));
  WEIR_TRY(cursor_.expect_symbol(")"));
  return names;
}

base::Result<ExpressionParser::Names> ExpressionParser::table_name() {
  if (cursor_.is_word("IDENTIFIER") && cursor_.is_symbol("(", 1) && !at_identifier_text()) {
    const uint32_t begin = cursor_.take().begin;
    WEIR_ASSIGN(auto text, identifier_text());
    return split_name(text, cursor_.origin_since(begin));
  }
  return qualified_name();
}

namespace {

const std::string* constant_text(const plan::ExpressionPtr& expression) {
  const auto* literal = std::get_if<plan::Literal>(&expression->node);
  return literal && literal->type.is(TypeKind::kString) ? std::get_if<std::string>(&literal->value)
                                                        : nullptr;
}

// The value of a constant made of strings and ||.
bool fold_text(const plan::ExpressionPtr& expression, std::string& text) {
  if (const auto* constant = constant_text(expression)) {
    text += *constant;
    return true;
  }
  const auto* call = std::get_if<plan::Call>(&expression->node);
  if (!call || boost::to_lower_copy(call->function) != "concat") return false;
  for (const auto& argument : call->arguments) {
    if (!fold_text(argument, text)) return false;
  }
  return true;
}

}  // namespace

base::Result<std::string> ExpressionParser::identifier_text() {
  WEIR_TRY(cursor_.expect_symbol("("));
  WEIR_ASSIGN(auto value, expression());
  WEIR_TRY(cursor_.expect_symbol(")"));
  std::string text;
  if (fold_text(value, text)) return text;
  const auto* literal = std::get_if<plan::Literal>(&value->node);
  if (!literal) return cursor_.unsupported("IDENTIFIER() of anything but constant strings");
  const bool null = std::holds_alternative<std::monostate>(literal->value);
  return parse_error(null ? "NOT_A_CONSTANT_STRING.NULL" : "NOT_A_CONSTANT_STRING.WRONG_TYPE",
                     "42601",
                     fmt::format("The expression {} used for the routine or clause IDENTIFIER must "
                                 "be a constant STRING which is NOT NULL",
                                 plan::expression_sql(*value)),
                     value->origin)
      .with_parameter("name", "IDENTIFIER")
      .with_parameter("expr", "\"" + plan::expression_sql(*value) + "\"");
}

base::Result<ExpressionParser::Names> ExpressionParser::split_name(const std::string& text,
                                                                   const plan::Origin& origin) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    return parse_error("PARSE_EMPTY_STATEMENT", "42617", "Syntax error, unexpected empty statement",
                       origin);
  }
  const auto holder = std::make_shared<const std::string>(text);
  WEIR_ASSIGN(auto tokens, tokenize(holder));
  TokenCursor cursor(holder, std::move(tokens));
  Names parts;
  do {
    const auto& token = cursor.peek();
    if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuotedName)
      return cursor.unexpected();
    parts.push_back(cursor.take().text);
  } while (cursor.accept_symbol("."));
  if (!cursor.at_end()) return cursor.unexpected();
  return parts;
}

base::Result<std::string> ExpressionParser::one_string_literal() {
  if (at_string()) return cursor_.take().text;
  if (cursor_.is_symbol("?") || (cursor_.is_symbol(":") && at_name(1))) {
    const auto origin = cursor_.origin_of(cursor_.peek());
    WEIR_ASSIGN(auto value, parameter());
    if (const auto* text = constant_text(value)) return *text;
    return syntax_error(plan::expression_sql(*value), "a string is expected", origin);
  }
  return cursor_.unexpected();
}

base::Result<std::string> ExpressionParser::string_literal() {
  WEIR_ASSIGN(auto text, one_string_literal());
  while (at_string())
    text += cursor_.take().text;
  return text;
}

base::Result<int64_t> ExpressionParser::integer_literal() {
  const auto& token = cursor_.peek();
  int64_t value = 0;
  const char* end = token.text.data() + token.text.size();
  if (token.kind != TokenKind::kNumber ||
      token.text.find_first_not_of("0123456789") != std::string::npos ||
      std::from_chars(token.text.data(), end, value).ec != std::errc())
    return cursor_.unexpected();
  cursor_.take();
  return value;
}

// TYPE [(…)] [<…>], INTERVAL unit [TO unit]: the tokens that are a type, then read as DDL.
base::Result<DataType> ExpressionParser::type(bool keep_char_length) {
  const uint32_t begin = cursor_.peek().begin;
  if (!at_name()) return cursor_.unexpected();
  const std::string first = cursor_.take().upper;
  static constexpr std::string_view kUnits[] = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"};
  const auto accept_unit = [&] {
    for (const auto unit : kUnits) {
      if (cursor_.accept_word(unit)) return true;
    }
    return false;
  };
  if (first == "INTERVAL" && accept_unit() && cursor_.is_word("TO")) {
    cursor_.take();
    if (!accept_unit()) return cursor_.unexpected();
  }
  if (first == "TIMESTAMP" && cursor_.accept_words({"WITHOUT", "TIME", "ZONE"}))
    return DataType::of(TypeKind::kTimestampNtz);
  if ((first == "ARRAY" || first == "MAP" || first == "STRUCT") && !cursor_.is_symbol("<") &&
      !cursor_.is_symbol("<>")) {
    return parse_error("INCOMPLETE_TYPE_DEFINITION." + first, "42K01",
                       "Incomplete complex type: " + first + " needs its types in < >",
                       cursor_.origin_since(begin));
  }
  if ((first == "CHAR" || first == "CHARACTER" || first == "VARCHAR") && !cursor_.is_symbol("(")) {
    return parse_error("DATATYPE_MISSING_SIZE", "42K01",
                       fmt::format("DataType \"{}\" requires a length parameter, for example "
                                   "\"{}\"(10)",
                                   first, first),
                       cursor_.origin_since(begin))
        .with_parameter("type", "\"" + first + "\"");
  }
  if (first == "STRING" && cursor_.is_word("COLLATE")) return cursor_.unsupported("COLLATE");
  int depth = 0;
  while (!cursor_.at_end()) {
    if (depth == 0 && !cursor_.is_symbol("(") && !cursor_.is_symbol("<") &&
        !cursor_.is_symbol("<>"))
      break;
    if (cursor_.is_symbol("(") || cursor_.is_symbol("<")) ++depth;
    if (cursor_.is_symbol(")") || cursor_.is_symbol(">")) --depth;
    if (cursor_.is_symbol(">>")) depth -= 2;
    if (cursor_.is_symbol(">>>")) depth -= 3;
    const bool closed = depth <= 0;
    cursor_.take();
    if (closed) break;
  }
  if (depth != 0) return cursor_.unexpected();
  return type_text(begin, keep_char_length);
}

base::Result<DataType> ExpressionParser::type_text(uint32_t begin, bool keep_char_length) {
  const auto origin = cursor_.origin_since(begin);
  const std::string text = cursor_.source_since(begin);
  auto made = columnar::parse_ddl_type(text);
  if (made.ok()) {
    // A cast to char or varchar is a cast to string in Spark.
    if (!keep_char_length && (made->is(TypeKind::kChar) || made->is(TypeKind::kVarchar)))
      return DataType::of(TypeKind::kString);
    return made;
  }
  if (made.error().kind() == base::ErrorKind::kUnsupported) return std::move(made).error();
  const auto upper = boost::to_upper_copy(text);
  return parse_error("UNSUPPORTED_DATATYPE", "0A000",
                     fmt::format("Unsupported data type \"{}\"", upper), origin)
      .with_parameter("typeName", "\"" + upper + "\"");
}

}  // namespace weir::sql
