#include "sql/lexer.h"

#include <cctype>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "base/text.h"

namespace weir::sql {

namespace {

bool is_word_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80);
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_word_start(c) || is_digit(c); }

class Lexer {
 public:
  Lexer(const std::shared_ptr<const std::string>& text, bool double_quoted_names)
      : holder_(text), text_(*text), double_quoted_names_(double_quoted_names) {}

  base::Result<std::vector<Token>> run() {
    while (true) {
      WEIR_TRY(skip_blank());
      if (at_ == text_.size()) break;
      WEIR_ASSIGN(auto token, next());
      tokens_.push_back(std::move(token));
    }
    Token end;
    end.begin = end.end = static_cast<uint32_t>(text_.size());
    tokens_.push_back(end);
    return std::move(tokens_);
  }

 private:
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  base::Result<void> skip_blank() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(text_[at_]))) {
        ++at_;
      } else if (peek() == '-' && peek(1) == '-') {
        while (at_ < text_.size() && text_[at_] != '\n') {
          at_ += text_[at_] == '\\' && peek(1) == '\n' ? 2 : 1;  // the comment goes on
        }
        at_ = std::min(at_, text_.size());
      } else if (peek() == '/' && peek(1) == '*' && peek(2) != '+') {
        const size_t begin = at_;
        int depth = 0;
        do {
          if (at_ >= text_.size()) {
            return parse_error(
                "UNCLOSED_BRACKETED_COMMENT", "42601",
                "Found an unclosed bracketed comment. Please, append */ at the end "
                "of the comment",
                {holder_, static_cast<uint32_t>(begin), static_cast<uint32_t>(text_.size())});
          }
          if (peek() == '/' && peek(1) == '*') {
            ++depth;
            at_ += 2;
          } else if (peek() == '*' && peek(1) == '/') {
            --depth;
            at_ += 2;
          } else {
            ++at_;
          }
        } while (depth > 0);
      } else {
        break;
      }
    }
    return {};
  }

  Token make(TokenKind kind, size_t begin, std::string text) const {
    Token token{
        kind, std::move(text), {}, static_cast<uint32_t>(begin), static_cast<uint32_t>(at_)};
    if (kind == TokenKind::kWord) token.upper = boost::to_upper_copy(token.text);
    return token;
  }

  base::Result<Token> next() {
    const size_t begin = at_;
    const char c = peek();
    if (c == '`' || (c == '"' && double_quoted_names_))
      return quoted_name_closes(c) ? quoted_name(c) : open_quote();
    if (c == '\'' || c == '"') return string_closes(at_, false) ? string(false) : open_quote();
    if ((c == 'r' || c == 'R') && (peek(1) == '\'' || peek(1) == '"') &&
        string_closes(at_ + 1, true)) {
      ++at_;
      return string(true);
    }
    if (in_hint_ && c == '*' && peek(1) == '/') {
      in_hint_ = false;
      at_ += 2;
      return make(TokenKind::kSymbol, begin, "*/");
    }
    if (c == '/' && peek(1) == '*') {
      in_hint_ = true;
      at_ += 3;
      return make(TokenKind::kSymbol, begin, "/*+");
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)) && !after_name())) return number();
    if (is_word_start(c)) {
      while (is_word(peek()))
        ++at_;
      return make(TokenKind::kWord, begin, std::string(text_.substr(begin, at_ - begin)));
    }
    static constexpr std::string_view kSymbols[] = {
        "<=>", ">>>", "->", "=>", "<=", ">=", "<>", "!=",
        "==",  "||",  "|>", "::", "<<", ">>", "!<", "!>"};
    for (const auto symbol : kSymbols) {
      if (text_.substr(at_).starts_with(symbol)) {
        at_ += symbol.size();
        return make(TokenKind::kSymbol, begin, std::string(symbol));
      }
    }
    ++at_;
    return make(TokenKind::kSymbol, begin, std::string(1, c));
  }

  // "a.1" is no number after a name.
  bool after_name() const {
    if (tokens_.empty() || tokens_.back().end != at_) return false;
    const auto& last = tokens_.back();
    return last.kind == TokenKind::kWord || last.kind == TokenKind::kQuotedName ||
           last.text == ")" || last.text == "]";
  }

  // A quote without partner: the parser cannot go past it.
  Token open_quote() {
    const size_t begin = at_;
    at_ = text_.size();
    return make(TokenKind::kSymbol, begin, std::string(1, text_[begin]));
  }

  bool quoted_name_closes(char quote) const {
    return text_.find(quote, at_ + 1) != std::string_view::npos;
  }

  Token quoted_name(char quote) {
    const size_t begin = at_++;
    std::string name;
    while (at_ < text_.size()) {
      if (peek() == quote) {
        if (peek(1) != quote) break;
        ++at_;
      }
      name += text_[at_++];
    }
    at_ = std::min(at_ + 1, text_.size());
    return make(TokenKind::kQuotedName, begin, std::move(name));
  }

  // Whether the quote at `from` has its partner.
  bool string_closes(size_t from, bool raw) const {
    const char quote = text_[from];
    for (size_t i = from + 1; i < text_.size(); ++i) {
      if (text_[i] == quote) return true;
      if (text_[i] == '\\' && !raw) ++i;
    }
    return false;
  }

  Token string(bool raw) {
    const size_t begin = raw ? at_ - 1 : at_;
    const char quote = text_[at_++];
    std::string value;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == quote) {
        if (peek(1) == quote && !raw && string_closes(at_ + 1, false)) {  // doubled quote
          value += quote;
          at_ += 2;
          continue;
        }
        break;
      }
      if (c == '\\' && !raw) {
        escape(value);
        continue;
      }
      value += c;
      ++at_;
    }
    at_ = std::min(at_ + 1, text_.size());
    return make(TokenKind::kString, begin, std::move(value));
  }

  bool hex_digits(size_t from, size_t count, uint32_t& code) const {
    code = 0;
    for (size_t i = 0; i < count; ++i) {
      const char c = peek(from + i);
      if (!std::isxdigit(static_cast<unsigned char>(c))) return false;
      code = code * 16 + static_cast<uint32_t>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return true;
  }

  // ParserUtils.unescapeSQLString
  void escape(std::string& value) {
    const char c = peek(1);
    uint32_t code = 0;
    if ((c == 'u' && hex_digits(2, 4, code)) ||
        (c == 'U' && hex_digits(2, 8, code) && code < 0x110000)) {
      base::append_utf8(code, value);
      at_ += c == 'u' ? 6 : 10;
      return;
    }
    if (c >= '0' && c <= '1' && peek(2) >= '0' && peek(2) <= '7' && peek(3) >= '0' &&
        peek(3) <= '7') {
      base::append_utf8(
          static_cast<uint32_t>((c - '0') * 64 + (peek(2) - '0') * 8 + (peek(3) - '0')), value);
      at_ += 4;
      return;
    }
    at_ += 2;
    switch (c) {
      case '0':
        value += '\0';
        break;
      case 'b':
        value += '\b';
        break;
      case 'n':
        value += '\n';
        break;
      case 'r':
        value += '\r';
        break;
      case 't':
        value += '\t';
        break;
      case 'Z':
        value += '\x1a';
        break;
      case '%':
        value += "\\%";
        break;
      case '_':
        value += "\\_";
        break;
      case '\0':
        if (at_ > text_.size()) {
          at_ = text_.size();
          break;
        }
        [[fallthrough]];
      default:
        value += c;
    }
  }

  Token number() {
    const size_t begin = at_;
    while (is_digit(peek()))
      ++at_;
    if (peek() == '.' && !(is_word_start(peek(1)) && !is_number_suffix(1))) {
      ++at_;
      while (is_digit(peek()))
        ++at_;
    }
    if ((peek() | 0x20) == 'e') {
      const size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
      if (is_digit(peek(1 + sign))) {
        at_ += 1 + sign;
        while (is_digit(peek()))
          ++at_;
      }
    }
    while (is_word(peek()))
      ++at_;  // the suffix
    const auto whole = text_.substr(begin, at_ - begin);
    return make(names_something(whole) ? TokenKind::kWord : TokenKind::kNumber, begin,
                std::string(whole));
  }

  // A name may start with digits: 1a, 2024_01. Numbers have a suffix or an exponent at most.
  static bool names_something(std::string_view text) {
    const auto digits = text.find_first_not_of("0123456789");
    if (digits == std::string_view::npos || text[digits] == '.') return false;
    auto rest = boost::to_lower_copy(std::string(text.substr(digits)));
    if (rest[0] == 'e') {
      const auto exponent = rest.find_first_of("0123456789");
      if (exponent == std::string::npos) return true;
      const auto end = rest.find_first_not_of("0123456789", exponent);
      rest = end == std::string::npos ? "" : rest.substr(end);
      return !(rest.empty() || rest == "d" || rest == "f" || rest == "bd");
    }
    return !(rest == "l" || rest == "s" || rest == "y" || rest == "d" || rest == "f" ||
             rest == "bd");
  }

  bool is_number_suffix(size_t from) const {
    const char c = static_cast<char>(peek(from) | 0x20);
    if (c == 'b') return (peek(from + 1) | 0x20) == 'd' && !is_word(peek(from + 2));
    return (c == 'd' || c == 'f' || c == 'e') && (!is_word(peek(from + 1)) || c == 'e');
  }

  std::shared_ptr<const std::string> holder_;
  std::string_view text_;
  size_t at_ = 0;
  bool double_quoted_names_;
  bool in_hint_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

base::Error parse_error(std::string_view error_class, std::string_view sql_state,
                        std::string_view message, const plan::Origin& origin) {
  auto error = base::Error(base::ErrorKind::kInvalidArgument,
                           fmt::format("{}.{}{}{}", message, sql_state.empty() ? "" : " SQLSTATE: ",
                                       sql_state, plan::origin_context(origin)))
                   .with_class(std::string(error_class));
  if (sql_state.empty()) return error;
  return std::move(error).with_sql_state(std::string(sql_state));
}

base::Error syntax_error(std::string_view near, std::string_view hint, const plan::Origin& origin) {
  const auto where = near.empty() ? std::string("end of input") : fmt::format("'{}'", near);
  const auto more = hint.empty() ? std::string() : fmt::format(": {}", hint);
  return parse_error("PARSE_SYNTAX_ERROR", "42601",
                     fmt::format("Syntax error at or near {}{}", where, more), origin)
      .with_parameter("error", where)
      .with_parameter("hint", more);
}

base::Result<std::vector<Token>> tokenize(const std::shared_ptr<const std::string>& text,
                                          bool double_quoted_names) {
  return Lexer(text, double_quoted_names).run();
}

}  // namespace weir::sql
