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
  const auto info = static_cast<const tz::time_zone*>(rules_)->get_info(
      tz::sys_seconds(std::chrono::seconds(utc_seconds)));
  begin_ = info.begin.time_since_epoch().count();
  end_ = info.end.time_since_epoch().count();
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
  const auto info = static_cast<const tz::time_zone*>(rules_)->get_info(
      tz::local_seconds(std::chrono::seconds(local_seconds)));
  begin_ = info.first.begin.time_since_epoch().count();
  end_ = info.first.end.time_since_epoch().count();
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
