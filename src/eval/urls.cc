// parse_url, url_encode, url_decode. A URL is taken apart as java.net.URI does it.
#include <cctype>

#include <fmt/format.h>

#include "eval/map_rows.h"
#include "eval/string_groups.h"

namespace weir::eval {

namespace {

using Arguments = Operands;
using Part = std::optional<std::string_view>;

struct Url {
  Part scheme, authority, user, host, path, query, fragment;
};

bool is_alpha(char c) { return std::isalpha(static_cast<unsigned char>(c)) && !(c & 0x80); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

// Only characters that a URL may have, and % only before two hexadecimal digits.
bool is_legal(std::string_view text, bool brackets) {
  constexpr std::string_view kPunctuation = "-_.!~*'();/?:@&=+$,%";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
    } else if (!is_alpha(c) && !is_digit(c) && !(c & 0x80) &&
               kPunctuation.find(c) == std::string_view::npos &&
               !(brackets && (c == '[' || c == ']'))) {
      return false;
    }
  }
  return true;
}

bool is_ipv4(std::string_view host) {
  int parts = 0;
  while (true) {
    size_t digits = 0;
    int value = 0;
    while (digits < host.size() && is_digit(host[digits]) && digits < 4)
      value = value * 10 + (host[digits++] - '0');
    if (digits == 0 || digits > 3 || value > 255) return false;
    host.remove_prefix(digits);
    if (++parts == 4) return host.empty();
    if (host.empty() || host[0] != '.') return false;
    host.remove_prefix(1);
  }
}

// Labels of letters, digits and inner hyphens; the last one starts with a letter.
bool is_host_name(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  std::string_view label;
  while (true) {
    const auto end = host.find('.');
    label = host.substr(0, end);
    if (label.empty() || label.front() == '-' || label.back() == '-') return false;
    for (const char c : label) {
      if (!is_alpha(c) && !is_digit(c) && c != '-') return false;
    }
    if (end == std::string_view::npos) break;
    host.remove_prefix(end + 1);
  }
  return is_alpha(label.front());
}

// user@host:port; where it is not of that form it is a name of some registry, without a host.
bool split_authority(std::string_view authority, Url& url) {
  url.authority = authority;
  auto rest = authority;
  Part user;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    user = rest.substr(0, at);
    rest.remove_prefix(at + 1);
  }
  std::string_view host;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return false;
    host = rest.substr(0, close + 1);
    if (host.substr(1).find_first_not_of("0123456789abcdefABCDEF:.%]") != std::string_view::npos)
      return false;
    rest.remove_prefix(close + 1);
  } else {
    host = rest.substr(0, rest.find(':'));
    rest.remove_prefix(host.size());
    if (!is_ipv4(host) && (host.empty() || !is_host_name(host))) return is_legal(authority, false);
  }
  if (!rest.empty() &&
      (rest[0] != ':' || rest.substr(1).find_first_not_of("0123456789") != std::string_view::npos))
    return is_legal(authority, false);
  url.user = user;
  url.host = host;
  return !user || is_legal(*user, false);
}

// nullopt where the text is no URL.
std::optional<Url> parse(std::string_view text) {
  Url url;
  const auto colon = text.find_first_of(":/?#");
  if (colon != std::string_view::npos && text[colon] == ':') {
    const auto scheme = text.substr(0, colon);
    if (scheme.empty() || !is_alpha(scheme[0])) return std::nullopt;
    for (const char c : scheme) {
      if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') return std::nullopt;
    }
    url.scheme = scheme;
    text.remove_prefix(colon + 1);
  }
  if (const auto hash = text.find('#'); hash != std::string_view::npos) {
    url.fragment = text.substr(hash + 1);
    text = text.substr(0, hash);
    if (!is_legal(*url.fragment, true)) return std::nullopt;
  }
  if (url.scheme && !text.starts_with('/')) {  // mailto:…
    return text.empty() || !is_legal(text, true) ? std::nullopt : std::optional<Url>(url);
  }
  if (const auto question = text.find('?'); question != std::string_view::npos) {
    url.query = text.substr(question + 1);
    text = text.substr(0, question);
    if (!is_legal(*url.query, true)) return std::nullopt;
  }
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    const auto authority = text.substr(0, text.find('/'));
    text.remove_prefix(authority.size());
    if (authority.empty() ? text.empty() : !split_authority(authority, url)) return std::nullopt;
  }
  url.path = text;
  return is_legal(text, false) ? std::optional<Url>(url) : std::nullopt;
}

