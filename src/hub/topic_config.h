// The settings of one topic, under Kafka's names.
//
// Honoured: retention.ms, retention.bytes, segment.bytes, max.message.bytes, message.timestamp.type
// (CreateTime or LogAppendTime), cleanup.policy=delete, compression.type=producer. Any other name
// or value is refused (INVALID_CONFIG on the wire), because ignoring it would promise what is not
// done.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace weir::hub {

enum class TimestampType { kCreateTime, kLogAppendTime };

struct TopicConfig {
  int64_t retention_ms = 7LL * 24 * 60 * 60 * 1000;  // -1: for ever
  int64_t retention_bytes = -1;                      // per partition; -1: no limit
  int64_t segment_bytes = 256LL << 20;
  int64_t message_bytes_max = 1'048'588;  // one record batch as sent (Kafka's default)
  TimestampType timestamp_type = TimestampType::kCreateTime;

  bool operator==(const TopicConfig&) const = default;
};

// Sets one value by its Kafka name; kInvalidArgument names the setting and what it may be.
base::Result<void> set_topic_config(TopicConfig& config, std::string_view name,
                                    std::string_view value);

base::JsonObject topic_config_json(const TopicConfig& config);
base::Result<TopicConfig> topic_config_from_json(const base::JsonObject& json);

// Kafka's rule: 1 to 249 of [a-zA-Z0-9._-], not "." or "..".
bool valid_topic_name(std::string_view name);

}  // namespace weir::hub
