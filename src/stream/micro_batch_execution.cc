// The loop of a query and the steps of a batch.
#include <algorithm>
#include <atomic>

#include <arrow/record_batch.h>

#include "base/logging.h"
#include "source/read_ahead_source.h"
#include "stream/batch_seeds.h"
#include "stream/micro_batch.h"
#include "stream/micro_batch_query.h"

namespace weir::stream {

using base::Error;
using base::error;
using base::ErrorKind;

namespace {

// Adds the time of its scope to durations[phase].
class PhaseTimer {
 public:
  PhaseTimer(const base::Clock& clock, std::map<std::string, int64_t>& durations, const char* phase)
      : clock_(clock), durations_(durations), phase_(phase), started_us_(clock.monotonic_us()) {}
  ~PhaseTimer() { durations_[phase_] += clock_.monotonic_us() - started_us_; }

 private:
  const base::Clock& clock_;
  std::map<std::string, int64_t>& durations_;
  const char* phase_;
  int64_t started_us_;
};

}  // namespace

Result<void> MicroBatchQuery::loop() {
  int failures = 0;
  while (!stop_.stop_requested()) {
    const int64_t interval_us = options_.trigger.interval_us;
    const int64_t wall_us = environment_.clock.now_us();
    const int64_t next_tick_us = environment_.clock.monotonic_us() +
                                 (interval_us > 0 ? interval_us - wall_us % interval_us : 0);
    auto did = run_trigger();
    if (stop_.stop_requested()) break;
    if (!did.ok()) {
      if (!did.error().retryable() || ++failures >= options_.retry.attempts)
        return std::move(did).error();
      {
        std::lock_guard lock(mutex_);
        ++status_.retries;
      }
      if (listener_.on_retry) listener_.on_retry(did.error(), failures);
      const int64_t delay_us = std::min(
          options_.retry.max_delay_us, options_.retry.first_delay_us << std::min(failures - 1, 20));
      const int64_t deadline_us = environment_.clock.monotonic_us() + delay_us;
      // Not as pause_until(): who waits for all available data does not hurry a retry.
      while (environment_.clock.monotonic_us() < deadline_us && !stop_.stop_requested())
        environment_.clock.sleep_until_us(deadline_us, stop_.get_token());
      continue;
    }
    failures = 0;
    if (options_.trigger.kind == Trigger::Kind::kOnce) return {};
    if (options_.trigger.kind == Trigger::Kind::kAvailableNow) {
      if (!*did) return {};
      continue;
    }
    if (interval_us > 0)
      pause_until(next_tick_us);
    else if (!*did)
      pause_until(environment_.clock.monotonic_us() + options_.poll_interval_us);
  }
  return {};
}

Result<bool> MicroBatchQuery::run_trigger() {
  const int64_t started_us = environment_.clock.monotonic_us();
  const int64_t wall_us = environment_.clock.now_us();
  durations_us_.clear();
  uint64_t look = 0;
  {
    std::lock_guard lock(mutex_);
    look = ++look_;
  }
  if (batch_ == nullptr) {
    if (parts_.later) WEIR_TRY(take_later_parts());
    WEIR_ASSIGN(const bool planned, plan_batch());
    if (!planned) {
      {
        std::lock_guard lock(mutex_);
        look_without_data_ = look;
        status_.message = "Waiting for data to arrive";
        status_.data_available = false;
        status_.trigger_active = false;
        changed_.notify_all();
      }
      if (listener_.on_idle) listener_.on_idle();
      return false;
    }
  }
  batch_->started_us = wall_us;
  batch_->starts = positions_;
  bool news = false;
  for (size_t i = 0; i < positions_.size(); ++i)
    news |= positions_[i].offset != batch_->ends[i];
  set_message(news ? "Processing new data" : "No new data but cleaning up state", news, true);
  if (auto executed = execute_batch(); !executed.ok()) {
    ahead_.reset();
    return executed.error();
  }
  {
    const PhaseTimer timer(environment_.clock, durations_us_, "commitOffsets");
    if (parts_.plan != nullptr) watermark_.update(parts_.plan->event_times());
    auto added = commit_log_.add(
        batch_->id, {.next_batch_watermark_ms = watermark_.current_ms(), .state = batch_->state});
    if (!added.ok()) {
      ahead_.reset();
      if (parts_.plan != nullptr) parts_.plan->roll_back();
      return std::move(added).error();
    }
    if (parts_.plan != nullptr) parts_.plan->committed();
  }
  if (ahead_ != nullptr) ahead_->finish();  // the sources are this thread's again
  const std::unique_ptr<Batch> done = std::move(batch_);
  for (size_t i = 0; i < positions_.size(); ++i)
    if (done->ends[i] != positions_[i].offset) positions_[i] = {done->ends[i], false};
  last_watermark_ms_ = done->watermark_ms;
  next_batch_ = done->id.next();
  durations_us_["triggerExecution"] = environment_.clock.monotonic_us() - started_us;
  report(*done, started_us);
  last_trigger_start_us_ = started_us;
  commit_source_and_purge();
  return true;
}

// The batch that ran again is committed: from here on under the settings of now.
Result<void> MicroBatchQuery::take_later_parts() {
  const auto later = parts_.later;
  WEIR_ASSIGN(QueryParts parts, later());
  const base::BatchId last(next_batch_.value() - 1);
  WEIR_ASSIGN(const auto commit, commit_log_.get(last));
  const bool other_sink = parts.sink != nullptr;
  {
    std::lock_guard lock(mutex_);
    if (!other_sink) parts.sink = std::move(parts_.sink);
    std::swap(parts_, parts);
  }
  parts = {};  // ends before the logs that it has open are opened again
  const auto open = [&]() -> Result<void> {
    if (other_sink) {
      WEIR_ASSIGN(sink_binding_, parts_.sink->prepare(identity_, output_schema()));
    }
    for (size_t i = 0; i < parts_.sources.size(); ++i)
      WEIR_TRY(parts_.sources[i]->open(
          io::join_path(options_.checkpoint, "sources/" + std::to_string(i))));
    if (options_.trigger.kind != Trigger::Kind::kProcessingTime)
      for (const auto& source : parts_.sources)
        WEIR_TRY(source->prepare_available_now());
    return parts_.plan->open(last, commit && commit->state ? &*commit->state : nullptr);
  };
  auto opened = open();
  if (!opened.ok()) parts_.later = later;  // from the beginning, should it be tried again
  return opened;
}

// Decides what the next batch reads and makes that durable.
Result<bool> MicroBatchQuery::plan_batch() {
  auto batch = std::make_unique<Batch>();
  OffsetLogEntry entry;
  bool news = false;
  {
    const PhaseTimer timer(environment_.clock, durations_us_, "latestOffset");
    std::optional<ReadAhead::Range> ahead;
    if (ahead_ != nullptr) {
      std::vector<std::string> starts;
      for (const SourcePosition& position : positions_)
        starts.push_back(position.offset);
      ahead = ahead_->take(starts);
      ahead_.reset();
    }
    for (size_t i = 0; i < positions_.size(); ++i) {
      source::LatestOffset latest;
      if (ahead) {
        latest = {.end = std::move(ahead->ends[i]), .latest = std::move(ahead->latest[i])};
      } else {
        WEIR_ASSIGN(latest,
                    parts_.sources[i]->latest_offset(
                        positions_[i].offset, options_.trigger.kind == Trigger::Kind::kOnce));
      }
      latest_offsets_[i] = std::move(latest.latest);
      const bool moved = latest.end != positions_[i].offset;
      news |= moved;
      entry.offsets.push_back(
          moved || !positions_[i].initial ? std::optional<std::string>(latest.end) : std::nullopt);
      batch->ends.push_back(std::move(latest.end));
    }
    if (ahead) batch->readers = std::move(ahead->readers);
  }
  if (!news) {
    // Only time has moved on: state that waited for it is given or dropped.
    if (!options_.batches_without_rows || parts_.plan == nullptr ||
        options_.trigger.kind == Trigger::Kind::kOnce || next_batch_.value() == 0)
      return false;
    const int64_t watermark_ms = watermark_.current_ms();
    const bool moved = watermark_ms > last_watermark_ms_;
    if (!(moved && parts_.plan->wants_batch_without_rows(watermark_ms * 1000)) &&
        !parts_.plan->wants_batch_at(environment_.clock.now_ms() * 1000))
      return false;
  }
  batch->id = next_batch_;
  batch->timestamp_ms = environment_.clock.now_ms();
  batch->watermark_ms = watermark_.current_ms();
  batch->late_ms = last_watermark_ms_;
  entry.batch_watermark_ms = batch->watermark_ms;
  entry.batch_timestamp_ms = batch->timestamp_ms;
  entry.conf = options_.session;
  entry.conf["weir.runId"] = identity_.run_id;
  if (!sink_binding_.empty()) entry.conf["weir.sink"] = sink_binding_;
  if (parts_.plan != nullptr && parts_.plan->has_watermark())
    entry.conf[kLateWatermark] = std::to_string(batch->late_ms);
  {
    const PhaseTimer timer(environment_.clock, durations_us_, "walCommit");
    WEIR_TRY(offset_log_.add(batch->id, entry));
  }
  batch_ = std::move(batch);
  return true;
}

Result<void> MicroBatchQuery::read_part(source::PartitionReader& reader, BatchTransform& transform,
                                        sink::BatchWriter& writer, int part,
                                        const BatchContext& context, TransformCounters& counters) {
  while (true) {
    if (stop_.stop_requested()) return error(ErrorKind::kCancelled, "the query was stopped");
    WEIR_ASSIGN(auto rows, reader.next(stop_.get_token()));
    if (rows == nullptr) return {};
    WEIR_ASSIGN(rows, transform.apply(std::move(rows), context, counters));
    if (rows != nullptr && rows->num_rows() > 0) WEIR_TRY(writer.write(part, rows));
  }
}

Result<void> MicroBatchQuery::execute_batch() {
  Batch& batch = *batch_;
  StreamPlan::Readers readers = std::exchange(batch.readers, {});
  if (readers.empty()) {
    readers.resize(parts_.sources.size());
    const PhaseTimer timer(environment_.clock, durations_us_, "getBatch");
    for (size_t i = 0; i < readers.size(); ++i) {
      if (batch.starts[i].offset == batch.ends[i]) continue;
      WEIR_ASSIGN(readers[i], parts_.sources[i]->plan(batch.starts[i].offset, batch.ends[i],
                                                      source_columns(i)));
    }
  }
  std::vector<TransformCounters> counters(readers[0].size());
  if (parts_.plan != nullptr) {
    durations_us_["queryPlanning"];
    auto done = run_plan(readers);
    if (!done.ok()) parts_.plan->roll_back();
    return done;
  }
  std::unique_ptr<sink::BatchWriter> writer;
  {
    const PhaseTimer timer(environment_.clock, durations_us_, "queryPlanning");
    WEIR_ASSIGN(writer, parts_.sink->begin(batch.id, static_cast<int>(readers[0].size())));
  }
  const PhaseTimer timer(environment_.clock, durations_us_, "addBatch");
  WEIR_TRY(run_pipeline(readers[0], *writer, counters));
  WEIR_TRY(count_rows(readers, counters));
  readers.clear();
  begin_read_ahead();
  WEIR_ASSIGN(batch.commit, writer->commit());
  return {};
}

const std::vector<std::string>& MicroBatchQuery::source_columns(size_t source) const {
  return parts_.plan != nullptr ? parts_.plan->source_columns(source)
                                : parts_.pipeline->source_columns();
}

// Where the sources have more than this batch took, and the next one follows at once: a batch that
// took all there was is followed by what has come by the time that it is done.
void MicroBatchQuery::begin_read_ahead() {
  if (options_.read_ahead_bytes <= 0 || parts_.later ||
      options_.trigger.kind == Trigger::Kind::kOnce || options_.trigger.interval_us > 0 ||
      stop_.stop_requested())
    return;
  std::vector<source::Source*> sources;
  std::vector<std::vector<std::string>> columns;
  bool more = false;
  for (size_t i = 0; i < parts_.sources.size(); ++i) {
    const auto* ready = dynamic_cast<const source::ReadAheadSource*>(parts_.sources[i].get());
    if (ready == nullptr || !ready->may_read_ahead()) return;
    more |= !latest_offsets_[i].empty() && latest_offsets_[i] != batch_->ends[i];
    sources.push_back(parts_.sources[i].get());
    columns.push_back(source_columns(i));
  }
  if (!more) return;
  ahead_ = std::make_unique<ReadAhead>(std::move(sources), batch_->ends, std::move(columns),
                                       options_.read_ahead_bytes);
  ahead_->begin(stop_.get_token());
}

Result<void> MicroBatchQuery::run_pipeline(
    const std::vector<std::unique_ptr<source::PartitionReader>>& readers, sink::BatchWriter& writer,
    std::vector<TransformCounters>& counters) {
  const BatchContext context{.batch = batch_->id, .timestamp_us = batch_->timestamp_ms * 1000};
  std::mutex failed_mutex;
  std::optional<Error> failed;
  std::atomic<bool> give_up = false;
  pool_.run(static_cast<int>(readers.size()), [&](int part, int worker) {
    if (give_up) return;
    const auto index = static_cast<size_t>(part);
    auto result = read_part(*readers[index], *transforms_[static_cast<size_t>(worker)], writer,
                            part, context, counters[index]);
    if (result.ok()) return;
    give_up = true;
    std::lock_guard lock(failed_mutex);
    if (!failed) failed = std::move(result).error();
  });
  if (!failed) return {};
  (void)writer.abort();  // the first error is the one to report
  return std::move(*failed);
}

// State first, then the sink: a sink that has a batch can rely on its state.
Result<void> MicroBatchQuery::run_plan(StreamPlan::Readers& readers) {
  Batch& batch = *batch_;
  StreamPlan& plan = *parts_.plan;
  const PhaseTimer timer(environment_.clock, durations_us_, "addBatch");
  PlanBatch run{
      .id = batch.id, .timestamp_us = batch.timestamp_ms * 1000, .stop = stop_.get_token()};
  run.seed = seed_of_batch(identity_.query_id, batch.id);
  if (plan.has_watermark()) {
    run.late_us = batch.late_ms * 1000;
    run.eviction_us = batch.watermark_ms * 1000;
  }
  const auto read = [&]() -> Result<void> {
    WEIR_TRY(count_rows(readers, {}));
    readers.clear();
    begin_read_ahead();
    return {};
  };
  if (plan.gives_at_once()) {
    const auto parts = std::max<int>(1, static_cast<int>(readers[0].size()));
    WEIR_ASSIGN(auto writer, parts_.sink->begin(batch.id, parts));
    auto done = plan.run(run, readers, pool_,
                         [&](int part, const auto& rows) { return writer->write(part, rows); });
    if (!done.ok()) {
      (void)writer->abort();  // the first error is the one to report
      return done;
    }
    WEIR_TRY(read());
    WEIR_ASSIGN(batch.commit, writer->commit());
    return {};
  }
  WEIR_ASSIGN(const RowBatches rows, plan.run(run, readers, pool_));
  WEIR_TRY(read());
  if (plan.stateful()) {
    WEIR_ASSIGN(batch.state, plan.prepare());
  }
  const int parts = std::max(1, std::min(static_cast<int>(rows.size()), pool_.threads()));
  WEIR_ASSIGN(auto writer, parts_.sink->begin(batch.id, parts));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto part = static_cast<int>(i * static_cast<size_t>(parts) / rows.size());
    auto written = writer->write(part, rows[i]);
    if (written.ok()) continue;
    (void)writer->abort();
    return written;
  }
  WEIR_ASSIGN(batch.commit, writer->commit());
  return {};
}

