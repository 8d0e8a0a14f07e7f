// Text to bytes and back: character sets, hexadecimal and base 64, and whether bytes are UTF-8.
#include <boost/algorithm/string/case_conv.hpp>

#include "base/text.h"
#include "eval/map_rows.h"
#include "eval/utf8.h"

namespace weir::eval {

namespace {

using Arguments = Operands;

enum class Charset { kAscii, kLatin1, kUtf8, kUtf16, kUtf16Big, kUtf16Little, kUtf32 };

Result<Charset> charset_of(const KernelCall& call, std::string_view name) {
  const auto upper = boost::to_upper_copy(std::string(name));
  if (upper == "US-ASCII") return Charset::kAscii;
  if (upper == "ISO-8859-1") return Charset::kLatin1;
  if (upper == "UTF-8") return Charset::kUtf8;
  if (upper == "UTF-16") return Charset::kUtf16;
  if (upper == "UTF-16BE") return Charset::kUtf16Big;
  if (upper == "UTF-16LE") return Charset::kUtf16Little;
  if (upper == "UTF-32") return Charset::kUtf32;
  return call
      .fail(
          "INVALID_PARAMETER_VALUE.CHARSET", "22023",
          fmt::format("The value of parameter(s) `charset` in `{}` is invalid: expects one of the "
                      "ISO-8859-1, US-ASCII, UTF-16, UTF-16BE, UTF-16LE, UTF-32, UTF-8, but got "
                      "{}.",
                      call.call.function->name, name))
      .with_parameter("functionName", fmt::format("`{}`", call.call.function->name))
      .with_parameter("parameter", "`charset`")
      .with_parameter("charset", std::string(name));
}

base::Error malformed(const KernelCall& call, std::string_view charset) {
  return call
      .fail("MALFORMED_CHARACTER_CODING", "22000",
            fmt::format("Invalid value found when performing `{}` with {}",
                        call.call.function->name, charset))
      .with_parameter("function", fmt::format("`{}`", call.call.function->name))
      .with_parameter("charset", std::string(charset));
}

void append_unit(uint32_t unit, int bytes, bool big, std::string& out) {
  for (int i = 0; i < bytes; ++i)
    out += static_cast<char>(unit >> (8 * (big ? bytes - 1 - i : i)));
}

Result<ArrayPtr> encode(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]), names(arguments[1]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row] || !names.valid[row]) {
      writer.add_null();
      continue;
    }
    WEIR_ASSIGN(const auto charset, charset_of(call, names[row]));
    auto& out = writer.bytes();
    const auto from = text[row];
    if (charset == Charset::kUtf8) {
      out += from;
      writer.end_row();
      continue;
    }
    if (charset == Charset::kUtf16 && !from.empty()) append_unit(0xFEFF, 2, true, out);
    for (size_t at = 0; at < from.size(); at += character_bytes(from, at)) {
      const uint32_t code = decode_character(from, at);
      if (charset == Charset::kAscii || charset == Charset::kLatin1) {
        if (code > (charset == Charset::kAscii ? 0x7Fu : 0xFFu)) return malformed(call, names[row]);
        out += static_cast<char>(code);
      } else if (charset == Charset::kUtf32) {
        append_unit(code, 4, true, out);
      } else {
        const bool big = charset != Charset::kUtf16Little;
        if (code < 0x10000) {
          append_unit(code, 2, big, out);
        } else {
          append_unit(0xD800 + ((code - 0x10000) >> 10), 2, big, out);
          append_unit(0xDC00 + ((code - 0x10000) & 0x3FF), 2, big, out);
        }
      }
    }
    writer.end_row();
  }
  return writer.finish(call.arrow_type);
}

// False where the bytes are none of the character set.
bool decode_units(std::string_view bytes, size_t unit, bool big, std::string& out) {
  const auto at = [&](size_t i) {
    uint32_t value = 0;
    for (size_t k = 0; k < unit; ++k)
      value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i + k]))
               << (8 * (big ? unit - 1 - k : k));
    return value;
  };
  if (bytes.size() % unit != 0) return false;
  for (size_t i = 0; i < bytes.size(); i += unit) {
    uint32_t code = at(i);
    if (unit == 2 && code >= 0xD800 && code < 0xDC00) {
      if (i + 4 > bytes.size()) return false;
      const uint32_t low = at(i += 2);
      if (low < 0xDC00 || low > 0xDFFF) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xD800 && code <= 0xDFFF) {
      return false;
    }
    if (code > 0x10FFFF) return false;
    base::append_utf8(code, out);
  }
  return true;
}

