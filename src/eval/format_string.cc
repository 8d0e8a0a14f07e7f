// format_string (printf): java.util.Formatter over SQL values.
#include <cmath>

#include "base/text.h"
#include "eval/cast.h"
#include "eval/decimal_digits.h"
#include "eval/list_rows.h"
#include "eval/map_rows.h"
#include "eval/text_case.h"
#include "eval/utf8.h"
#include "plan/calendar.h"

namespace weir::eval {

namespace {

struct Directive {
  int argument = 0;  // from 1; 0: the next; -1: the one before
  std::string flags;
  int width = -1;
  int precision = -1;
  char conversion = 0;
  bool upper = false;
  bool has(char flag) const { return flags.find(flag) != std::string::npos; }
};

// Literal text, or a directive.
struct Piece {
  std::string text;
  std::optional<Directive> directive;
};

base::Error java_error(std::string_view what, std::string_view detail) {
  return base::error(base::ErrorKind::kInvalidArgument, "format_string: {} ({})", what, detail);
}

Result<std::vector<Piece>> parse_format(const KernelCall& call, std::string_view format) {
  std::vector<Piece> pieces;
  std::string literal;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      literal += format[at++];
      continue;
    }
    const size_t begin = at++;
    Directive made;
    size_t digits = at;
    while (digits < format.size() && is_digit(format[digits]))
      ++digits;
    if (digits > at && digits < format.size() && format[digits] == '$') {
      made.argument = std::atoi(std::string(format.substr(at, digits - at)).c_str());
      if (made.argument == 0) {
        return call.fail("INVALID_PARAMETER_VALUE.ZERO_INDEX", "22023",
                         fmt::format("The value of parameter(s) `strfmt` in `format_string` is "
                                     "invalid: expects %1$, %2$ and so on, but got %0$."));
      }
      at = digits + 1;
    } else if (at < format.size() && format[at] == '<') {
      made.argument = -1;
      ++at;
    }
    while (at < format.size() && std::string_view("-#+ 0,(").find(format[at]) != std::string::npos)
      made.flags += format[at++];
    const auto number = [&](int& out) {
      const size_t from = at;
      while (at < format.size() && is_digit(format[at]))
        ++at;
      if (at > from && at - from < 7)
        out = std::atoi(std::string(format.substr(from, at - from)).c_str());
      return at > from;
    };
    number(made.width);
    if (at < format.size() && format[at] == '.') {
      ++at;
      if (!number(made.precision))
        return java_error("UnknownFormatConversionException", format.substr(begin));
    }
    if (at >= format.size())
      return java_error("UnknownFormatConversionException", format.substr(begin));
    made.conversion = format[at++];
    if (made.conversion == 'n') {
      literal += '\n';
      continue;
    }
    if (std::string_view("BHSCXEGA").find(made.conversion) != std::string_view::npos) {
      made.upper = true;
      made.conversion = static_cast<char>(made.conversion - 'A' + 'a');
    }
    if (std::string_view("bhscdoxefga%").find(made.conversion) == std::string_view::npos)
      return java_error("UnknownFormatConversionException", format.substr(begin, at - begin));
    if (!literal.empty()) pieces.push_back({std::move(literal), {}});
    literal.clear();
    pieces.push_back({std::string(format.substr(begin, at - begin)), std::move(made)});
  }
  if (!literal.empty()) pieces.push_back({std::move(literal), {}});
  return pieces;
}

std::string padded(const Directive& directive, const std::string& text) {
  // Java counts UTF-16 units.
  int64_t length = character_count(text);
  for (const char c : text)
    length += static_cast<unsigned char>(c) >= 0xF0;
  if (directive.width <= length) return text;
  const std::string blanks(static_cast<size_t>(directive.width - length), ' ');
  return directive.has('-') ? text + blanks : blanks + text;
}

// Sign, grouping and zeros around the digits of a number.
std::string signed_number(const Directive& directive, bool negative, std::string digits) {
  if (directive.has(',')) digits = with_thousands(digits);
  std::string before = negative             ? (directive.has('(') ? "(" : "-")
                       : directive.has('+') ? "+"
                       : directive.has(' ') ? " "
                                            : "";
  const std::string after = negative && directive.has('(') ? ")" : "";
  const auto size = before.size() + digits.size() + after.size();
  if (directive.has('0') && directive.width > static_cast<int>(size))
    digits.insert(0, static_cast<size_t>(directive.width) - size, '0');
  return before + digits + after;
}

