#include "hub/topic_config.h"

#include <limits>
#include <optional>

#include "base/parse_integer.h"

namespace weir::hub {
namespace {

using base::error;
using base::ErrorKind;
using base::Result;

Result<int64_t> bounded(std::string_view name, std::string_view text, int64_t least, int64_t most,
                        bool minus_one) {
  const auto value = base::parse_integer(text);
  if (value && ((minus_one && *value == -1) || (*value >= least && *value <= most))) return *value;
  return error(ErrorKind::kInvalidArgument,
               "topic setting {}={} is not a whole number from {} to {}{}", name, text, least, most,
               minus_one ? " or -1" : "");
}

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

}  // namespace

Result<void> set_topic_config(TopicConfig& config, std::string_view name, std::string_view value) {
  if (name == "retention.ms") {
    WEIR_ASSIGN(config.retention_ms, bounded(name, value, 0, kMost, true));
  } else if (name == "retention.bytes") {
    WEIR_ASSIGN(config.retention_bytes, bounded(name, value, 0, kMost, true));
  } else if (name == "segment.bytes") {
    WEIR_ASSIGN(config.segment_bytes, bounded(name, value, 1024, 1LL << 40, false));
  } else if (name == "max.message.bytes") {
    WEIR_ASSIGN(config.message_bytes_max,
                bounded(name, value, 0, std::numeric_limits<int32_t>::max() / 2, false));
  } else if (name == "message.timestamp.type") {
    if (value == "CreateTime")
      config.timestamp_type = TimestampType::kCreateTime;
    else if (value == "LogAppendTime")
      config.timestamp_type = TimestampType::kLogAppendTime;
    else
      return error(
          ErrorKind::kInvalidArgument,
          "topic setting message.timestamp.type={} is neither CreateTime nor LogAppendTime", value);
  } else if (name == "cleanup.policy") {
    if (value != "delete")
      return error(ErrorKind::kInvalidArgument,
                   "topic setting cleanup.policy={}: only delete is supported", value);
  } else if (name == "compression.type") {
    if (value != "producer")
      return error(ErrorKind::kInvalidArgument,
                   "topic setting compression.type={}: only producer is supported (batches are "
                   "kept as they come)",
                   value);
  } else {
    return error(ErrorKind::kInvalidArgument, "topic setting {} is not supported", name);
  }
  return {};
}

base::JsonObject topic_config_json(const TopicConfig& config) {
  base::JsonObject json;
  json["retention.ms"] = config.retention_ms;
  json["retention.bytes"] = config.retention_bytes;
  json["segment.bytes"] = config.segment_bytes;
  json["max.message.bytes"] = config.message_bytes_max;
  json["message.timestamp.type"] =
      config.timestamp_type == TimestampType::kCreateTime ? "CreateTime" : "LogAppendTime";
  return json;
}

Result<TopicConfig> topic_config_from_json(const base::JsonObject& json) {
  TopicConfig config;
  for (const auto& [key, value] : json) {
    const std::string_view name(key.data(), key.size());
    if (value.is_string()) {
      WEIR_TRY(set_topic_config(
          config, name, std::string_view(value.get_string().data(), value.get_string().size())));
    } else if (value.is_int64()) {
      WEIR_TRY(set_topic_config(config, name, std::to_string(value.get_int64())));
    } else {
      return error(ErrorKind::kCorruption, "topic setting {} is neither a number nor a string",
                   name);
    }
  }
  return config;
}

bool valid_topic_name(std::string_view name) {
  if (name.empty() || name.size() > 249 || name == "." || name == "..") return false;
  for (const char c : name) {
    const bool legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    if (!legal) return false;
  }
  return true;
}

}  // namespace weir::hub