// The value of the first "key=" of a query.
Part query_value(std::string_view query, std::string_view key) {
  while (true) {
    const auto pair = query.substr(0, query.find('&'));
    if (pair.size() > key.size() && pair.starts_with(key) && pair[key.size()] == '=')
      return pair.substr(key.size() + 1);
    if (pair.size() == query.size()) return std::nullopt;
    query.remove_prefix(pair.size() + 1);
  }
}

// The part's text; false where the URL has none or there is no such part.
bool append_part(const Url& url, std::string_view part, std::string& out) {
  const auto append = [&](const Part& text) {
    if (text) out += *text;
    return text.has_value();
  };
  if (part == "HOST") return append(url.host);
  if (part == "PATH") return append(url.path);
  if (part == "QUERY") return append(url.query);
  if (part == "REF") return append(url.fragment);
  if (part == "PROTOCOL") return append(url.scheme);
  if (part == "AUTHORITY") return append(url.authority);
  if (part == "USERINFO") return append(url.user);
  if (part != "FILE" || !append(url.path)) return false;
  if (url.query) out += "?" + std::string(*url.query);
  return true;
}

template <bool try_it>
Result<ArrayPtr> parse_url(KernelCall& call, Arguments arguments) {
  const TextReader texts(arguments[0]), parts(arguments[1]);
  std::optional<TextReader> keys;
  if (arguments.size() > 2) keys.emplace(arguments[2]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!texts.valid[row] || !parts.valid[row] || (keys && !keys->valid[row])) {
      writer.add_null();
      continue;
    }
    const auto url = parse(texts[row]);
    if (!url && !try_it && call.ansi()) {
      return call
          .fail(
              "INVALID_URL", "22P02",
              fmt::format("The url is invalid: {}. Use `try_parse_url` to tolerate invalid URL and "
                          "return NULL instead",
                          texts[row]))
          .with_parameter("url", std::string(texts[row]));
    }
    bool found = false;
    if (url && !keys) {
      found = append_part(*url, parts[row], writer.bytes());
    } else if (url && parts[row] == "QUERY" && url->query) {
      const auto value = query_value(*url->query, (*keys)[row]);
      if (value) writer.bytes() += *value;
      found = value.has_value();
    }
    if (found) {
      writer.end_row();
    } else {
      writer.add_null();
    }
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> url_encode(KernelCall& call, Arguments arguments) {
  return map_text(
      call,
      [](std::string_view text, std::string& out) {
        constexpr std::string_view kHex = "0123456789ABCDEF";
        for (const char c : text) {
          const auto byte = static_cast<unsigned char>(c);
          if (is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '*' || c == '_') {
            out += c;
          } else if (c == ' ') {
            out += '+';
          } else {
            out += '%';
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
          }
        }
      },
      TextReader(arguments[0]));
}

bool decode(std::string_view text, std::string& out) {
  const auto digit = [](char c) { return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return true;
}

template <bool try_it>
Result<ArrayPtr> url_decode(KernelCall& call, Arguments arguments) {
  const TextReader texts(arguments[0]);
  TextWriter writer(call.rows);
  std::string decoded;
  for (int64_t row = 0; row < call.rows; ++row) {
    decoded.clear();
    if (!texts.valid[row]) {
      writer.add_null();
    } else if (decode(texts[row], decoded)) {
      writer.add(decoded);
    } else if (try_it) {
      writer.add_null();
    } else {
      return call
          .fail("CANNOT_DECODE_URL", "22546",
                fmt::format("The provided URL cannot be decoded: {}. Please ensure that the URL is "
                            "properly formatted and try again.",
                            texts[row]))
          .with_parameter("url", std::string(texts[row]));
    }
  }
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"parse_url", parse_url<false>},      {"try_parse_url", parse_url<true>},
    {"url_encode", url_encode},           {"url_decode", url_decode<false>},
    {"try_url_decode", url_decode<true>},
};

}  // namespace

std::span<const KernelEntry> url_kernels() { return kKernels; }

}  // namespace weir::eval
