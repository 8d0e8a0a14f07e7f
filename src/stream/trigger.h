// When a query's batches start.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::stream {

struct Trigger {
  enum class Kind {
    kProcessingTime,  // at every full interval of the wall clock; interval 0: as soon as there is
                      // something
    kOnce,            // one batch with all there is, limits left out, then the query ends
    kAvailableNow,  // all that is there at the start, in batches within the limits, then the query
                    // ends
  };
  Kind kind = Kind::kProcessingTime;
  int64_t interval_us = 0;

  static Trigger processing_time(int64_t interval_us) {
    return {Kind::kProcessingTime, interval_us};
  }
  static Trigger once() { return {Kind::kOnce, 0}; }
  static Trigger available_now() { return {Kind::kAvailableNow, 0}; }
};

// "0s", "500ms", "1 minute", "once", "availableNow". "continuous" is kUnsupported: it gives no
// exactly once.
base::Result<Trigger> parse_trigger(std::string_view text);
std::string to_string(const Trigger& trigger);

}  // namespace weir::stream
