// Dates, times and intervals as Spark reads them from text in casts and typed literals
// (SparkDateTimeUtils.stringToDate, stringToTimestamp; IntervalUtils). Patterns are another matter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::plan {

// "2021", "2021-6", "2021-06-28", also followed by ' ' or 'T' and anything; surrounding white space is left out.
std::optional<int64_t> parse_date(std::string_view text);

struct ParsedTimestamp {
  int64_t local_us = 0;     // of the fields as written
  bool has_date = true;     // false: a bare time ("T12:30", "12:30"): the day is today's
  std::string zone;         // as written ("Z", "+01:00", "Europe/Oslo"); empty where there is none
};
// "2021-06-28 18:49:28.123456+01:00" and shorter forms.
std::optional<ParsedTimestamp> parse_timestamp(std::string_view text);

// "Z", "UTC", "GMT", "UTC+1", "+1", "+01:00", "-01:30", "+0130" → seconds east of UTC. Named zones: nullopt.
std::optional<int32_t> parse_zone_offset(std::string_view zone);

}  // namespace weir::plan