// Length of the well-formed UTF-8 sequence at the beginning, 0 where there is none (Unicode's
// table 3-7).
size_t valid_sequence(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                        : first >= 0xE0 && first <= 0xEF ? 3
                        : first >= 0xF0 && first <= 0xF4 ? 4
                                                         : 0;
  if (length == 0 || text.size() < length) return 0;
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = valid_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

Result<ArrayPtr> decode(KernelCall& call, Arguments arguments) {
  const TextReader bytes(arguments[0]), names(arguments[1]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!bytes.valid[row] || !names.valid[row]) {
      writer.add_null();
      continue;
    }
    WEIR_ASSIGN(const auto charset, charset_of(call, names[row]));
    auto& out = writer.bytes();
    auto from = bytes[row];
    bool good = true;
    switch (charset) {
      case Charset::kUtf8:
        good = is_utf8(from);
        out += from;
        break;
      case Charset::kAscii:
      case Charset::kLatin1:
        for (const char c : from) {
          const auto code = static_cast<unsigned char>(c);
          good &= charset == Charset::kLatin1 || code < 0x80;
          base::append_utf8(code, out);
        }
        break;
      case Charset::kUtf16: {
        bool big = true;
        if (from.starts_with("\xFE\xFF") || from.starts_with("\xFF\xFE")) {
          big = from.starts_with("\xFE\xFF");
          from.remove_prefix(2);
        }
        good = decode_units(from, 2, big, out);
        break;
      }
      case Charset::kUtf16Big:
      case Charset::kUtf16Little:
        good = decode_units(from, 2, charset == Charset::kUtf16Big, out);
        break;
      case Charset::kUtf32:
        good = decode_units(from, 4, true, out);
        break;
    }
    if (!good) return malformed(call, names[row]);
    writer.end_row();
  }
  return writer.finish(call.arrow_type);
}

std::optional<std::string> from_hex(std::string_view text) {
  std::string out;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  size_t at = 0;
  if (text.size() % 2 == 1) {
    const int value = digit(text[at++]);
    if (value < 0) return std::nullopt;
    out += static_cast<char>(value);
  }
  for (; at < text.size(); at += 2) {
    const int high = digit(text[at]), low = digit(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return out;
}

// Blanks are passed over; padding may be left out only as a whole.
std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  uint32_t word = 0;
  int count = 0, padding = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '=') {
      if (++padding > 2) return std::nullopt;
      continue;
    }
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (value < 0 || padding > 0) return std::nullopt;
    word = word << 6 | static_cast<uint32_t>(value);
    if (++count == 4) {
      append_unit(word, 3, true, out);
      word = 0;
      count = 0;
    }
  }
  if (count == 1 || (padding > 0 && count + padding != 4)) return std::nullopt;
  if (count == 2) out += static_cast<char>(word >> 4);
  if (count == 3) append_unit(word >> 2, 2, true, out);
  return out;
}

// to_binary(text[, format]), try_to_binary
template <bool try_form>
Result<ArrayPtr> to_binary(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]);
  std::optional<TextReader> formats;
  if (arguments.size() > 1) formats.emplace(arguments[1]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row] || (formats && !formats->valid[row])) {
      writer.add_null();
      continue;
    }
    const auto format = formats ? boost::to_lower_copy(std::string((*formats)[row])) : "hex";
    std::optional<std::string> bytes;
    if (format == "hex") {
      bytes = from_hex(text[row]);
    } else if (format == "base64") {
      bytes = from_base64(text[row]);
    } else if (format == "utf-8" || format == "utf8") {
      bytes = std::string(text[row]);
    } else if (!try_form) {
      return call.fail("DATATYPE_MISMATCH.INVALID_ARG_VALUE", "42K09",
                       fmt::format("Cannot resolve \"to_binary\": the `fmt` value must to be a "
                                   "case-insensitive \"STRING\" literal of 'hex', 'utf-8', 'utf8', "
                                   "or 'base64', but got '{}'.",
                                   format));
    }
    if (bytes) {
      writer.add(*bytes);
    } else if (try_form) {
      writer.add_null();
    } else {
      return call.fail(
          "CONVERSION_INVALID_INPUT", "22018",
          fmt::format("The value '{}' ('{}') cannot be converted to \"BINARY\" because "
                      "it is malformed. Correct the value as per the syntax, or change "
                      "its format. Use `try_to_binary` to tolerate malformed input and "
                      "return NULL instead.",
                      text[row], format));
    }
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> is_valid_utf8(KernelCall& call, Arguments arguments) {
  return map_bool(
      call, [](std::string_view text) { return is_utf8(text); }, TextReader(arguments[0]));
}

Result<ArrayPtr> make_valid_utf8(KernelCall& call, Arguments arguments) {
  return map_text(
      call,
      [](std::string_view text, std::string& out) {
        while (!text.empty()) {
          const size_t length = valid_sequence(text);
          if (length == 0) {
            out += "\xEF\xBF\xBD";
            text.remove_prefix(1);
            // Bytes that follow as a truncated sequence belong to the same replacement.
            while (!text.empty() && (static_cast<unsigned char>(text[0]) & 0xC0) == 0x80)
              text.remove_prefix(1);
          } else {
            out += text.substr(0, length);
            text.remove_prefix(length);
          }
        }
      },
      TextReader(arguments[0]));
}

template <bool try_form>
Result<ArrayPtr> validate_utf8(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row]) {
      writer.add_null();
    } else if (is_utf8(text[row])) {
      writer.add(text[row]);
    } else if (try_form) {
      writer.add_null();
    } else {
      std::string hex;
      for (const unsigned char c : text[row])
        hex += fmt::format("\\x{:02X}", c);
      return call
          .fail("INVALID_UTF8_STRING", "22029",
                fmt::format("Invalid UTF8 byte sequence found in string: {}.", hex))
          .with_parameter("str", hex);
    }
  }
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"encode", encode},
    {"decode", decode},
    {"to_binary", to_binary<false>},
    {"try_to_binary", to_binary<true>},
    {"is_valid_utf8", is_valid_utf8},
    {"make_valid_utf8", make_valid_utf8},
    {"validate_utf8", validate_utf8<false>},
    {"try_validate_utf8", validate_utf8<true>},
};

}  // namespace

std::span<const KernelEntry> text_code_kernels() { return kKernels; }

}  // namespace weir::eval
