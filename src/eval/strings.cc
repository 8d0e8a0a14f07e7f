// String functions. Positions and lengths count characters; binary operands count bytes.
#include <algorithm>
#include <array>
#include <map>

#include <arrow/compute/api.h>
#include <boost/algorithm/string/replace.hpp>

#include "base/text.h"
#include "eval/arrays.h"
#include "eval/map_rows.h"
#include "eval/node.h"
#include "eval/string_groups.h"
#include "eval/text_case.h"
#include "eval/utf8.h"

namespace weir::eval {

namespace {

// Appends within what one array of text can hold; what is beyond makes finish() fail instead of
// memory run out.
void append_bounded(std::string& out, std::string_view text) {
  constexpr size_t kBytesMax = size_t{INT32_MAX} + 1;
  if (out.size() < kBytesMax) out.append(text.substr(0, kBytesMax - out.size()));
}

Result<ArrayPtr> concat(KernelCall& call, Operands arguments) {
  if (call.type().is(TypeKind::kArray)) return concat_arrays(call, arguments);
  std::vector<TextReader> readers(arguments.begin(), arguments.end());
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!std::all_of(readers.begin(), readers.end(),
                     [row](const auto& reader) { return reader.valid[row]; })) {
      writer.add_null();
      continue;
    }
    for (const auto& reader : readers)
      append_bounded(writer.bytes(), reader[row]);
    writer.end_row();
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> concat_ws(KernelCall& call, Operands arguments) {
  const TextReader separator(arguments[0]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!separator.valid[row]) {
      writer.add_null();
      continue;
    }
    bool first = true;
    const auto add = [&](std::string_view text) {
      if (!first) append_bounded(writer.bytes(), separator[row]);
      append_bounded(writer.bytes(), text);
      first = false;
    };
    for (size_t i = 1; i < arguments.size(); ++i) {
      const auto& argument = arguments[i];
      if (!Validity(argument)[row]) continue;
      if (argument.array->type_id() != arrow::Type::LIST) {
        add(TextReader(argument)[row]);
        continue;
      }
      const auto& list = static_cast<const arrow::ListArray&>(*argument.array);
      const int64_t at = argument.constant ? 0 : row;
      const Vector values{list.values(), false};
      const TextReader elements(values);
      for (int64_t k = list.value_offset(at); k < list.value_offset(at + 1); ++k) {
        if (elements.valid[k]) add(elements[k]);
      }
    }
    writer.end_row();
  }
  return writer.finish(call.arrow_type);
}

template <bool upper>
Result<ArrayPtr> change_case(KernelCall& call, Operands arguments) {
  return map_text(
      call, [](std::string_view text, std::string& out) { append_case(text, upper, out); },
      TextReader(arguments[0]));
}

Result<ArrayPtr> initcap(KernelCall& call, Operands arguments) {
  return map_text(
      call,
      [](std::string_view text, std::string& out) {
        bool word_start = true;
        for (size_t at = 0; at < text.size();) {
          const auto one = text.substr(at, character_bytes(text, at));
          const size_t begin = out.size();
          append_case(one, word_start, out);
          if (word_start && out.size() > begin + character_bytes(out, begin)) {
            // Several capitals for one letter: all but the first become small.
            const auto rest = out.substr(begin + character_bytes(out, begin));
            out.resize(out.size() - rest.size());
            append_case(rest, false, out);
          }
          word_start = one == " ";
          at += one.size();
        }
      },
      TextReader(arguments[0]));
}

template <int bits>  // 0: characters (bytes of binary)
Result<ArrayPtr> length(KernelCall& call, Operands arguments) {
  const bool characters = bits == 0 && !call.type_of(0).is(TypeKind::kBinary);
  return map_fixed<int32_t>(
      call,
      [&](std::string_view text) {
        if (characters) return static_cast<int32_t>(character_count(text));
        return static_cast<int32_t>(text.size() * (bits == 0 ? 1 : bits));
      },
      TextReader(arguments[0]));
}

// UTF8String.substringSQL / ByteArray.subStringSQL
std::string_view sql_substring(std::string_view text, bool binary, int64_t position,
                               int64_t count) {
  const int64_t total = binary ? static_cast<int64_t>(text.size()) : character_count(text);
  int64_t start = position > 0 ? position - 1 : position < 0 ? total + position : 0;
  const int64_t end = std::min(total, start + count);
  start = std::max<int64_t>(start, 0);
  if (start >= end) return {};
  if (binary) return text.substr(static_cast<size_t>(start), static_cast<size_t>(end - start));
  const size_t first = character_position(text, start);
  return text.substr(first, character_position(text.substr(first), end - start));
}

Result<ArrayPtr> substring(KernelCall& call, Operands arguments) {
  const bool binary = call.type_of(0).is(TypeKind::kBinary);
  const TextReader text(arguments[0]);
  const FixedReader<int32_t> position(arguments[1]);
  if (arguments.size() == 2) {
    return map_text(
        call,
        [&](std::string_view t, int32_t p, std::string& out) {
          out += sql_substring(t, binary, p, INT32_MAX);
        },
        text, position);
  }
  return map_text(
      call,
      [&](std::string_view t, int32_t p, int32_t n, std::string& out) {
        out += sql_substring(t, binary, p, n);
      },
      text, position, FixedReader<int32_t>(arguments[2]));
}

Result<ArrayPtr> leftmost(KernelCall& call, Operands arguments) {
  return map_text(
      call,
      [](std::string_view t, int32_t n, std::string& out) { out += sql_substring(t, false, 1, n); },
      TextReader(arguments[0]), FixedReader<int32_t>(arguments[1]));
}

Result<ArrayPtr> rightmost(KernelCall& call, Operands arguments) {
  return map_text(
      call,
      [](std::string_view t, int32_t n, std::string& out) {
        if (n > 0)
          out += sql_substring(t, false,
                               static_cast<int32_t>(-std::min<int64_t>(n, character_count(t))), n);
      },
      TextReader(arguments[0]), FixedReader<int32_t>(arguments[1]));
}

bool has_character(std::string_view set, std::string_view one) {
  for (size_t at = 0; at < set.size(); at += character_bytes(set, at)) {
    if (set.substr(at, character_bytes(set, at)) == one) return true;
  }
  return false;
}

std::string_view trim_text(std::string_view text, std::string_view set, bool left, bool right) {
  while (left && !text.empty()) {
    const auto one = text.substr(0, character_bytes(text, 0));
    if (!has_character(set, one)) break;
    text.remove_prefix(one.size());
  }
  while (right && !text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
      --begin;
    if (!has_character(set, text.substr(begin))) break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

template <bool left, bool right>
Result<ArrayPtr> trim(KernelCall& call, Operands arguments) {
  if (arguments.size() == 1) {
    return map_text(
        call, [](std::string_view t, std::string& out) { out += trim_text(t, " ", left, right); },
        TextReader(arguments[0]));
  }
  // ltrim and rtrim take the characters first, btrim second.
  const size_t text = left && right ? 0 : 1;
  return map_text(
      call,
      [](std::string_view t, std::string_view set, std::string& out) {
        out += trim_text(t, set, left, right);
      },
      TextReader(arguments[text]), TextReader(arguments[1 - text]));
}

template <bool left>
void pad_text(std::string_view text, int32_t width, std::string_view pad, std::string& out) {
  if (width <= 0) return;
  const int64_t count = character_count(text);
  if (count >= width || pad.empty()) {
    out += text.substr(0, character_position(text, width));
    return;
  }
  if (!left) append_bounded(out, text);
  const int64_t pad_count = character_count(pad);
  int64_t missing = width - count;
  for (; missing >= pad_count && out.size() <= INT32_MAX; missing -= pad_count)
    append_bounded(out, pad);
  if (missing < pad_count) out += pad.substr(0, character_position(pad, missing));
  if (left) append_bounded(out, text);
}

template <bool left>
Result<ArrayPtr> pad(KernelCall& call, Operands arguments) {
  const TextReader text(arguments[0]);
  const FixedReader<int32_t> width(arguments[1]);
  if (arguments.size() == 2) {
    return map_text(
        call,
        [](std::string_view t, int32_t w, std::string& out) { pad_text<left>(t, w, " ", out); },
        text, width);
  }
  return map_text(
      call,
      [](std::string_view t, int32_t w, std::string_view p, std::string& out) {
        pad_text<left>(t, w, p, out);
      },
      text, width, TextReader(arguments[2]));
}

void replace_text(std::string_view text, std::string_view from, std::string_view to,
                  std::string& out) {
  if (from.empty()) {
    out += text;
    return;
  }
  size_t at = 0;
  while (true) {
    const auto found = text.find(from, at);
    append_bounded(out, text.substr(at, found == std::string_view::npos ? found : found - at));
    if (found == std::string_view::npos) return;
    append_bounded(out, to);
    at = found + from.size();
  }
}

Result<ArrayPtr> replace(KernelCall& call, Operands arguments) {
  const TextReader text(arguments[0]), from(arguments[1]);
  if (arguments.size() == 2) {
    return map_text(
        call,
        [](std::string_view t, std::string_view f, std::string& out) {
          replace_text(t, f, "", out);
        },
        text, from);
  }
  return map_text(call, replace_text, text, from, TextReader(arguments[2]));
}

Result<ArrayPtr> translate(KernelCall& call, Operands arguments) {
  std::string known_from, known_to;
  std::map<std::string, std::string, std::less<>> table;
  return map_text(
      call,
      [&](std::string_view text, std::string_view from, std::string_view to, std::string& out) {
        if (from != known_from || to != known_to || table.empty()) {
          table.clear();
          size_t at_to = 0;
          for (size_t at = 0; at < from.size(); at += character_bytes(from, at)) {
            std::string replacement;
            if (at_to < to.size()) {
              replacement = to.substr(at_to, character_bytes(to, at_to));
              at_to += replacement.size();
            }
            table.emplace(from.substr(at, character_bytes(from, at)),
                          replacement);  // the first mapping of a character counts
          }
          known_from = from;
          known_to = to;
        }
        for (size_t at = 0; at < text.size(); at += character_bytes(text, at)) {
          const auto one = text.substr(at, character_bytes(text, at));
          const auto found = table.find(one);
          out += found == table.end() ? one : std::string_view(found->second);
        }
      },
      TextReader(arguments[0]), TextReader(arguments[1]), TextReader(arguments[2]));
}

// 1-based character position of `what` at or after character `from` (0-based); 0 where it is not.
int32_t find_text(std::string_view text, std::string_view what, int64_t from) {
  const size_t start = character_position(text, from);
  if (from > 0 && start >= text.size() && !(what.empty() && from <= character_count(text)))
    return 0;
  const auto found = text.find(what, start);
  return found == std::string_view::npos
             ? 0
             : static_cast<int32_t>(character_count(text.substr(0, found)) + 1);
}

Result<ArrayPtr> instr(KernelCall& call, Operands arguments) {
  return map_fixed<int32_t>(
      call, [](std::string_view text, std::string_view what) { return find_text(text, what, 0); },
      TextReader(arguments[0]), TextReader(arguments[1]));
}

Result<ArrayPtr> locate(KernelCall& call, Operands arguments) {
  const TextReader what(arguments[0]), text(arguments[1]);
  if (arguments.size() == 2) {
    return map_fixed<int32_t>(
        call, [](std::string_view w, std::string_view t) { return find_text(t, w, 0); }, what,
        text);
  }
  const FixedReader<int32_t> from(arguments[2]);
  FixedWriter<int32_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!from.valid[row] || (what.valid[row] && text.valid[row] && from[row] < 1)) {
      writer.set(row, 0);  // Spark: no place to begin at, no place found
    } else if (!what.valid[row] || !text.valid[row]) {
      writer.set_null(row);
    } else {
      writer.set(row, find_text(text[row], what[row], from[row] - 1));
    }
  }
  return writer.finish(call.arrow_type);
}

enum class Part { kContains, kStarts, kEnds };
template <Part part>
Result<ArrayPtr> has_part(KernelCall& call, Operands arguments) {
  return map_bool(
      call,
      [](std::string_view text, std::string_view what) {
        if constexpr (part == Part::kContains) return text.find(what) != std::string_view::npos;
        if constexpr (part == Part::kStarts) return text.starts_with(what);
        return text.ends_with(what);
      },
      TextReader(arguments[0]), TextReader(arguments[1]));
}

Result<ArrayPtr> repeat(KernelCall& call, Operands arguments) {
  return map_text(
      call,
      [](std::string_view text, int32_t times, std::string& out) {
        for (int32_t i = 0; i < times && !text.empty() && out.size() <= INT32_MAX; ++i)
          append_bounded(out, text);
      },
      TextReader(arguments[0]), FixedReader<int32_t>(arguments[1]));
}

Result<ArrayPtr> reverse(KernelCall& call, Operands arguments) {
  if (call.type().is(TypeKind::kArray)) return reverse_array(call, arguments);
  if (call.type().is(TypeKind::kBinary)) {
    return map_text(
        call,
        [](std::string_view bytes, std::string& out) { out.append(bytes.rbegin(), bytes.rend()); },
        TextReader(arguments[0]));
  }
  return map_text(
      call,
      [](std::string_view text, std::string& out) {
        const size_t begin = out.size();
        out.resize(begin + text.size());
        size_t end = out.size();
        for (size_t at = 0; at < text.size();) {
          const size_t bytes = character_bytes(text, at);
          end -= bytes;
          std::copy_n(text.data() + at, bytes, out.data() + end);
          at += bytes;
        }
      },
      TextReader(arguments[0]));
}

Result<ArrayPtr> ascii(KernelCall& call, Operands arguments) {
  return map_fixed<int32_t>(
      call,
      [](std::string_view text) {
        return text.empty() ? 0 : static_cast<int32_t>(decode_character(text, 0));
      },
      TextReader(arguments[0]));
}

Result<ArrayPtr> character(KernelCall& call, Operands arguments) {
  return map_text(
      call,
      [](int64_t code, std::string& out) {
        if (code >= 0) base::append_utf8(static_cast<uint32_t>(code & 0xFF), out);
      },
      FixedReader<int64_t>(arguments[0]));
}

Result<ArrayPtr> split_part(KernelCall& call, Operands arguments) {
  const FixedReader<int32_t> number(arguments[2]);
  const TextReader text(arguments[0]), delimiter(arguments[1]);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (number.valid[row] && number[row] == 0 && text.valid[row] && delimiter.valid[row]) {
      return call.fail("INVALID_INDEX_OF_ZERO", "22003",
                       "The index 0 is invalid. An index shall be either < 0 or > 0 (the first "
                       "element has index 1).");
    }
  }
  return map_text(
      call,
      [](std::string_view t, std::string_view d, int32_t n, std::string& out) {
        std::vector<std::string_view> parts;
        size_t at = 0;
        while (!d.empty()) {
          const auto found = t.find(d, at);
          if (found == std::string_view::npos) break;
          parts.push_back(t.substr(at, found - at));
          at = found + d.size();
        }
        parts.push_back(t.substr(at));
        const int64_t count = static_cast<int64_t>(parts.size());
        const int64_t index = n > 0 ? n - 1 : count + n;
        if (index >= 0 && index < count) out += parts[static_cast<size_t>(index)];
      },
      text, delimiter, number);
}

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

