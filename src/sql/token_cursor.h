// A place in a list of tokens, and the questions a parser asks there.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sql/lexer.h"

namespace weir::sql {

class TokenCursor {
 public:
  TokenCursor(std::shared_ptr<const std::string> text, std::vector<Token> tokens)
      : text_(std::move(text)), tokens_(std::move(tokens)) {
    match_parentheses();
  }

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool at_end() const { return peek().kind == TokenKind::kEnd; }
  // The end of the statement: of the text, or a semicolon.
  bool at_statement_end() const { return at_end() || is_symbol(";"); }
  bool is_symbol(std::string_view symbol, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kSymbol && peek(ahead).text == symbol;
  }
  bool is_word(std::string_view upper, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kWord && peek(ahead).upper == upper;
  }
  // The words stand here one after the other.
  bool is_words(std::initializer_list<std::string_view> words, size_t ahead = 0) const {
    for (const auto word : words) {
      if (!is_word(word, ahead++)) return false;
    }
    return true;
  }
  bool accept_symbol(std::string_view symbol) { return is_symbol(symbol) && (take(), true); }
  bool accept_word(std::string_view upper) { return is_word(upper) && (take(), true); }
  bool accept_words(std::initializer_list<std::string_view> words) {
    if (!is_words(words)) return false;
    at_ += words.size();
    return true;
  }

  base::Result<void> expect_symbol(std::string_view symbol) {
    if (accept_symbol(symbol)) return {};
    return unexpected("missing '" + std::string(symbol) + "'");
  }
  base::Result<void> expect_word(std::string_view upper) {
    if (accept_word(upper)) return {};
    return unexpected("missing '" + std::string(upper) + "'");
  }

  base::Error unexpected(std::string_view hint = {}) const {
    const auto& token = peek();
    // (an open quote's token goes to the end of the text)
    const auto near =
        token.kind == TokenKind::kSymbol ? std::string_view(token.text) : source(token);
    return syntax_error(near, hint, origin_of(token));
  }
  base::Error unsupported(std::string_view what) const {
    return base::Error(base::ErrorKind::kUnsupported,
                       std::string("weir has no ") + std::string(what) +
                           " in SQL yet. SQLSTATE: 0A000" + plan::origin_context(origin_of(peek())))
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  }

  // The token's text as written.
  std::string_view source(const Token& token) const {
    return std::string_view(*text_).substr(token.begin, token.end - token.begin);
  }
  std::string source_since(uint32_t begin) const {
    const auto origin = origin_since(begin);
    return origin.end <= begin ? std::string() : text_->substr(begin, origin.end - begin);
  }
  plan::Origin origin_of(const Token& token) const { return {text_, token.begin, token.end}; }
  // From `first` to the token before the current one.
  plan::Origin origin_since(uint32_t begin) const {
    return {text_, begin, at_ == 0 ? begin : tokens_[at_ - 1].end};
  }
  const std::shared_ptr<const std::string>& text() const { return text_; }

  // How far ahead the parenthesis that closes the one `ahead` is; nullopt where none does.
  std::optional<size_t> closing(size_t ahead) const {
    const size_t at = at_ + ahead;
    if (at >= closing_.size() || closing_[at] == 0) return std::nullopt;
    return closing_[at] - at_;
  }
  // How many ? markers stand before the token just taken.
  int count_markers_before() const {
    const auto found = std::lower_bound(markers_.begin(), markers_.end(), at_ - 1);
    return static_cast<int>(found - markers_.begin());
  }
  size_t position() const { return at_; }
  void seek(size_t position) { at_ = position; }

 private:
  void match_parentheses() {
    closing_.assign(tokens_.size(), 0);
    std::vector<size_t> open;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].kind != TokenKind::kSymbol) continue;
      if (tokens_[i].text == "?") markers_.push_back(i);
      if (tokens_[i].text == "(") open.push_back(i);
      if (tokens_[i].text == ")" && !open.empty()) {
        closing_[open.back()] = i;
        open.pop_back();
      }
    }
  }

  std::shared_ptr<const std::string> text_;
  std::vector<Token> tokens_;
  std::vector<size_t> closing_;  // by token: the index of the parenthesis that closes it, or 0
  std::vector<size_t> markers_;  // the tokens that are ?
  size_t at_ = 0;
};

}  // namespace weir::sql
