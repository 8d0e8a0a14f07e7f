// Start, recovery, control and status of a query. The batch itself is in micro_batch_execution.cc.
#include "stream/micro_batch_query.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "state/state_reader.h"
#include "stream/checkpoint_lock.h"
#include "stream/micro_batch.h"
#include "stream/query_metadata.h"

namespace weir::stream {

using base::BatchId;
using base::error;
using base::ErrorKind;

namespace {

int thread_count(int wanted) {
  if (wanted > 0) return wanted;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

QueryParts with_source_list(QueryParts parts) {
  if (parts.source != nullptr) parts.sources.push_back(std::move(parts.source));
  return parts;
}

std::string log_folder(const QueryOptions& options, std::string_view name) {
  return io::join_path(options.checkpoint, name);
}

Result<void> refuse_foreign_state(io::FileSystem& files, const std::string& checkpoint) {
  WEIR_ASSIGN(const auto sparks, state::sparks_operator(files, io::join_path(checkpoint, "state")));
  if (!sparks) return {};
  return error(ErrorKind::kUnsupported,
               "The feature is not supported: {} is the state of a query that ran on Spark, and "
               "weir cannot read it. Queries with state do not move: let Spark go on with this "
               "checkpoint, or start with a new one.",
               *sparks)
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

}  // namespace

void DurationHistogram::add(int64_t us) {
  const auto bound = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us);
  ++counts[static_cast<size_t>(bound - kBoundsUs.begin())];
  sum_us += us;
}

MicroBatchQuery::MicroBatchQuery(QueryEnvironment environment, QueryParts parts,
                                 QueryOptions options, QueryListener listener)
    : environment_(environment),
      parts_(with_source_list(std::move(parts))),
      options_(std::move(options)),
      listener_(std::move(listener)),
      offset_log_(environment.files, log_folder(options_, "offsets")),
      commit_log_(environment.files, log_folder(options_, "commits")),
      pool_(thread_count(options_.threads)),
      outer_stop_(options_.stop, [this] { request_stop(); }) {}

MicroBatchQuery::~MicroBatchQuery() { stop(); }

Result<std::unique_ptr<MicroBatchQuery>> MicroBatchQuery::start(QueryEnvironment environment,
                                                                QueryParts parts,
                                                                QueryOptions options,
                                                                QueryListener listener) {
  if (options.checkpoint.empty())
    return error(ErrorKind::kInvalidArgument, "a query needs a checkpoint folder");
  std::unique_ptr<MicroBatchQuery> query(
      new MicroBatchQuery(environment, std::move(parts), std::move(options), std::move(listener)));
  WEIR_TRY(query->prepare());
  if (query->listener_.on_start) query->listener_.on_start(query->id(), query->run_id());
  query->thread_ = std::jthread([query = query.get()] { query->run(); });
  return query;
}

Result<void> MicroBatchQuery::prepare() {
  io::FileSystem& files = environment_.files;
  WEIR_TRY(files.make_dirs(options_.checkpoint));
  // Whoever made it may have died before its name was durable. The folder that it is in may be one
  // that this process is not allowed to open.
  if (auto synced = files.sync_dir(io::parent_path(options_.checkpoint));
      !synced.ok() && synced.error().kind() != ErrorKind::kPermissionDenied)
    return synced;
  WEIR_ASSIGN(lock_,
              lock_checkpoint(files, environment_.clock, options_.checkpoint, options_.name));
  WEIR_ASSIGN(identity_.query_id,
              load_or_create_query_id(files, environment_.random,
                                      io::join_path(options_.checkpoint, "metadata")));
  identity_.run_id = base::uuid(environment_.random);
  identity_.name = options_.name;
  WEIR_TRY(offset_log_.open());
  WEIR_TRY(commit_log_.open());
  for (int worker = 0; parts_.plan == nullptr && worker < pool_.threads(); ++worker) {
    WEIR_ASSIGN(auto transform, parts_.pipeline->make_transform());
    transforms_.push_back(std::move(transform));
  }
  WEIR_ASSIGN(sink_binding_, parts_.sink->prepare(identity_, output_schema()));
  for (size_t i = 0; i < parts_.sources.size(); ++i)
    WEIR_TRY(parts_.sources[i]->open(
        io::join_path(options_.checkpoint, "sources/" + std::to_string(i))));
  watermark_.set_policy(options_.watermark_policy);
  WEIR_TRY(recover());
  for (const auto& source : parts_.sources)
    if (options_.trigger.kind != Trigger::Kind::kProcessingTime)
      WEIR_TRY(source->prepare_available_now());

  status_.id = identity_.query_id;
  status_.run_id = identity_.run_id;
  status_.name = options_.name;
  status_.message = "Initializing";
  status_.active = true;
  status_.started_us = environment_.clock.now_us();
  status_.checkpoint = options_.checkpoint;
  status_.trigger = to_string(options_.trigger);
  for (const auto& source : parts_.sources)
    status_.source += (status_.source.empty() ? "" : ", ") + source->description();
  status_.sink = parts_.sink->description();
  return {};
}

Result<void> MicroBatchQuery::check_sink_binding(const OffsetLogEntry& entry,
                                                 bool something_committed) const {
  const auto bound = entry.conf.find("weir.sink");
  if (bound == entry.conf.end() || sink_binding_.empty() || bound->second == sink_binding_)
    return {};
  if (!something_committed) return {};  // its batch went nowhere: the other sink was never made
  return error(ErrorKind::kConflict,
               "the checkpoint {} belongs to another table ({}) than {} ({}). Use a checkpoint of "
               "its own for each "
               "table, or write to the table it belongs to",
               options_.checkpoint, bound->second, parts_.sink->description(), sink_binding_);
}

const Schema& MicroBatchQuery::output_schema() const {
  return parts_.plan != nullptr ? parts_.plan->output_schema() : parts_.pipeline->output_schema();
}

Result<OffsetLogEntry> MicroBatchQuery::planned(BatchId id, BatchId newest) {
  WEIR_ASSIGN(auto entry, offset_log_.get(id));
  if (!entry)
    return error(ErrorKind::kCorruption,
                 "{}: batch {} is not there though {} is: the checkpoint is not whole. Restore "
                 "it, or start with a "
                 "new one",
                 offset_log_.folder(), id.value(), newest.value());
  if (entry->offsets.size() != parts_.sources.size())
    return error(ErrorKind::kConflict,
                 "{}: batch {} has {} sources; this query has {}. A query's sources may not change "
                 "in number: start with a new checkpoint",
                 offset_log_.folder(), id.value(), entry->offsets.size(), parts_.sources.size());
  return std::move(*entry);
}

// Positions behind the batch of `entry`.
Result<void> MicroBatchQuery::take_positions(const OffsetLogEntry& entry) {
  for (size_t i = 0; i < positions_.size(); ++i) {
    if (!entry.offsets[i]) continue;
    positions_[i] = {*entry.offsets[i], false};
  }
  last_watermark_ms_ = entry.batch_watermark_ms;
  return {};
}

Result<void> MicroBatchQuery::recover() {
  WEIR_ASSIGN(const auto last_planned, offset_log_.latest());
  WEIR_ASSIGN(const auto last_committed, commit_log_.latest());
  positions_.resize(parts_.sources.size());
  latest_offsets_.resize(parts_.sources.size());
  const auto begin_at_the_start = [&]() -> Result<void> {
    for (size_t i = 0; i < positions_.size(); ++i)
      if (positions_[i].initial) {
        WEIR_ASSIGN(positions_[i].offset, parts_.sources[i]->initial_offset());
      }
    return {};
  };
  if (!last_planned) {
    if (last_committed)
      return error(ErrorKind::kCorruption,
                   "{} has commits but {} is empty: the checkpoint is not whole. Restore it, or "
                   "start with a new one",
                   commit_log_.folder(), offset_log_.folder());
    if (parts_.plan != nullptr) WEIR_TRY(parts_.plan->open(std::nullopt, nullptr));
    return begin_at_the_start();
  }
  const BatchId newest = *last_planned;
  WEIR_ASSIGN(const OffsetLogEntry entry, planned(newest, newest));
  if (last_committed && *last_committed > newest)
    return error(ErrorKind::kCorruption,
                 "batch {} is committed but offsets end at {}: the checkpoint is not whole",
                 last_committed->value(), newest.value());
  if (last_committed && last_committed->value() < newest.value() - 1)
    return error(ErrorKind::kCorruption,
                 "{} reach batch {} but {} only {}: whether the batches between are in the sink "
                 "nobody knows. The "
                 "checkpoint is not whole. Restore it, or start with a new one",
                 offset_log_.folder(), newest.value(), commit_log_.folder(),
                 last_committed->value());
  if (!last_committed && newest.value() > 0 && parts_.plan != nullptr && parts_.plan->stateful())
    return error(ErrorKind::kCorruption,
                 "{} reach batch {} and {} is empty: nothing says what the state was before that "
                 "batch. The checkpoint is not whole. Restore it, or start with a new one",
                 offset_log_.folder(), newest.value(), commit_log_.folder());
  watermark_.set(entry.batch_watermark_ms);
  if (const auto policy = entry.conf.find("spark.sql.streaming.multipleWatermarkPolicy");
      policy != entry.conf.end()) {
    WEIR_ASSIGN(const WatermarkPolicy pinned, parse_watermark_policy(policy->second));
    watermark_.set_policy(pinned);
    options_.session[policy->first] = policy->second;
  }
  std::optional<CommitLogEntry> commit;
  if (last_committed) {
    WEIR_ASSIGN(commit, commit_log_.get(*last_committed));
    if (commit) watermark_.set(commit->next_batch_watermark_ms);
    if (!commit || !commit->state)
      WEIR_TRY(refuse_foreign_state(environment_.files, options_.checkpoint));
  }
  if (parts_.plan != nullptr)
    WEIR_TRY(
        parts_.plan->open(last_committed, commit && commit->state ? &*commit->state : nullptr));
  else if (commit && commit->state && !commit->state->empty())
    return error(ErrorKind::kConflict,
                 "the checkpoint {} has the state of another query, this one keeps none. Start "
                 "with a new checkpoint",
                 options_.checkpoint);
  WEIR_TRY(check_sink_binding(entry, last_committed.has_value() || newest.value() > 0));
  if (last_committed) WEIR_TRY(parts_.sink->confirm_committed(*last_committed));

  if (last_committed == newest) {
    next_batch_ = newest.next();
    WEIR_TRY(take_positions(entry));
    return begin_at_the_start();
  }
  next_batch_ = newest;
  if (newest.value() > 0) {
    WEIR_ASSIGN(const OffsetLogEntry before, planned(BatchId(newest.value() - 1), newest));
    WEIR_TRY(take_positions(before));
  }
  WEIR_TRY(begin_at_the_start());
  batch_ = std::make_unique<Batch>();
  batch_->id = newest;
  batch_->timestamp_ms = entry.batch_timestamp_ms;
  batch_->watermark_ms = entry.batch_watermark_ms;
  batch_->late_ms = last_watermark_ms_;
  if (const auto late = entry.conf.find(kLateWatermark); late != entry.conf.end())
    batch_->late_ms = std::strtoll(late->second.c_str(), nullptr, 10);
  for (size_t i = 0; i < positions_.size(); ++i) {
    if (!entry.offsets[i] && parts_.sources.size() == 1)
      return error(ErrorKind::kCorruption, "{}: batch {} has no offset to read up to",
                   offset_log_.folder(), newest.value());
    batch_->ends.push_back(entry.offsets[i].value_or(positions_[i].offset));
  }
  return {};
}

void MicroBatchQuery::run() {
  auto result = loop();
  ahead_.reset();  // before the sources go
  const bool stopped = stop_.stop_requested();
  batch_.reset();
  transforms_.clear();
  {
    // Threads, sources, sink and plan end with the query, however long somebody keeps it to look at
    // it.
    pool_.rest();
    QueryParts ended;
    {
      std::lock_guard lock(mutex_);
      std::swap(ended, parts_);
    }
  }
  lock_.reset();
  {
    std::lock_guard lock(mutex_);
    active_ = false;
    status_.active = false;
    status_.data_available = false;
    status_.trigger_active = false;
    status_.message = "Stopped";
    if (!result.ok() && !(stopped && result.error().kind() == ErrorKind::kCancelled)) {
      error_ = std::move(result).error();
      status_.message = "Terminated with error: " + error_->to_string();
    }
  }
  if (listener_.on_end) listener_.on_end(error_ ? &*error_ : nullptr);
  changed_.notify_all();
}

bool MicroBatchQuery::pause_until(int64_t deadline_us) {
  std::stop_token wake;
  {
    std::lock_guard lock(mutex_);
    pause_ = std::stop_source();
    wake = pause_.get_token();
    const bool hurry = hurry_ > 0 && look_without_data_ <= hurry_look_;
    if (hurry || stop_.stop_requested()) pause_.request_stop();
  }
  environment_.clock.sleep_until_us(deadline_us, wake);
  return !stop_.stop_requested();
}

void MicroBatchQuery::request_stop() {
  stop_.request_stop();
  std::lock_guard lock(mutex_);
  for (const auto& source : parts_.sources)
    source->interrupt();
  if (parts_.sink != nullptr) parts_.sink->interrupt();
  pause_.request_stop();
}

void MicroBatchQuery::stop() {
  request_stop();
  if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) (void)wait();
}

Result<void> MicroBatchQuery::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !active_; });
  if (error_) return *error_;
  return {};
}