Result<ArrayPtr> hex(KernelCall& call, Operands arguments) {
  if (call.type_of(0).is(TypeKind::kLong)) {
    return map_text(
        call,
        [](int64_t value, std::string& out) {
          out += fmt::format("{:X}", static_cast<uint64_t>(value));
        },
        FixedReader<int64_t>(arguments[0]));
  }
  return map_text(
      call,
      [](std::string_view bytes, std::string& out) {
        for (const unsigned char byte : bytes) {
          out += kHexDigits[byte >> 4];
          out += kHexDigits[byte & 15];
        }
      },
      TextReader(arguments[0]));
}

Result<ArrayPtr> unhex(KernelCall& call, Operands arguments) {
  const TextReader text(arguments[0]);
  TextWriter writer(call.rows);
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
  };
  for (int64_t row = 0; row < call.rows; ++row) {
    const auto t = text.valid[row] ? text[row] : std::string_view();
    std::string bytes;
    bool good = text.valid[row];
    int high = t.size() % 2 == 1 ? 0 : -1;
    for (const char c : t) {
      const int value = digit(c);
      good &= value >= 0;
      if (high < 0) {
        high = value;
      } else {
        bytes += static_cast<char>(high * 16 + value);
        high = -1;
      }
    }
    if (good) {
      writer.add(bytes);
    } else {
      writer.add_null();
    }
  }
  return writer.finish(call.arrow_type);
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Result<ArrayPtr> base64(KernelCall& call, Operands arguments) {
  return map_text(
      call,
      [](std::string_view bytes, std::string& out) {
        for (size_t at = 0; at < bytes.size(); at += 3) {
          const size_t count = std::min<size_t>(3, bytes.size() - at);
          uint32_t group = 0;
          for (size_t i = 0; i < 3; ++i)
            group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
          for (size_t i = 0; i < 4; ++i)
            out += i <= count ? kBase64[group >> (18 - 6 * i) & 63] : '=';
        }
      },
      TextReader(arguments[0]));
}

