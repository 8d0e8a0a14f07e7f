// levenshtein, soundex, substring_index, overlay, mask, luhn_check.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "eval/map_rows.h"
#include "eval/string_groups.h"
#include "eval/text_case.h"
#include "eval/utf8.h"

namespace weir::eval {

namespace {

using Arguments = Operands;

std::vector<uint32_t> characters(std::string_view text) {
  std::vector<uint32_t> made;
  for (size_t at = 0; at < text.size(); at += character_bytes(text, at))
    made.push_back(decode_character(text, at));
  return made;
}

int32_t distance(std::string_view a, std::string_view b) {
  const auto left = characters(a), right = characters(b);
  std::vector<int32_t> row(right.size() + 1);
  for (size_t j = 0; j < row.size(); ++j)
    row[j] = static_cast<int32_t>(j);
  for (size_t i = 0; i < left.size(); ++i) {
    int32_t diagonal = row[0];
    row[0] = static_cast<int32_t>(i + 1);
    for (size_t j = 0; j < right.size(); ++j) {
      const int32_t changed = diagonal + (left[i] == right[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// With a third argument -1 where the distance is greater than it.
Result<ArrayPtr> levenshtein(KernelCall& call, Arguments arguments) {
  const TextReader left(arguments[0]), right(arguments[1]);
  if (arguments.size() == 2) return map_fixed<int32_t>(call, distance, left, right);
  return map_fixed<int32_t>(
      call,
      [](std::string_view a, std::string_view b, int32_t most) {
        const auto found = distance(a, b);
        return found > most ? -1 : found;
      },
      left, right, FixedReader<int32_t>(arguments[2]));
}

// The first letter and the codes of the next three consonants; what starts with no letter stays.
void append_soundex(std::string_view text, std::string& out) {
  constexpr std::string_view kCodes = "01230127022455012623017202";  // 7: H and W, seen through
  const auto upper = [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  };
  const auto is_letter = [&](char c) { return upper(c) >= 'A' && upper(c) <= 'Z'; };
  if (text.empty() || !is_letter(text[0])) {
    out += text;
    return;
  }
  std::string code(1, upper(text[0]));
  char last = kCodes[static_cast<size_t>(code[0] - 'A')];
  for (const char c : text.substr(1)) {
    if (!is_letter(c)) {
      last = '0';
      continue;
    }
    const char digit = kCodes[static_cast<size_t>(upper(c) - 'A')];
    if (digit == '7') continue;
    if (digit != '0' && digit != last) {
      code += digit;
      if (code.size() == 4) break;
    }
    last = digit;
  }
  code.resize(4, '0');
  out += code;
}

Result<ArrayPtr> soundex(KernelCall& call, Arguments arguments) {
  return map_text(call, append_soundex, TextReader(arguments[0]));
}

// What stands before the delimiter number `count`, from the right where it is negative.
std::string_view before_delimiter(std::string_view text, std::string_view delimiter,
                                  int64_t count) {
  if (delimiter.empty() || count == 0) return {};
  if (count > 0) {
    size_t at = std::string_view::npos;
    for (; count > 0; --count) {
      at = text.find(delimiter, at == std::string_view::npos ? 0 : at + 1);
      if (at == std::string_view::npos) return text;
    }
    return text.substr(0, at);
  }
  size_t limit = text.size();
  for (; count < 0; ++count) {
    const auto at = limit == 0 ? std::string_view::npos : text.rfind(delimiter, limit - 1);
    if (at == std::string_view::npos) return text;
    limit = at;
  }
  return text.substr(limit + delimiter.size());
}

Result<ArrayPtr> substring_index(KernelCall& call, Arguments arguments) {
  return map_text(
      call,
      [](std::string_view text, std::string_view delimiter, int32_t count, std::string& out) {
        out += before_delimiter(text, delimiter, count);
      },
      TextReader(arguments[0]), TextReader(arguments[1]), FixedReader<int32_t>(arguments[2]));
}

// Units [from, to) of a text: characters, or bytes where it is binary.
std::string_view units(std::string_view text, int64_t from, int64_t to, bool binary) {
  const auto size = binary ? static_cast<int64_t>(text.size()) : character_count(text);
  from = std::clamp<int64_t>(from, 0, size);
  to = std::clamp<int64_t>(to, from, size);
  const auto at = [&](int64_t unit) {
    return binary ? static_cast<size_t>(unit) : character_position(text, unit);
  };
  return text.substr(at(from), at(to) - at(from));
}

// overlay(text, part, position[, length]): length units (as many as the part has) from the position
// on replaced by the part.
Result<ArrayPtr> overlay(KernelCall& call, Arguments arguments) {
  const bool binary = call.type().is(TypeKind::kBinary);
  const TextReader texts(arguments[0]), parts(arguments[1]);
  const FixedReader<int32_t> positions(arguments[2]);
  std::optional<FixedReader<int32_t>> lengths;
  if (arguments.size() > 3) lengths.emplace(arguments[3]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!texts.valid[row] || !parts.valid[row] || !positions.valid[row] ||
        (lengths && !lengths->valid[row])) {
      writer.add_null();
      continue;
    }
    const auto text = texts[row], part = parts[row];
    const auto size = [&](std::string_view of) {
      return binary ? static_cast<int64_t>(of.size()) : character_count(of);
    };
    const int64_t position = positions[row];
    int64_t length = lengths ? (*lengths)[row] : -1;
    if (length < 0) length = size(part);
    // As two SQL substrings: position 0 counts as 1, negative ones from the end.
    const int64_t after = position + length;
    const int64_t rest = after > 0 ? after - 1 : after < 0 ? size(text) + after : 0;
    writer.bytes() += units(text, 0, position - 1, binary);
    writer.bytes() += part;
    writer.bytes() += units(text, rest, INT64_MAX, binary);
    writer.end_row();
  }
  return writer.finish(call.arrow_type);
}

enum class Letter { kUpper, kLower, kDigit, kOther };

Letter kind_of(std::string_view character) {
  const char c = character[0];
  if (c >= '0' && c <= '9') return Letter::kDigit;
  std::string changed;
  append_case(character, false, changed);
  if (changed != character) return Letter::kUpper;
  changed.clear();
  append_case(character, true, changed);
  return changed != character ? Letter::kLower : Letter::kOther;
}

// mask(text, upper, lower, digit, other): each character by its kind; a NULL keeps that kind.
Result<ArrayPtr> mask(KernelCall& call, Arguments arguments) {
  const TextReader texts(arguments[0]);
  std::vector<TextReader> given(arguments.begin() + 1, arguments.end());
  constexpr std::array<std::string_view, 3> kDefaults = {"X", "x", "n"};
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!texts.valid[row]) {
      writer.add_null();
      continue;
    }
    std::array<std::optional<std::string_view>, 4> masks = {kDefaults[0], kDefaults[1],
                                                            kDefaults[2], std::nullopt};
    for (size_t i = 0; i < given.size(); ++i) {
      masks[i] = given[i].valid[row] ? std::optional(given[i][row]) : std::nullopt;
      if (masks[i] && character_count(*masks[i]) != 1) {
        return call.fail("DATATYPE_MISMATCH.INPUT_SIZE_NOT_ONE", "42K09",
                         fmt::format("Length of mask argument {} should be 1", i + 2));
      }
    }
    const auto text = texts[row];
    for (size_t at = 0; at < text.size();) {
      const auto character = text.substr(at, character_bytes(text, at));
      const auto& instead = masks[static_cast<size_t>(kind_of(character))];
      writer.bytes() += instead ? *instead : character;
      at += character.size();
    }
    writer.end_row();
  }
  return writer.finish(call.arrow_type);
}

bool passes_luhn(std::string_view text) {
  int sum = 0;
  bool twice = false;
  for (auto c = text.rbegin(); c != text.rend(); ++c) {
    if (*c < '0' || *c > '9') return false;
    int digit = *c - '0';
    if (twice) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
    twice = !twice;
  }
  return !text.empty() && sum % 10 == 0;
}

Result<ArrayPtr> luhn_check(KernelCall& call, Arguments arguments) {
  return map_bool(call, passes_luhn, TextReader(arguments[0]));
}

constexpr KernelEntry kKernels[] = {
    {"levenshtein", levenshtein}, {"soundex", soundex}, {"substring_index", substring_index},
    {"overlay", overlay},         {"mask", mask},       {"luhn_check", luhn_check},
};

}  // namespace

std::span<const KernelEntry> text_tool_kernels() { return kKernels; }

}  // namespace weir::eval
