#include "session/conf.h"

#include <algorithm>

#include "base/parse_integer.h"
#include "base/text.h"
#include "columnar/zone.h"
#include "session/conf_table.h"
#include "session/errors.h"

namespace weir::session {

namespace {

constexpr const char* kWatermarkPolicy = "spark.sql.streaming.multipleWatermarkPolicy";

const ConfEntry* find(std::string_view key) {
  const auto* end = kConfEntries + kConfEntryCount;
  const auto* found =
      std::lower_bound(kConfEntries, end, key,
                       [](const ConfEntry& entry, std::string_view k) { return entry.key < k; });
  return found != end && found->key == key ? found : nullptr;
}

base::Error type_mismatch(const std::string& key, const std::string& value,
                          const std::string& type) {
  return sql_error("INVALID_CONF_VALUE.TYPE_MISMATCH", "22022",
                   fmt::format("The value '{}' in the config \"{}\" is invalid. It should be a/an "
                               "'{}' value.",
                               value, key, type))
      .with_parameter("confName", key)
      .with_parameter("confValue", value)
      .with_parameter("confType", type);
}

base::Error no_watermark_policy(const std::string& value) {
  const auto requirement =
      fmt::format("Invalid value for '{}'. Valid values are 'min' and 'max'", kWatermarkPolicy);
  return sql_error("INVALID_CONF_VALUE.REQUIREMENT", "22022",
                   fmt::format("The value '{}' in the config \"{}\" is invalid. {}", value,
                               kWatermarkPolicy, requirement))
      .with_parameter("confName", kWatermarkPolicy)
      .with_parameter("confValue", value)
      .with_parameter("confRequirement", requirement);
}

}  // namespace

std::optional<std::string_view> default_of(std::string_view key) {
  const auto* entry = find(key);
  if (entry == nullptr || !entry->has_default) return std::nullopt;
  return entry->value;
}

bool is_known_key(std::string_view key) { return find(key) != nullptr; }

bool is_modifiable(std::string_view key) {
  const auto* entry = find(key);
  return entry != nullptr && !entry->is_static;
}

std::vector<std::string_view> known_keys() {
  std::vector<std::string_view> keys;
  for (size_t i = 0; i < kConfEntryCount; ++i)
    keys.push_back(kConfEntries[i].key);
  return keys;
}

Result<std::string> normal_time_zone(const std::string& zone) {
  const auto found = columnar::Zone::find(zone);
  if (found.ok()) return zone;
  return sql_error("INVALID_CONF_VALUE.TIME_ZONE", "22022",
                   fmt::format("The value '{}' in the config \"spark.sql.session.timeZone\" is "
                               "invalid. Cannot resolve the given timezone.",
                               zone))
      .with_parameter("confName", "spark.sql.session.timeZone")
      .with_parameter("confValue", zone);
}

Result<void> check_conf_value(const std::string& key, const std::string& value) {
  const auto* entry = find(key);
  if (entry == nullptr) return {};
  if (entry->is_static) {
    return sql_error(
               "CANNOT_MODIFY_STATIC_CONFIG", "46110",
               fmt::format("Cannot modify the value of the static Spark config: \"{}\".", key))
        .with_parameter("key", "\"" + key + "\"");
  }
  if (key == "spark.sql.session.timeZone") {
    WEIR_TRY(normal_time_zone(value));
    return {};
  }
  if (key == kWatermarkPolicy) {
    const std::string lower = base::lower_case(value);
    return lower == "min" || lower == "max" ? Result<void>() : no_watermark_policy(value);
  }
  if (entry->has_default && (entry->value == "true" || entry->value == "false")) {
    const std::string lower = base::lower_case(value);
    if (lower != "true" && lower != "false") return type_mismatch(key, value, "boolean");
    return {};
  }
  if (entry->has_default && base::parse_integer(entry->value) && !base::parse_integer(value) &&
      key.find("Size") == std::string::npos && key.find("hreshold") == std::string::npos)
    return type_mismatch(key, value, "int");
  return {};
}

}  // namespace weir::session
