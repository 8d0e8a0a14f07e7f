// The loop of a query and the steps of a batch.
#include <algorithm>
#include <atomic>

#include <arrow/record_batch.h>

#include "base/logging.h"
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
      if (listener_.on_retry) listener_.on_retry(did.error(), failures);
      const int64_t delay_us = std::min(
          options_.retry.max_delay_us, options_.retry.first_delay_us << std::min(failures - 1, 20));
      const int64_t deadline_us = environment_.clock.monotonic_us() + delay_us;
      while (environment_.clock.monotonic_us() < deadline_us && pause_until(deadline_us)) {
      }
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
    WEIR_ASSIGN(const bool planned, plan_batch());
    if (!planned) {
      std::lock_guard lock(mutex_);
      look_without_data_ = look;
      status_.message = "Waiting for data to arrive";
      status_.data_available = false;
      status_.trigger_active = false;
      changed_.notify_all();
      return false;
    }
  }
  batch_->started_us = wall_us;
  batch_->start = position_;
  batch_->start_is_initial = position_is_initial_;
  set_message("Processing new data", true, true);
  WEIR_TRY(execute_batch());
  {
    const PhaseTimer timer(environment_.clock, durations_us_, "commitOffsets");
    WEIR_TRY(commit_log_.add(batch_->id, {.next_batch_watermark_ms = watermark_ms_}));
  }
  const std::unique_ptr<Batch> done = std::move(batch_);
  position_ = done->end;
  position_is_initial_ = false;
  next_batch_ = done->id.next();
  durations_us_["triggerExecution"] = environment_.clock.monotonic_us() - started_us;
  report(*done, started_us);
  last_trigger_start_us_ = started_us;
  commit_source_and_purge();
  return true;
}

// Decides what the next batch reads and makes that durable.
Result<bool> MicroBatchQuery::plan_batch() {
  source::LatestOffset latest;
  {
    const PhaseTimer timer(environment_.clock, durations_us_, "latestOffset");
    WEIR_ASSIGN(latest, parts_.source->latest_offset(
                            position_, options_.trigger.kind == Trigger::Kind::kOnce));
  }
  latest_offset_ = latest.latest;
  if (latest.end == position_) return false;
  auto batch = std::make_unique<Batch>();
  batch->id = next_batch_;
  batch->timestamp_ms = environment_.clock.now_ms();
  batch->end = latest.end;
  OffsetLogEntry entry{.batch_watermark_ms = watermark_ms_,
                       .batch_timestamp_ms = batch->timestamp_ms,
                       .conf = options_.session,
                       .offsets = {latest.end}};
  entry.conf["weir.runId"] = identity_.run_id;
  if (!sink_binding_.empty()) entry.conf["weir.sink"] = sink_binding_;
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
  std::vector<std::unique_ptr<source::PartitionReader>> readers;
  {
    const PhaseTimer timer(environment_.clock, durations_us_, "getBatch");
    WEIR_ASSIGN(readers,
                parts_.source->plan(batch.start, batch.end, parts_.pipeline->source_columns()));
  }
  const int parts = static_cast<int>(readers.size());
  std::unique_ptr<sink::BatchWriter> writer;
  {
    const PhaseTimer timer(environment_.clock, durations_us_, "queryPlanning");
    WEIR_ASSIGN(writer, parts_.sink->begin(batch.id, parts));
  }
  const PhaseTimer timer(environment_.clock, durations_us_, "addBatch");
  const BatchContext context{.batch = batch.id, .timestamp_us = batch.timestamp_ms * 1000};
  std::vector<TransformCounters> counters(readers.size());
  std::mutex failed_mutex;
  std::optional<Error> failed;
  std::atomic<bool> give_up = false;
  pool_.run(parts, [&](int part, int worker) {
    if (give_up) return;
    const auto index = static_cast<size_t>(part);
    auto result = read_part(*readers[index], *transforms_[static_cast<size_t>(worker)], *writer,
                            part, context, counters[index]);
    if (result.ok()) return;
    give_up = true;
    std::lock_guard lock(failed_mutex);
    if (!failed) failed = std::move(result).error();
  });
  if (failed) {
    (void)writer->abort();  // the first error is the one to report
    return std::move(*failed);
  }
  batch.rows = batch.bytes = batch.corrupt_rows = batch.dropped_rows = 0;
  for (size_t part = 0; part < readers.size(); ++part) {
    const source::ReadCounters& read = readers[part]->counters();
    batch.rows += read.rows;
    batch.bytes += read.bytes;
    batch.corrupt_rows += read.corrupt_rows + counters[part].corrupt_rows;
    batch.dropped_rows += read.dropped_rows + counters[part].dropped_rows;
  }
  readers.clear();
  WEIR_ASSIGN(batch.commit, writer->commit());
  return {};
}

// What may be forgotten once the batch is committed. Nothing here can undo the batch, so a failure
// is only told.
void MicroBatchQuery::commit_source_and_purge() {
  auto committed = parts_.source->commit(position_);
  const base::BatchId oldest(next_batch_.value() - std::max<int64_t>(2, options_.batches_retained));
  if (committed.ok() && oldest.value() > 0) {
    committed = offset_log_.purge_before(oldest);
    if (committed.ok()) committed = commit_log_.purge_before(oldest);
  }
  if (!committed.ok())
    base::log_warn("query_id={} cannot clean up behind batch {}: {}", identity_.query_id,
                   next_batch_.value() - 1, committed.error().to_string());
}

}  // namespace weir::stream
