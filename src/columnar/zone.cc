#include "columnar/zone.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include <arrow/vendored/datetime/tz.h>

#include "columnar/datetime_text.h"

namespace weir::columnar {

namespace tz = arrow_vendored::date;
namespace {

// java.time.ZoneId.SHORT_IDS, which Spark uses; EST, MST and HST are fixed offsets
// (zone_offset_seconds).
constexpr std::pair<std::string_view, std::string_view> kShortNames[] = {
    {"ACT", "Australia/Darwin"},
    {"AET", "Australia/Sydney"},
    {"AGT", "America/Argentina/Buenos_Aires"},
    {"ART", "Africa/Cairo"},
    {"AST", "America/Anchorage"},
    {"BET", "America/Sao_Paulo"},
    {"BST", "Asia/Dhaka"},
    {"CAT", "Africa/Harare"},
    {"CNT", "America/St_Johns"},
    {"CST", "America/Chicago"},
    {"CTT", "Asia/Shanghai"},
    {"EAT", "Africa/Addis_Ababa"},
    {"ECT", "Europe/Paris"},
    {"IET", "America/Indiana/Indianapolis"},
    {"IST", "Asia/Kolkata"},
    {"JST", "Asia/Tokyo"},
    {"MIT", "Pacific/Apia"},
    {"NET", "Asia/Yerevan"},
    {"NST", "Pacific/Auckland"},
    {"PLT", "Asia/Karachi"},
    {"PNT", "America/Phoenix"},
    {"PRT", "America/Puerto_Rico"},
    {"PST", "America/Los_Angeles"},
    {"SST", "Pacific/Guadalcanal"},
    {"VST", "Asia/Ho_Chi_Minh"},
};

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

// Zone tables end with 2037; the rules of their last years go on for ever. A later time is looked
// up in a year of those that begins with the same weekday and is as long.
struct TableYear {
  int64_t shift = 0;  // seconds to add
  int64_t begin = INT64_MIN, end = INT64_MAX;
};
constexpr int64_t kTableEnd = 2'114'380'800;  // 2037-01-01

int64_t year_begin(int64_t year) {
  const int64_t before = year - 1;
  const int64_t days =
      before * 365 + floor_div(before, 4) - floor_div(before, 100) + floor_div(before, 400);
  return (days - 719'162) * 86'400;
}

TableYear table_year(int64_t seconds) {
  TableYear made;
  if (seconds < kTableEnd) return made;
  auto year = static_cast<int64_t>(static_cast<double>(seconds) / 31'556'952.0) + 1970;
  while (year_begin(year) > seconds)
    --year;
  while (year_begin(year + 1) <= seconds)
    ++year;
  made.begin = year_begin(year);
  made.end = year_begin(year + 1);
  constexpr int64_t kWeek = int64_t{7} * 86'400;
  for (int64_t known = 2009; known < 2037; ++known) {
    const bool as_long = year_begin(known + 1) - year_begin(known) == made.end - made.begin;
    if (!as_long || (made.begin - year_begin(known)) % kWeek != 0) continue;
    made.shift = year_begin(known) - made.begin;
    break;
  }
  return made;
}

}  // namespace

base::Result<Zone> Zone::find(std::string_view name) {
  if (const auto offset = zone_offset_seconds(name)) return fixed(*offset);
  Zone zone;
  const std::string_view trimmed = trim_all(name);
  const auto* known = std::find_if(std::begin(kShortNames), std::end(kShortNames),
                                   [&](const auto& entry) { return entry.first == trimmed; });
  try {
    zone.rules_ = tz::locate_zone(known == std::end(kShortNames) ? trimmed : known->second);
    return zone;
  } catch (const std::exception&) {
    return base::error(base::ErrorKind::kInvalidArgument,
                       "The timezone: {} is invalid. The timezone must be either a region-based "
                       "zone ID or a zone offset. "
                       "SQLSTATE: 22009",
                       name)
        .with_class("INVALID_TIMEZONE");
  }
}

int64_t Zone::offset_at(int64_t utc_seconds) {
  if (!rules_ || (utc_seconds >= begin_ && utc_seconds < end_)) return offset_;
  const auto year = table_year(utc_seconds);
  const auto info = static_cast<const tz::time_zone*>(rules_)->get_info(
      tz::sys_seconds(std::chrono::seconds(utc_seconds + year.shift)));
  begin_ = std::max(info.begin.time_since_epoch().count() - year.shift, year.begin);
  end_ = std::min(info.end.time_since_epoch().count() - year.shift, year.end);
  offset_ = info.offset.count();
  return offset_;
}

namespace {

// Times at the ends of the range wrap around, as the JVM's arithmetic does, instead of being
// undefined.
int64_t shifted(int64_t us, int64_t seconds) {
  int64_t moved = 0;
  (void)__builtin_add_overflow(us, seconds * kMicrosPerSecond, &moved);
  return moved;
}

}  // namespace

int64_t Zone::to_local(int64_t utc_us) {
  return shifted(utc_us, offset_at(floor_div(utc_us, kMicrosPerSecond)));
}

int64_t Zone::to_utc(int64_t local_us) {
  if (!rules_) return shifted(local_us, -offset_);
  const int64_t local_seconds = floor_div(local_us, kMicrosPerSecond);
  // Well inside the remembered stretch nothing is ambiguous.
  constexpr int64_t kMargin = 2 * 86'400;
  const int64_t guess = local_seconds - offset_;
  if (guess >= begin_ + kMargin && guess < end_ - kMargin) return shifted(local_us, -offset_);
  const auto year = table_year(local_seconds);
  const auto info = static_cast<const tz::time_zone*>(rules_)->get_info(
      tz::local_seconds(std::chrono::seconds(local_seconds + year.shift)));
  begin_ = std::max(info.first.begin.time_since_epoch().count() - year.shift, year.begin);
  end_ = std::min(info.first.end.time_since_epoch().count() - year.shift, year.end);
  offset_ = info.first.offset.count();
  // Unique, gap (offset before the transition moves the time forward) or overlap (the first is the
  // earlier instant).
  return shifted(local_us, -info.first.offset.count());
}

std::optional<int64_t> Zone::to_utc_checked(int64_t local_us) {
  const int64_t utc_us = to_utc(local_us);
  const int64_t day = 86'400 * kMicrosPerSecond;
  const bool wrapped = local_us > day ? utc_us < 0 : local_us < -day && utc_us > 0;
  return wrapped ? std::nullopt : std::optional(utc_us);
}

}  // namespace weir::columnar
