#include "streaming/case_world.h"

#include <algorithm>
#include <thread>

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "plan/analyzer.h"
#include "plan/stream_rewrites.h"
#include "plan/temporal_text.h"
#include "session/stream_table.h"
#include "streaming/case_parts.h"

namespace weir::streaming {

using base::error;
using base::ErrorKind;

int64_t CaseClock::now_us() const {
  std::lock_guard lock(mutex_);
  return now_us_;
}

bool CaseClock::sleep_until_us(int64_t deadline_us, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  deadline_us_ = deadline_us;
  changed_.wait(lock, stop, [&] { return now_us_ >= deadline_us; });
  deadline_us_.reset();
  return !stop.stop_requested();
}

void CaseClock::advance_us(int64_t us) {
  {
    std::lock_guard lock(mutex_);
    now_us_ += us;
  }
  changed_.notify_all();
}

bool CaseClock::asleep() const {
  std::lock_guard lock(mutex_);
  return deadline_us_ && *deadline_us_ > now_us_;
}

CaseHost& CaseHost::get() {
  static auto* const host = new CaseHost();  // its threads end with the process
  return *host;
}

CaseHost::CaseHost() : files_(std::make_unique<io::ModelFileSystem>(1)) {
  WEIR_CHECK(files_->make_dirs("/warehouse").ok(), "a folder in memory");
  engine_ = relational::DuckEngine::open({}).value();
  warehouse_ =
      session::Warehouse::open({*files_, clock_, random_, *engine_, 2}, "/warehouse").value();
}

std::unique_ptr<session::Session> CaseHost::session() {
  auto made = session::Session::create(warehouse_, fmt::format("case-{}", sessions_++)).value();
  WEIR_CHECK(made->set("spark.sql.session.timeZone", "UTC").ok(), "a zone");
  return made;
}

struct CaseWorld::Stream final {
  std::shared_ptr<source::MemorySource::Data> data;
  std::shared_ptr<session::StreamTable> table;
  std::string casts;  // the select list that casts rows of values
};

namespace {

class MemoryTable final : public session::StreamTable {
 public:
  MemoryTable(std::string name, columnar::Schema schema,
              std::function<std::unique_ptr<source::Source>()> make)
      : name_(std::move(name)), schema_(std::move(schema)), make_(std::move(make)) {}
  const columnar::Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return "memory"; }
  std::string description() const override { return "memory " + name_; }
  Result<std::unique_ptr<source::Source>> make_source() const override { return make_(); }

