#include "sink/compaction_worker.h"

#include <algorithm>

#include "base/logging.h"
#include "base/thread_priority.h"
#include "delta/table_features.h"

namespace weir::sink {
namespace {

constexpr int64_t kEarlierCommits = 1000;  // of the query's earlier runs, looked through once
constexpr int64_t kSmallMergeBytes = 16LL << 20;  // is waited for at the end
constexpr int64_t kFirstDelayUs = 10'000'000;     // after a failure, doubled up to
constexpr int64_t kLongestDelayUs = 600'000'000;

std::optional<std::string> property(const delta::Metadata& metadata, const std::string& key) {
  const auto found = metadata.configuration.find(key);
  return found == metadata.configuration.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

base::Result<std::optional<delta::CompactionPolicy>> compaction_policy(
    const DeltaCompactionOptions& options, const delta::Metadata& metadata) {
  delta::CompactionPolicy policy;
  bool on = true;
  if (options.enabled) {
    on = *options.enabled;
  } else if (const auto said = property(metadata, "delta.autoOptimize.autoCompact")) {
    WEIR_ASSIGN(on, parse_auto_compact("table property delta.autoOptimize.autoCompact", *said));
  }
  if (!on) return std::optional<delta::CompactionPolicy>();
  policy.files_min = options.files_min;
  if (options.target_file_bytes) {
    policy.target_file_bytes = *options.target_file_bytes;
  } else if (const auto said = property(metadata, "delta.targetFileSize")) {
    WEIR_ASSIGN(policy.target_file_bytes, parse_size("table property delta.targetFileSize", *said));
  }
  return std::optional(policy);
}

CompactionWorker::CompactionWorker(delta::Environment environment, DeltaCompactionOptions options,
                                   delta::DataFileOptions files)
    : environment_(environment), options_(options), files_(std::move(files)) {}

CompactionWorker::~CompactionWorker() {
  if (!thread_.joinable()) return;
  merge_stop_.request_stop();
  thread_.request_stop();
}

void CompactionWorker::after_commit(delta::Table& table, const std::string& query_id,
                                    base::TableVersion version,
                                    const std::vector<delta::AddFile>& files) {
  if (options_.enabled == false) return;
  const std::lock_guard lock(mutex_);
  const bool first = table_ == nullptr;
  if (first) {
    table_ = &table;
    query_id_ = query_id;
    first_version_ = version;
  }
  for (const delta::AddFile& file : files) {
    delta::AddFile small;  // what is needed of it
    small.path = file.path;
    small.partition_values = file.partition_values;
    small.size = file.size;
    came_.push_back(std::move(small));
  }
  // Files of earlier runs are looked for with the first commit.
  if (!first && static_cast<int64_t>(came_.size()) < options_.files_min) return;
  woken_ = true;
  if (!thread_.joinable()) thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  changed_.notify_all();
}

void CompactionWorker::wait_idle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !woken_ && !working_; });
}

void CompactionWorker::run(std::stop_token stop) {
  base::lower_thread_priority();
  while (true) {
    std::vector<delta::AddFile> came;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return woken_; })) return;
      std::swap(came, came_);
      woken_ = false;
      working_ = true;
    }
    load_earlier_files();
    for (const delta::AddFile& file : came)
      keep(file);
    merge_what_is_due(stop);
    {
      const std::lock_guard lock(mutex_);
      working_ = false;
    }
    changed_.notify_all();
  }
}

void CompactionWorker::load_earlier_files() {
  if (std::exchange(loaded_, true) || first_version_.value() == 0) return;
  if (table_->file_count() < options_.files_min) return;
  const auto found = delta::files_of_query(
      *table_, query_id_, base::TableVersion(first_version_.value() - 1), kEarlierCommits);
  if (!found.ok()) {
    base::log_warn("compaction: files of earlier runs are left as they are table={} error=\"{}\"",
                   table_->path(), found.error().to_string());
    return;
  }
  for (const auto& file : *found)
    keep(*file);
}

void CompactionWorker::keep(const delta::AddFile& file) {
  if (candidates_.add(file) || std::exchange(overflow_told_, true)) return;
  base::log_warn(
      "compaction: table={} has more small files than are kept in mind ({}): they are "
      "left as they are",
      table_->path(), candidates_.size());
}

// Those that are still in the table as they were.
void CompactionWorker::keep_again(const std::vector<delta::CompactionFile>& files) {
  std::vector<std::string> paths;
  for (const auto& file : files)
    paths.push_back(file.path);
  const auto there = table_->find_files(paths);
  if (!there.ok()) return;
  for (const auto& file : there->files)
    if (file != nullptr) keep(*file);
}

std::optional<delta::CompactionPolicy> CompactionWorker::policy() const {
  const auto header = table_->header();
  if (!header.ok()) return std::nullopt;
  auto policy = compaction_policy(options_, *header->metadata);
  if (policy.ok()) return *policy;
  base::log_warn("compaction: table={} error=\"{}\"", table_->path(), policy.error().to_string());
  return std::nullopt;
}

void CompactionWorker::merge_what_is_due(std::stop_token stop) {
  if (environment_.clock.monotonic_us() < not_before_us_) return;
  const auto policy = this->policy();
  if (!policy) return;
  candidates_.set_policy(*policy);
  files_.target_file_bytes = policy->target_file_bytes;
  while (true) {
    const auto due = candidates_.take_due();
    if (due.empty()) return;
    if (!merge(due, stop) || stop.stop_requested()) return;
  }
}

// False: not now again.
bool CompactionWorker::merge(const std::vector<delta::CompactionFile>& due, std::stop_token stop) {
  delta::CompactionRequest request;
  int64_t bytes = 0;
  for (const auto& file : due) {
    request.paths.push_back(file.path);
    bytes += file.size;
  }
  request.files = files_;
  request.query_id = query_id_;
  const bool large = bytes > kSmallMergeBytes;
  if (large && stop.stop_requested()) return false;
  const auto outcome =
      delta::compact_files(*table_, request, large ? merge_stop_.get_token() : std::stop_token());
  if (!outcome.ok()) {
    if (outcome.error().kind() == base::ErrorKind::kCancelled) return false;
    not_before_us_ = environment_.clock.monotonic_us() +
                     std::min(kLongestDelayUs, kFirstDelayUs << std::min<int64_t>(failures_, 10));
    ++failures_;
    base::log_warn("compaction failed table={} query_id={} files={} error=\"{}\"", table_->path(),
                   query_id_, due.size(), outcome.error().to_string());
    keep_again(due);
    return false;
  }
  failures_ = 0;
  if (const auto* done = std::get_if<delta::Compacted>(&*outcome)) {
    for (const delta::AddFile& file : done->added)
      keep(file);
  } else if (std::holds_alternative<delta::Conflict>(*outcome)) {
    keep_again(due);
    return false;  // tried again when more files have come
  }
  return true;
}

}  // namespace weir::sink
