// What makes one stream of simulated events: two streams of the same shape have the same events,
// but for createdAt.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace weir::simulate {

using base::Result;

struct EventShape {
  uint64_t seed = 0;
  int devices =
      1000;  // 1 … 1,000,000: event i is of device i % devices, sequence number i / devices
  int fields = 23;            // doubles moreData0 … in complexData; 0 … 1000
  double duplicates = 0.001;  // part of the events that is sent a second time; 0 … 1

  bool operator==(const EventShape&) const = default;
};

// kInvalidArgument names the option that is out of its range.
Result<void> check_shape(const EventShape& shape);

}  // namespace weir::simulate
