// LIKE and regular expressions. LIKE is matched here; regular expressions by Boost.Regex, which has
// the look-around that Java's have: bytes where pattern and text are ASCII, else characters.
#include <boost/regex.hpp>

#include "eval/map_rows.h"
#include "eval/text_case.h"
#include "eval/utf8.h"

namespace weir::eval {

namespace {

// A LIKE pattern taken apart: text, any character, any text.
struct LikePart {
  enum Kind { kText, kOne, kAny } kind;
  std::string text;
};

Result<std::vector<LikePart>> parse_like(const KernelCall& call, std::string_view pattern,
                                         char escape) {
  std::vector<LikePart> parts;
  const auto add_text = [&](std::string_view text) {
    if (parts.empty() || parts.back().kind != LikePart::kText)
      parts.push_back({LikePart::kText, {}});
    parts.back().text += text;
  };
  for (size_t at = 0; at < pattern.size(); ++at) {
    const char c = pattern[at];
    if (c == escape) {
      if (at + 1 == pattern.size()) {
        return call.fail(
            "INVALID_FORMAT.ESC_AT_THE_END", "42601",
            fmt::format(
                "The format is invalid: '{}'. The escape character is not allowed to end with.",
                pattern));
      }
      const char next = pattern[++at];
      if (next != '_' && next != '%' && next != escape) {
        return call.fail(
            "INVALID_FORMAT.ESC_IN_THE_MIDDLE", "42601",
            fmt::format(
                "The format is invalid: '{}'. The escape character is not allowed to precede '{}'.",
                pattern, next));
      }
      add_text(std::string_view(&next, 1));
    } else if (c == '_') {
      parts.push_back({LikePart::kOne, {}});
    } else if (c == '%') {
      if (parts.empty() || parts.back().kind != LikePart::kAny)
        parts.push_back({LikePart::kAny, {}});
    } else {
      add_text(pattern.substr(at, 1));
    }
  }
  return parts;
}

// Greedy with one point to go back to: linear in practice, quadratic at the worst.
bool matches_like(const std::vector<LikePart>& parts, std::string_view text) {
  size_t part = 0, at = 0;
  size_t back_part = SIZE_MAX, back_at = 0;
  while (true) {
    if (part == parts.size()) {
      if (at == text.size()) return true;
    } else if (parts[part].kind == LikePart::kAny) {
      back_part = part++;
      back_at = at;
      continue;
    } else if (parts[part].kind == LikePart::kOne) {
      if (at < text.size()) {
        at += character_bytes(text, at);
        ++part;
        continue;
      }
    } else if (text.substr(at).starts_with(parts[part].text)) {
      at += parts[part].text.size();
      ++part;
      continue;
    }
    if (back_part == SIZE_MAX || back_at >= text.size()) return false;
    back_at += character_bytes(text, back_at);
    at = back_at;
    part = back_part + 1;
  }
}

template <bool ignore_case>
Result<ArrayPtr> like(KernelCall& call, std::span<const Vector> arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]);
  char escape = '\\';
  if (arguments.size() == 3) {
    const TextReader reader(arguments[2]);
    if (reader.valid[0] && reader[0].size() == 1) escape = reader[0][0];
  }
  BoolWriter writer(call.rows);
  std::string known, folded;
  std::vector<LikePart> parts;
  bool first = true;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row] || !pattern.valid[row]) {
      writer.set_null(row);
      continue;
    }
    if (first || pattern[row] != known) {
      known = pattern[row];
      first = false;
      folded.clear();
      if (ignore_case) append_case(known, false, folded);
      WEIR_ASSIGN(parts, parse_like(call, ignore_case ? folded : known, escape));
    }
    if (ignore_case) {
      folded.clear();
      append_case(text[row], false, folded);
      writer.set(row, matches_like(parts, folded));
    } else {
      writer.set(row, matches_like(parts, text[row]));
    }
  }
  return writer.finish();
}

std::wstring widen(std::string_view text) {
  std::wstring wide;
  for (size_t at = 0; at < text.size(); at += character_bytes(text, at))
    wide += static_cast<wchar_t>(decode_character(text, at));
  return wide;
}

void append_narrow(const wchar_t* begin, const wchar_t* end, std::string& out) {
  for (; begin != end; ++begin)
    encode_character(static_cast<uint32_t>(*begin), out);
}

// One pattern, compiled for bytes and, once needed, for characters.
class Pattern {
 public:
  static Result<Pattern> compile(const KernelCall& call, std::string_view text) {
    Pattern made;
    made.source_ = text;
    made.narrow_ok_ = is_ascii(text);
    try {
      if (made.narrow_ok_) made.narrow_.assign(made.source_, kSyntax);
      made.wide_.assign(widen(text), kSyntax);
      return made;
    } catch (const std::exception& failure) {
      return call.fail(
          "INVALID_PARAMETER_VALUE.PATTERN", "22023",
          fmt::format("The value of parameter(s) `regexp` in `{}` is invalid: '{}' ({}).",
                      call.call.function->name, text, failure.what()));
    }
  }

  const std::string& source() const { return source_; }
  bool narrow(std::string_view subject) const { return narrow_ok_ && is_ascii(subject); }
  const boost::regex& bytes() const { return narrow_; }
  const boost::wregex& characters() const { return wide_; }

  static constexpr auto kSyntax = boost::regex_constants::perl | boost::regex_constants::no_mod_m;
  static constexpr auto kFlags = boost::match_not_dot_newline;

 private:
  std::string source_;
  bool narrow_ok_ = true;
  boost::regex narrow_;
  boost::wregex wide_;
};

base::Error too_complex(const KernelCall& call, const std::string& why) {
  return call.fail("INVALID_PARAMETER_VALUE.PATTERN", "22023",
                   fmt::format("A regular expression of `{}` is too complex for the text: {}.",
                               call.call.function->name, why));
}

