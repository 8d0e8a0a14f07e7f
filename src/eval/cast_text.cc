// Values to text and text to values, as Spark's casts do it.
#include <charconv>
#include <cmath>
#include <cstdlib>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/predicate.hpp>

#include "columnar/datetime_text.h"
#include "eval/cast.h"
#include "plan/calendar.h"
#include "plan/temporal_text.h"

namespace weir::eval {

using columnar::trim_all;
using plan::Int128;

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

template <typename T>
T value_at(const arrow::Array& array, int64_t row) {
  T value;
  std::memcpy(&value,
              array.data()->GetValues<uint8_t>(1, 0) +
                  (array.offset() + row) * static_cast<int64_t>(sizeof(T)),
              sizeof(T));
  return value;
}

void append_element(const DataType& type, const arrow::Array& array, int64_t row, Zone& zone,
                    bool ansi, std::string& out) {
  if (array.IsNull(row)) {
    out += "null";
  } else {
    append_text(type, array, row, zone, ansi, out);
  }
}

void append_list(const DataType& type, const arrow::ListArray& list, int64_t row, Zone& zone,
                 bool ansi, std::string& out) {
  out += '[';
  for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
    if (i > list.value_offset(row)) out += ", ";
    append_element(type.element(), *list.values(), i, zone, ansi, out);
  }
  out += ']';
}

void append_map(const DataType& type, const arrow::MapArray& map, int64_t row, Zone& zone,
                bool ansi, std::string& out) {
  out += '{';
  for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i) {
    if (i > map.value_offset(row)) out += ", ";
    append_element(type.key(), *map.keys(), i, zone, ansi, out);
    out += " -> ";
    append_element(type.value(), *map.items(), i, zone, ansi, out);
  }
  out += '}';
}

void append_struct(const DataType& type, const arrow::StructArray& structure, int64_t row,
                   Zone& zone, bool ansi, std::string& out) {
  out += '{';
  for (int i = 0; i < structure.num_fields(); ++i) {
    if (i > 0) out += ", ";
    append_element(type.fields()[static_cast<size_t>(i)].type(), *structure.field(i), row, zone,
                   ansi, out);
  }
  out += '}';
}

// What Double.parseDouble and Spark's special literals take.
template <typename Float>
bool parse_real(std::string_view text, Float& value) {
  text = trim_all(text);
  if (text.empty()) return false;
  const auto lower = boost::to_lower_copy(std::string(text.substr(0, 10)));
  if (lower == "inf" || lower == "+inf" || lower == "infinity" || lower == "+infinity") {
    value = std::numeric_limits<Float>::infinity();
    return true;
  }
  if (lower == "-inf" || lower == "-infinity") {
    value = -std::numeric_limits<Float>::infinity();
    return true;
  }
  if (lower == "nan") {
    value = std::numeric_limits<Float>::quiet_NaN();
    return true;
  }
  const char last = text.back();
  if ((last == 'd' || last == 'D' || last == 'f' || last == 'F') && text.size() > 1)
    text.remove_suffix(1);
  if (text.front() == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '-') return false;
  }
  for (const char c : text) {
    if (!is_digit(c) && c != '.' && c != 'e' && c != 'E' && c != '-' && c != '+') return false;
  }
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ptr != text.data() + text.size()) return false;
  if (parsed.ec == std::errc::result_out_of_range) {  // too large is infinite, too small is zero
    const double wide = std::strtod(std::string(text).c_str(), nullptr);
    value = static_cast<Float>(wide);
    return true;
  }
  return parsed.ec == std::errc();
}

}  // namespace

Int128 power_of_ten(int exponent) {
  static const auto powers = [] {
    std::vector<Int128> list{1};
    for (int i = 1; i <= 38; ++i)
      list.push_back(list.back() * 10);
    return list;
  }();
  return powers[static_cast<size_t>(exponent)];
}

bool rescale_decimal(Int128 value, int from_scale, int to_precision, int to_scale, Int128& result) {
  const Int128 limit = power_of_ten(to_precision);
  if (to_scale >= from_scale) {
    if (__builtin_mul_overflow(value, power_of_ten(to_scale - from_scale), &result)) return false;
  } else {
    const Int128 divisor = power_of_ten(from_scale - to_scale);
    result = value / divisor;
    const Int128 rest = value % divisor;
    const Int128 magnitude = rest < 0 ? -rest : rest;
    if (magnitude >= divisor - magnitude) result += value < 0 ? -1 : 1;
  }
  return result < limit && result > -limit;
}

bool parse_integral(std::string_view text, bool allow_fraction, int64_t& value) {
  text = trim_all(text);
  if (text.empty()) return false;
  const bool negative = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') text.remove_prefix(1);
  size_t at = 0;
  int64_t result = 0;  // kept negative: the range below zero is larger
  while (at < text.size() && is_digit(text[at])) {
    if (__builtin_mul_overflow(result, 10, &result) ||
        __builtin_sub_overflow(result, text[at] - '0', &result))
      return false;
    ++at;
  }
  const bool digits = at > 0;
  if (allow_fraction && at < text.size() && text[at] == '.') {
    ++at;
    if (!digits && at == text.size()) return false;
    while (at < text.size()) {
      if (!is_digit(text[at++])) return false;
    }
  } else if (!digits) {
    return false;
  }
  if (at != text.size()) return false;
  if (!negative && __builtin_sub_overflow(int64_t{0}, result, &result)) return false;
  value = result;
  return true;
}

