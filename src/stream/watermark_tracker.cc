#include "stream/watermark_tracker.h"

#include <algorithm>
#include <strings.h>

namespace weir::stream {

Result<WatermarkPolicy> parse_watermark_policy(std::string_view text) {
  const auto is = [&](std::string_view name) {
    return text.size() == name.size() && strncasecmp(text.data(), name.data(), name.size()) == 0;
  };
  if (is("min")) return WatermarkPolicy::kMin;
  if (is("max")) return WatermarkPolicy::kMax;
  return base::error(base::ErrorKind::kInvalidArgument,
                     "The value '{}' in the config "
                     "\"spark.sql.streaming.multipleWatermarkPolicy\" is invalid. Invalid value "
                     "for 'spark.sql.streaming.multipleWatermarkPolicy'. Valid values are 'min' "
                     "and 'max'",
                     text)
      .with_class("INVALID_CONF_VALUE.REQUIREMENT")
      .with_sql_state("22022");
}

void WatermarkTracker::set(int64_t watermark_ms) {
  current_ms_ = std::max(current_ms_, watermark_ms);
}

void WatermarkTracker::update(const std::vector<EventTimeSeen>& seen) {
  if (seen.empty()) return;
  each_ms_.resize(seen.size(), 0);
  for (size_t i = 0; i < seen.size(); ++i)
    if (seen[i].rows > 0) each_ms_[i] = std::max(each_ms_[i], seen[i].max_ms - seen[i].delay_ms);
  set(policy_ == WatermarkPolicy::kMin ? *std::min_element(each_ms_.begin(), each_ms_.end())
                                       : *std::max_element(each_ms_.begin(), each_ms_.end()));
}

}  // namespace weir::stream
