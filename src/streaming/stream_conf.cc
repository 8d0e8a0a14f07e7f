#include <algorithm>
#include <bit>

#include "base/parse_integer.h"
#include "io/file_system.h"
#include "stream/offset_log.h"
#include "streaming/stream_start.h"

namespace weir::streaming {

using base::error;
using base::ErrorKind;

namespace {

constexpr const char* kPartitions = "spark.sql.shuffle.partitions";
constexpr const char* kProvider = "spark.sql.streaming.stateStore.providerClass";
constexpr const char* kPolicy = "spark.sql.streaming.multipleWatermarkPolicy";
constexpr const char* kDefaultProvider =
    "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider";
constexpr int64_t kShardsMax = 1024;

Result<int64_t> number_of(const std::string& key, const std::string& text) {
  if (const auto number = base::parse_integer(text); number && *number >= 0) return *number;
  return error(ErrorKind::kInvalidArgument,
               "The value '{}' in the config \"{}\" is invalid. It should be a number.", text, key)
      .with_class("INVALID_CONF_VALUE.TYPE_MISMATCH")
      .with_sql_state("22022")
      .with_parameter("confName", key)
      .with_parameter("confValue", text)
      .with_parameter("confType", "int");
}

Result<std::string> provider_of(const std::string& name) {
  const auto dot = name.rfind('.');
  const std::string last = dot == std::string::npos ? name : name.substr(dot + 1);
  if (last == "HDFSBackedStateStoreProvider") return std::string("memory");
  if (last == "RocksDBStateStoreProvider") return std::string("rocksdb");
  return unsupported_in_stream("the state store provider " + name);
}

// What the newest batch of the checkpoint was planned with.
struct Planned {
  bool committed = false;
  std::map<std::string, std::string> conf;
};

// A checkpoint that cannot be read is refused when the query opens it.
Planned planned_last(io::FileSystem& files, const std::string& checkpoint) {
  const std::string folder = io::join_path(checkpoint, "offsets");
  const auto there = files.exists(folder);
  if (!there.ok() || !*there) return {};
  stream::OffsetLog log(files, folder);
  const auto newest = log.latest();
  if (!newest.ok() || !*newest) return {};
  auto entry = log.get(**newest);
  if (!entry.ok() || !*entry) return {};
  const auto committed =
      files.exists(io::join_path(checkpoint, "commits/" + std::to_string((*newest)->value())));
  return {committed.ok() && *committed, std::move((*entry)->conf)};
}

// What rows depend on besides the query. A batch that runs again does so under the settings that it
// was planned with.
void pin_settings(const session::Session& session, const Planned& before, QueryConf& conf) {
  for (const char* key : {"spark.sql.session.timeZone", "spark.sql.ansi.enabled"}) {
    const std::string& now = conf.pinned[key] = session.get(key).value_or("");
    const auto old = before.conf.find(key);
    if (!before.committed && old != before.conf.end() && old->second != now)
      conf.replayed[key] = old->second;
  }
}

}  // namespace

base::Error unsupported_in_stream(std::string_view what) {
  return error(ErrorKind::kUnsupported, "The feature is not supported: {} in a streaming query.",
               what)
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

Result<QueryConf> query_conf(const session::Session& session, io::FileSystem& files,
                             const std::string& checkpoint) {
  const Planned last = planned_last(files, checkpoint);
  const auto& before = last.conf;
  QueryConf conf;
  pin_settings(session, last, conf);
  for (const char* key : {kPartitions, kProvider, kPolicy}) {
    if (const auto old = before.find(key); old != before.end()) {
      conf.pinned[key] = old->second;
    } else if (auto now = session.get(key)) {
      conf.pinned[key] = std::move(*now);
    } else if (key == kProvider) {
      conf.pinned[key] = kDefaultProvider;
    }
  }
  WEIR_ASSIGN(conf.provider, provider_of(conf.pinned[kProvider]));
  WEIR_ASSIGN(conf.policy, stream::parse_watermark_policy(conf.pinned[kPolicy]));
  // A number that the user chose; Spark's own default says nothing about this machine.
  WEIR_ASSIGN(const int64_t partitions, number_of(kPartitions, conf.pinned[kPartitions]));
  if (session.all_set().contains(kPartitions) || before.contains(kPartitions))
    conf.shards = static_cast<int>(
        std::bit_ceil(static_cast<uint64_t>(std::clamp<int64_t>(partitions, 1, kShardsMax))));
  const auto flag = session.get("spark.sql.streaming.noDataMicroBatches.enabled");
  conf.batches_without_rows = !flag || *flag != "false";
  const auto number = [&](const char* key, auto& target) -> Result<void> {
    const auto text = session.get(key);
    if (!text) return {};
    WEIR_ASSIGN(const int64_t value, number_of(key, *text));
    target = static_cast<std::remove_reference_t<decltype(target)>>(value);
    return {};
  };
  WEIR_TRY(number("spark.sql.streaming.numRecentProgressUpdates", conf.progress_kept));
  WEIR_TRY(number("spark.sql.streaming.minBatchesToRetain", conf.batches_retained));
  WEIR_TRY(
      number("spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB", conf.rocksdb_memory_mb));
  const auto duration = [&](const char* key, int64_t& target_ms) -> Result<void> {
    const auto given = session.get(key);
    if (!given) return {};
    std::string text = *given;
    int64_t unit_ms = 1;
    if (text.ends_with("ms")) {
      text.resize(text.size() - 2);
    } else if (text.ends_with("s")) {
      text.resize(text.size() - 1);
      unit_ms = 1000;
    }
    WEIR_ASSIGN(const int64_t count, number_of(key, text));
    target_ms = count * unit_ms;
    return {};
  };
  int64_t poll_ms = conf.poll_interval_us / 1000;
  WEIR_TRY(duration("spark.sql.streaming.pollingDelay", poll_ms));
  conf.poll_interval_us = poll_ms * 1000;
  WEIR_TRY(duration("spark.sql.streaming.stopTimeout", conf.stop_timeout_ms));
  return conf;
}

}  // namespace weir::streaming
