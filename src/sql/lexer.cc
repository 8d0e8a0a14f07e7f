#include "sql/lexer.h"

#include <cctype>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

namespace weir::sql {

namespace {

bool is_word_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80);
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_word_start(c) || is_digit(c); }

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

class Lexer {
 public:
  explicit Lexer(const std::shared_ptr<const std::string>& text) : holder_(text), text_(*text) {}

  base::Result<std::vector<Token>> run() {
    while (true) {
      WEIR_TRY(skip_blank());
      if (at_ == text_.size()) break;
      WEIR_ASSIGN(auto token, next());
      // 'a' 'b' is one string.
      if (token.kind == TokenKind::kString && !tokens_.empty() &&
          tokens_.back().kind == TokenKind::kString) {
        tokens_.back().text += token.text;
        tokens_.back().end = token.end;
      } else {
        tokens_.push_back(std::move(token));
      }
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

  base::Error fail(std::string_view hint, size_t begin) const {
    const auto end = std::min(text_.size(), begin + 1);
    return syntax_error(text_.substr(begin, end - begin), hint,
                        {holder_, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  }

  base::Result<void> skip_blank() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(text_[at_]))) {
        ++at_;
      } else if (peek() == '-' && peek(1) == '-') {
        while (at_ < text_.size() && text_[at_] != '\n')
          ++at_;
      } else if (peek() == '/' && peek(1) == '*') {
        const size_t begin = at_;
        int depth = 0;
        do {
          if (at_ >= text_.size()) return fail("a comment is not closed", begin);
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
    if (c == '`') return quoted_name();
    if (c == '\'' || c == '"') return string(false);
    if ((c == 'r' || c == 'R') && (peek(1) == '\'' || peek(1) == '"')) {
      ++at_;
      return string(true);
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)) && !after_name())) return number();
    if (is_word_start(c)) {
      while (is_word(peek()))
        ++at_;
      return make(TokenKind::kWord, begin, std::string(text_.substr(begin, at_ - begin)));
    }
    static constexpr std::string_view kSymbols[] = {"<=>", "->", "=>", "<=", ">=", "<>",
                                                    "!=",  "==", "||", "::", "<<", ">>"};
    for (const auto symbol : kSymbols) {
      if (text_.substr(at_).starts_with(symbol)) {
        at_ += symbol.size();
        return make(TokenKind::kSymbol, begin, std::string(symbol));
      }
    }
    if (std::string_view("+-*/%=<>()[],.;&|^~!:?{}@$").find(c) == std::string_view::npos) {
      return fail("this character starts nothing", begin);
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

  base::Result<Token> quoted_name() {
    const size_t begin = at_++;
    std::string name;
    while (true) {
      if (at_ >= text_.size()) return fail("a `quoted name` is not closed", begin);
      if (peek() == '`') {
        if (peek(1) != '`') break;
        ++at_;
      }
      name += text_[at_++];
    }
    ++at_;
    if (name.empty()) return fail("a quoted name is empty", begin);
    return make(TokenKind::kQuotedName, begin, std::move(name));
  }

  base::Result<Token> string(bool raw) {
    const size_t begin = raw ? at_ - 1 : at_;
    const char quote = text_[at_++];
    std::string value;
    while (true) {
      if (at_ >= text_.size()) return fail("a string is not closed", begin);
      const char c = text_[at_];
      if (c == quote) {
        if (peek(1) == quote && !raw) {  // doubled quote
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
    ++at_;
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
      append_utf8(value, code);
      at_ += c == 'u' ? 6 : 10;
      return;
    }
    if (c >= '0' && c <= '1' && peek(2) >= '0' && peek(2) <= '7' && peek(3) >= '0' &&
        peek(3) <= '7') {
      append_utf8(value,
                  static_cast<uint32_t>((c - '0') * 64 + (peek(2) - '0') * 8 + (peek(3) - '0')));
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

  base::Result<Token> number() {
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
      ++at_;  // the suffix; what is none is told by the parser
    return make(TokenKind::kNumber, begin, std::string(text_.substr(begin, at_ - begin)));
  }

  bool is_number_suffix(size_t from) const {
    const char c = static_cast<char>(peek(from) | 0x20);
    if (c == 'b') return (peek(from + 1) | 0x20) == 'd' && !is_word(peek(from + 2));
    return (c == 'd' || c == 'f' || c == 'e') && (!is_word(peek(from + 1)) || c == 'e');
  }

  std::shared_ptr<const std::string> holder_;
  std::string_view text_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

base::Error syntax_error(std::string_view near, std::string_view hint, const plan::Origin& origin) {
  const auto where = near.empty() ? std::string("end of input") : fmt::format("'{}'", near);
  return base::Error(base::ErrorKind::kInvalidArgument,
                     fmt::format("Syntax error at or near {}{}{}. SQLSTATE: 42601{}", where,
                                 hint.empty() ? "" : ": ", hint, plan::origin_context(origin)))
      .with_class("PARSE_SYNTAX_ERROR");
}

base::Result<std::vector<Token>> tokenize(const std::shared_ptr<const std::string>& text) {
  return Lexer(text).run();
}

}  // namespace weir::sql
