// The expression part of the dialect, by precedence climbing over a TokenCursor. Queries inside
// expressions are read by the class that derives from this one.
#pragma once

#include "plan/expression.h"
#include "sql/parser.h"
#include "sql/token_cursor.h"

namespace weir::sql {

inline constexpr int kExpressionHeightMax = 400;  // levels of an expression tree
inline constexpr int kNestingMax = 300;           // open parentheses, CASEs, calls
inline constexpr int kQueryNesting = 4;           // what an open subquery counts

class Nesting {
 public:
  explicit Nesting(int& depth, int weight = 1) : depth_(depth), weight_(weight) {
    depth_ += weight;
  }
  ~Nesting() { depth_ -= weight_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& depth_;
  int weight_;
};

class ExpressionParser {
 public:
  ExpressionParser(TokenCursor& cursor, const ParseOptions& options)
      : cursor_(cursor), options_(options) {}
  virtual ~ExpressionParser() = default;

  using Made = base::Result<plan::ExpressionPtr>;
  using Names = std::vector<std::string>;

  Made expression() { return binary(0); }
  // expression [[AS] name | [AS] (names)], or a star.
  Made named_expression();
  base::Result<std::vector<plan::ExpressionPtr>> named_expressions();

 protected:
  virtual base::Result<plan::PlanPtr> query() = 0;

  // An identifier or quoted name. INVALID_IDENTIFIER for `a-b` where no expression can stand.
  base::Result<std::string> name();
  base::Result<std::string> strict_name();
  base::Result<Names> qualified_name();
  base::Result<Names> name_list();  // (a, b)
  // A name with dots, or IDENTIFIER(constant text).
  base::Result<Names> table_name();
  bool at_name(size_t ahead = 0) const;
  bool at_identifier_text(size_t ahead = 0) const;
  // The string here, or strings one after the other.
  base::Result<std::string> string_literal();
  base::Result<std::string> one_string_literal();
  base::Result<int64_t> integer_literal();
  bool at_string() const { return cursor_.peek().kind == TokenKind::kString; }

  base::Result<std::vector<plan::ExpressionPtr>> expressions();
  base::Result<plan::SortKey> sort_key();
  base::Result<std::vector<plan::SortKey>> sort_keys();
  base::Result<plan::WindowSpec> window();
  Made primary_expression();
  Made value_expression();
  Made interval();
  base::Result<columnar::DataType> type(bool keep_char_length);
  Made make(plan::ExpressionNode node, uint32_t begin);
  Made text_literal(std::string text, uint32_t begin);
  base::Result<std::vector<std::string>> split_name(const std::string& text,
                                                    const plan::Origin& origin);
  base::Result<std::string> identifier_text();  // the value of IDENTIFIER(…)
  base::Result<void> deeper() const;
  // NOT stands here and is taken; `!` for it is Spark's error.
  base::Result<bool> accept_not();

  TokenCursor& cursor_;
  const ParseOptions& options_;
  int nesting_ = 0;

 private:
  Made binary(int precedence_min);
  Made unary();
  Made postfix(plan::ExpressionPtr left, uint32_t begin);
  Made primary();
  Made parenthesised();
  Made predicate(plan::ExpressionPtr left, uint32_t begin);
  Made is_predicate(plan::ExpressionPtr left, uint32_t begin);
  Made in_predicate(plan::ExpressionPtr left, uint32_t begin, bool negated);
  Made like_predicate(plan::ExpressionPtr left, uint32_t begin, bool negated);
  Made like_quantified(const plan::ExpressionPtr& left, const std::string& op, bool all,
                       bool negated, uint32_t begin);
  Made negate_if(bool negated, plan::ExpressionPtr made, uint32_t begin);
  Made chain(const std::string& op, std::vector<plan::ExpressionPtr> list, uint32_t begin);
  Made number(bool negative);
  Made word();
  Made special_call(const std::string& upper, bool& is_special);
  Made column_or_call();
  Made call(std::string function, uint32_t begin);
  Made call_suffixes(plan::Call made, uint32_t begin);
  base::Result<void> arguments(plan::Call& made);
  Made case_expression();
  Made cast(bool try_cast);
  Made exists();
  Made typed_literal(const std::string& kind);
  Made special_time(const std::string& kind, const Token& token, uint32_t begin, bool& is_special);
  Made interval_text(const Token& value, uint32_t begin);
  Made interval_units(uint32_t begin);
  Made extract_field();
  Made trim();
  Made substring();
  Made overlay();
  Made position();
  Made time_difference(const std::string& upper);
  Made parameter();
  Made lambda(Names parameters, uint32_t begin);
  Made star(Names qualifier, uint32_t begin);
  bool at_lambda_parameters() const;
  bool at_interval() const;
  base::Result<plan::WindowFrame> window_frame();
  base::Result<plan::FrameBound> frame_bound();
  base::Result<columnar::DataType> type_text(uint32_t begin, bool keep_char_length);
};

}  // namespace weir::sql
