// Numbers as text by patterns: format_number, to_char, to_number.
#include <cmath>

#include <boost/algorithm/string/case_conv.hpp>

#include "eval/cast.h"
#include "eval/decimal_digits.h"
#include "eval/map_rows.h"
#include "plan/calendar.h"
#include "plan/json_options.h"
#include "plan/number_pattern.h"

namespace weir::eval {

using plan::Int128;

namespace {

// A number's digits and, for floating point, the number itself.
struct Number {
  DecimalDigits digits;
  double real = 0;
  bool floating = false;
};

class NumberReader {
 public:
  NumberReader(const DataType& type, const Vector& vector)
      : type_(type), vector_(vector), valid(vector) {}
  Number operator[](int64_t row) const {
    const auto integer = [](int64_t value) {
      return Number{DecimalDigits::of(std::to_string(value))};
    };
    const auto real = [](double value) {
      Number made{{}, value, true};
      if (std::isfinite(value)) made.digits = DecimalDigits::of(plan::format_double(value));
      made.digits.negative = std::signbit(value);
      return made;
    };
    switch (type_.kind()) {
      case TypeKind::kByte:
        return integer(FixedReader<int8_t>(vector_)[row]);
      case TypeKind::kShort:
        return integer(FixedReader<int16_t>(vector_)[row]);
      case TypeKind::kInteger:
        return integer(FixedReader<int32_t>(vector_)[row]);
      case TypeKind::kFloat:
        return real(FixedReader<float>(vector_)[row]);
      case TypeKind::kDouble:
        return real(FixedReader<double>(vector_)[row]);
      case TypeKind::kDecimal:
        return {DecimalDigits::of(
            plan::format_decimal(FixedReader<Int128>(vector_)[row], type_.scale()))};
      default:
        return integer(FixedReader<int64_t>(vector_)[row]);
    }
  }

 private:
  const DataType& type_;
  const Vector& vector_;

 public:
  Validity valid;
};

// java.text.DecimalFormat for the patterns that people write: prefix, #,##0.00, suffix, % and ‰.
struct DecimalPattern {
  std::string prefix, suffix, negative_prefix, negative_suffix;
  int grouping = 0;
  int whole_min = 0;
  int fraction_min = 0;
  int fraction_max = 0;
  int shift = 0;  // 2 for %, 3 for ‰

