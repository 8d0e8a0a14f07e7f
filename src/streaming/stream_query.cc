#include "streaming/stream_query.h"

#include <chrono>

#include "base/logging.h"
#include "streaming/stream_start.h"

namespace weir::streaming {

using base::Error;
using base::ErrorKind;

namespace {

constexpr int64_t kIdleEveryUs = 10'000'000;  // as often as Spark tells of a query without news

template <typename Ready>
bool wait_until(std::condition_variable_any& changed, std::unique_lock<std::mutex>& lock,
                std::optional<int64_t> timeout_us, const std::stop_token& stop,
                const Ready& ready) {
  if (!timeout_us) return changed.wait(lock, stop, ready);
  return changed.wait_for(lock, stop, std::chrono::microseconds(*timeout_us), ready);
}

std::string shown(const Error& error) {
  return error.error_class().empty() ? error.message()
                                     : "[" + error.error_class() + "] " + error.message();
}

}  // namespace

// --- the hub

int64_t QueryHub::add(QueryEvents events) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_[next_] = std::move(events);
  return next_++;
}

void QueryHub::remove(int64_t listener) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.erase(listener);
}

bool QueryHub::listened() const {
  const std::lock_guard lock(listeners_mutex_);
  return !listeners_.empty();
}

// A listener may add and remove listeners.
template <typename Call>
void QueryHub::tell(const Call& call) {
  const std::lock_guard lock(listeners_mutex_);
  std::vector<int64_t> all;
  for (const auto& [id, events] : listeners_)
    all.push_back(id);
  for (const int64_t id : all) {
    const auto found = listeners_.find(id);
    if (found == listeners_.end()) continue;
    const QueryEvents events = found->second;
    call(events);
  }
}

void QueryHub::started(const std::string& id, const std::string& run_id, const std::string& name,
                       const std::string& timestamp) {
  tell([&](const QueryEvents& events) {
    if (events.started) events.started(id, run_id, name, timestamp);
  });
}

void QueryHub::progress(const std::string& json) {
  tell([&](const QueryEvents& events) {
    if (events.progress) events.progress(json);
  });
}

void QueryHub::idle(const std::string& id, const std::string& run_id,
                    const std::string& timestamp) {
  tell([&](const QueryEvents& events) {
    if (events.idle) events.idle(id, run_id, timestamp);
  });
}

void QueryHub::terminated(const std::string& id, const std::string& run_id, const Error* cause,
                          const std::optional<Error>& failure) {
  {
    const std::lock_guard lock(mutex_);
    if (!some_ended_ || failure) last_failure_ = failure;
    some_ended_ = true;
    changed_.notify_all();
  }
  tell([&](const QueryEvents& events) {
    if (events.terminated) events.terminated(id, run_id, cause);
  });
}

Result<bool> QueryHub::wait_any(std::optional<int64_t> timeout_us, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const bool ended = wait_until(changed_, lock, timeout_us, stop, [this] { return some_ended_; });
  if (!ended && stop.stop_requested())
    return base::error(ErrorKind::kCancelled, "the wait was stopped");
  if (last_failure_) return *last_failure_;
  return ended;
}

void QueryHub::reset_terminated() {
  const std::lock_guard lock(mutex_);
  some_ended_ = false;
  last_failure_.reset();
}

Error stream_failed(const std::string& id, const std::string& run_id, const Error& cause) {
  const std::string message = shown(cause);
  return base::error(cause.kind(), "Query [id = {}, runId = {}] terminated with exception: {}", id,
                     run_id, message)
      .with_class("STREAM_FAILED")
      .with_sql_state("XXKST")
      .with_parameter("id", id)
      .with_parameter("runId", run_id)
      .with_parameter("message", message);
}

// --- a query's life

class StartedQuery::Life {
 public:
  Life(std::shared_ptr<QueryHub> hub, stream::QueryEnvironment environment,
       std::string temporary_folder)
      : hub_(std::move(hub)),
        environment_(environment),
        temporary_folder_(std::move(temporary_folder)) {}

  void on_start(const std::string& id, const std::string& run_id, const std::string& name) {
    id_ = id;
    run_id_ = run_id;
    last_news_us_ = environment_.clock.monotonic_us();
    hub_->started(id, run_id, name, base::format_utc_ms(environment_.clock.now_us()));
  }
  void on_progress(const stream::QueryProgress& progress) {
    last_news_us_ = environment_.clock.monotonic_us();
    if (hub_->listened()) hub_->progress(base::json_text(stream::progress_json(progress)));
  }
  void on_idle() {
    const int64_t now = environment_.clock.monotonic_us();
    if (now - last_news_us_ < kIdleEveryUs) return;
    last_news_us_ = now;
    hub_->idle(id_, run_id_, base::format_utc_ms(environment_.clock.now_us()));
  }
  void on_end(const Error* cause) {
    if (!temporary_folder_.empty()) {
      const auto removed = environment_.files.remove_tree(temporary_folder_);
      if (!removed.ok())
        base::log_warn("query_id={} cannot remove {}: {}", id_, temporary_folder_,
                       removed.error().to_string());
    }
    std::optional<Error> failure;
    if (cause != nullptr) failure = stream_failed(id_, run_id_, *cause);
    {
      const std::lock_guard lock(mutex_);
      failure_ = failure;
      ended_ = true;
      changed_.notify_all();
    }
    hub_->terminated(id_, run_id_, cause, failure);
  }