Result<void> MicroBatchQuery::count_rows(const StreamPlan::Readers& readers,
                                         const std::vector<TransformCounters>& counters) {
  Batch& batch = *batch_;
  batch.rows.assign(readers.size(), 0);
  batch.bytes.assign(readers.size(), 0);
  batch.corrupt_rows = batch.dropped_rows = 0;
  for (size_t i = 0; i < readers.size(); ++i)
    for (const auto& reader : readers[i]) {
      const source::ReadCounters& read = reader->counters();
      batch.rows[i] += read.rows;
      batch.bytes[i] += read.bytes;
      batch.corrupt_rows += read.corrupt_rows;
      batch.dropped_rows += read.dropped_rows;
    }
  if (parts_.plan != nullptr) batch.corrupt_rows += parts_.plan->corrupt_rows();
  for (const TransformCounters& counted : counters) {
    batch.corrupt_rows += counted.corrupt_rows;
    batch.dropped_rows += counted.dropped_rows;
  }
  return {};
}

// What may be forgotten once the batch is committed. Nothing here can undo the batch, so a failure
// is only told.
void MicroBatchQuery::commit_source_and_purge() {
  Result<void> committed;
  for (size_t i = 0; committed.ok() && i < positions_.size(); ++i)
    committed = parts_.sources[i]->commit(positions_[i].offset);
  const base::BatchId oldest(next_batch_.value() - std::max<int64_t>(2, options_.batches_retained));
  if (committed.ok() && oldest.value() > 0) {
    if (parts_.plan != nullptr && parts_.plan->stateful()) {
      auto kept = commit_log_.get(oldest);
      if (kept.ok() && *kept && (*kept)->state) committed = parts_.plan->clean_up(*(*kept)->state);
    }
    if (committed.ok()) committed = offset_log_.purge_before(oldest);
    if (committed.ok()) committed = commit_log_.purge_before(oldest);
  }
  if (!committed.ok())
    base::log_warn("query_id={} cannot clean up behind batch {}: {}", identity_.query_id,
                   next_batch_.value() - 1, committed.error().to_string());
}

}  // namespace weir::stream
