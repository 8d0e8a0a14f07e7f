#include "plan/calendar.h"

#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace weir::plan {

std::string format_date(int64_t days) {
  const auto date = civil_from_days(days);
  const char* sign = date.year < 0 ? "-" : date.year > 9999 ? "+" : "";
  return fmt::format("{}{:04}-{:02}-{:02}", sign, std::abs(date.year), date.month, date.day);
}

std::string format_local_timestamp(int64_t local_us) {
  const int64_t days = floor_div(local_us, kMicrosPerDay);
  const int64_t of_day = floor_mod(local_us, kMicrosPerDay);
  const int64_t seconds = of_day / kMicrosPerSecond;
  auto text = fmt::format("{} {:02}:{:02}:{:02}", format_date(days), seconds / 3600,
                          seconds / 60 % 60, seconds % 60);
  if (const int64_t fraction = of_day % kMicrosPerSecond; fraction != 0) {
    text += fmt::format(".{:06}", fraction);
    while (text.back() == '0')
      text.pop_back();
  }
  return text;
}

std::string format_decimal(__int128 unscaled, int scale, bool plain) {
  const bool negative = unscaled < 0;
  auto magnitude = negative ? -static_cast<unsigned __int128>(unscaled)
                            : static_cast<unsigned __int128>(unscaled);
  std::string digits;
  do {
    digits.push_back(static_cast<char>('0' + static_cast<int>(magnitude % 10)));
    magnitude /= 10;
  } while (magnitude != 0);
  std::string text = negative ? "-" : "";
  // java.math.BigDecimal.toString turns to an exponent where the adjusted exponent is below -6.
  const int adjusted = static_cast<int>(digits.size()) - 1 - scale;
  if (!plain && scale > 0 && adjusted < -6) {
    text += digits.back();
    if (digits.size() > 1) {
      text += '.';
      text.append(digits.rbegin() + 1, digits.rend());
    }
    return text + fmt::format("E{}", adjusted);
  }
  while (static_cast<int>(digits.size()) <= scale)
    digits.push_back('0');
  text.append(digits.rbegin(), digits.rend());
  if (scale > 0) text.insert(text.size() - static_cast<size_t>(scale), ".");
  return text;
}

namespace {

// Shortest digits that read back equal, laid out as Java does.
template <typename Float>
std::string format_floating(Float value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (value == 0) return std::signbit(value) ? "-0.0" : "0.0";
  // Java writes its least double with two digits, though one would do.
  if constexpr (sizeof(Float) == 8) {
    if (std::fabs(value) == std::numeric_limits<double>::denorm_min())
      return value < 0 ? "-4.9E-324" : "4.9E-324";
  }
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  std::string result;
  if (text.front() == '-') {
    result = "-";
    text.remove_prefix(1);
  }
  const auto e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  const char* exponent_begin = text.data() + e + 1 + (text[e + 1] == '+' ? 1 : 0);
  std::from_chars(exponent_begin, text.data() + text.size(), exponent);
  if (exponent >= -3 && exponent < 7) {
    if (exponent < 0) {
      return result + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
    }
    const auto whole = static_cast<size_t>(exponent) + 1;
    while (digits.size() < whole + 1)
      digits += '0';
    return result + digits.substr(0, whole) + "." + digits.substr(whole);
  }
  if (digits.size() == 1) digits += '0';
  return result + digits[0] + "." + digits.substr(1) + fmt::format("E{}", exponent);
}

}  // namespace

std::string format_double(double value) { return format_floating(value); }
std::string format_float(float value) { return format_floating(value); }

std::string format_day_time_interval(int64_t us, int first_unit, int last_unit) {
  static constexpr const char* kUnits[] = {"DAY", "HOUR", "MINUTE", "SECOND"};
  static constexpr uint64_t kMicros[] = {86'400'000'000, 3'600'000'000, 60'000'000, 1'000'000};
  static constexpr const char* kSeparators[] = {"", " ", ":", ":"};
  auto rest = us < 0 ? -static_cast<uint64_t>(us) : static_cast<uint64_t>(us);
  std::string text = us < 0 ? "INTERVAL '-" : "INTERVAL '";
  for (int unit = first_unit; unit <= last_unit; ++unit) {
    if (unit > first_unit) text += kSeparators[unit];
    text += unit == 0 ? fmt::format("{}", rest / kMicros[0])
                      : fmt::format("{:02}", rest / kMicros[unit]);
    rest %= kMicros[unit];
  }
  if (last_unit == 3 && rest != 0) {
    text += fmt::format(".{:06}", rest);
    while (text.back() == '0')
      text.pop_back();
  }
  text += fmt::format("' {}", kUnits[first_unit]);
  if (first_unit != last_unit) text += fmt::format(" TO {}", kUnits[last_unit]);
  return text;
}

std::string format_year_month_interval(int64_t months, int first_unit, int last_unit) {
  const int64_t magnitude = std::abs(months);
  const auto* sign = months < 0 ? "-" : "";
  if (last_unit == 0) return fmt::format("INTERVAL '{}{}' YEAR", sign, magnitude / 12);
  if (first_unit == 1) return fmt::format("INTERVAL '{}{}' MONTH", sign, magnitude);
  return fmt::format("INTERVAL '{}{}-{}' YEAR TO MONTH", sign, magnitude / 12, magnitude % 12);
}

}  // namespace weir::plan