bool MicroBatchQuery::wait_for(int64_t timeout_us) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::microseconds(timeout_us),
                           [this] { return !active_; });
}

Result<void> MicroBatchQuery::process_all_available(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const uint64_t before = look_;
  if (options_.trigger.interval_us == 0) {
    ++hurry_;
    hurry_look_ = std::max(hurry_look_, before);
    pause_.request_stop();
  }
  const bool done =
      changed_.wait(lock, stop, [&] { return !active_ || look_without_data_ > before; });
  if (options_.trigger.interval_us == 0) --hurry_;
  if (!done) return error(ErrorKind::kCancelled, "the wait was stopped");
  if (error_) return *error_;
  return {};
}

bool MicroBatchQuery::active() const {
  std::lock_guard lock(mutex_);
  return active_;
}

std::optional<base::Error> MicroBatchQuery::failure() const {
  std::lock_guard lock(mutex_);
  return error_;
}

QueryStatus MicroBatchQuery::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

std::vector<QueryProgress> MicroBatchQuery::recent_progress() const {
  std::lock_guard lock(mutex_);
  return {recent_.begin(), recent_.end()};
}

std::optional<QueryProgress> MicroBatchQuery::last_progress() const {
  std::lock_guard lock(mutex_);
  return recent_.empty() ? std::nullopt : std::optional<QueryProgress>(recent_.back());
}