  static Result<DecimalPattern> parse(const KernelCall& call, std::string_view pattern);
  std::string show(const Number& number) const;
};

Result<DecimalPattern> DecimalPattern::parse(const KernelCall& call, std::string_view pattern) {
  DecimalPattern made;
  const auto malformed = [&](std::string_view why) {
    return base::error(base::ErrorKind::kInvalidArgument,
                       "format_number: the pattern \"{}\" is malformed: {}", pattern, why);
  };
  enum { kPrefix, kNumber, kSuffix } phase = kPrefix;
  bool fraction = false, quoted = false, zero_seen = false;
  int since_comma = -1;
  size_t at = 0;
  std::string* fixed = &made.prefix;
  for (; at < pattern.size(); ++at) {
    const char c = pattern[at];
    if (c == '\'') {
      if (at + 1 < pattern.size() && pattern[at + 1] == '\'') {
        *fixed += '\'';
        ++at;
      } else {
        quoted = !quoted;
      }
      continue;
    }
    const bool number = c == '#' || c == '0' || c == ',' || c == '.';
    if (quoted || (!number && c != ';' && c != 'E')) {
      if (phase == kNumber) {
        phase = kSuffix;
        fixed = &made.suffix;
      }
      if (!quoted && c == '%') made.shift = 2;
      if (!quoted && pattern.substr(at).starts_with("‰")) made.shift = 3;
      *fixed += c;
      continue;
    }
    if (c == ';') break;
    if (c == 'E') {
      if (phase != kNumber) {
        *fixed += c;
        continue;
      }
      return call.fail("UNSUPPORTED_FEATURE", "0A000",
                       "format_number in weir has no exponents in patterns (E).");
    }
    if (phase == kSuffix) return malformed("a digit after the suffix");
    phase = kNumber;
    if (c == '.') {
      if (fraction) return malformed("two decimal points");
      fraction = true;
    } else if (c == ',') {
      if (fraction) return malformed("a comma after the decimal point");
      since_comma = 0;
    } else {
      if (since_comma >= 0 && !fraction) ++since_comma;
      if (!fraction) {
        if (c == '0') {
          ++made.whole_min;
          zero_seen = true;
        } else if (zero_seen) {
          return malformed("# after 0");
        }
      } else {
        if (c == '0') {
          if (made.fraction_max > made.fraction_min) return malformed("0 after #");
          ++made.fraction_min;
        }
        ++made.fraction_max;
      }
    }
  }
  if (quoted) return malformed("a quote without end");
  if (since_comma == 0) return malformed("a comma at the end");
  made.grouping = std::max(since_comma, 0);
  // "#.##": the last place before the point is there in any case.
  if (fraction && made.whole_min == 0 && made.fraction_min == 0) made.whole_min = 1;
  made.negative_prefix = "-" + made.prefix;
  made.negative_suffix = made.suffix;
  if (at < pattern.size()) {  // ";": prefix and suffix of negative numbers
    const auto negative = pattern.substr(at + 1);
    const auto begin = std::min(negative.find_first_of("#0,."), negative.size());
    const auto last = negative.find_last_of("#0,.");
    made.negative_prefix = negative.substr(0, begin);
    if (last != std::string_view::npos) made.negative_suffix = negative.substr(last + 1);
  }
  return made;
}

// Half to even of the exact value: where digits fall away the value itself decides.
std::string half_even(const Number& number, int places) {
  const auto& digits = number.digits;
  if (static_cast<int>(digits.digits.size()) - digits.exponent <= places)
    return digits.plain(places);
  if (number.floating) return fmt::format("{:.{}f}", std::fabs(number.real), std::max(places, 0));
  DecimalDigits rounded = digits;
  const int kept = digits.exponent + places;
  const auto cut = [&](int i) {
    return i < 0 || i >= static_cast<int>(digits.digits.size())
               ? '0'
               : digits.digits[static_cast<size_t>(i)];
  };
  const bool tie = kept >= 0 && cut(kept) == '5' &&
                   static_cast<int>(digits.digits.size()) == kept + 1 &&
                   (cut(kept - 1) - '0') % 2 == 0;
  if (tie) {
    rounded.digits.resize(static_cast<size_t>(kept));
  } else {
    rounded.round_digits(kept);
  }
  if (rounded.digits.empty()) rounded.exponent = 0;
  return rounded.plain(places);
}

std::string DecimalPattern::show(const Number& given) const {
  Number number = given;
  if (number.floating && std::isnan(number.real)) return "NaN";
  if (shift != 0 && !number.digits.is_zero()) {
    number.digits.exponent += shift;
    number.real *= std::pow(10.0, shift);
  }
  std::string text;
  if (number.floating && std::isinf(number.real)) {
    text = "∞";
  } else {
    text = half_even(number, fraction_max);
    auto point = text.find('.');
    if (point != std::string::npos) {
      size_t keep = point + 1 + static_cast<size_t>(fraction_min);
      while (text.size() > keep && text.ends_with('0'))
        text.pop_back();
      if (text.ends_with('.')) text.pop_back();
    }
    point = std::min(text.find('.'), text.size());
    std::string whole = text.substr(0, point);
    if (whole == "0" && whole_min == 0 && point < text.size()) whole.clear();
    if (whole == "0" && whole_min == 0 && fraction_max > 0) whole.clear();
    if (static_cast<int>(whole.size()) < whole_min)
      whole.insert(0, static_cast<size_t>(whole_min) - whole.size(), '0');
    if (grouping > 0) {
      for (auto place = static_cast<int>(whole.size()) - grouping; place > 0; place -= grouping)
        whole.insert(static_cast<size_t>(place), 1, ',');
    }
    text = whole + text.substr(point);
    if (text.empty()) text = "0";
  }
  const bool negative = number.digits.negative;
  return negative ? negative_prefix + text + negative_suffix : prefix + text + suffix;
}

Result<ArrayPtr> format_number(KernelCall& call, Operands arguments) {
  const NumberReader numbers(call.type_of(0), arguments[0]);
  const bool by_pattern = plan::is_text(call.type_of(1));
  TextWriter writer(call.rows);
  std::string known;
  std::optional<DecimalPattern> pattern;
  const Validity given(arguments[1]);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!numbers.valid[row] || !given[row]) {
      writer.add_null();
      continue;
    }
    std::string text;
    if (by_pattern) {
      text = TextReader(arguments[1])[row];
      if (text.empty()) text = "#,###,###,###,###,###,##0";
    } else {
      const int32_t places = FixedReader<int32_t>(arguments[1])[row];
      if (places < 0) {
        writer.add_null();
        continue;
      }
      text = "#,###,###,###,###,###,##0";
      if (places > 0) text += "." + std::string(static_cast<size_t>(std::min(places, 400)), '0');
    }
    if (!pattern || text != known) {
      WEIR_ASSIGN(pattern, DecimalPattern::parse(call, text));
      known = text;
    }
    writer.add(pattern->show(numbers[row]));
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> delegate(KernelCall& call, Operands arguments, std::string_view kernel) {
  return find_kernel(kernel)(call, arguments);
}

// to_char(number | datetime | binary, format)
Result<ArrayPtr> to_char(KernelCall& call, Operands arguments) {
  const auto& type = call.type_of(0);
  if (type.is(TypeKind::kBinary)) {
    const auto* format = plan::literal_text(*call.call.arguments[1]);
    const auto name = format ? boost::to_lower_copy(*format) : std::string();
    if (name == "base64" || name == "hex") return delegate(call, arguments, name);
    if (name == "utf-8") return delegate(call, arguments, "decode");
    return call.fail("INVALID_PARAMETER_VALUE.BINARY_FORMAT", "22023",
                     fmt::format("The value of parameter(s) `format` in `{}` is invalid: expects "
                                 "one of binary formats 'base64', 'hex', 'utf-8', but got '{}'.",
                                 call.call.function->name, name));
  }
  if (!type.is(TypeKind::kDecimal)) return delegate(call, arguments, "date_format");
  const TextReader formats(arguments[1]);
  const FixedReader<Int128> values(arguments[0]);
  TextWriter writer(call.rows);
  std::optional<plan::NumberPattern> pattern;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!values.valid[row] || !formats.valid[row]) {
      writer.add_null();
      continue;
    }
    if (!pattern || pattern->text() != formats[row]) {
      WEIR_ASSIGN(pattern, plan::NumberPattern::parse(formats[row], call.expression.origin));
    }
    writer.add(pattern->show(values[row], type.scale()));
  }
  return writer.finish(call.arrow_type);
}

