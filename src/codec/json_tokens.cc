#include "codec/json_tokens.h"

#include "base/text.h"
#include "codec/text_value.h"

namespace weir::codec {

namespace {

// Jackson's limits (StreamReadConstraints).
constexpr size_t kDepthMax = 1000;
constexpr size_t kNumberLengthMax = 1000;
constexpr size_t kStringLengthMax = 20'000'000;

bool is_digit(int c) { return c >= '0' && c <= '9'; }
bool is_identifier(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
         c >= 0x80;
}

// Length of the valid UTF-8 sequence at `at`, 0 where there is none.
size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool second = first == 0xe0   ? byte(1) >= 0xa0 && byte(1) <= 0xbf
                        : first == 0xed ? byte(1) >= 0x80 && byte(1) <= 0x9f
                                        : follows(1);
    return second && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool second = first == 0xf0   ? byte(1) >= 0x90 && byte(1) <= 0xbf
                        : first == 0xf4 ? byte(1) >= 0x80 && byte(1) <= 0x8f
                                        : follows(1);
    return second && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

JsonTokens::JsonTokens(std::string_view text, const JsonOptions& options)
    : text_(text), options_(options) {
  contexts_.emplace_back();
  if (options.from_files && text_.starts_with("\xef\xbb\xbf")) at_ = 3;
}

bool JsonTokens::name(const std::string** name) const {
  size_t at = contexts_.size() - 1;
  if ((token_ == JsonToken::kStartObject || token_ == JsonToken::kStartArray) && at > 0) --at;
  if (!contexts_[at].object || !contexts_[at].named) return false;
  *name = &contexts_[at].name;
  return true;
}

bool JsonTokens::text(const std::string** text) {
  if (!finish_token()) return false;
  static const std::string kTrue = "true", kFalse = "false", kNull = "null";
  switch (token_) {
    case JsonToken::kTrue:
      *text = &kTrue;
      break;
    case JsonToken::kFalse:
      *text = &kFalse;
      break;
    case JsonToken::kNull:
      *text = &kNull;
      break;
    default:
      *text = &value_text_;
  }
  return true;
}

bool JsonTokens::finish_token() {
  if (!string_pending_ || token_ != JsonToken::kString) return true;
  string_pending_ = false;
  value_text_.clear();
  return read_string('"', &value_text_) && value_text_.size() <= kStringLengthMax;
}

bool JsonTokens::binary(std::string* bytes) {
  if (!string_pending_) {
    auto decoded = parse_base64(value_text_);
    if (decoded) *bytes = std::move(*decoded);
    return decoded.has_value();
  }
  constexpr int kPadding = -2;
  const auto value_of = [](int c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? kPadding : -1;
  };
  // The next character's value. A failure leaves the place behind the character, inside of the
  // string: what follows is read from there, as Jackson does.
  bool failed = false;
  const auto next = [&](int index) {
    if (at_ >= text_.size()) return failed = true, -1;
    int c = static_cast<unsigned char>(text_[at_++]);
    int value = value_of(c);
    if (value >= 0 || (value == kPadding && index >= 2)) return value;
    // Padding is missing: the quote is left for the next token.
    if (c == '"' && index >= 2) --at_;
    if (c != '\\') return failed = true, -1;
    std::string escaped;
    if (!read_escape(&escaped)) return failed = true, -1;
    c = static_cast<unsigned char>(escaped[0]);
    if (index == 0 && c <= ' ') return -1;
    value = value_of(c);
    if (value < 0 && !(value == kPadding && index >= 2)) failed = true;
    return value;
  };
  bytes->clear();
  while (true) {
    while (at_ < text_.size() && static_cast<unsigned char>(text_[at_]) <= ' ')
      ++at_;
    if (at_ < text_.size() && text_[at_] == '"') {
      ++at_;
      string_pending_ = false;
      return true;
    }
    uint32_t bits = 0;
    int padding = 0;
    for (int index = 0; index < 4; ++index) {
      const int value = next(index);
      if (failed) return false;
      if (value == -1) {
        --index;
        continue;
      }
      if (padding > 0 && value != kPadding) return false;
      padding += value == kPadding;
      bits = bits << 6 | static_cast<uint32_t>(value == kPadding ? 0 : value);
    }
    for (int i = 0; i < 3 - padding; ++i)
      *bytes += static_cast<char>(bits >> (16 - 8 * i));
  }
}

bool JsonTokens::skip_children() {
  if (token_ != JsonToken::kStartObject && token_ != JsonToken::kStartArray) return true;
  for (int open = 1; open > 0;) {
    if (!next()) return false;
    if (token_ == JsonToken::kStartObject || token_ == JsonToken::kStartArray) ++open;
    if (token_ == JsonToken::kEndObject || token_ == JsonToken::kEndArray) --open;
    if (token_ == JsonToken::kNone) return false;
  }
  return true;
}

int JsonTokens::skip_blanks() {
  while (at_ < text_.size()) {
    const int c = static_cast<unsigned char>(text_[at_++]);
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    if (c == '/') {
      if (!skip_comment()) return -2;
      continue;
    }
    if (c < ' ') return -2;
    return c;
  }
  return -1;
}

bool JsonTokens::skip_comment() {
  if (!options_.allow_comments || at_ >= text_.size()) return false;
  const char c = text_[at_++];
  if (c == '/') {
    while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r')
      ++at_;
    return true;
  }
  if (c != '*') return false;
  const size_t end = text_.find("*/", at_);
  at_ = end == std::string_view::npos ? text_.size() : end + 2;
  return end != std::string_view::npos;
}

bool JsonTokens::end_scope(bool object) {
  if (contexts_.size() < 2 || contexts_.back().object != object) return false;
  contexts_.pop_back();
  token_ = object ? JsonToken::kEndObject : JsonToken::kEndArray;
  return true;
}

bool JsonTokens::next() {
  const auto open = [this](JsonToken token) {
    if (token == JsonToken::kStartObject || token == JsonToken::kStartArray) {
      contexts_.push_back({token == JsonToken::kStartObject, 0, {}, false});
      if (contexts_.size() > kDepthMax + 1) return false;
    }
    return true;
  };
  if (token_ == JsonToken::kFieldName) {
    token_ = after_name_;
    after_name_ = JsonToken::kNone;
    token_begin_ = value_begin_;
    return open(token_);
  }
  // A string that nobody asked for is stepped over, which checks it too.
  if (!finish_token()) return false;
  int c = skip_blanks();
  if (c == -2) return false;
  if (c == -1) {
    token_ = JsonToken::kNone;
    return contexts_.size() == 1;
  }
  if (c == '}' || c == ']') {
    token_begin_ = at_ - 1;
    return end_scope(c == '}');
  }
  Context& context = contexts_.back();
  if (contexts_.size() > 1 && context.count++ > 0) {
    if (c != ',') return false;
    c = skip_blanks();
    if (c < 0) return false;
  }
  if (context.object) {
    token_begin_ = at_ - 1;
    context.named = false;
    std::string name;
    if (!read_name(c, &name)) return false;
    context.name = std::move(name);
    context.named = true;
    // From here on the name is the current token, even where no value follows.
    token_ = JsonToken::kFieldName;
    after_name_ = JsonToken::kNone;
    if (skip_blanks() != ':') return false;
    c = skip_blanks();
    if (c < 0) return false;
    value_begin_ = at_ - 1;
    return value(c, &after_name_);
  }
  token_begin_ = at_ - 1;
  JsonToken token = JsonToken::kNone;
  if (!value(c, &token)) return false;
  token_ = token;
  return open(token);
}

bool JsonTokens::read_name(int c, std::string* to) {
  if (c == '"') return read_string('"', to);
  if (c == '\'' && options_.allow_single_quotes) return read_string('\'', to);
  const auto fits = [this](int x) {
    if (x >= 0x80) return !options_.from_files;
    return is_identifier(x) || x == '-' || x == '@' || x == '#' || x == '*' || x == '+';
  };
  if (!options_.allow_unquoted_field_names || !fits(c)) return false;
  *to += static_cast<char>(c);
  while (at_ < text_.size() && fits(static_cast<unsigned char>(text_[at_])))
    *to += text_[at_++];
  return true;
}

bool JsonTokens::read_string(char quote, std::string* to) {
  while (at_ < text_.size()) {
    const unsigned char c = static_cast<unsigned char>(text_[at_]);
    if (c == static_cast<unsigned char>(quote)) {
      ++at_;
      return true;
    }
    if (c == '\\') {
      ++at_;
      if (!read_escape(to)) return false;
    } else if (c < ' ') {
      ++at_;
      if (!options_.allow_unquoted_control_chars) return false;
      *to += static_cast<char>(c);
    } else {
      const size_t length = c < 0x80 ? 1 : utf8_length(text_, at_);
      if (length == 0) {
        if (!read_odd_bytes(to)) return false;
        continue;
      }
      to->append(text_.substr(at_, length));
      at_ += length;
    }
  }
  return false;
}

bool JsonTokens::read_odd_bytes(std::string* to) {
  const unsigned lead = static_cast<unsigned char>(text_[at_++]);
  const int following = lead >= 0xf8 || lead < 0xc0 ? 0 : lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  uint32_t code = lead & (0x3fu >> following);
  for (int i = 0; i < following; ++i) {
    if (at_ >= text_.size()) return false;
    // The byte that does not fit is read too.
    const unsigned byte = static_cast<unsigned char>(text_[at_++]);
    if ((byte & 0xc0) != 0x80) return false;
    code = code << 6 | (byte & 0x3f);
  }
  if (following == 0 || (code >= 0xd800 && code <= 0xdfff)) return false;
  // Longer than needed, which Jackson takes; past the last code point it makes two surrogates that
  // have no UTF-8.
  if (code > 0x10ffff) {
    *to += "??";
  } else {
    base::append_utf8(code, *to);
  }
  return true;
}

bool JsonTokens::read_escape(std::string* to) {
  const auto hex4 = [this](uint32_t* code) {
    *code = 0;
    for (int i = 0; i < 4; ++i) {
      if (at_ >= text_.size()) return false;
      const char c = text_[at_++];
      const int digit = is_digit(c)            ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      *code = *code << 4 | static_cast<uint32_t>(digit);
    }
    return true;
  };
  if (at_ >= text_.size()) return false;
  const char c = text_[at_++];
  switch (c) {
    case 'b':
      *to += '\b';
      return true;
    case 't':
      *to += '\t';
      return true;
    case 'n':
      *to += '\n';
      return true;
    case 'f':
      *to += '\f';
      return true;
    case 'r':
      *to += '\r';
      return true;
    case '"':
    case '/':
    case '\\':
      *to += c;
      return true;
    case 'u':
      break;
    default: {
      const bool allowed = options_.allow_backslash_escaping_any_character ||
                           (c == '\'' && options_.allow_single_quotes);
      if (allowed) *to += c;
      return allowed;
    }
  }
  uint32_t code;
  if (!hex4(&code)) return false;
  if (code >= 0xd800 && code <= 0xdbff && text_.substr(at_, 2) == "\\u") {
    const size_t back = at_;
    at_ += 2;
    uint32_t low;
    if (!hex4(&low)) return false;
    if (low >= 0xdc00 && low <= 0xdfff) {
      base::append_utf8(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), *to);
      return true;
    }
    at_ = back;
  }
  if (code >= 0xd800 && code <= 0xdfff) {
    *to += '?';  // a lone surrogate has no UTF-8; Java's encoder writes a question mark
  } else {
    base::append_utf8(code, *to);
  }
  return true;
}

bool JsonTokens::value(int c, JsonToken* token) {
  switch (c) {
    case '"':
      string_pending_ = true;
      *token = JsonToken::kString;
      return true;
    case '{':
      *token = JsonToken::kStartObject;
      return true;
    case '[':
      *token = JsonToken::kStartArray;
      return true;
    case 't':
      return literal("rue", JsonToken::kTrue, token);
    case 'f':
      return literal("alse", JsonToken::kFalse, token);
    case 'n':
      return literal("ull", JsonToken::kNull, token);
    default:
      break;
  }
  if (is_digit(c) || c == '-') return number(c, token);
  return odd_value(c, token);
}

bool JsonTokens::literal(std::string_view rest, JsonToken kind, JsonToken* token) {
  size_t matched = 0;
  while (matched < rest.size() && at_ < text_.size() && text_[at_] == rest[matched]) {
    ++at_;
    ++matched;
  }
  const auto identifier_follows = [this] {
    return at_ < text_.size() && is_identifier(static_cast<unsigned char>(text_[at_]));
  };
  if (matched == rest.size() && !identifier_follows()) {
    *token = kind;
    return true;
  }
  // Jackson reads the rest of the word for its message; from bytes also what ends it.
  while (identifier_follows())
    ++at_;
  if (options_.from_files && at_ < text_.size()) ++at_;
  return false;
}

bool JsonTokens::non_numeric(std::string_view whole, JsonToken* token) {
  if (!literal(whole.substr(1), JsonToken::kFloat, token) || !options_.allow_non_numeric_numbers)
    return false;
  value_text_ = whole;
  return true;
}

bool JsonTokens::odd_value(int c, JsonToken* token) {
  switch (c) {
    case '\'':
      if (!options_.allow_single_quotes) return false;
      string_pending_ = false;
      value_text_.clear();
      *token = JsonToken::kString;
      return read_string('\'', &value_text_);
    case 'N':
      return non_numeric("NaN", token);
    case 'I':
      return non_numeric("Infinity", token);
    case '+':
      if (text_.substr(at_, 3) == "INF") return non_numeric("+INF", token);
      return non_numeric("+Infinity", token);
    default:
      return false;
  }
}

bool JsonTokens::number(int c, JsonToken* token) {
  size_t at = at_;
  const auto peek = [&] { return at < text_.size() ? static_cast<unsigned char>(text_[at]) : -1; };
  value_text_.clear();
  if (c == '-') {
    if (peek() == 'I') {
      if (text_.substr(at, 3) == "INF") return non_numeric("-INF", token);
      return non_numeric("-Infinity", token);
    }
    if (!is_digit(peek())) {
      at_ = at + 1;
      return false;
    }
    value_text_ = "-";
    c = text_[at++];
  }
  if (c == '0' && is_digit(peek())) {
    if (!options_.allow_numeric_leading_zeros) {
      at_ = at + 1;
      return false;
    }
    while (c == '0' && is_digit(peek()))
      c = text_[at++];
  }
  value_text_ += static_cast<char>(c);
  while (is_digit(peek()))
    value_text_ += text_[at++];
  *token = JsonToken::kInt;
  if (peek() == '.') {
    *token = JsonToken::kFloat;
    value_text_ += text_[at++];
    if (!is_digit(peek())) {
      at_ = at + 1;
      return false;
    }
    while (is_digit(peek()))
      value_text_ += text_[at++];
  }
  if (peek() == 'e' || peek() == 'E') {
    *token = JsonToken::kFloat;
    value_text_ += text_[at++];
    if (peek() == '+' || peek() == '-') value_text_ += text_[at++];
    if (!is_digit(peek())) {
      at_ = at + 1;
      return false;
    }
    while (is_digit(peek()))
      value_text_ += text_[at++];
  }
  at_ = at;
  if (value_text_.size() > kNumberLengthMax) return false;
  // At the top level white space has to follow.
  if (contexts_.size() == 1 && peek() != -1 && peek() != ' ' && peek() != '\t' && peek() != '\n' &&
      peek() != '\r')
    return false;
  return true;
}

}  // namespace weir::codec
