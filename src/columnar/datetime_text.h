// Texts of dates and timestamps as Spark reads them without a pattern (rules:
// SparkDateTimeUtils.stringToTimestamp and stringToDate; CAST and the default formats of JSON and
// CSV use them).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "columnar/zone.h"

namespace weir::columnar {

inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

// Days since 1970-01-01 of a proleptic Gregorian date; nullopt where there is no such day. |year| ≤
// 999,999.
std::optional<int64_t> days_of(int64_t year, int month, int day);

// Offset from UTC in seconds: "Z", "+8", "+08", "+08:00", "+0800", "+08:00:00", "UTC", "GMT", "UT",
// "UTC+8" …; nullopt for region names ("Europe/Paris") and what is no zone.
std::optional<int64_t> zone_offset_seconds(std::string_view zone);

// "2015", "2015-03", "2015-3-18", "2015-03-18T12:03:17.123456+01:00", "2015-03-18 12:03" … to
// microseconds since the epoch; the zone may be a region ("2015-03-18 12:03 Europe/Oslo"), and a
// text without one is taken in default_zone. nullopt where Spark gives NULL.
std::optional<int64_t> parse_timestamp(std::string_view text, Zone default_zone);
inline std::optional<int64_t> parse_timestamp(std::string_view text,
                                              int64_t default_offset_seconds) {
  return parse_timestamp(text, Zone::fixed(default_offset_seconds));
}
// The same texts to a local timestamp. A zone in the text is dropped where allow_zone, else the
// text is refused.
std::optional<int64_t> parse_timestamp_ntz(std::string_view text, bool allow_zone);
// "2015", "2015-3", "2015-03-18", "2015-03-18 anything", "2015-03-18Tanything" to days since the
// epoch.
std::optional<int32_t> parse_date(std::string_view text);

// Java's trim of ASCII white space and control characters at both ends (UTF8String.trimAll).
std::string_view trim_all(std::string_view text);

}  // namespace weir::columnar
