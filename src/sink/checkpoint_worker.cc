#include "sink/checkpoint_worker.h"

#include "base/logging.h"
#include "base/parse_integer.h"
#include "base/thread_priority.h"
#include "delta/checkpoint_writer.h"

namespace weir::sink {
namespace {

// The log's folder is looked through for old entries once in a while: it may have very many.
constexpr int64_t kCleanUpIntervalUs = 600'000'000;

// The table's own delta.checkpointInterval (commits) goes before the sink's option.
int64_t interval_commits(const delta::Metadata& metadata, int64_t otherwise) {
  const auto found = metadata.configuration.find("delta.checkpointInterval");
  if (found == metadata.configuration.end()) return otherwise;
  const auto commits = base::parse_integer(found->second);
  return commits && *commits > 0 ? *commits : otherwise;
}

}  // namespace

CheckpointWorker::CheckpointWorker(delta::Environment environment) : environment_(environment) {}

CheckpointWorker::~CheckpointWorker() {
  if (!thread_.joinable()) return;
  wait_idle();
  thread_.request_stop();
  changed_.notify_all();
}

void CheckpointWorker::after_commit(delta::Table& table, const DeltaSinkOptions& options) {
  if (options.checkpoint_commits <= 0) return;
  const auto tail = table.log_tail();
  if (!tail || tail->commits < 1) return;
  const auto header = table.header();
  if (!header.ok()) return;
  const bool due =
      tail->commits >= interval_commits(*header->metadata, options.checkpoint_commits) ||
      tail->log_bytes >= options.checkpoint_log_bytes;
  // A checkpoint rewrites the whole table's list: it waits until the tail is worth it, so that its
  // cost stays in proportion.
  if (!due || tail->log_bytes * 4 < tail->checkpoint_bytes) return;
  const int64_t now_us = environment_.clock.monotonic_us();
  const std::lock_guard lock(mutex_);
  if (working_ || content_ != nullptr) return;
  if (last_us_ && now_us - *last_us_ < options.checkpoint_interval_us_min) return;
  content_ = table.checkpoint_content();
  table_ = &table;
  last_us_ = now_us;
  if (!thread_.joinable()) thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  changed_.notify_all();
}

void CheckpointWorker::wait_idle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return content_ == nullptr && !working_; });
}

void CheckpointWorker::clean_up(const std::string& path, const delta::Metadata& metadata) {
  const int64_t now_us = environment_.clock.monotonic_us();
  if (cleaned_us_ && now_us - *cleaned_us_ < kCleanUpIntervalUs) return;
  cleaned_us_ = now_us;
  const auto cleaned = delta::clean_up_log(environment_, path, metadata);
  if (!cleaned.ok())
    base::log_warn("log clean-up failed table={} error=\"{}\"", path, cleaned.error().to_string());
}

void CheckpointWorker::run(std::stop_token stop) {
  base::lower_thread_priority();
  while (true) {
    std::shared_ptr<const delta::CheckpointContent> content;
    delta::Table* table = nullptr;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return content_ != nullptr; })) return;
      content = std::move(content_);
      content_ = nullptr;
      table = table_;
      working_ = true;
    }
    auto written = delta::write_checkpoint(environment_, table->path(), *content);
    if (written.ok()) {
      table->checkpoint_written(written->version, written->bytes);
      clean_up(table->path(), *content->metadata);
    } else {
      base::log_warn("table checkpoint failed table={} table_version={} error=\"{}\"",
                     table->path(), content->version.value(), written.error().to_string());
    }
    content.reset();
    {
      const std::lock_guard lock(mutex_);
      working_ = false;
    }
    changed_.notify_all();
  }
}

}  // namespace weir::sink
