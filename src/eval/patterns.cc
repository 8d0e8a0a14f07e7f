// LIKE and regular expressions.
#include <algorithm>
#include <iterator>

#include "eval/list_rows.h"
#include "eval/map_rows.h"
#include "eval/regexp.h"
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
Result<ArrayPtr> like(KernelCall& call, Operands arguments) {
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

using Arguments = Operands;

// Calls use(pattern, row) for the rows without NULL among the operands.
template <typename Null, typename Use>
Result<void> for_patterns(const KernelCall& call, const TextReader& pattern, Arguments arguments,
                          Null&& null, Use&& use) {
  std::vector<Validity> valid(arguments.begin(), arguments.end());
  RegexpCache cache;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!std::all_of(valid.begin(), valid.end(), [&](const auto& one) { return one[row]; })) {
      null(row);
      continue;
    }
    WEIR_ASSIGN(const auto* compiled, cache.get(call, pattern[row]));
    WEIR_TRY(use(*compiled, row));
  }
  return {};
}

std::string_view part_of(std::string_view text, const RegexpGroup& group) {
  return group.begin < 0 ? std::string_view()
                         : text.substr(static_cast<size_t>(group.begin),
                                       static_cast<size_t>(group.end - group.begin));
}

Result<ArrayPtr> rlike(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]);
  BoolWriter writer(call.rows);
  WEIR_TRY(for_patterns(
      call, pattern, arguments, [&](int64_t row) { writer.set_null(row); },
      [&](const Regexp& compiled, int64_t row) -> Result<void> {
        WEIR_ASSIGN(const bool found, compiled.contains(call, text[row]));
        writer.set(row, found);
        return {};
      }));
  return writer.finish();
}

// The group that a call asks for (its third argument, 1 where there is none), checked.
class GroupArgument {
 public:
  explicit GroupArgument(Arguments arguments) {
    if (arguments.size() > 2) reader_.emplace(arguments[2]);
  }
  Result<size_t> of(const KernelCall& call, const Regexp& compiled, int64_t row) const {
    const int32_t number = reader_ ? (*reader_)[row] : 1;
    if (number < 0 || number > compiled.groups()) {
      return call
          .fail("INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", "22023",
                fmt::format("The value of parameter(s) `idx` in `{}` is invalid: Expects group "
                            "index between 0 and {}, but got {}.",
                            call.call.function->name, compiled.groups(), number))
          .with_parameter("parameter", "`idx`")
          .with_parameter("functionName", fmt::format("`{}`", call.call.function->name))
          .with_parameter("groupCount", std::to_string(compiled.groups()))
          .with_parameter("groupIndex", std::to_string(number));
    }
    return static_cast<size_t>(number);
  }

 private:
  std::optional<FixedReader<int32_t>> reader_;
};

Result<ArrayPtr> regexp_extract(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]);
  const GroupArgument group(arguments);
  TextWriter writer(call.rows);
  WEIR_TRY(for_patterns(
      call, pattern, arguments, [&](int64_t) { writer.add_null(); },
      [&](const Regexp& compiled, int64_t row) -> Result<void> {
        WEIR_ASSIGN(const auto found, compiled.first(call, text[row]));
        if (found) {
          WEIR_ASSIGN(const size_t number, group.of(call, compiled, row));
          writer.bytes() += part_of(text[row], (*found)[number]);
        }
        writer.end_row();
        return {};
      }));
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> regexp_extract_all(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]);
  const GroupArgument group(arguments);
  ListOffsets offsets(call.rows);
  std::vector<std::string> all;
  WEIR_TRY(for_patterns(
      call, pattern, arguments,
      [&](int64_t) { offsets.add_null(static_cast<int64_t>(all.size())); },
      [&](const Regexp& compiled, int64_t row) -> Result<void> {
        WEIR_ASSIGN(const size_t number, group.of(call, compiled, row));
        WEIR_ASSIGN(const auto matches, compiled.all(call, text[row]));
        for (const auto& match : matches)
          all.emplace_back(part_of(text[row], match[number]));
        offsets.end_row(static_cast<int64_t>(all.size()));
        return {};
      }));
  return text_lists(call, offsets, all);
}

