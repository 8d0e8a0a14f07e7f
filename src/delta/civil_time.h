// Dates and times as texts, in the proleptic Gregorian calendar and UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::delta {

struct CivilDate {
  int64_t year;
  int month;  // 1 … 12
  int day;    // 1 … 31
};
CivilDate civil_from_days(int64_t days_since_epoch);
int64_t days_from_civil(CivilDate date);

// "1970-01-01"; years beyond 4 digits as they are.
std::string date_text(int64_t days_since_epoch);
// "1970-01-01<separator>00:00:00.123": fraction_digits 0, 3 or 6.
std::string timestamp_text(int64_t us_since_epoch, char separator, int fraction_digits);

std::optional<int64_t> parse_date(std::string_view text);  // days
// "1970-01-01 00:00:00[.ffffff]", with 'T' or a blank, and "Z" or "+hh:mm" after it, or a date
// alone. Microseconds.
std::optional<int64_t> parse_timestamp(std::string_view text);

}  // namespace weir::delta