Result<ArrayPtr> unbase64(KernelCall& call, Operands arguments) {
  const TextReader text(arguments[0]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row]) {
      writer.add_null();
      continue;
    }
    uint32_t group = 0;
    int bits = 0;
    size_t digits = 0;
    for (const char c : text[row]) {
      const auto value = kBase64.find(c);
      if (value == std::string_view::npos) continue;  // Java's MIME decoder skips what is no digit
      ++digits;
      group = group << 6 | static_cast<uint32_t>(value);
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        writer.bytes() += static_cast<char>(group >> bits & 0xFF);
      }
    }
    if (digits % 4 == 1) {
      return call.fail("CONVERSION_INVALID_INPUT", "22018", "The text is no base 64.");
    }
    writer.end_row();
  }
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"concat", concat},
    {"concat_ws", concat_ws},
    {"upper", change_case<true>},
    {"lower", change_case<false>},
    {"initcap", initcap},
    {"length", length<0>},
    {"octet_length", length<1>},
    {"bit_length", length<8>},
    {"substring", substring},
    {"left", leftmost},
    {"right", rightmost},
    {"trim", trim<true, true>},
    {"btrim", trim<true, true>},
    {"ltrim", trim<true, false>},
    {"rtrim", trim<false, true>},
    {"lpad", pad<true>},
    {"rpad", pad<false>},
    {"replace", replace},
    {"translate", translate},
    {"instr", instr},
    {"locate", locate},
    {"contains", has_part<Part::kContains>},
    {"startswith", has_part<Part::kStarts>},
    {"endswith", has_part<Part::kEnds>},
    {"repeat", repeat},
    {"reverse", reverse},
    {"ascii", ascii},
    {"chr", character},
    {"split_part", split_part},
    {"hex", hex},
    {"unhex", unhex},
    {"base64", base64},
    {"unbase64", unbase64},
};

}  // namespace

std::span<const KernelEntry> string_kernels() {
  static const auto kAll = [] {
    std::vector<KernelEntry> all(std::begin(kKernels), std::end(kKernels));
    for (const auto& more : {url_kernels(), text_tool_kernels()})
      all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return kAll;
}

}  // namespace weir::eval