class Formatter {
 public:
  Formatter(KernelCall& call, Operands arguments) : call_(call), arguments_(arguments) {}

  Result<void> append(const std::vector<Piece>& pieces, int64_t row, std::string& out) {
    int next = 0, last = 0;
    for (const auto& piece : pieces) {
      if (!piece.directive) {
        out += piece.text;
        continue;
      }
      const auto& directive = *piece.directive;
      if (directive.conversion == '%') {
        out += padded(directive, "%");
        continue;
      }
      const int argument = directive.argument > 0   ? directive.argument
                           : directive.argument < 0 ? last
                                                    : ++next;
      last = argument;
      if (argument < 1 || argument >= static_cast<int>(arguments_.size()))
        return java_error("MissingFormatArgumentException", piece.text);
      WEIR_ASSIGN(auto text, shown(directive, piece.text, static_cast<size_t>(argument), row));
      if (directive.upper) {
        std::string upper;
        append_case(text, true, upper);
        text = std::move(upper);
      }
      out += padded(directive, text);
    }
    return {};
  }

 private:
  Result<std::string> shown(const Directive& directive, std::string_view text, size_t index,
                            int64_t row) {
    const auto& type = call_.type_of(index);
    const auto& vector = arguments_[index];
    const Validity valid(vector);
    const int64_t at = vector.constant ? 0 : row;
    const auto cut = [&](std::string value) {
      if (directive.precision >= 0) {  // of UTF-16 units; half a character is none
        size_t end = 0;
        for (int units = 0; end < value.size(); end += character_bytes(value, end)) {
          units += character_bytes(value, end) > 3 ? 2 : 1;
          if (units > directive.precision) break;
        }
        value.resize(end);
      }
      return value;
    };
    const bool null = !valid[row];
    if (directive.conversion == 'b') {
      const bool truth = !null && (!type.is(TypeKind::kBoolean) || BoolReader(vector)[row]);
      return cut(truth ? "true" : "false");
    }
    if (null) return cut("null");
    if (directive.conversion == 's') {
      std::string value;
      Zone zone = call_.zone;
      if (type.is(TypeKind::kDate)) {  // as Spark holds them inside
        value = std::to_string(FixedReader<int32_t>(vector)[row]);
      } else if (type.is(TypeKind::kTimestamp) || type.is(TypeKind::kTimestampNtz) ||
                 type.is(TypeKind::kDayTimeInterval)) {
        value = std::to_string(FixedReader<int64_t>(vector)[row]);
      } else if (type.is(TypeKind::kYearMonthInterval)) {
        value = std::to_string(FixedReader<int32_t>(vector)[row]);
      } else if (type.is_nested() || type.is(TypeKind::kBinary)) {
        return call_.fail("UNSUPPORTED_FEATURE", "0A000",
                          fmt::format("format_string in weir shows no \"{}\".", type.sql()));
      } else {
        append_text(type, *vector.array, at, zone, true, value);
      }
      return cut(std::move(value));
    }
    const auto mismatch = [&] {
      return java_error("IllegalFormatConversionException",
                        fmt::format("{} with \"{}\"", text, type.sql()));
    };
    if (plan::is_integral(type)) {
      int64_t value = 0;
      int bytes = 8;
      switch (type.kind()) {
        case TypeKind::kByte:
          value = FixedReader<int8_t>(vector)[row];
          bytes = 1;
          break;
        case TypeKind::kShort:
          value = FixedReader<int16_t>(vector)[row];
          bytes = 2;
          break;
        case TypeKind::kInteger:
          value = FixedReader<int32_t>(vector)[row];
          bytes = 4;
          break;
        default:
          value = FixedReader<int64_t>(vector)[row];
      }
      return whole(directive, value, bytes, mismatch);
    }
    if (directive.conversion == 'e' || directive.conversion == 'f' || directive.conversion == 'g') {
      if (type.is(TypeKind::kDouble)) return real(directive, FixedReader<double>(vector)[row]);
      if (type.is(TypeKind::kFloat)) return real(directive, FixedReader<float>(vector)[row]);
    }
    return mismatch();
  }