  bool ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  std::optional<Error> failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  Result<bool> wait(std::optional<int64_t> timeout_us, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const bool ended = wait_until(changed_, lock, timeout_us, stop, [this] { return ended_; });
    if (!ended && stop.stop_requested())
      return base::error(ErrorKind::kCancelled, "the wait was stopped");
    if (failure_) return *failure_;
    return ended;
  }

 private:
  const std::shared_ptr<QueryHub> hub_;
  stream::QueryEnvironment environment_;
  const std::string temporary_folder_;
  std::string id_, run_id_;   // set before the query's thread is there
  int64_t last_news_us_ = 0;  // of the query's thread
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  bool ended_ = false;
  std::optional<Error> failure_;
};

Result<std::shared_ptr<StartedQuery>> StartedQuery::start(
    stream::QueryEnvironment environment, stream::QueryParts parts, stream::QueryOptions options,
    std::shared_ptr<QueryHub> hub, QueryTexts texts, bool temporary, int64_t stop_timeout_ms) {
  std::shared_ptr<StartedQuery> made(new StartedQuery());
  made->texts_ = std::move(texts);
  made->stop_timeout_ms_ = stop_timeout_ms;
  made->life_ = std::make_shared<Life>(std::move(hub), environment,
                                       temporary ? options.checkpoint : std::string());
  stream::QueryListener listener;
  listener.on_start = [life = made->life_, name = options.name](const std::string& id,
                                                                const std::string& run_id) {
    life->on_start(id, run_id, name);
  };
  listener.on_progress = [life = made->life_](const stream::QueryProgress& progress) {
    life->on_progress(progress);
  };
  listener.on_idle = [life = made->life_] { life->on_idle(); };
  listener.on_end = [life = made->life_](const Error* cause) { life->on_end(cause); };
  WEIR_ASSIGN(made->query_,
              stream::MicroBatchQuery::start(environment, std::move(parts), std::move(options),
                                             std::move(listener)));
  return made;
}

StartedQuery::~StartedQuery() {
  if (query_) query_->stop();
}

bool StartedQuery::active() const { return !life_->ended(); }

std::vector<std::string> StartedQuery::recent_progress() const {
  std::vector<std::string> all;
  for (const auto& progress : query_->recent_progress())
    all.push_back(base::json_text(stream::progress_json(progress)));
  return all;
}

std::optional<std::string> StartedQuery::last_progress() const {
  const auto progress = query_->last_progress();
  if (!progress) return std::nullopt;
  return base::json_text(stream::progress_json(*progress));
}

std::optional<Error> StartedQuery::failure() const { return life_->failure(); }

Result<std::string> StartedQuery::explain(bool extended) const {
  if (!query_->last_progress() && active())
    return std::string("No physical plan. Waiting for data.");
  std::string text;
  if (extended)
    text = "== Analyzed Logical Plan ==\n" + texts_.analyzed + "\n== Optimized Logical Plan ==\n" +
           texts_.optimized + "\n";
  return text + "== Physical Plan ==\n" + texts_.physical;
}

Result<void> StartedQuery::stop() {
  query_->request_stop();
  if (stop_timeout_ms_ > 0 && !query_->wait_for(stop_timeout_ms_ * 1000))
    return base::error(ErrorKind::kTimeout,
                       "Stream Execution thread for stream [id = {}, runId = {}] failed to stop "
                       "within {} milliseconds (specified by spark.sql.streaming.stopTimeout). "
                       "What the query was doing goes on to its end.",
                       id(), run_id(), stop_timeout_ms_);
  query_->stop();
  return {};
}

Result<bool> StartedQuery::wait(std::optional<int64_t> timeout_us, std::stop_token stop) {
  return life_->wait(timeout_us, stop);
}

Result<void> StartedQuery::process_all_available(std::stop_token stop) {
  auto done = query_->process_all_available(stop);
  if (done.ok() || (stop.stop_requested() && done.error().kind() == ErrorKind::kCancelled))
    return done;
  return stream_failed(id(), run_id(), done.error());
}

}  // namespace weir::streaming
