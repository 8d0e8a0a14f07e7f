#include "hub/topic_store.h"

#include "base/json.h"
#include "base/logging.h"

namespace weir::hub {

using base::error;
using base::ErrorKind;
using base::Result;
using kafka::ErrorCode;

TopicStore::TopicStore(io::FileSystem& files, base::Clock& clock, base::Random& random,
                       Flusher& flusher, HubMetrics* metrics, const HubOptions& options)
    : files_(files),
      clock_(clock),
      random_(random),
      flusher_(flusher),
      metrics_(metrics),
      options_(options) {}

std::string TopicStore::folder(const std::string& topic) const {
  return io::join_path(io::join_path(options_.dir, "topics"), topic);
}

Result<void> TopicStore::open() {
  const std::string root = io::join_path(options_.dir, "topics");
  WEIR_TRY(files_.make_dirs(root));
  WEIR_ASSIGN(const auto folders, files_.list(root));
  for (const io::FileInfo& info : folders) {
    if (!info.is_directory) continue;
    WEIR_ASSIGN(const bool made, files_.exists(io::join_path(info.path, "topic.json")));
    if (!made) {  // a creation that was cut off before its last step
      WEIR_TRY(files_.remove_tree(info.path));
      continue;
    }
    WEIR_ASSIGN(auto topic, open_topic(info.name));
    const std::unique_lock lock(mutex_);
    partition_count_ += static_cast<int32_t>(topic->partitions.size());
    topics_[topic->name] = std::move(topic);
  }
  return {};
}

Result<std::shared_ptr<Topic>> TopicStore::open_topic(const std::string& name) {
  const std::string path = io::join_path(folder(name), "topic.json");
  WEIR_ASSIGN(const std::string text, files_.read_all(path));
  WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(text, path));
  auto topic = std::make_shared<Topic>();
  topic->name = name;
  topic->id = base::json_string(json, "id").value_or("");
  const int64_t partitions = base::json_int(json, "partitions").value_or(0);
  if (base::json_int(json, "format").value_or(0) != 1 || partitions < 1 || partitions > 1'000'000)
    return error(ErrorKind::kCorruption, "{} is not a topic description of format 1", path);
  if (const base::JsonObject* config = base::json_object(json, "config")) {
    WEIR_ASSIGN(topic->config, topic_config_from_json(*config));
  }
  make_logs(*topic, static_cast<int32_t>(partitions));
  return topic;
}

void TopicStore::make_logs(Topic& topic, int32_t partitions) {
  for (int32_t i = 0; i < partitions; ++i) {
    topic.partitions.push_back(std::make_unique<PartitionLog>(
        files_, clock_, flusher_, metrics_,
        PartitionLogOptions{.folder = io::join_path(folder(topic.name), std::to_string(i)),
                            .name = fmt::format("{}-{}", topic.name, i),
                            .config = topic.config,
                            .producers_max = options_.producers_max,
                            .producer_expiry_ms = options_.producer_expiry_ms,
                            .repair = options_.repair}));
    // An error is kept (and logged) by the partition, which is offline then; the others go on.
    if (const auto recovered = topic.partitions.back()->recover(); !recovered.ok()) continue;
  }
}

Result<void> TopicStore::close() {
  Result<void> result;
  for (PartitionLog* log : all_partitions())
    if (auto closed = log->close(); !closed.ok() && result.ok()) result = std::move(closed);
  return result;
}

TopicStore::Outcome TopicStore::check(const TopicSpec& spec) const {
  const std::shared_lock lock(mutex_);
  return check_locked(spec);
}

TopicStore::Outcome TopicStore::check_locked(const TopicSpec& spec) const {
  if (!valid_topic_name(spec.name))
    return {ErrorCode::kInvalidTopicException,
            fmt::format("topic name '{}' is not 1 to 249 of a-z A-Z 0-9 . _ - (and not . or ..)",
                        spec.name)};
  if (topics_.contains(spec.name))
    return {ErrorCode::kTopicAlreadyExists, fmt::format("topic '{}' already exists", spec.name)};
  if (spec.partitions < 1)
    return {
        ErrorCode::kInvalidPartitions,
        fmt::format("topic '{}' needs at least one partition, not {}", spec.name, spec.partitions)};
  if (topics_.size() >= static_cast<size_t>(options_.topics_max))
    return {ErrorCode::kPolicyViolation,
            fmt::format("the hub holds its limit of {} topics", options_.topics_max)};
  if (spec.partitions > options_.partitions_max - partition_count_)
    return {ErrorCode::kInvalidPartitions,
            fmt::format("topic '{}' with {} partitions would pass the hub's limit of {} in all",
                        spec.name, spec.partitions, options_.partitions_max)};
  return {};
}

TopicStore::Outcome TopicStore::create(const TopicSpec& spec) {
  const std::lock_guard creating(create_mutex_);
  if (Outcome outcome = check(spec); outcome.error != ErrorCode::kNone) return outcome;
  auto topic = std::make_shared<Topic>();
  topic->name = spec.name;
  topic->id = base::uuid(random_);
  topic->config = spec.config;
  if (const auto made = make_files(spec, topic->id); !made.ok()) {
    base::log_error("topic={} create=failed reason=\"{}\"", spec.name, made.error().message());
    return {ErrorCode::kKafkaStorageError, made.error().message()};
  }
  make_logs(*topic, spec.partitions);
  const std::unique_lock lock(mutex_);
  partition_count_ += spec.partitions;
  topics_[spec.name] = std::move(topic);
  return {};
}

Result<void> TopicStore::make_files(const TopicSpec& spec, const std::string& id) {
  const std::string path = folder(spec.name);
  WEIR_TRY(files_.remove_tree(path));
  WEIR_TRY(files_.make_dir(path));
  for (int32_t i = 0; i < spec.partitions; ++i) {
    const std::string partition = io::join_path(path, std::to_string(i));
    WEIR_TRY(files_.make_dir(partition));
    WEIR_TRY(PartitionLog::create_files(files_, partition));
  }
  WEIR_TRY(files_.sync_dir(path));
  WEIR_TRY(files_.sync_dir(io::parent_path(path)));
  base::JsonObject json;
  json["format"] = 1;
  json["id"] = id;
  json["partitions"] = spec.partitions;
  json["config"] = topic_config_json(spec.config);
  return files_.replace(io::join_path(path, "topic.json"), base::json_text(json) + "\n");
}

std::shared_ptr<Topic> TopicStore::find(const std::string& name) const {
  const std::shared_lock lock(mutex_);
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : found->second;
}

PartitionLog* TopicStore::partition(const std::string& topic, int32_t index) const {
  const std::shared_lock lock(mutex_);
  const auto found = topics_.find(topic);
  if (found == topics_.end() || index < 0 ||
      static_cast<size_t>(index) >= found->second->partitions.size())
    return nullptr;
  return found->second->partitions[static_cast<size_t>(index)].get();
}

std::vector<std::shared_ptr<Topic>> TopicStore::list() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<Topic>> result;
  for (const auto& [name, topic] : topics_)
    result.push_back(topic);
  return result;
}

std::vector<PartitionLog*> TopicStore::all_partitions() const {
  const std::shared_lock lock(mutex_);
  std::vector<PartitionLog*> result;
  for (const auto& [name, topic] : topics_)
    for (const auto& log : topic->partitions)
      result.push_back(log.get());
  return result;
}

}  // namespace weir::hub
