// The expression part of the dialect, by precedence climbing over a TokenCursor.
#pragma once

#include "plan/expression.h"
#include "sql/token_cursor.h"

namespace weir::sql {

inline constexpr int kExpressionHeightMax = 400;  // levels of an expression tree
inline constexpr int kNestingMax = 300;           // open parentheses, CASEs, calls

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenCursor& cursor) : cursor_(cursor) {}

  base::Result<plan::ExpressionPtr> expression() { return binary(0); }
  // expression [[AS] name], or a star.
  base::Result<plan::ExpressionPtr> named_expression();
  base::Result<std::vector<plan::ExpressionPtr>> named_expressions();
  // An identifier or quoted name.
  base::Result<std::string> name();

 private:
  using Made = base::Result<plan::ExpressionPtr>;

  Made binary(int precedence_min);
  Made unary();
  Made postfix(plan::ExpressionPtr left, uint32_t begin);
  Made primary();
  Made predicate(plan::ExpressionPtr left, uint32_t begin, bool negated);
  Made number(bool negative);
  Made word();
  Made column_or_call();
  Made call(std::string function, uint32_t begin);
  Made case_expression();
  Made cast(bool try_cast);
  Made typed_literal(std::string_view kind);
  Made interval();
  Made extract_field();
  Made trim();
  Made make(plan::ExpressionNode node, uint32_t begin);
  base::Result<std::vector<plan::ExpressionPtr>> arguments(bool& distinct);
  base::Result<columnar::DataType> type_until_close();
  base::Result<columnar::DataType> type_after_colons();
  base::Result<columnar::DataType> parse_type(uint32_t begin, uint32_t end);

  TokenCursor& cursor_;
  int nesting_ = 0;
  bool position_in_ = false;  // the next argument is position()'s first
};

// Words that end an expression or an alias position and so name nothing unless quoted.
bool is_reserved(std::string_view upper);

}  // namespace weir::sql
