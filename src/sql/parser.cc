#include "sql/parser.h"

#include "sql/statement_parser.h"

namespace weir::sql {

namespace {

using plan::ExpressionPtr;

const ParseOptions kNoOptions;

base::Result<TokenCursor> cursor_over(std::string_view text, const ParseOptions& options) {
  constexpr size_t kTextBytesMax = 16 * 1024 * 1024;
  if (text.size() > kTextBytesMax) {
    return base::error(base::ErrorKind::kInvalidArgument, "SQL text of {} bytes; at most {}",
                       text.size(), kTextBytesMax);
  }
  auto holder = std::make_shared<const std::string>(text);
  WEIR_ASSIGN(auto tokens, tokenize(holder, options.double_quoted_names));
  return TokenCursor(std::move(holder), std::move(tokens));
}

base::Result<void> expect_end(const TokenCursor& cursor) {
  if (cursor.at_end()) return {};
  return cursor.unexpected(cursor.peek().kind == TokenKind::kSymbol
                               ? std::string()
                               : "extra input '" + std::string(cursor.source(cursor.peek())) + "'");
}

base::Error empty_statement(const TokenCursor& cursor) {
  return parse_error("PARSE_EMPTY_STATEMENT", "42617", "Syntax error, unexpected empty statement",
                     cursor.origin_of(cursor.peek()));
}

void skip_semicolons(TokenCursor& cursor) {
  while (cursor.accept_symbol(";")) {
  }
}

}  // namespace

base::Result<plan::Statement> parse_statement(std::string_view text, const ParseOptions& options) {
  WEIR_ASSIGN(auto cursor, cursor_over(text, options));
  if (cursor.at_end()) return empty_statement(cursor);
  WEIR_ASSIGN(auto statement, StatementParser(cursor, options).statement());
  skip_semicolons(cursor);
  WEIR_TRY(expect_end(cursor));
  return statement;
}

base::Result<std::vector<plan::Statement>> parse_script(std::string_view text,
                                                        const ParseOptions& options) {
  WEIR_ASSIGN(auto cursor, cursor_over(text, options));
  std::vector<plan::Statement> statements;
  while (true) {
    skip_semicolons(cursor);
    if (cursor.at_end()) return statements;
    WEIR_ASSIGN(auto statement, StatementParser(cursor, options).statement());
    statements.push_back(std::move(statement));
    if (!cursor.at_statement_end()) return cursor.unexpected();
  }
}

base::Result<plan::PlanPtr> parse_plan(std::string_view text, const ParseOptions& options) {
  WEIR_ASSIGN(auto cursor, cursor_over(text, options));
  if (cursor.at_end()) return empty_statement(cursor);
  WEIR_ASSIGN(auto plan, StatementParser(cursor, options).query());
  skip_semicolons(cursor);
  WEIR_TRY(expect_end(cursor));
  return plan;
}

base::Result<std::vector<ExpressionPtr>> parse_select_list(std::string_view text) {
  WEIR_ASSIGN(auto cursor, cursor_over(text, kNoOptions));
  WEIR_ASSIGN(auto list, StatementParser(cursor, kNoOptions).named_expressions());
  WEIR_TRY(expect_end(cursor));
  return list;
}

base::Result<ExpressionPtr> parse_expression(std::string_view text) {
  WEIR_ASSIGN(auto cursor, cursor_over(text, kNoOptions));
  WEIR_ASSIGN(auto expression, StatementParser(cursor, kNoOptions).expression());
  WEIR_TRY(expect_end(cursor));
  return expression;
}

base::Result<ExpressionPtr> parse_named_expression(std::string_view text) {
  WEIR_ASSIGN(auto cursor, cursor_over(text, kNoOptions));
  WEIR_ASSIGN(auto expression, StatementParser(cursor, kNoOptions).named_expression());
  WEIR_TRY(expect_end(cursor));
  return expression;
}

base::Result<plan::Name> parse_table_name(std::string_view text) {
  WEIR_ASSIGN(auto cursor, cursor_over(text, kNoOptions));
  WEIR_ASSIGN(auto name, StatementParser(cursor, kNoOptions).whole_name());
  WEIR_TRY(expect_end(cursor));
  return name;
}

}  // namespace weir::sql
