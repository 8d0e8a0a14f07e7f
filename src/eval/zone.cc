#include "eval/zone.h"

#include <chrono>

#include <arrow/vendored/datetime/tz.h>

#include "columnar/datetime_text.h"
#include "plan/calendar.h"

namespace weir::eval {

namespace tz = arrow_vendored::date;
using plan::floor_div;
using plan::kMicrosPerSecond;

base::Result<Zone> Zone::find(std::string_view name) {
  Zone zone;
  if (const auto offset = columnar::zone_offset_seconds(name)) {
    zone.offset_ = *offset;
    return zone;
  }
  try {
    zone.rules_ = tz::locate_zone(name);
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

}  // namespace weir::eval
