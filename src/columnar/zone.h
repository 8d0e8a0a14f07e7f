// A time zone: an IANA name, one of Java's short names (PST, CET …) or a fixed offset. A value;
// cheap to copy, one a thread (it remembers the last stretch between two transitions, so that
// neighbouring rows cost nothing).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace weir::columnar {

class Zone {
 public:
  Zone() = default;  // UTC
  static Zone fixed(int64_t offset_seconds) {
    Zone zone;
    zone.offset_ = offset_seconds;
    return zone;
  }
  // INVALID_TIMEZONE where there is no such zone.
  static base::Result<Zone> find(std::string_view name);

  // Local microseconds of an instant.
  int64_t to_local(int64_t utc_us);
  // The instant of local microseconds. In a gap the time moves forward by the gap; in an overlap
  // the earlier instant is taken (java.time.ZonedDateTime.ofLocal).
  int64_t to_utc(int64_t local_us);
  // nullopt where that does not fit 64 bits; to_utc wraps around then.
  std::optional<int64_t> to_utc_checked(int64_t local_us);

 private:
  int64_t offset_at(int64_t utc_seconds);
  const void* rules_ = nullptr;  // arrow's time_zone; null for a fixed offset
  int64_t offset_ = 0;           // seconds; fixed, or of the stretch [begin_, end_)
  int64_t begin_ = 0;
  int64_t end_ = 0;
};

}  // namespace weir::columnar