void MicroBatchQuery::set_message(std::string message, bool data_available, bool trigger_active) {
  std::lock_guard lock(mutex_);
  status_.message = std::move(message);
  status_.data_available = data_available;
  status_.trigger_active = trigger_active;
}

void MicroBatchQuery::report(const Batch& batch, int64_t trigger_start_us) {
  const int64_t execution_us = std::max<int64_t>(1, durations_us_["triggerExecution"]);
  QueryProgress progress;
  progress.id = identity_.query_id;
  progress.run_id = identity_.run_id;
  progress.name = identity_.name;
  progress.timestamp_us = batch.started_us;
  progress.batch_id = batch.id.value();
  progress.batch_duration_ms = execution_us / 1000;
  progress.duration_us = durations_us_;
  progress.output_rows = batch.commit.rows;
  progress.sink_description = parts_.sink->description();
  progress.sink_details = batch.commit.details;
  progress.corrupt_rows = batch.corrupt_rows;
  progress.dropped_rows = batch.dropped_rows;
  const int64_t since_last_us =
      last_trigger_start_us_ < 0 ? 0 : trigger_start_us - last_trigger_start_us_;
  for (size_t i = 0; i < parts_.sources.size(); ++i) {
    SourceProgress source;
    source.description = parts_.sources[i]->description();
    source.start_offset = batch.starts[i].initial ? std::string() : batch.starts[i].offset;
    source.end_offset = batch.ends[i];
    source.latest_offset = latest_offsets_[i];
    source.input_rows = batch.rows[i];
    source.input_bytes = batch.bytes[i];
    const auto rows = static_cast<double>(batch.rows[i]);
    source.input_rows_per_second =
        since_last_us > 0 ? rows * 1e6 / static_cast<double>(since_last_us) : 0;
    source.processed_rows_per_second = rows * 1e6 / static_cast<double>(execution_us);
    source.metrics = parts_.sources[i]->metrics(batch.ends[i]);
    progress.sources.push_back(std::move(source));
  }
  if (parts_.plan != nullptr) {
    progress.state_operators = parts_.plan->metrics();
    if (parts_.plan->has_watermark()) progress.watermark_ms = batch.watermark_ms;
    progress.event_times = parts_.plan->event_times();
    progress.observed = parts_.plan->observed();
  }
  {
    std::lock_guard lock(mutex_);
    ++status_.batches;
    status_.input_rows += progress.input_rows();
    if (batch.commit.rows > 0 && !batch.commit.already_done)
      status_.output_rows += batch.commit.rows;
    status_.corrupt_rows += batch.corrupt_rows;
    status_.dropped_rows += batch.dropped_rows;
    for (const auto& one : progress.state_operators)
      status_.late_rows += one.rows_dropped_by_watermark;
    for (const auto& [phase, us] : durations_us_)
      status_.duration_us[phase] += us;
    status_.triggers.add(execution_us);
    recent_.push_back(progress);
    if (recent_.size() > options_.progress_kept) recent_.pop_front();
  }
  if (listener_.on_progress) listener_.on_progress(progress);
}

}  // namespace weir::stream
