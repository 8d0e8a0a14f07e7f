// A place in a list of tokens, and the questions a parser asks there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sql/lexer.h"

namespace weir::sql {

class TokenCursor {
 public:
  TokenCursor(std::shared_ptr<const std::string> text, std::vector<Token> tokens)
      : text_(std::move(text)), tokens_(std::move(tokens)) {}

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool at_end() const { return peek().kind == TokenKind::kEnd; }
  bool is_symbol(std::string_view symbol, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kSymbol && peek(ahead).text == symbol;
  }
  bool is_word(std::string_view upper, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kWord && peek(ahead).upper == upper;
  }
  bool accept_symbol(std::string_view symbol) { return is_symbol(symbol) && (take(), true); }
  bool accept_word(std::string_view upper) { return is_word(upper) && (take(), true); }

  base::Result<void> expect_symbol(std::string_view symbol) {
    if (accept_symbol(symbol)) return {};
    return unexpected(std::string("'") + std::string(symbol) + "' is expected");
  }
  base::Result<void> expect_word(std::string_view upper) {
    if (accept_word(upper)) return {};
    return unexpected(std::string(upper) + " is expected");
  }

  base::Error unexpected(std::string_view hint = {}) const {
    const auto& token = peek();
    return syntax_error(
        token.kind == TokenKind::kEnd ? "" : text_->substr(token.begin, token.end - token.begin),
        hint, origin_of(token));
  }
  base::Error unsupported(std::string_view what) const {
    return base::Error(base::ErrorKind::kUnsupported,
                       std::string("weir has no ") + std::string(what) +
                           " in SQL yet. SQLSTATE: 0A000" + plan::origin_context(origin_of(peek())))
        .with_class("UNSUPPORTED_FEATURE");
  }

  plan::Origin origin_of(const Token& token) const { return {text_, token.begin, token.end}; }
  // From `first` to the token before the current one.
  plan::Origin origin_since(uint32_t begin) const {
    return {text_, begin, at_ == 0 ? begin : tokens_[at_ - 1].end};
  }
  const std::shared_ptr<const std::string>& text() const { return text_; }

 private:
  std::shared_ptr<const std::string> text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

}  // namespace weir::sql