template <bool trying>
Result<ArrayPtr> to_number(KernelCall& call, Operands arguments) {
  const TextReader texts(arguments[0]), formats(arguments[1]);
  FixedWriter<Int128> writer(call.rows);
  std::optional<plan::NumberPattern> pattern;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!texts.valid[row] || !formats.valid[row]) {
      writer.set_null(row);
      continue;
    }
    if (!pattern || pattern->text() != formats[row]) {
      WEIR_ASSIGN(pattern, plan::NumberPattern::parse(formats[row], call.expression.origin));
    }
    Int128 value = 0;
    if (pattern->read(texts[row], value)) {
      writer.set(row, value);
    } else if (trying) {
      writer.set_null(row);
    } else {
      return call
          .fail("INVALID_FORMAT.MISMATCH_INPUT", "42601",
                fmt::format("The format is invalid: '{}'. The input \"STRING\" '{}' does not "
                            "match the format.",
                            formats[row], texts[row]))
          .with_parameter("inputType", "\"STRING\"")
          .with_parameter("input", std::string(texts[row]))
          .with_parameter("format", std::string(formats[row]));
    }
  }
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"format_number", format_number},
    {"to_char", to_char},
    {"to_number", to_number<false>},
    {"try_to_number", to_number<true>},
};

}  // namespace

std::span<const KernelEntry> number_text_kernels() { return kKernels; }

}  // namespace weir::eval