  template <typename Mismatch>
  Result<std::string> whole(const Directive& directive, int64_t value, int bytes,
                            Mismatch&& mismatch) {
    const auto bits = bytes == 8
                          ? static_cast<uint64_t>(value)
                          : static_cast<uint64_t>(value) & ((uint64_t{1} << (8 * bytes)) - 1);
    switch (directive.conversion) {
      case 'd': {
        auto digits = std::to_string(value);
        if (value < 0) digits.erase(0, 1);
        return signed_number(directive, value < 0, digits);
      }
      case 'x':
      case 'o': {
        std::string digits =
            directive.conversion == 'x' ? fmt::format("{:x}", bits) : fmt::format("{:o}", bits);
        const std::string sign =
            directive.has('#') ? (directive.conversion == 'x' ? "0x" : "0") : "";
        const auto size = sign.size() + digits.size();
        if (directive.has('0') && directive.width > static_cast<int>(size))
          digits.insert(0, static_cast<size_t>(directive.width) - size, '0');
        return sign + digits;
      }
      case 'c': {
        if (bytes == 8) return mismatch();
        std::string out;
        if (value < 0 || value > 0x10FFFF)
          return java_error("IllegalFormatCodePointException", std::to_string(value));
        base::append_utf8(static_cast<uint32_t>(value), out);
        return out;
      }
      default:
        return mismatch();
    }
  }

  Result<std::string> real(const Directive& directive, double value) {
    if (std::isnan(value)) return std::string("NaN");
    if (std::isinf(value)) {
      return std::string(value < 0            ? (directive.has('(') ? "(Infinity)" : "-Infinity")
                         : directive.has('+') ? "+Infinity"
                         : directive.has(' ') ? " Infinity"
                                              : "Infinity");
    }
    auto digits = DecimalDigits::of(plan::format_double(value));
    const bool negative = std::signbit(value);
    int precision = directive.precision < 0 ? 6 : directive.precision;
    char conversion = directive.conversion;
    if (conversion == 'g') {
      if (precision == 0) precision = 1;
      auto rounded = digits;
      rounded.round_digits(precision);
      const bool plain =
          rounded.is_zero() || (rounded.exponent >= -3 && rounded.exponent <= precision);
      conversion = plain ? 'f' : 'e';
      precision = plain ? precision - (rounded.is_zero() ? 1 : rounded.exponent) : precision - 1;
    }
    if (conversion == 'f') {
      digits.round_fraction(precision);
      auto text = digits.plain(precision);
      if (precision == 0 && directive.has('#')) text += '.';
      return signed_number(directive, negative, std::move(text));
    }
    digits.round_digits(precision + 1);
    const int exponent = digits.is_zero() ? 0 : digits.exponent - 1;
    digits.exponent = digits.is_zero() ? 0 : 1;
    auto text = digits.plain(precision);
    text += fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
    return signed_number(directive, negative, std::move(text));
  }

  KernelCall& call_;
  Operands arguments_;
};

Result<ArrayPtr> format_string(KernelCall& call, Operands arguments) {
  const TextReader formats(arguments[0]);
  TextWriter writer(call.rows);
  Formatter formatter(call, arguments);
  std::string known;
  std::optional<std::vector<Piece>> pieces;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!formats.valid[row]) {
      writer.add_null();
      continue;
    }
    if (!pieces || formats[row] != known) {
      known = formats[row];
      WEIR_ASSIGN(pieces, parse_format(call, known));
    }
    WEIR_TRY(formatter.append(*pieces, row, writer.bytes()));
    writer.end_row();
  }
  return writer.finish(call.arrow_type);
}

// ---- sentences

