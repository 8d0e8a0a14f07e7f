#include "kafka/jaas.h"

#include <cctype>
#include <vector>

namespace weir::kafka {

namespace {

using base::ErrorKind;
using base::Result;

constexpr std::string_view kShaded = "kafkashaded.";
constexpr std::string_view kPlain = "org.apache.kafka.common.security.plain.PlainLoginModule";

base::Error malformed(std::string_view why) {
  return base::error(
      ErrorKind::kInvalidArgument,
      "sasl.jaas.config: {}; it should be {} required username=\"…\" password=\"…\";", why, kPlain);
}

// Words, quoted strings (backslash escapes), '=' and ';', as java.io.StreamTokenizer cuts them.
struct Token {
  std::string text;
  bool quoted = false;
};

Result<std::vector<Token>> tokenize(std::string_view text) {
  std::vector<Token> tokens;
  for (size_t at = 0; at < text.size();) {
    char c = text[at];
    if (std::isspace(static_cast<unsigned char>(c))) {
      ++at;
    } else if (c == '=' || c == ';') {
      tokens.push_back({std::string(1, c), false});
      ++at;
    } else if (c == '"' || c == '\'') {
      Token token{"", true};
      for (++at; at < text.size() && text[at] != c; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        token.text += text[at];
      }
      if (at == text.size()) return malformed("a quote is not closed");
      ++at;
      tokens.push_back(std::move(token));
    } else {
      size_t end = text.find_first_of(" \t\r\n=;\"'", at);
      if (end == std::string_view::npos) end = text.size();
      tokens.push_back({std::string(text.substr(at, end - at)), false});
      at = end;
    }
  }
  return tokens;
}

}  // namespace

Result<PlainLogin> parse_jaas_config(std::string_view text) {
  WEIR_ASSIGN(std::vector<Token> tokens, tokenize(text));
  if (tokens.empty()) return malformed("it is empty");
  std::string_view module = tokens[0].text;
  if (module.starts_with(kShaded)) module.remove_prefix(kShaded.size());
  if (module != kPlain) {
    return base::error(ErrorKind::kUnsupported,
                       "sasl.jaas.config: the login module {} is not supported, only {} is", module,
                       kPlain);
  }
  if (tokens.size() < 2 || tokens[1].text != "required")
    return malformed("the module is not followed by \"required\"");
  PlainLogin login;
  bool has_username = false;
  bool has_password = false;
  size_t at = 2;
  for (; at < tokens.size() && !(tokens[at].text == ";" && !tokens[at].quoted); at += 3) {
    if (at + 2 >= tokens.size() || tokens[at + 1].text != "=" || tokens[at + 1].quoted)
      return malformed("name=\"value\" is needed");
    if (tokens[at].text == "username") {
      login.username = tokens[at + 2].text;
      has_username = true;
    } else if (tokens[at].text == "password") {
      login.password = tokens[at + 2].text;
      has_password = true;
    } else {
      return malformed("the option " + tokens[at].text + " is unknown");
    }
  }
  if (at >= tokens.size()) return malformed("the closing semicolon is missing");
  if (at + 1 != tokens.size()) return malformed("something follows the semicolon");
  if (!has_username || !has_password) return malformed("username or password is missing");
  return login;
}

}  // namespace weir::kafka