Result<ArrayPtr> regexp_count(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]);
  FixedWriter<int32_t> writer(call.rows);
  WEIR_TRY(for_patterns(
      call, pattern, arguments, [&](int64_t row) { writer.set_null(row); },
      [&](const Regexp& compiled, int64_t row) -> Result<void> {
        WEIR_ASSIGN(const auto matches, compiled.all(call, text[row]));
        writer.set(row, static_cast<int32_t>(matches.size()));
        return {};
      }));
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> regexp_substr(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]);
  TextWriter writer(call.rows);
  WEIR_TRY(for_patterns(
      call, pattern, arguments, [&](int64_t) { writer.add_null(); },
      [&](const Regexp& compiled, int64_t row) -> Result<void> {
        WEIR_ASSIGN(const auto found, compiled.first(call, text[row]));
        if (found && (*found)[0].end > (*found)[0].begin) {
          writer.add(part_of(text[row], (*found)[0]));
        } else {
          writer.add_null();
        }
        return {};
      }));
  return writer.finish(call.arrow_type);
}

// How long Java finds a text: characters beyond 16 bits are two.
int64_t units_of(std::string_view text) {
  int64_t units = character_count(text);
  for (const char c : text)
    units += static_cast<unsigned char>(c) >= 0xF0;
  return units;
}

// The position (in Java's characters, from 1) of the first match, 0 where there is none. The third
// argument is taken and without effect, as in Spark.
Result<ArrayPtr> regexp_instr(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]);
  FixedWriter<int32_t> writer(call.rows);
  WEIR_TRY(for_patterns(
      call, pattern, arguments, [&](int64_t row) { writer.set_null(row); },
      [&](const Regexp& compiled, int64_t row) -> Result<void> {
        WEIR_ASSIGN(const auto found, compiled.first(call, text[row]));
        const int64_t position =
            found ? units_of(text[row].substr(0, static_cast<size_t>((*found)[0].begin))) + 1 : 0;
        writer.set(row, static_cast<int32_t>(position));
        return {};
      }));
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> split(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]);
  std::optional<FixedReader<int32_t>> limit;
  if (arguments.size() > 2) limit.emplace(arguments[2]);
  ListOffsets offsets(call.rows);
  std::vector<std::string> all;
  WEIR_TRY(for_patterns(
      call, pattern, arguments,
      [&](int64_t) { offsets.add_null(static_cast<int64_t>(all.size())); },
      [&](const Regexp& compiled, int64_t row) -> Result<void> {
        WEIR_ASSIGN(auto parts, compiled.split(call, text[row], limit ? (*limit)[row] : -1));
        std::move(parts.begin(), parts.end(), std::back_inserter(all));
        offsets.end_row(static_cast<int64_t>(all.size()));
        return {};
      }));
  return text_lists(call, offsets, all);
}

// Java's replacement: $1 a group, \\x the character x.
void append_replacement(std::string_view text, const RegexpMatch& match, std::string_view by,
                        std::string& out) {
  const auto digit = [&](size_t i) { return i < by.size() && by[i] >= '0' && by[i] <= '9'; };
  for (size_t i = 0; i < by.size(); ++i) {
    if (by[i] == '\\' && i + 1 < by.size()) {
      out += by[++i];
    } else if (by[i] == '$' && digit(i + 1)) {
      size_t number = static_cast<size_t>(by[++i] - '0');
      while (digit(i + 1) && number * 10 + static_cast<size_t>(by[i + 1] - '0') < match.size())
        number = number * 10 + static_cast<size_t>(by[++i] - '0');
      if (number < match.size()) out += part_of(text, match[number]);
    } else {
      out += by[i];
    }
  }
}

// The fourth argument: where to begin, in characters from 1.
Result<ArrayPtr> regexp_replace(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]), pattern(arguments[1]), replacement(arguments[2]);
  std::optional<FixedReader<int32_t>> start;
  if (arguments.size() > 3) start.emplace(arguments[3]);
  TextWriter writer(call.rows);
  WEIR_TRY(for_patterns(
      call, pattern, arguments, [&](int64_t) { writer.add_null(); },
      [&](const Regexp& compiled, int64_t row) -> Result<void> {
        auto subject = text[row];
        auto& out = writer.bytes();
        if (start && (*start)[row] > 1) {
          const size_t from = character_position(subject, (*start)[row] - 1);
          out += subject.substr(0, from);
          subject.remove_prefix(from);
        }
        size_t at = 0;
        WEIR_ASSIGN(const auto matches, compiled.all(call, subject));
        for (const auto& match : matches) {
          out += subject.substr(at, static_cast<size_t>(match[0].begin) - at);
          append_replacement(subject, match, replacement[row], out);
          at = static_cast<size_t>(match[0].end);
        }
        out += subject.substr(at);
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
    {"regexp_extract_all", regexp_extract_all},
    {"regexp_count", regexp_count},
    {"regexp_substr", regexp_substr},
    {"regexp_instr", regexp_instr},
    {"regexp_replace", regexp_replace},
    {"split", split},
};

}  // namespace

std::span<const KernelEntry> pattern_kernels() { return kKernels; }

}  // namespace weir::eval
