#include "eval/regexp.h"

#include <boost/regex.hpp>

#include "eval/utf8.h"

namespace weir::eval {

namespace {

constexpr auto kSyntax = boost::regex_constants::perl | boost::regex_constants::no_mod_m;
constexpr auto kFlags = boost::match_not_dot_newline;

// The characters of a text, and the byte each begins at (one more for the end).
struct WideText {
  std::wstring characters;
  std::vector<int64_t> begins;

  explicit WideText(std::string_view text) {
    for (size_t at = 0; at < text.size(); at += character_bytes(text, at)) {
      characters += static_cast<wchar_t>(decode_character(text, at));
      begins.push_back(static_cast<int64_t>(at));
    }
    begins.push_back(static_cast<int64_t>(text.size()));
  }
};

base::Error too_complex(const KernelCall& call, const std::string& why) {
  return call.fail("INVALID_PARAMETER_VALUE.PATTERN", "22023",
                   fmt::format("A regular expression of `{}` is too complex for the text: {}.",
                               call.call.function->name, why));
}

// What Java writes otherwise than Perl: \h, \R, possessive and atomic forms are the same; \p{Alpha}
// and its like are POSIX classes.
std::string perl_form(std::string_view pattern) {
  static constexpr std::pair<std::string_view, std::string_view> kClasses[] = {
      {"Alpha", "[:alpha:]"}, {"Digit", "[:digit:]"},
      {"Alnum", "[:alnum:]"}, {"Upper", "[:upper:]"},
      {"Lower", "[:lower:]"}, {"Punct", "[:punct:]"},
      {"Space", "[:space:]"}, {"XDigit", "[:xdigit:]"},
      {"Blank", "[:blank:]"}, {"Cntrl", "[:cntrl:]"},
      {"Graph", "[:graph:]"}, {"Print", "[:print:]"},
      {"L", "[:alpha:]"},     {"IsAlphabetic", "[:alpha:]"},
      {"Lu", "[:upper:]"},    {"Ll", "[:lower:]"},
      {"N", "[:digit:]"},     {"Nd", "[:digit:]"}};
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[i + 1];
      const auto close = next == 'p' || next == 'P' ? pattern.find('}', i) : std::string_view::npos;
      if (close != std::string_view::npos && i + 2 < pattern.size() && pattern[i + 2] == '{') {
        const auto name = pattern.substr(i + 3, close - i - 3);
        const auto* found = std::find_if(std::begin(kClasses), std::end(kClasses),
                                         [&](const auto& one) { return one.first == name; });
        if (found != std::end(kClasses)) {
          if (in_class && next == 'p') {
            out += found->second;
          } else {
            out += (next == 'p' ? "[" : "[^") + std::string(found->second) + "]";
          }
          i = close;
          continue;
        }
      }
      out += c;
      out += next;
      ++i;
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

}  // namespace

struct Regexp::Compiled {
  std::string source;
  bool narrow_ok = true;
  boost::regex narrow;
  boost::wregex wide;
};

Regexp::Regexp(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
Regexp::Regexp(Regexp&&) noexcept = default;
Regexp& Regexp::operator=(Regexp&&) noexcept = default;
Regexp::~Regexp() = default;

Result<Regexp> Regexp::compile(const KernelCall& call, std::string_view pattern) {
  auto made = std::make_unique<Compiled>();
  made->source = pattern;
  made->narrow_ok = is_ascii(pattern);
  try {
    const auto perl = perl_form(pattern);
    if (made->narrow_ok) made->narrow.assign(perl, kSyntax);
    made->wide.assign(WideText(perl).characters, kSyntax);
    return Regexp(std::move(made));
  } catch (const std::exception& failure) {
    return call
        .fail("INVALID_PARAMETER_VALUE.PATTERN", "22023",
              fmt::format("The value of parameter(s) `regexp` in `{}` is invalid: '{}' ({}).",
                          call.call.function->name, pattern, failure.what()))
        .with_parameter("parameter", "`regexp`")
        .with_parameter("functionName", fmt::format("`{}`", call.call.function->name))
        .with_parameter("value", fmt::format("'{}'", pattern));
  }
}

const std::string& Regexp::source() const { return compiled_->source; }
int Regexp::groups() const { return static_cast<int>(compiled_->wide.mark_count()); }

Result<bool> Regexp::contains(const KernelCall& call, std::string_view text) const {
  try {
    if (compiled_->narrow_ok && is_ascii(text))
      return boost::regex_search(text.begin(), text.end(), compiled_->narrow, kFlags);
    return boost::regex_search(WideText(text).characters, compiled_->wide, kFlags);
  } catch (const std::exception& failure) {
    return too_complex(call, failure.what());
  }
}

Result<void> Regexp::for_each(const KernelCall& call, std::string_view text,
                              const std::function<bool(const RegexpMatch&)>& visit) const {
  RegexpMatch groups;
  const auto run = [&](auto match, auto end, auto begin_of_text, const auto& position) {
    for (; match != end; ++match) {
      groups.clear();
      for (const auto& group : *match) {
        groups.push_back(group.matched ? RegexpGroup{position(group.first - begin_of_text),
                                                     position(group.second - begin_of_text)}
                                       : RegexpGroup{});
      }
      if (!visit(groups)) return;
    }
  };
  try {
    if (compiled_->narrow_ok && is_ascii(text)) {
      using Iterator = boost::regex_iterator<std::string_view::const_iterator>;
      run(Iterator(text.begin(), text.end(), compiled_->narrow, kFlags), Iterator(), text.begin(),
          [](ptrdiff_t at) { return static_cast<int64_t>(at); });
    } else {
      const WideText wide(text);
      run(boost::wsregex_iterator(wide.characters.begin(), wide.characters.end(), compiled_->wide,
                                  kFlags),
          boost::wsregex_iterator(), wide.characters.begin(),
          [&](ptrdiff_t at) { return wide.begins[static_cast<size_t>(at)]; });
    }
  } catch (const std::exception& failure) {
    return too_complex(call, failure.what());
  }
  return {};
}

Result<std::optional<RegexpMatch>> Regexp::first(const KernelCall& call,
                                                 std::string_view text) const {
  std::optional<RegexpMatch> found;
  WEIR_TRY(for_each(call, text, [&](const RegexpMatch& match) {
    found = match;
    return false;
  }));
  return found;
}

Result<std::vector<RegexpMatch>> Regexp::all(const KernelCall& call, std::string_view text) const {
  std::vector<RegexpMatch> matches;
  WEIR_TRY(for_each(call, text, [&](const RegexpMatch& match) {
    matches.push_back(match);
    return true;
  }));
  return matches;
}

Result<std::vector<std::string>> Regexp::split(const KernelCall& call, std::string_view text,
                                               int64_t limit) const {
  std::vector<std::string> parts;
  if (!text.empty() && source().empty()) {  // UTF8String.split: a part a character
    for (size_t at = 0; at < text.size();) {
      const bool last = limit > 0 && static_cast<int64_t>(parts.size()) + 1 == limit;
      const size_t bytes = last ? text.size() - at : character_bytes(text, at);
      parts.emplace_back(text.substr(at, bytes));
      at += bytes;
    }
    return parts;
  }
  int64_t at = 0;
  WEIR_TRY(for_each(call, text, [&](const RegexpMatch& match) {
    if (limit > 0 && static_cast<int64_t>(parts.size()) + 1 >= limit) return false;
    if (match[0].end == 0) return true;  // nothing matched at the start makes no empty part
    parts.emplace_back(
        text.substr(static_cast<size_t>(at), static_cast<size_t>(match[0].begin - at)));
    at = match[0].end;
    return true;
  }));
  parts.emplace_back(text.substr(static_cast<size_t>(at)));
  return parts;
}

}  // namespace weir::eval
