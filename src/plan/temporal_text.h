// Timestamps as Spark reads them from text in casts and typed literals
// (SparkDateTimeUtils.parseTimestampString), taken apart: the zone may be a name, which only the
// evaluation can turn into an offset. (Dates, and texts whose zone is an offset, are read by
// columnar/datetime_text.h.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::plan {

struct ParsedTimestamp {
  int64_t local_us = 0;  // of the fields as written
  bool has_date = true;  // false: a bare time ("T12:30", "12:30"): the day is today's
  std::string zone;      // as written ("Z", "+01:00", "Europe/Oslo"); empty where there is none
};
// "2021-06-28 18:49:28.123456+01:00" and shorter forms.
std::optional<ParsedTimestamp> parse_timestamp(std::string_view text);

// "10 minutes", "interval 1 hour 30 seconds": numbers and units, any case.
struct ParsedDuration {
  int64_t months = 0;
  int64_t us = 0;
};
std::optional<ParsedDuration> parse_duration(std::string_view text);

}  // namespace weir::plan