bool parse_floating(std::string_view text, double& value) { return parse_real(text, value); }
bool parse_floating(std::string_view text, float& value) { return parse_real(text, value); }

bool parse_decimal(std::string_view text, int precision, int scale, Int128& value, bool& fits) {
  text = trim_all(text);
  fits = true;
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int exponent = 0;
  if (const auto e = text.find_first_of("eE"); e != std::string_view::npos) {
    auto digits = text.substr(e + 1);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (digits.empty() || parsed.ptr != digits.data() + digits.size() || parsed.ec != std::errc())
      return false;
    text = text.substr(0, e);
  }
  std::string digits;
  int text_scale = -exponent;
  bool fraction = false, any = false;
  for (const char c : text) {
    if (c == '.') {
      if (fraction) return false;
      fraction = true;
    } else if (is_digit(c)) {
      any = true;
      if (!digits.empty() || c != '0') digits += c;
      text_scale += fraction ? 1 : 0;
    } else {
      return false;
    }
  }
  if (!any) return false;
  value = 0;
  if (digits.empty()) return true;
  // Keep the digits down to the wanted scale and one more for rounding.
  const int drop = text_scale - scale;
  bool round_up = false;
  if (drop > 0) {
    const auto keep = static_cast<int>(digits.size()) - drop;
    if (keep < 0) return true;
    round_up = digits[static_cast<size_t>(keep)] >= '5';
    digits.resize(static_cast<size_t>(keep));
  } else if (static_cast<int>(digits.size()) - drop > 38) {
    fits = false;
    return true;
  } else {
    digits.append(static_cast<size_t>(-drop), '0');
  }
  if (digits.size() > 38) {
    fits = false;
    return true;
  }
  for (const char c : digits)
    value = value * 10 + (c - '0');
  if (round_up) ++value;
  fits = value < power_of_ten(precision);
  if (negative) value = -value;
  return true;
}

bool parse_boolean(std::string_view text, bool& value) {
  text = trim_all(text);
  for (const std::string_view word : {"t", "true", "y", "yes", "1"}) {
    if (boost::iequals(text, word)) return value = true, true;
  }
  for (const std::string_view word : {"f", "false", "n", "no", "0"}) {
    if (boost::iequals(text, word)) return value = false, true;
  }
  return false;
}

bool parse_timestamp_text(std::string_view text, Zone& zone, int64_t now_us, int64_t& us) {
  const auto parsed = plan::parse_timestamp(text);
  if (!parsed) return false;
  int64_t local = parsed->local_us;
  std::optional<Zone> named;
  if (!parsed->zone.empty()) {
    auto found = Zone::find(parsed->zone);
    if (!found.ok()) return false;
    named = *found;
  }
  Zone& used = named ? *named : zone;
  if (!parsed->has_date) {
    local += plan::floor_div(used.to_local(now_us), plan::kMicrosPerDay) * plan::kMicrosPerDay;
  }
  us = used.to_utc(local);
  return true;
}

void append_text(const DataType& type, const arrow::Array& array, int64_t row, Zone& zone,
                 bool ansi, std::string& out) {
  switch (type.kind()) {
    case TypeKind::kNull:
      out += "null";
      return;
    case TypeKind::kBoolean:
      out += static_cast<const arrow::BooleanArray&>(array).Value(row) ? "true" : "false";
      return;
    case TypeKind::kByte:
      out += std::to_string(value_at<int8_t>(array, row));
      return;
    case TypeKind::kShort:
      out += std::to_string(value_at<int16_t>(array, row));
      return;
    case TypeKind::kInteger:
      out += std::to_string(value_at<int32_t>(array, row));
      return;
    case TypeKind::kLong:
      out += std::to_string(value_at<int64_t>(array, row));
      return;
    case TypeKind::kFloat:
      out += plan::format_float(value_at<float>(array, row));
      return;
    case TypeKind::kDouble:
      out += plan::format_double(value_at<double>(array, row));
      return;
    case TypeKind::kDecimal:
      out += plan::format_decimal(value_at<Int128>(array, row), type.scale(), ansi);
      return;
    case TypeKind::kDate:
      out += plan::format_date(value_at<int32_t>(array, row));
      return;
    case TypeKind::kTimestamp:
      out += plan::format_local_timestamp(zone.to_local(value_at<int64_t>(array, row)));
      return;
    case TypeKind::kTimestampNtz:
      out += plan::format_local_timestamp(value_at<int64_t>(array, row));
      return;
    case TypeKind::kDayTimeInterval:
      out += plan::format_day_time_interval(value_at<int64_t>(array, row), type.first_unit(),
                                            type.last_unit());
      return;
    case TypeKind::kYearMonthInterval:
      out += plan::format_year_month_interval(value_at<int32_t>(array, row), type.first_unit(),
                                              type.last_unit());
      return;
    case TypeKind::kArray:
      return append_list(type, static_cast<const arrow::ListArray&>(array), row, zone, ansi, out);
    case TypeKind::kMap:
      return append_map(type, static_cast<const arrow::MapArray&>(array), row, zone, ansi, out);
    case TypeKind::kStruct:
      return append_struct(type, static_cast<const arrow::StructArray&>(array), row, zone, ansi,
                           out);
    default: {
      // A view of one row: the reader knows every layout of text.
      const Vector one{array.Slice(row, 1), true};
      out += TextReader(one)[0];
    }
  }
}

}  // namespace weir::eval
