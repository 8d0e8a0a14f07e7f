// The watermark of a query, as Spark moves it: after each batch every Watermark of the plan has the
// latest event time it ever saw less its delay; the query's is the least of them (policy min) or
// the largest (max), and never goes back. The ones seen are forgotten by a restart, the query's is
// in the logs.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "stream/stream_plan.h"

namespace weir::stream {

enum class WatermarkPolicy { kMin, kMax };
// "min" or "max", any case (spark.sql.streaming.multipleWatermarkPolicy).
Result<WatermarkPolicy> parse_watermark_policy(std::string_view text);

class WatermarkTracker {
 public:
  void set_policy(WatermarkPolicy policy) { policy_ = policy; }
  // Out of the logs: never lower than what is known.
  void set(int64_t watermark_ms);
  void update(const std::vector<EventTimeSeen>& seen);
  int64_t current_ms() const { return current_ms_; }

 private:
  WatermarkPolicy policy_ = WatermarkPolicy::kMin;
  int64_t current_ms_ = 0;
  std::vector<int64_t> each_ms_;  // one a Watermark; 0 until it has seen a row
};

}  // namespace weir::stream
