#include "streaming/stream_queries.h"

#include <algorithm>
#include <set>

#include "session/conf_overlay.h"
#include "session/warehouse.h"
#include "streaming/incremental_text.h"
#include "streaming/progress_table.h"
#include "streaming/stream_query.h"
#include "streaming/stream_start.h"

namespace weir::streaming {

using base::error;
using base::ErrorKind;
using StartedPtr = std::shared_ptr<StartedQuery>;

namespace {

constexpr size_t kEndedKept = 100;

class Queries final : public StreamQueries {
 public:
  Queries(stream::QueryEnvironment environment, session::Session& session,
          stream::QueryManager* process)
      : environment_(environment), session_(session), process_(process) {}
  ~Queries() override { close(); }

  Result<StreamQueryPtr> start(StreamWrite write) override;

  std::vector<StreamQueryPtr> active() const override {
    std::vector<StreamQueryPtr> found;
    for (auto& query : all())
      if (query->active()) found.push_back(std::move(query));
    return found;
  }
  StreamQueryPtr find(std::string_view id) const override {
    const auto queries = all();
    for (auto query = queries.rbegin(); query != queries.rend(); ++query)
      if ((*query)->id() == id || (*query)->run_id() == id) return *query;
    return nullptr;
  }
  StreamQueryPtr find_run(std::string_view id, std::string_view run_id) const override {
    for (const auto& query : all())
      if (query->id() == id && query->run_id() == run_id) return query;
    return nullptr;
  }
  Result<bool> wait_any(std::optional<int64_t> timeout_us, std::stop_token stop) override {
    return hub_->wait_any(timeout_us, std::move(stop));
  }
  void reset_terminated() override { hub_->reset_terminated(); }
  int64_t add_listener(QueryEvents events) override { return hub_->add(std::move(events)); }
  void remove_listener(int64_t listener) override { hub_->remove(listener); }

  void close() override {
    stop_.request_stop();
    const auto queries = all();
    for (const auto& query : queries)
      query->request_stop();
    for (const auto& query : queries)
      (void)query->stop();
    const std::lock_guard lock(mutex_);
    if (shown_ == nullptr) return;
    const std::lock_guard shown_lock(shown_->mutex);
    shown_->queries.clear();
  }

 private:
  // Holds a name while its query starts.
  class NameHold {
   public:
    NameHold(Queries& queries, std::string name) : queries_(queries), name_(std::move(name)) {}
    ~NameHold() {
      const std::lock_guard lock(queries_.mutex_);
      queries_.starting_.erase(name_);
    }

   private:
    Queries& queries_;
    std::string name_;
  };

  std::vector<StartedPtr> all() const {
    const std::lock_guard lock(mutex_);
    return queries_;
  }
  struct Recipe {
    StreamWrite write;
    std::string format;
    plan::StreamMode mode;
    QueryConf conf;
    std::string checkpoint;
    int threads;
  };
  struct Built {
    stream::QueryParts parts;
    plan::OperatorPtr view;  // of the memory sink
  };
  Result<Built> build(const Recipe& recipe, const plan::OperatorPtr& root,
                      const std::map<std::string, std::string>& settings);
  Result<Built> build_replayed(const Recipe& recipe, const plan::OperatorPtr& root);
  Result<std::unique_ptr<NameHold>> hold_name(const std::string& name);
  Result<void> end_active_run(const std::string& checkpoint);
  void keep(StartedPtr query);
  void show_progress();

