// The proleptic Gregorian calendar over day and microsecond counts (Howard Hinnant's published
// algorithms).
#pragma once

#include <cstdint>
#include <string>

namespace weir::plan {

inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

struct CivilDate {
  int64_t year = 1970;
  int month = 1;  // 1 … 12
  int day = 1;    // 1 … 31
};

constexpr int64_t floor_div(int64_t a, int64_t b) {
  return a / b - ((a % b != 0) && ((a % b < 0) != (b < 0)));
}
constexpr int64_t floor_mod(int64_t a, int64_t b) {
  const int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// Microseconds of a day and a time in it; false where they are beyond 64 bits (±292,000 years, and
// a date has more).
constexpr bool micros_of(int64_t days, int64_t us_of_day, int64_t& us) {
  const __int128 exact = static_cast<__int128>(days) * kMicrosPerDay + us_of_day;
  us = static_cast<int64_t>(exact);
  return us == exact;
}

constexpr int64_t days_from_civil(int64_t year, int month, int day) {
  year -= month <= 2;
  const int64_t era = floor_div(year, 400);
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

constexpr CivilDate civil_from_days(int64_t days) {
  days += 719'468;
  const int64_t era = floor_div(days, 146'097);
  const int64_t day_of_era = days - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  const int month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  return {year_of_era + era * 400 + (month <= 2), month, day};
}

constexpr bool is_leap_year(int64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}
constexpr int days_in_month(int64_t year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap_year(year) ? 29 : kDays[month - 1];
}

// "2021-06-28", years as Spark shows them ("+12021-…", "-0044-…").
std::string format_date(int64_t days);
// "2021-06-28 18:49:28.12" of a local microsecond count, trailing zeros of the fraction left out.
std::string format_local_timestamp(int64_t local_us);
// "123.45" from an unscaled decimal. `plain` is false for Spark's cast to string of small numbers
// ("1E-7").
std::string format_decimal(__int128 unscaled, int scale, bool plain = true);
// As Java's Double.toString / Float.toString: "1.0", "1.0E10", "NaN", "Infinity".
std::string format_double(double value);
std::string format_float(float value);
// "INTERVAL '1 02:03:04.5' DAY TO SECOND", "INTERVAL '03' HOUR", "INTERVAL '1-2' YEAR TO MONTH";
// the units as columnar::DataType numbers them.
std::string format_day_time_interval(int64_t us, int first_unit = 0, int last_unit = 3);
std::string format_year_month_interval(int64_t months, int first_unit = 0, int last_unit = 1);

}  // namespace weir::plan
