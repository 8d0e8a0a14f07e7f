#include "plan/number_pattern.h"

#include <algorithm>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "plan/analysis.h"
#include "plan/calendar.h"

namespace weir::plan {

namespace {

base::Error bad_format(std::string_view what, std::string_view format, std::string message,
                       const Origin& origin) {
  return analysis_error(fmt::format("INVALID_FORMAT.{}", what), "42601",
                        fmt::format("The format is invalid: '{}'. {}", format, message), origin)
      .with_parameter("format", fmt::format("'{}'", format));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The character goes before the blanks that stand at the end.
void add_before_blanks(std::string& out, char c) {
  size_t at = out.size();
  while (at > 0 && out[at - 1] == ' ')
    --at;
  out.insert(at, 1, c);
}

// A blank in the place of a digit goes before a sign that stands at the end.
void add_blank(std::string& out) {
  const bool sign = !out.empty() && std::string_view("+-<").find(out.back()) != std::string::npos;
  out.insert(out.size() - (sign ? 1 : 0), 1, ' ');
}

void blank_lone_point(std::string& out) {
  if (out.ends_with('.')) out.back() = ' ';
}

}  // namespace

Result<NumberPattern> NumberPattern::parse(std::string_view text, const Origin& origin) {
  NumberPattern made;
  made.text_ = text;
  const auto format = boost::to_upper_copy(std::string(text));
  if (format.empty())
    return bad_format("EMPTY", text, "The number format string cannot be empty.", origin);
  bool point = false;
  auto& tokens = made.tokens_;
  for (size_t i = 0; i < format.size();) {
    const char c = format[i];
    if (c == '0' || c == '9') {
      size_t end = i;
      while (end < format.size() && (format[end] == '0' || format[end] == '9'))
        ++end;
      const int count = static_cast<int>(end - i);
      tokens.push_back({c == '0' && !point ? Token::kExactDigits : Token::kAtMostDigits, count});
      (point ? made.after_ : made.before_) += count;
      i = end;
    } else if (c == '.' || c == 'D') {
      tokens.push_back({Token::kPoint});
      point = true;
      ++i;
    } else if (c == ',' || c == 'G') {
      tokens.push_back({Token::kThousands});
      ++i;
    } else if (c == '$') {
      tokens.push_back({Token::kDollar});
      ++i;
    } else if (c == 'S') {
      tokens.push_back({Token::kSign});
      ++i;
    } else if (format.compare(i, 2, "MI") == 0) {
      tokens.push_back({Token::kMinus});
      i += 2;
    } else if (format.compare(i, 2, "PR") == 0) {
      tokens.insert(tokens.begin(), {Token::kOpenAngle});
      tokens.push_back({Token::kCloseAngle});
      i += 2;
    } else {
      return bad_format("UNEXPECTED_TOKEN", text,
                        fmt::format("Found the unexpected character '{}' in the format string; "
                                    "the structure of the format string must match: "
                                    "`[MI|S]` `[$]` `[0|9|G|,]*` `[.|D]` `[0|9]*` `[$]` "
                                    "`[PR|MI|S]`.",
                                    c),
                        origin)
          .with_parameter("token", fmt::format("character '{}'", c))
          .with_parameter("structure",
                          "`[MI|S]` `[$]` `[0|9|G|,]*` `[.|D]` `[0|9]*` `[$]` `[PR|MI|S]`");
    }
  }
  // Spark's checks, in its order.
  const auto find = [&](Token::Kind kind) {
    return std::find_if(tokens.begin(), tokens.end(),
                        [&](const Token& token) { return token.kind == kind; });
  };
  const auto digits = [](const Token& token) {
    return token.kind == Token::kExactDigits || token.kind == Token::kAtMostDigits;
  };
  const auto first_digits = std::find_if(tokens.begin(), tokens.end(), digits);
  const auto point_at = find(Token::kPoint);
  if (made.before_ + made.after_ == 0) {
    return bad_format("WRONG_NUM_DIGIT", text,
                      "The format string requires at least one number digit.", origin);
  }
  for (const auto& [kind, name] : {std::pair{Token::kPoint, "'.' or 'D'"},
                                   {Token::kDollar, "'$'"},
                                   {Token::kMinus, "'MI'"},
                                   {Token::kSign, "'S'"},
                                   {Token::kCloseAngle, "'PR'"}}) {
    if (std::count_if(tokens.begin(), tokens.end(),
                      [&, kind = kind](const Token& token) { return token.kind == kind; }) > 1) {
      return bad_format("WRONG_NUM_TOKEN", text,
                        fmt::format("At most one {} is allowed in the number format string.", name),
                        origin)
          .with_parameter("token", name);
    }
  }
  for (auto token = tokens.begin(); token != tokens.end(); ++token) {
    if (token->kind != Token::kThousands) continue;
    if (token > point_at) {
      return bad_format("THOUSANDS_SEPS_MUST_BEFORE_DEC", text,
                        "Thousands separators (, or G) may not appear after the decimal point in "
                        "the number format.",
                        origin);
    }
    const bool before = token != tokens.begin() && digits(*(token - 1));
    const bool after = token + 1 != tokens.end() && digits(*(token + 1));
    if (!before || !after) {
      return bad_format("CONT_THOUSANDS_SEPS", text,
                        "Thousands separators (, or G) must have digits in between them in the "
                        "number format.",
                        origin);
    }
  }
  const auto dollar = find(Token::kDollar);
  if (dollar != tokens.end()) {
    if (point_at != tokens.end() && dollar > point_at && point_at < first_digits) {
      return bad_format("CUR_MUST_BEFORE_DEC", text,
                        "Currency characters must appear before any decimal point in the number "
                        "format.",
                        origin);
    }
    const bool last = std::none_of(dollar, tokens.end(), digits);
    if (dollar > first_digits && !last) {
      return bad_format("CUR_MUST_BEFORE_DIGIT", text,
                        "Currency characters must appear before digits in the number format.",
                        origin);
    }
  }
  // The order of what remains: [MI|S] [$] digits [.] digits [$] [PR|MI|S].
  size_t at = 0;
  const auto is = [&](Token::Kind kind) { return at < tokens.size() && tokens[at].kind == kind; };
  if (is(Token::kOpenAngle)) ++at;
  if (is(Token::kMinus) || is(Token::kSign)) ++at;
  if (is(Token::kDollar)) ++at;
  while (is(Token::kExactDigits) || is(Token::kAtMostDigits) || is(Token::kThousands))
    ++at;
  if (is(Token::kPoint)) ++at;
  while (is(Token::kExactDigits) || is(Token::kAtMostDigits))
    ++at;
  if (is(Token::kDollar)) ++at;
  if (is(Token::kCloseAngle) || is(Token::kMinus) || is(Token::kSign)) ++at;
  if (is(Token::kCloseAngle)) ++at;
  if (at < tokens.size()) {
    return bad_format("UNEXPECTED_TOKEN", text,
                      "Found an unexpected token in the format string; the structure of the "
                      "format string must match: `[MI|S]` `[$]` `[0|9|G|,]*` `[.|D]` `[0|9]*` "
                      "`[$]` `[PR|MI|S]`.",
                      origin)
        .with_parameter("structure",
                        "`[MI|S]` `[$]` `[0|9|G|,]*` `[.|D]` `[0|9]*` `[$]` `[PR|MI|S]`");
  }
  if (made.precision() > 38) {
    return analysis_error(
        "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", "22003",
        fmt::format("Decimal precision {} exceeds max precision 38.", made.precision()), origin);
  }
  return made;
}

// A group of digits with separators before the point. The pattern's groups and the text's are
// compared from the right, as in Spark.
bool NumberPattern::read_digits(std::string_view text, size_t& at, size_t& token,
                                Digits& digits) const {
  std::vector<Token> group;
  while (token < tokens_.size() &&
         (tokens_[token].kind == Token::kExactDigits ||
          tokens_[token].kind == Token::kAtMostDigits || tokens_[token].kind == Token::kThousands))
    group.push_back(tokens_[token++]);
  std::vector<std::string> parts(1);
  while (at < text.size() && (is_digit(text[at]) || text[at] == ',')) {
    if (text[at] == ',') {
      parts.emplace_back();
    } else {
      parts.back() += text[at];
    }
    ++at;
  }
  // From the right: each part against a group.
  size_t left = group.size();
  for (size_t p = parts.size(); p-- > 0;) {
    if (left == 0) return parts[p].empty() && p == 0 && parts.size() == 1;
    const auto& want = group[--left];
    const auto count = static_cast<int>(parts[p].size());
    if (want.kind == Token::kThousands) return false;
    if (want.kind == Token::kExactDigits ? count != want.count : count > want.count) return false;
    if (p > 0) {
      if (left == 0 || group[left - 1].kind != Token::kThousands) return false;
      --left;
      if (parts[p].empty()) return false;
    }
  }
  // Groups that the text does not reach must be optional.
  for (size_t i = 0; i < left; ++i) {
    if (group[i].kind == Token::kExactDigits) return false;
  }
  for (const auto& part : parts)
    digits.before += part;
  return true;
}

bool NumberPattern::read(std::string_view given, Int128& value) const {
  std::string text;
  for (const char c : given) {
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') text += c;
  }
  Digits digits;
  size_t at = 0;
  bool negative = false, angle = false;
  for (size_t token = 0; token < tokens_.size();) {
    switch (tokens_[token].kind) {
      case Token::kOpenAngle:
        if (at < text.size() && text[at] == '<') {
          angle = true;
          negative = true;
          ++at;
        }
        ++token;
        break;
      case Token::kCloseAngle:
        if (angle) {
          if (at >= text.size() || text[at] != '>') return false;
          ++at;
        }
        ++token;
        break;
      case Token::kSign:
      case Token::kMinus:
        if (at < text.size() && text[at] == '-') {
          negative = true;
          ++at;
        } else if (tokens_[token].kind == Token::kSign && at < text.size() && text[at] == '+') {
          ++at;
        }
        ++token;
        break;
      case Token::kDollar:
        if (at >= text.size() || text[at] != '$') return false;
        ++at;
        ++token;
        break;
      case Token::kPoint:
        ++token;
        if (at < text.size() && text[at] == '.') {
          ++at;
          int most = 0;
          while (token < tokens_.size() && (tokens_[token].kind == Token::kAtMostDigits ||
                                            tokens_[token].kind == Token::kExactDigits))
            most += tokens_[token++].count;
          while (at < text.size() && is_digit(text[at]))
            digits.after += text[at++];
          if (static_cast<int>(digits.after.size()) > most) return false;
        } else {
          while (token < tokens_.size() && (tokens_[token].kind == Token::kAtMostDigits ||
                                            tokens_[token].kind == Token::kExactDigits))
            ++token;
        }
        break;
      default:
        if (!read_digits(text, at, token, digits)) return false;
    }
  }
  if (at != text.size() || (digits.before.empty() && digits.after.empty())) return false;
  digits.after.append(static_cast<size_t>(after_) - digits.after.size(), '0');
  value = 0;
  for (const char c : digits.before + digits.after)
    value = value * 10 + (c - '0');
  if (negative) value = -value;
  return true;
}

std::string NumberPattern::show(Int128 value, int scale) const {
  auto plain = format_decimal(value < 0 ? -value : value, scale);
  const auto point = plain.find('.');
  std::string before = plain.substr(0, point);
  std::string after = point == std::string::npos ? "" : plain.substr(point + 1);
  before.erase(0, std::min(before.find_first_not_of('0'), before.size()));
  while (after.ends_with('0'))
    after.pop_back();
  const bool fits =
      static_cast<int>(before.size()) <= before_ && static_cast<int>(after.size()) <= after_;
  if (!fits) {
    std::string hidden = text_;
    for (char& c : hidden) {
      if (c == '0' || c == '9') c = '#';
    }
    return hidden;
  }
  before.insert(0, static_cast<size_t>(before_) - before.size(), ' ');
  after.append(static_cast<size_t>(after_) - after.size(), ' ');
  std::string out;
  size_t from = 0, fraction = 0;
  bool reached = false;
  for (const auto& token : tokens_) {
    switch (token.kind) {
      case Token::kExactDigits:
      case Token::kAtMostDigits:
        for (int i = 0; i < token.count; ++i) {
          const char c = reached ? after[fraction++] : before[from++];
          if (c != ' ') {
            out += c;
          } else if (reached || token.kind == Token::kExactDigits) {
            out += '0';
          } else {
            add_blank(out);
          }
        }
        break;
      case Token::kThousands:
        if (!out.empty() && is_digit(out.back())) {
          out += ',';
        } else {
          add_blank(out);
        }
        break;
      case Token::kPoint:
        if (out.ends_with(' ')) out.back() = '0';
        out += '.';
        reached = true;
        break;
      case Token::kDollar:
        out += '$';
        break;
      case Token::kMinus:
        if (value < 0) {
          add_before_blanks(out, '-');
        } else {
          out += ' ';
        }
        break;
      case Token::kSign:
        add_before_blanks(out, value < 0 ? '-' : '+');
        break;
      case Token::kOpenAngle:
        if (value < 0) add_before_blanks(out, '<');
        break;
      case Token::kCloseAngle:
        blank_lone_point(out);
        if (value < 0) {
          add_before_blanks(out, '>');
        } else {
          out += "  ";
        }
        break;
    }
  }
  blank_lone_point(out);
  return out.empty() || out == "+" || out == "-" ? "0" : out;
}

}  // namespace weir::plan