  const stream::QueryEnvironment environment_;
  session::Session& session_;
  stream::QueryManager* const process_;
  const std::shared_ptr<QueryHub> hub_ = std::make_shared<QueryHub>();
  std::stop_source stop_;
  mutable std::mutex mutex_;
  std::vector<StartedPtr> queries_;  // oldest start first
  std::set<std::string> starting_;   // names
  // Shared with the table stream_progress, which a view may keep longer than this.
  struct Shown {
    std::mutex mutex;
    std::vector<StartedPtr> queries;
  };
  std::shared_ptr<Shown> shown_;
};

Result<std::unique_ptr<Queries::NameHold>> Queries::hold_name(const std::string& name) {
  if (name.empty()) return std::unique_ptr<NameHold>();
  const std::lock_guard lock(mutex_);
  const bool taken = starting_.contains(name) ||
                     std::any_of(queries_.begin(), queries_.end(), [&](const StartedPtr& query) {
                       return query->name() == name && query->active();
                     });
  if (taken)
    return error(ErrorKind::kAlreadyExists,
                 "Cannot start query with name {} as a query with that name is already active in "
                 "this SparkSession",
                 name);
  starting_.insert(name);
  return std::make_unique<NameHold>(*this, name);
}

// One run at a time works on a checkpoint: the one of now, of this session or another of the
// process, ends first.
Result<void> Queries::end_active_run(const std::string& checkpoint) {
  std::vector<std::shared_ptr<stream::MicroBatchQuery>> running;
  for (const auto& query : all())
    running.push_back(query->running());
  if (process_ != nullptr)
    for (auto& query : process_->active())
      running.push_back(std::move(query));
  for (const auto& query : running) {
    if (!query->active() || query->status().checkpoint != checkpoint) continue;
    if (session_.get("spark.sql.streaming.stopActiveRunOnRestart").value_or("true") == "false")
      return error(
          ErrorKind::kConflict,
          "Cannot start query with id {} as another query with same id is already active. Perhaps "
          "you are attempting to restart a query from checkpoint that is already active. You may "
          "stop the old query by setting the SQL configuration: "
          "spark.conf.set(\"spark.sql.streaming.stopActiveRunOnRestart\", true) and retry.",
          query->id());
    query->stop();
  }
  return {};
}

void Queries::keep(StartedPtr query) {
  std::vector<StartedPtr> dropped;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  queries_.push_back(std::move(query));
  const auto ended = static_cast<size_t>(std::count_if(
      queries_.begin(), queries_.end(), [](const StartedPtr& one) { return !one->active(); }));
  size_t excess = ended > kEndedKept ? ended - kEndedKept : 0;
  std::erase_if(queries_, [&](const StartedPtr& one) {
    if (excess == 0 || one->active()) return false;
    --excess;
    dropped.push_back(one);
    return true;
  });
}

// The table stream_progress has the session's queries from the first start on, where the name is
// not somebody else's.
void Queries::show_progress() {
  const auto queries = all();
  std::shared_ptr<Shown> shown;
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = shown_ == nullptr;
    if (first) shown_ = std::make_shared<Shown>();
    shown = shown_;
  }
  {
    const std::lock_guard lock(shown->mutex);
    shown->queries = queries;
  }
  if (!first) return;
  const auto taken = session_.parse(std::string("SELECT * FROM ") + kProgressTable);
  if (!taken.ok() || session_.analyze(*taken).ok()) return;
  session_.put_temp_view(kProgressTable, make_progress_table([shown] {
                           std::vector<StartedPtr> now;
                           {
                             const std::lock_guard lock(shown->mutex);
                             now = shown->queries;
                           }
                           std::vector<std::string> texts;
                           for (const auto& query : now)
                             for (auto& text : query->recent_progress())
                               texts.push_back(std::move(text));
                           return texts;
                         }));
}

Result<Queries::Built> Queries::build(const Recipe& recipe, const plan::OperatorPtr& root,
                                      const std::map<std::string, std::string>& settings) {
  Built built;
  WEIR_ASSIGN(built.parts, make_parts(session_, environment_.files, recipe.write, root, recipe.mode,
                                      recipe.conf, recipe.checkpoint, recipe.threads, settings));
  WEIR_ASSIGN(auto sink, make_sink(session_, recipe.write, recipe.format, recipe.mode, root,
                                   stop_.get_token()));
  built.parts.sink = std::move(sink.sink);
  built.view = std::move(sink.view);
  return built;
}

// The batch that has to run again gets the query as it is under the settings that it was planned
// with; the batches after it go on with `root`.
Result<Queries::Built> Queries::build_replayed(const Recipe& recipe,
                                               const plan::OperatorPtr& root) {
  const session::ConfOverlay as_then(recipe.conf.replayed);
  WEIR_ASSIGN(const auto then, plan_stream(session_, recipe.write.plan, recipe.mode));
  WEIR_ASSIGN(auto built, build(recipe, then.optimized, recipe.conf.replayed));
  // The rows of a memory sink stay where they are.
  const bool same_sink = built.view && plan::schema_of(*then.optimized) == plan::schema_of(*root);
  built.parts.later = [this, recipe, root, same_sink]() -> Result<stream::QueryParts> {
    const session::ConfOverlay as_started(recipe.conf.pinned);
    WEIR_ASSIGN(Built now, build(recipe, root, {}));
    if (same_sink)
      now.parts.sink = nullptr;
    else if (now.view)
      session_.put_temp_view(recipe.write.name, now.view);
    return std::move(now.parts);
  };
  return built;
}

Result<StreamQueryPtr> Queries::start(StreamWrite write) {
  if (stop_.stop_requested())
    return error(ErrorKind::kCancelled, "the session is closed: no query can start in it");
  WEIR_ASSIGN(const auto mode, plan::parse_stream_mode(write.mode.empty() ? "append" : write.mode));
  const std::string format = sink_format(session_, write);
  WEIR_TRY(check_sink(write, format, mode));
  WEIR_ASSIGN(const auto hold, hold_name(write.name));
  WEIR_ASSIGN(const auto planned, plan_stream(session_, write.plan, mode));
  WEIR_ASSIGN(const auto checkpoint, find_checkpoint(session_, write, format, environment_.random));
  WEIR_TRY(end_active_run(checkpoint.folder));
  if (format == "memory" && mode != plan::StreamMode::kComplete)
    WEIR_TRY(refuse_recovery(environment_.files, checkpoint));
  WEIR_ASSIGN(const auto conf, query_conf(session_, environment_.files, checkpoint.folder));
  const int threads = session_.warehouse().services().threads;
  const Recipe recipe{write, format, mode, conf, checkpoint.folder, threads};
  Built built;
  if (conf.replayed.empty()) {
    WEIR_ASSIGN(built, build(recipe, planned.optimized, {}));
  } else {
    WEIR_ASSIGN(built, build_replayed(recipe, planned.optimized));
  }
  stream::QueryOptions options;
  options.name = write.name;
  options.checkpoint = checkpoint.folder;
  options.trigger = write.trigger;
  options.threads = threads;
  options.session = conf.pinned;
  options.stop = stop_.get_token();  // also where the session closes while the query starts
  options.watermark_policy = conf.policy;
  options.batches_without_rows = conf.batches_without_rows;
  options.progress_kept = conf.progress_kept;
  options.batches_retained = conf.batches_retained;
  options.poll_interval_us = conf.poll_interval_us;
  const auto keeps_state = [output = output_mode(mode)](const plan::Operator& node) {
    return operators::is_stateful(node, output);
  };
  QueryTexts texts{plan::plan_text(*planned.analyzed), plan::plan_text(*planned.optimized),
                   incremental_text(planned.optimized, mode, keeps_state)};
  WEIR_ASSIGN(auto query,
              StartedQuery::start(environment_, std::move(built.parts), std::move(options), hub_,
                                  std::move(texts), checkpoint.temporary, conf.stop_timeout_ms));
  if (built.view) session_.put_temp_view(write.name, built.view);
  if (process_ != nullptr) process_->adopt(query->running());
  keep(query);
  show_progress();
  return StreamQueryPtr(query);
}

}  // namespace

std::unique_ptr<StreamQueries> StreamQueries::create(stream::QueryEnvironment environment,
                                                     session::Session& session,
                                                     stream::QueryManager* all) {
  return std::make_unique<Queries>(environment, session, all);
}

}  // namespace weir::streaming
