#include "delta/civil_time.h"

#include <charconv>

#include <fmt/core.h>

namespace weir::delta {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;

// Reads exactly `digits` digits from the front.
std::optional<int64_t> take_digits(std::string_view& text, size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int64_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text[0] != expected) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<int64_t> take_date(std::string_view& text) {
  const bool negative = take(text, '-');
  size_t digits = 0;
  while (digits < text.size() && digits < 7 && text[digits] >= '0' && text[digits] <= '9')
    ++digits;
  if (digits < 4) return std::nullopt;
  const auto year = take_digits(text, digits);
  if (!take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return std::nullopt;
  return days_from_civil(
      {negative ? -*year : *year, static_cast<int>(*month), static_cast<int>(*day)});
}

// ".123" as microseconds; digits past the sixth are cut.
int64_t take_fraction(std::string_view& text) {
  int64_t us = 0;
  int64_t unit = 100'000;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    us += (text[0] - '0') * unit;
    unit /= 10;
    text.remove_prefix(1);
  }
  return us;
}

// "", "Z", "+hh:mm", "-hhmm": microseconds east of UTC.
std::optional<int64_t> take_zone(std::string_view& text) {
  if (text.empty() || take(text, 'Z')) return 0;
  const bool west = text[0] == '-';
  if (!west && text[0] != '+') return std::nullopt;
  text.remove_prefix(1);
  const auto hours = take_digits(text, 2);
  if (!hours) return std::nullopt;
  take(text, ':');
  const auto minutes = text.empty() ? std::optional<int64_t>(0) : take_digits(text, 2);
  if (!minutes) return std::nullopt;
  const int64_t us = (*hours * 60 + *minutes) * 60'000'000;
  return west ? -us : us;
}

}  // namespace

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
CivilDate civil_from_days(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t day_of_era = days - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  const int day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

int64_t days_from_civil(CivilDate date) {
  const int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year =
      (153 * (date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

std::string date_text(int64_t days_since_epoch) {
  const CivilDate date = civil_from_days(days_since_epoch);
  return fmt::format("{:04d}-{:02d}-{:02d}", date.year, date.month, date.day);
}

std::string timestamp_text(int64_t us, char separator, int fraction_digits) {
  int64_t days = us / kDayUs;
  int64_t rest = us % kDayUs;
  if (rest < 0) {
    rest += kDayUs;
    --days;
  }
  const int64_t seconds = rest / 1'000'000;
  std::string text = fmt::format("{}{}{:02d}:{:02d}:{:02d}", date_text(days), separator,
                                 seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (fraction_digits == 3) text += fmt::format(".{:03d}", rest % 1'000'000 / 1000);
  if (fraction_digits == 6) text += fmt::format(".{:06d}", rest % 1'000'000);
  return text;
}

std::optional<int64_t> parse_date(std::string_view text) {
  const auto days = take_date(text);
  if (!text.empty()) return std::nullopt;
  return days;
}

std::optional<int64_t> parse_timestamp(std::string_view text) {
  const auto days = take_date(text);
  if (!days) return std::nullopt;
  if (text.empty()) return *days * kDayUs;
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const int64_t fraction_us = take(text, '.') ? take_fraction(text) : 0;
  const auto zone_us = take_zone(text);
  if (!zone_us || !text.empty()) return std::nullopt;
  return *days * kDayUs + ((*hour * 60 + *minute) * 60 + *second) * 1'000'000 + fraction_us -
         *zone_us;
}

}  // namespace weir::delta