// Calls use(pattern, row) for the rows without NULL among the operands.
template <typename Null, typename Use>
Result<void> for_patterns(const KernelCall& call, const TextReader& pattern,
                          std::span<const Vector> arguments, Null&& null, Use&& use) {
  std::vector<Validity> valid(arguments.begin(), arguments.end());
  std::optional<Pattern> compiled;
  for (int64_t row = 0; row < call.rows; ++row) {
    bool all = true;
    for (const auto& one : valid)
      all &= one[row];
    if (!all) {
      null(row);
      continue;
    }
    if (!compiled || compiled->source() != pattern[row]) {
      WEIR_ASSIGN(auto made, Pattern::compile(call, pattern[row]));
      compiled = std::move(made);
    }
    try {
      WEIR_TRY(use(*compiled, row));
    } catch (const std::exception& failure) {
      return too_complex(call, failure.what());
    }
  }
  return {};
}

Result<ArrayPtr> rlike(KernelCall& call, std::span<const Vector> arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]);
  BoolWriter writer(call.rows);
  WEIR_TRY(for_patterns(
      call, pattern, arguments, [&](int64_t row) { writer.set_null(row); },
      [&](const Pattern& compiled, int64_t row) -> Result<void> {
        const auto subject = text[row];
        if (compiled.narrow(subject)) {
          writer.set(row, boost::regex_search(subject.begin(), subject.end(), compiled.bytes(),
                                              Pattern::kFlags));
        } else {
          writer.set(row,
                     boost::regex_search(widen(subject), compiled.characters(), Pattern::kFlags));
        }
        return {};
      }));
  return writer.finish();
}

Result<ArrayPtr> regexp_extract(KernelCall& call, std::span<const Vector> arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]);
  std::optional<FixedReader<int32_t>> group;
  if (arguments.size() == 3) group.emplace(arguments[2]);
  TextWriter writer(call.rows);
  WEIR_TRY(for_patterns(
      call, pattern, arguments, [&](int64_t) { writer.add_null(); },
      [&](const Pattern& compiled, int64_t row) -> Result<void> {
        const int32_t number = group ? (*group)[row] : 1;
        const auto groups = static_cast<int32_t>(compiled.characters().mark_count());
        const auto subject = widen(text[row]);
        boost::wsmatch match;
        if (boost::regex_search(subject, match, compiled.characters(), Pattern::kFlags)) {
          if (number < 0 || number > groups) {
            return call.fail("INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", "22023",
                             fmt::format("The value of parameter(s) `idx` in `regexp_extract` is "
                                         "invalid: Expects group index between 0 "
                                         "and {}, but got {}.",
                                         groups, number));
          }
          const auto& found = match[number];
          if (found.matched) {
            append_narrow(subject.data() + (found.first - subject.begin()),
                          subject.data() + (found.second - subject.begin()), writer.bytes());
          }
        }
        writer.end_row();
        return {};
      }));
  return writer.finish(call.arrow_type);
}

// Java's replacement: $1 a group, \x the character x.
void append_replacement(const boost::wsmatch& match, const std::wstring& replacement, size_t groups,
                        std::string& out) {
  const auto append_text = [&](const std::wstring& text) {
    append_narrow(text.data(), text.data() + text.size(), out);
  };
  for (size_t i = 0; i < replacement.size(); ++i) {
    const wchar_t c = replacement[i];
    if (c == L'\\' && i + 1 < replacement.size()) {
      encode_character(static_cast<uint32_t>(replacement[++i]), out);
    } else if (c == L'$' && i + 1 < replacement.size() && replacement[i + 1] >= L'0' &&
               replacement[i + 1] <= L'9') {
      size_t number = static_cast<size_t>(replacement[++i] - L'0');
      while (i + 1 < replacement.size() && replacement[i + 1] >= L'0' &&
             replacement[i + 1] <= L'9' &&
             number * 10 + static_cast<size_t>(replacement[i + 1] - L'0') <= groups) {
        number = number * 10 + static_cast<size_t>(replacement[++i] - L'0');
      }
      if (number <= groups && match[static_cast<int>(number)].matched)
        append_text(match[static_cast<int>(number)].str());
    } else {
      encode_character(static_cast<uint32_t>(c), out);
    }
  }
}

Result<ArrayPtr> regexp_replace(KernelCall& call, std::span<const Vector> arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]), replacement(arguments[2]);
  TextWriter writer(call.rows);
  WEIR_TRY(for_patterns(
      call, pattern, arguments, [&](int64_t) { writer.add_null(); },
      [&](const Pattern& compiled, int64_t row) -> Result<void> {
        const auto subject = widen(text[row]);
        const auto by = widen(replacement[row]);
        auto& out = writer.bytes();
        auto at = subject.begin();
        for (boost::wsregex_iterator
                 match(subject.begin(), subject.end(), compiled.characters(), Pattern::kFlags),
             end;
             match != end; ++match) {
          const std::wstring before(at, (*match)[0].first);
          append_narrow(before.data(), before.data() + before.size(), out);
          append_replacement(*match, by, compiled.characters().mark_count(), out);
          at = (*match)[0].second;
        }
        const std::wstring rest(at, subject.end());
        append_narrow(rest.data(), rest.data() + rest.size(), out);
        writer.end_row();
        return {};
      }));
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"like", like<false>},
    {"ilike", like<true>},
    {"rlike", rlike},
    {"regexp_extract", regexp_extract},
    {"regexp_replace", regexp_replace},
};

}  // namespace

std::span<const KernelEntry> pattern_kernels() { return kKernels; }

}  // namespace weir::eval