 private:
  std::string name_;
  columnar::Schema schema_;
  std::function<std::unique_ptr<source::Source>()> make_;
};

operators::OutputMode operator_mode(plan::StreamMode mode) {
  if (mode == plan::StreamMode::kComplete) return operators::OutputMode::kComplete;
  return mode == plan::StreamMode::kUpdate ? operators::OutputMode::kUpdate
                                           : operators::OutputMode::kAppend;
}

std::string joined(std::vector<std::string> rows) {
  std::string text;
  for (const auto& row : rows)
    text += fmt::format("{}({})", text.empty() ? "" : ", ", row);
  return text.empty() ? "no rows" : text;
}

// "(a, b)" as names.
std::vector<std::string> names_in(std::string text) {
  std::vector<std::string> names;
  std::erase_if(text, [](char c) { return c == '(' || c == ')' || c == ' '; });
  size_t begin = 0;
  while (begin < text.size()) {
    const auto end = std::min(text.find(',', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

base::Error failed(const std::string& story, const std::string& what) {
  return error(ErrorKind::kInternal, "{}\nafter:\n{}", what, story);
}

}  // namespace

CaseWorld::CaseWorld(CaseOptions options)
    : options_(std::move(options)),
      files_(options_.seed),
      random_(options_.seed),
      session_(CaseHost::get().session()),
      trigger_(stream::Trigger::processing_time(0)) {}

CaseWorld::~CaseWorld() { query_.reset(); }

Result<void> CaseWorld::run(const Case& one) {
  for (const auto& next : one.steps) {
    story_ += fmt::format("  {}:{}: {} {}\n", one.file, next.line, next.verb, next.rest);
    auto done = step(next);
    if (!done.ok()) return failed(story_, done.error().to_string());
  }
  WEIR_TRY(ensure_started());
  if (query_) WEIR_TRY(process());
  std::lock_guard lock(sink_->mutex);
  if (!sink_->differs.empty()) return failed(story_, sink_->differs);
  return {};
}

Result<void> CaseWorld::step(const CaseStep& step) {
  const auto& verb = step.verb;
  std::string rest = step.rest;
  if (verb == "stream") return make_stream(rest);
  if (verb == "table") return make_table(rest);
  if (verb == "view") {
    const std::string name = take_word(rest);
    if (take_word(rest) != "=") return error(ErrorKind::kInvalidArgument, "view NAME = PLAN");
    WEIR_ASSIGN(auto plan, view_plan(rest));
    return keep(name, std::move(plan));
  }
  if (verb == "query") {
    query_text_ = rest;
    return {};
  }
  if (verb == "mode") {
    mode_ = rest;
    return {};
  }
  if (verb == "trigger") {
    WEIR_ASSIGN(trigger_, stream::parse_trigger(rest));
    return {};
  }
  if (verb == "limit") {
    batches_per_trigger_ = std::stoll(rest);
    return {};
  }
  if (verb == "conf") {
    const std::string key = take_word(rest);
    conf_[key] = rest;
    return session_->set(key, rest);
  }
  if (verb == "add") {
    const std::string name = take_word(rest);
    return add(name, rest);
  }
  if (verb == "process") {
    WEIR_TRY(ensure_started());
    return process();
  }
  if (verb == "new" || verb == "all" || verb == "ordered") {
    WEIR_TRY(ensure_started());
    WEIR_TRY(process());
    return check_rows(verb, rest);
  }
  if (verb == "rows") {
    WEIR_TRY(ensure_started());
    WEIR_TRY(process());
    const auto batch = std::stoll(take_word(rest));
    WEIR_ASSIGN(auto wanted, parse_rows(rest));
    std::lock_guard lock(sink_->mutex);
    auto rows = sink_->batches[batch];
    std::sort(rows.begin(), rows.end());
    std::sort(wanted.begin(), wanted.end());
    if (rows == wanted) return {};
    return error(ErrorKind::kInternal, "rows of batch {} are {}\n    not {}", batch, joined(rows),
                 joined(wanted));
  }
  if (verb == "state" || verb == "watermark" || verb == "event_time" || verb == "batch") {
    WEIR_TRY(ensure_started());
    WEIR_TRY(process());
    return verb == "state" ? check_state(rest) : check_progress(verb, rest);
  }
  if (verb == "advance") {
    WEIR_TRY(ensure_started());
    return advance(rest);
  }
  if (verb == "start") return start();
  if (verb == "stop") {
    stop();
    return {};
  }
  if (verb == "restart") {
    stop();
    return start();
  }
  if (verb == "purge") return purge_commit();
  if (verb == "crash") {
    std::lock_guard lock(crash_mutex_);
    crash_at_ = rest;
    crash_batch_.reset();
    return {};
  }
  if (verb == "refused" || verb == "fails") return refused(rest, verb == "refused");
  return error(ErrorKind::kInvalidArgument, "no step is called '{}'", verb);
}

Result<void> CaseWorld::make_stream(std::string text) {
  const auto open = text.find('(');
  const std::string name = text.substr(0, open);
  WEIR_ASSIGN(const auto schema,
              columnar::parse_ddl_schema(text.substr(open + 1, text.rfind(')') - open - 1)));
  auto made = std::make_unique<Stream>();
  for (size_t i = 0; i < schema.fields().size(); ++i)
    made->casts += fmt::format("{}CAST(col{} AS {}) AS `{}`", i ? ", " : "", i + 1,
                               schema.fields()[i].type().sql(), schema.fields()[i].name);
  made->data = std::make_shared<source::MemorySource::Data>(schema);
  made->table = std::make_shared<MemoryTable>(name, schema, [this, data = made->data] {
    return std::make_unique<CaseSource>(
        std::make_unique<source::MemorySource>(data, batches_per_trigger_), *this);
  });
  std::vector<plan::Column> columns;
  std::vector<int> indexes;
  for (const auto& field : schema.fields()) {
    plan::Column column;
    column.name = field.name;
    column.type = field.type();
    columns.push_back(std::move(column));
    indexes.push_back(static_cast<int>(indexes.size()));
  }
  auto scan =
      plan::make_operator(plan::op::Scan{made->table, indexes, nullptr}, std::move(columns), true);
  streams_[name] = std::move(made);
  return keep(name, std::move(scan));
}

Result<void> CaseWorld::keep(const std::string& name, plan::OperatorPtr plan) {
  const std::string id = fmt::format("{}-{}", name, plan::plan_text(*plan).size());
  session_->keep(id, std::move(plan));
  return session_->create_temp_view(name, plan::make_plan(plan::CachedRelation{id}), true, false);
}

Result<void> CaseWorld::make_table(std::string text) {
  const auto colon = text.find("):");
  if (colon == std::string::npos)
    return error(ErrorKind::kInvalidArgument, "table NAME(columns): rows");
  const auto open = text.find('(');
  WEIR_ASSIGN(const auto schema,
              columnar::parse_ddl_schema(text.substr(open + 1, colon - open - 1)));
  std::string casts;
  for (size_t i = 0; i < schema.fields().size(); ++i)
    casts += fmt::format("{}CAST(col{} AS {}) AS `{}`", i ? ", " : "", i + 1,
                         schema.fields()[i].type().sql(), schema.fields()[i].name);
  WEIR_ASSIGN(auto plan, session_->parse(fmt::format("SELECT {} FROM VALUES {}", casts,
                                                     text.substr(colon + 2))));
  return session_->create_temp_view(text.substr(0, open), std::move(plan), true, false);
}

// A plan that may be one of those that SQL has no words for.
Result<plan::OperatorPtr> CaseWorld::view_plan(std::string text) {
  const std::string whole = text;
  const std::string word = take_word(text);
  plan::PlanPtr plan;
  if (word == "map_groups") {
    const std::string of = take_word(text);
    const auto names = names_in(take_word(text));
    auto function = std::make_shared<plan::PythonFunction>();
    function->name = take_word(text);
    const auto [result, state] = case_function_schemas(function->name);
    WEIR_ASSIGN(function->result, columnar::parse_ddl_schema(result));
    plan::GroupMap map;
    map.child = plan::make_plan(plan::NamedTable{{of}, {}, {}, false});
    for (const auto& name : names)
      map.keys.push_back(plan::make_expression(plan::ColumnReference{{name}}));
    map.function = std::move(function);
    map.state = {{"kind", "flatMapGroupsWithState"},
                 {"state_schema", state},
                 {"output_mode", take_word(text)},
                 {"timeout", text}};
    plan = plan::make_plan(std::move(map));
  } else if (word == "watermark" || word == "deduplicate" || word == "deduplicate_within") {
    const std::string of = take_word(text);
    plan = plan::make_plan(plan::NamedTable{{of}, {}, {}, false});
    if (word == "watermark") {
      const std::string column = take_word(text);
      plan = plan::make_plan(plan::WithWatermark{plan, column, text});
    } else {
      plan = plan::make_plan(plan::Deduplicate{plan, names_in(text), word == "deduplicate_within"});
    }
  } else {
    WEIR_ASSIGN(plan, session_->parse(whole));
  }
  return session_->analyze(plan);
}

Result<stream::RowBatches> CaseWorld::drain(const plan::OperatorPtr& plan,
                                            const eval::EvalContext& eval) {
  const auto fold = [&](const plan::TypedPtr& one) { return relational::fold(one, eval); };
  WEIR_ASSIGN(const auto optimized, plan::optimize(plan, fold));
  const relational::ExecutionContext context{.engine = CaseHost::get().engine(),
                                             .eval = eval,
                                             .functions = nullptr,
                                             .observed = {},
                                             .observations = nullptr};
  WEIR_ASSIGN(auto rows, relational::execute(optimized, context));
  stream::RowBatches all;
  while (true) {
    WEIR_ASSIGN(auto batch, rows->next({}));
    if (!batch) return all;
    if (batch->num_rows() > 0) all.push_back(std::move(batch));
  }
}

Result<stream::RowBatches> CaseWorld::rows_of(const std::string& sql) {
  WEIR_ASSIGN(const auto parsed, session_->parse(sql));
  WEIR_ASSIGN(const auto plan, session_->analyze(parsed));
  return drain(plan, {});
}

Result<std::vector<std::string>> CaseWorld::table_rows(const std::string& sql) {
  WEIR_ASSIGN(const auto batches, rows_of(sql));
  std::vector<std::string> rows;
  for (const auto& batch : batches)
    for (int64_t row = 0; row < batch->num_rows(); ++row)
      rows.push_back(row_text(*batch, row));
  std::sort(rows.begin(), rows.end());
  return rows;
}

Result<void> CaseWorld::add(const std::string& name, const std::string& rows) {
  const auto found = streams_.find(name);
  if (found == streams_.end())
    return error(ErrorKind::kInvalidArgument, "there is no stream {}", name);
  if (query_) WEIR_TRY(wait_until_asleep());
  WEIR_ASSIGN(const auto batches,
              rows_of(fmt::format("SELECT {} FROM VALUES {}", found->second->casts, rows)));
  WEIR_ASSIGN(const auto one,
              one_batch(batches, columnar::to_arrow_schema(found->second->table->schema())));
  found->second->data->add(one);
  return {};
}

Result<void> CaseWorld::start() {
  if (query_) return error(ErrorKind::kInvalidArgument, "the query runs");
  started_ = true;
  finite_ = trigger_.kind != stream::Trigger::Kind::kProcessingTime;
  WEIR_ASSIGN(const auto mode, plan::parse_stream_mode(mode_));
  WEIR_ASSIGN(auto analyzed, view_plan(query_text_));
  analyzed = plan::with_excepts_as_joins(analyzed);
  WEIR_TRY(plan::check_streaming(analyzed, mode, operators::event_time_columns));
  const auto fold =
      plan::without_time([](const plan::TypedPtr& one) { return relational::fold(one, {}); });
  WEIR_ASSIGN(const auto optimized, plan::optimize(analyzed, fold));

  stream::PlanEnvironment environment;
  environment.is_stateful = [mode](const plan::Operator& node) {
    return operators::is_stateful(node, operator_mode(mode));
  };
  environment.make_operator =
      [this, mode](const plan::OperatorPtr& node,
                   int64_t id) -> Result<std::unique_ptr<operators::StatefulOperator>> {
    operators::StateEnvironment state;
    state.files = &files_;
    state.folder = "/checkpoint/state";
    state.operator_id = id;
    state.provider = options_.provider;
    state.shards = options_.shards;
    state.threads = options_.threads;
    if (const auto found = conf_.find("spark.sql.shuffle.partitions"); found != conf_.end())
      state.shards = std::stoi(found->second);
    state.conf = session_->all_set();
    state.make_group_function = [](const plan::op::GroupMap& map) {
      return case_function(map.function->name);
    };
    WEIR_ASSIGN(auto made, operators::make_operator(node, operator_mode(mode), std::move(state)));
    return std::unique_ptr<operators::StatefulOperator>(
        std::make_unique<CaseOperator>(std::move(made), *this));
  };
  environment.execute = [this](const plan::OperatorPtr& plan, const eval::EvalContext& eval,
                               std::stop_token, const stream::PlanEnvironment::Observed&) {
    return drain(plan, eval);
  };
  stream::QueryParts parts;
  WEIR_ASSIGN(parts.plan, stream::StreamPlan::create(optimized, environment));
  for (const auto& table : parts.plan->tables()) {
    WEIR_ASSIGN(auto source, dynamic_cast<const session::StreamTable&>(*table).make_source());
    parts.sources.push_back(std::move(source));
  }
  parts.sink = std::make_unique<CaseSinkPart>(sink_, *this);

  stream::QueryOptions options;
  options.checkpoint = "/checkpoint";
  options.trigger = trigger_;
  options.threads = options_.threads;
  const auto set = [&](const char* key) {
    const auto found = conf_.find(key);
    return found == conf_.end() ? std::string() : found->second;
  };
  options.batches_without_rows = set("spark.sql.streaming.noDataMicroBatches.enabled") != "false";
  if (const auto policy = set("spark.sql.streaming.multipleWatermarkPolicy"); !policy.empty()) {
    WEIR_ASSIGN(options.watermark_policy, stream::parse_watermark_policy(policy));
    options.session["spark.sql.streaming.multipleWatermarkPolicy"] = policy;
  }
  if (const auto kept = set("spark.sql.streaming.minBatchesToRetain"); !kept.empty())
    options.batches_retained = std::stoll(kept);
  stream::QueryListener listener;
  listener.on_progress = [this](const stream::QueryProgress& progress) {
    std::lock_guard lock(progress_mutex_);
    progress_.push_back(progress);
    all_progress_.push_back(progress);
  };
  WEIR_ASSIGN(query_, stream::MicroBatchQuery::start({files_, clock_, random_}, std::move(parts),
                                                     std::move(options), std::move(listener)));
  return {};
}

Result<void> CaseWorld::ensure_started() {
  if (started_) return {};
  if (options_.crash_point) {
    std::lock_guard lock(crash_mutex_);
    crash_at_ = options_.crash_point;
    crash_batch_ = options_.crash_batch;
  }
  return start();
}

void CaseWorld::stop() {
  started_ = true;
  query_.reset();
  if (files_.power_lost()) files_.restart();
}

// The query has nothing to do and waits for its clock, or has ended.
Result<void> CaseWorld::wait_until_asleep() {
  while (query_->active() && !clock_.asleep())
    std::this_thread::yield();
  return {};
}

Result<void> CaseWorld::process() {
  for (int attempt = 0; attempt < 8; ++attempt) {
    if (!query_) return {};
    Result<void> done;
    if (finite_ || trigger_.interval_us > 0) {
      WEIR_TRY(wait_until_asleep());
      if (const auto failure = query_->failure()) done = *failure;
    } else {
      done = query_->process_all_available();
      WEIR_TRY(wait_until_asleep());
    }
    if (!files_.power_lost()) return done;
    story_ += "    (the power went; a restart)\n";
    query_.reset();
    files_.restart();
    WEIR_TRY(start());
  }
  return error(ErrorKind::kInternal, "the power goes again and again");
}

Result<void> CaseWorld::advance(const std::string& text) {
  const auto duration = plan::parse_duration(text);
  if (!duration) return error(ErrorKind::kInvalidArgument, "advance how far? {}", text);
  if (query_) WEIR_TRY(wait_until_asleep());
  clock_.advance_us(duration->us);
  if (query_) WEIR_TRY(process());
  return {};
}

void CaseWorld::reached(std::string_view point) {
  std::lock_guard lock(crash_mutex_);
  if (point == "planned" && crash_batch_ && crash_at_ && *crash_batch_ > 0) {
    --*crash_batch_;
    return;
  }
  if (!crash_at_ || *crash_at_ != point || (crash_batch_ && *crash_batch_ > 0)) return;
  crash_at_.reset();
  crashed_ = true;
  files_.cut_power();
}

Result<void> CaseWorld::refused(const std::string& text, bool at_start) {
  std::string rest = text;
  const std::string given = take_word(rest);
  const std::string wanted = given.ends_with(':') ? given.substr(0, given.size() - 1) : given;
  Result<void> done;
  if (at_start) {
    query_.reset();
    done = start();
  } else {
    WEIR_TRY(ensure_started());
    done = process();
  }
  query_.reset();
  if (done.ok()) return error(ErrorKind::kInternal, "nothing failed");
  const auto& found = done.error();
  const std::string found_class = found.error_class().empty()
                                      ? std::string(base::error_kind_name(found.kind()))
                                      : std::string(found.error_class());
  if (found_class != wanted || found.message().find(rest) == std::string::npos)
    return error(ErrorKind::kInternal, "failed by {}: {}", found_class, found.to_string());
  return {};
}

Result<std::vector<std::string>> CaseWorld::rows_since_check() {
  std::lock_guard lock(sink_->mutex);
  std::vector<std::string> rows;
  for (const auto& [batch, given] : sink_->batches) {
    if (batch <= checked_batch_) continue;
    rows.insert(rows.end(), given.begin(), given.end());
  }
  if (!sink_->batches.empty()) checked_batch_ = sink_->batches.rbegin()->first;
  return rows;
}

Result<void> CaseWorld::check_rows(const std::string& verb, const std::string& text) {
  WEIR_ASSIGN(auto wanted, parse_rows(text));
  std::vector<std::string> rows;
  const bool complete = mode_ == "complete";
  WEIR_ASSIGN(const auto fresh, rows_since_check());
  {
    std::lock_guard lock(sink_->mutex);
    if (complete || verb == "ordered") {
      if (!sink_->batches.empty()) rows = sink_->batches.rbegin()->second;
    } else if (verb == "new") {
      rows = fresh;
    } else {
      for (const auto& [batch, given] : sink_->batches)
        rows.insert(rows.end(), given.begin(), given.end());
    }
  }
  if (verb != "ordered") {
    std::sort(rows.begin(), rows.end());
    std::sort(wanted.begin(), wanted.end());
  }
  if (rows == wanted) return {};
  return error(ErrorKind::kInternal, "rows are {}\n    not {}", joined(rows), joined(wanted));
}

Result<void> CaseWorld::check_state(std::string text) {
  if (!checks_metrics()) return {};
  std::lock_guard lock(progress_mutex_);
  if (all_progress_.empty()) return error(ErrorKind::kInternal, "no batch has run");
  size_t index = 0;
  if (!text.empty() && text[0] >= '0' && text[0] <= '9') index = std::stoul(take_word(text));
  const auto of = [&](const stream::QueryProgress& one) -> const operators::OperatorMetrics& {
    static const operators::OperatorMetrics none;
    return index < one.state_operators.size() ? one.state_operators[index] : none;
  };
  std::map<std::string, int64_t> found;
  found["total"] = of(all_progress_.back()).rows_total;
  for (const auto& one : progress_) {
    found["updated"] += of(one).rows_updated;
    found["removed"] += of(one).rows_removed;
    found["dropped"] += of(one).rows_dropped_by_watermark;
  }
  std::string wrong;
  while (!text.empty()) {
    const std::string what = take_word(text);
    const int64_t wanted = std::stoll(take_word(text));
    if (!found.contains(what)) found[what] = 0;
    if (found[what] != wanted)
      wrong += fmt::format("{} of operator {} is {}, not {}; ", what, index, found[what], wanted);
  }
  if (!wrong.empty()) return error(ErrorKind::kInternal, "{}", wrong);
  progress_.clear();
  return {};
}

Result<void> CaseWorld::check_progress(const std::string& verb, std::string text) {
  if (!checks_metrics()) return {};
  std::lock_guard lock(progress_mutex_);
  if (all_progress_.empty()) return error(ErrorKind::kInternal, "no batch has run");
  const auto& last = all_progress_.back();
  if (verb == "batch" || verb == "watermark") {
    const int64_t found =
        verb == "batch" ? last.batch_id : last.watermark_ms.value_or(-1000) / 1000;
    if (found == std::stoll(text)) return {};
    return error(ErrorKind::kInternal, "{} is {}, not {}", verb, found, text);
  }
  for (auto one = all_progress_.rbegin(); one != all_progress_.rend(); ++one) {
    if (one->event_times.empty() || one->event_times[0].rows == 0) continue;
    const auto& seen = one->event_times[0];
    const auto found =
        fmt::format("max {} min {} avg {}", seen.max_ms / 1000, seen.min_ms / 1000,
                    static_cast<int64_t>(seen.sum_ms / static_cast<double>(seen.rows)) / 1000);
    if (found == text) return {};
    return error(ErrorKind::kInternal, "event times are {}, not {}", found, text);
  }
  return error(ErrorKind::kInternal, "no batch has seen event times");
}

Result<void> CaseWorld::purge_commit() {
  if (query_) return error(ErrorKind::kInvalidArgument, "purge: the query has to be stopped");
  stream::CommitLog log(files_, "/checkpoint/commits");
  WEIR_TRY(log.open());
  WEIR_ASSIGN(const auto latest, log.latest());
  if (!latest) return error(ErrorKind::kInternal, "no batch is committed");
  WEIR_TRY(files_.remove(fmt::format("/checkpoint/commits/{}", latest->value())));
  return {};
}

}  // namespace weir::streaming
