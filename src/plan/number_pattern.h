// Patterns of to_number and to_char ("$99G999D00", "S999PR"): Spark's ToNumberParser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plan/expression.h"

namespace weir::plan {

class NumberPattern {
 public:
  // INVALID_FORMAT.* where Spark refuses the pattern.
  static Result<NumberPattern> parse(std::string_view text, const Origin& origin);

  // Of the decimal that to_number gives.
  int precision() const { return before_ + after_; }
  int scale() const { return after_; }
  // False where the text does not match. The value has the pattern's scale.
  bool read(std::string_view text, Int128& value) const;
  // The text of a decimal; digits replaced by # where it does not fit.
  std::string show(Int128 value, int scale) const;
  const std::string& text() const { return text_; }

 private:
  struct Token {
    enum Kind {
      kExactDigits,   // a group that begins with 0: exactly as many
      kAtMostDigits,  // one that begins with 9
      kThousands,
      kPoint,
      kDollar,
      kSign,       // S
      kMinus,      // MI
      kOpenAngle,  // of PR
      kCloseAngle
    } kind;
    int count = 1;
  };
  struct Digits {
    std::string before, after;
  };
  bool read_digits(std::string_view text, size_t& at, size_t& token, Digits& digits) const;

  std::string text_;
  std::vector<Token> tokens_;
  int before_ = 0;
  int after_ = 0;
};

}  // namespace weir::plan
