// SQL text to tokens. A token keeps its bytes' place; string tokens are unescaped already.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "plan/expression.h"

namespace weir::sql {

enum class TokenKind { kEnd, kWord, kQuotedName, kString, kNumber, kSymbol };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string
      text;  // word as written, quoted name and string unescaped, number with suffix, symbol
  std::string upper;  // words: upper case
  uint32_t begin = 0;
  uint32_t end = 0;
};

// The last token is kEnd. PARSE_SYNTAX_ERROR with a position for what is no token.
base::Result<std::vector<Token>> tokenize(const std::shared_ptr<const std::string>& text);

base::Error syntax_error(std::string_view near, std::string_view hint, const plan::Origin& origin);

}  // namespace weir::sql
