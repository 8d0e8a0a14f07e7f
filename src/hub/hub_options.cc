#include "hub/hub_options.h"

#include <charconv>

namespace weir::hub {

using base::error;
using base::ErrorKind;
using base::Result;

Result<TopicSpec> parse_topic_spec(std::string_view text, const TopicConfig& defaults) {
  TopicSpec spec;
  spec.config = defaults;
  const size_t colon = text.rfind(':');
  const std::string_view name = text.substr(0, colon);
  spec.name = std::string(name);
  if (!valid_topic_name(name))
    return error(ErrorKind::kInvalidArgument,
                 "topic name '{}' is not 1 to 249 of a-z A-Z 0-9 . _ - (and not . or ..)", name);
  if (colon != std::string_view::npos) {
    const std::string_view count = text.substr(colon + 1);
    const auto [end, code] =
        std::from_chars(count.data(), count.data() + count.size(), spec.partitions);
    if (code != std::errc() || end != count.data() + count.size() || spec.partitions < 1)
      return error(ErrorKind::kInvalidArgument,
                   "topic '{}': '{}' is not a number of partitions (NAME:PARTITIONS)", name, count);
  }
  return spec;
}

Result<FlushPolicy> parse_flush_policy(std::string_view text) {
  for (const FlushPolicy policy :
       {FlushPolicy::kAlways, FlushPolicy::kInterval, FlushPolicy::kNever})
    if (text == flush_policy_name(policy)) return policy;
  return error(ErrorKind::kInvalidArgument,
               "flush policy '{}' is not one of always, interval, never", text);
}

std::string_view flush_policy_name(FlushPolicy policy) {
  switch (policy) {
    case FlushPolicy::kAlways:
      return "always";
    case FlushPolicy::kInterval:
      return "interval";
    case FlushPolicy::kNever:
      return "never";
  }
  return "?";
}

}  // namespace weir::hub
