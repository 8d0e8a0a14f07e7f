// SQL text to tokens. A token keeps its bytes' place; string tokens are unescaped already.
// What starts no token of the dialect (an open quote too) is a symbol of one character, which the
// parser then finds unexpected, as Spark does.
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

// The last token is kEnd. UNCLOSED_BRACKETED_COMMENT is the only failure.
// `double_quoted_names`: "a b" is a name, as `a b`.
base::Result<std::vector<Token>> tokenize(const std::shared_ptr<const std::string>& text,
                                          bool double_quoted_names = false);

// PARSE_SYNTAX_ERROR; `near` empty means the end of the text.
base::Error syntax_error(std::string_view near, std::string_view hint, const plan::Origin& origin);
// Another of Spark's parse errors: "message. SQLSTATE: state" and the place in the text.
base::Error parse_error(std::string_view error_class, std::string_view sql_state,
                        std::string_view message, const plan::Origin& origin);

}  // namespace weir::sql