// A word goes on over an apostrophe, a point or the like between letters, over a comma or point
// between digits.
bool joins(char32_t before, char32_t c, char32_t after) {
  const auto digit = [](char32_t x) { return x >= '0' && x <= '9'; };
  const auto letter = [&](char32_t x) {
    return (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || x >= 0xC0;
  };
  if (c == '\'' || c == 0x2019 || c == '.')
    return (letter(before) && letter(after)) || (c != 0x2019 && digit(before) && digit(after));
  if (c == ':') return letter(before) && letter(after);
  if (c == ',' || c == ';') return digit(before) && digit(after);
  return false;
}

bool word_character(char32_t c) {
  if (c < 0x80)
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  if (c == 0xAA || c == 0xB5 || c == 0xBA) return true;
  if (c < 0xC0 || c == 0xD7 || c == 0xF7) return false;
  if (c >= 0x2000 && c <= 0x206F) return false;  // punctuation
  if (c >= 0x3000 && c <= 0x3004) return false;  // ideographic punctuation
  if (c >= 0x3008 && c <= 0x3020) return false;
  if (c >= 0xFF00 && c <= 0xFF0F) return false;
  return c < 0x1F000 && !(c >= 0x2190 && c <= 0x2BFF);
}

std::vector<std::vector<std::string>> split_sentences(std::string_view text) {
  std::vector<char32_t> codes;
  std::vector<size_t> places;
  for (size_t at = 0; at < text.size(); at += character_bytes(text, at)) {
    codes.push_back(decode_character(text, at));
    places.push_back(at);
  }
  places.push_back(text.size());
  if (text.empty()) return {};
  std::vector<std::vector<std::string>> sentences(1);
  const auto blank = [](char32_t c) { return c == ' ' || (c >= 9 && c <= 13) || c == 0xA0; };
  bool ended = false;  // a terminator was met; only closing marks and blanks since
  bool after_blank = false;
  bool point = false;  // it was a point, after which a small letter goes on
  for (size_t i = 0; i < codes.size();) {
    const char32_t c = codes[i];
    if (word_character(c)) {
      const bool small = c >= 'a' && c <= 'z';
      if (ended && after_blank && !(point && small) && !sentences.back().empty())
        sentences.emplace_back();
      ended = after_blank = false;
      size_t end = i + 1;
      while (end < codes.size() &&
             (word_character(codes[end]) ||
              (end + 1 < codes.size() && joins(codes[end - 1], codes[end], codes[end + 1]) &&
               word_character(codes[end + 1]))))
        ++end;
      const auto word = text.substr(places[i], places[end] - places[i]);
      if (word.find_first_not_of('_') != std::string_view::npos)
        sentences.back().emplace_back(word);
      i = end;
      continue;
    }
    if (c == '!' || c == '?' || c == '.' || c == 0x3002) {
      ended = true;
      point = c == '.';
      after_blank = c == 0x3002;
    } else if (blank(c)) {
      after_blank = ended;
      if (c == '\n' && i + 1 < codes.size() && codes[i + 1] == '\n') ended = after_blank = true;
    }
    ++i;
  }
  return sentences;
}

Result<ArrayPtr> sentences(KernelCall& call, Operands arguments) {
  const TextReader text(arguments[0]);
  ListOffsets rows(call.rows);
  std::vector<std::vector<std::string>> all;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row]) {
      rows.add_null(static_cast<int64_t>(all.size()));
      continue;
    }
    for (auto& one : split_sentences(text[row]))
      all.push_back(std::move(one));
    rows.end_row(static_cast<int64_t>(all.size()));
  }
  ListOffsets words(static_cast<int64_t>(all.size()));
  std::vector<std::string> flat;
  for (const auto& one : all) {
    flat.insert(flat.end(), one.begin(), one.end());
    words.end_row(static_cast<int64_t>(flat.size()));
  }
  TextWriter writer(static_cast<int64_t>(flat.size()));
  for (const auto& word : flat)
    writer.add(word);
  const auto inner = call.arrow_type->field(0)->type();
  WEIR_ASSIGN(const auto texts, writer.finish(inner->field(0)->type()));
  WEIR_ASSIGN(const auto lists, words.finish(inner, texts));
  return rows.finish(call.arrow_type, lists);
}

Result<ArrayPtr> version(KernelCall& call, Operands) {
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.add("4.2.0 weir");
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"format_string", format_string},
    {"sentences", sentences},
    {"version", version},
};

}  // namespace

std::span<const KernelEntry> format_kernels() { return kKernels; }

}  // namespace weir::eval
