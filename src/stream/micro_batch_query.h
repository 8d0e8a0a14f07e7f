// One streaming query: the micro-batch loop between its sources and a sink.
//
// The order of batch N, which recovery relies on:
//   1. offsets/N is durable        (what to read)
//   2. the rows go through the pipeline or the plan into the sink's writer
//   3. the state of the plan's operators is durable
//   4. the sink commits under (query id, N)
//   5. commits/N is durable, and names that state
//   6. only then offsets/N+1
// A start finds the newest offsets/N. With commits/N there the query goes on after it; without,
// batch N runs again over the same range, with the same timestamp, under the same number, and the
// sink takes it once.
//
// One thread owns the loop, the source, the sink and the logs. Parts of a batch run on a TaskPool
// and meet at a barrier. All public calls may be made from any thread. Destroying the query stops
// it.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "io/file_system.h"
#include "sink/sink.h"
#include "source/source.h"
#include "stream/commit_log.h"
#include "stream/offset_log.h"
#include "stream/pipeline.h"
#include "stream/progress.h"
#include "stream/read_ahead.h"
#include "stream/stream_plan.h"
#include "stream/task_pool.h"
#include "stream/trigger.h"
#include "stream/watermark_tracker.h"

namespace weir::stream {

// Outlives the query.
struct QueryEnvironment {
  io::FileSystem& files;
  base::Clock& clock;
  base::Random& random;
};

struct RetryPolicy {
  int attempts = 16;  // of one batch in a row, for errors that say that a retry may help
  int64_t first_delay_us = 200'000;
  int64_t max_delay_us = 10'000'000;  // doubled from the first up to this
};

struct QueryOptions {
  std::string name;        // may be empty; unique among a manager's active queries
  std::string checkpoint;  // folder, made where absent
  Trigger trigger;
  int threads = 0;  // 0: as many as there are cores
  RetryPolicy retry;
  int64_t batches_retained = 100;         // entries of offset and commit log that stay
  int64_t read_ahead_bytes = 32LL << 20;  // of the next batch while one commits; 0: none
  int64_t poll_interval_us =
      10'000;  // between looks at a source without news, where the trigger's interval is 0
  std::map<std::string, std::string> session;  // goes to conf of the offset log under these names
  bool batches_without_rows = true;  // where the event time has moved on and state waits for it
  WatermarkPolicy watermark_policy = WatermarkPolicy::kMin;  // of a query that begins
  size_t progress_kept = 100;                                // entries of recent_progress()
  std::stop_token stop;  // the same as request_stop(), also while start() is under way
};

// One source and a pipeline, or the sources of a plan (in the order of its tables) and the plan.
struct QueryParts {
  std::unique_ptr<source::Source> source;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<sink::Sink> sink;
  std::vector<std::unique_ptr<source::Source>> sources = {};
  std::unique_ptr<StreamPlan> plan = {};
  // Where these parts are made for the batch that runs again, which was planned under other
  // settings: gives those of the batches after it. Without a sink: that of now goes on.
  std::function<Result<QueryParts>()> later = {};
};

// Called on the query's thread (on_start: by the one that starts it); must be quick and must not
// call stop() or wait().
struct QueryListener {
  std::function<void(const std::string& id, const std::string& run_id)> on_start;
  std::function<void()> on_idle;                   // a look found nothing to do
  std::function<void(const base::Error*)> on_end;  // null: stopped, or nothing was left to do
  std::function<void(const QueryProgress&)> on_progress;
  std::function<void(const base::Error&, int attempt)> on_retry;
};

// How long triggers that ran a batch took: how many took up to each bound, and beyond the last.
struct DurationHistogram {
  static constexpr std::array<int64_t, 12> kBoundsUs = {
      5'000,   10'000,    25'000,    50'000,    100'000,    250'000,
      500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 60'000'000};
  std::array<int64_t, kBoundsUs.size() + 1> counts{};  // each bound for itself, not added up
  int64_t sum_us = 0;
  void add(int64_t us);
};

struct QueryStatus {
  std::string id;
  std::string run_id;
  std::string name;
  std::string message;  // "Waiting for data to arrive", "Processing new data" …
  bool active = false;
  bool data_available = false;
  bool trigger_active = false;
  int64_t started_us = 0;
  int64_t batches = 0;     // committed in this run
  int64_t input_rows = 0;  // of this run
  int64_t output_rows = 0;
  int64_t corrupt_rows = 0;
  int64_t dropped_rows = 0;
  int64_t late_rows = 0;                       // dropped by watermarks
  int64_t retries = 0;                         // attempts of batches that failed
  std::map<std::string, int64_t> duration_us;  // by phase, all batches of this run
  DurationHistogram triggers;
  std::string checkpoint;
  std::string trigger;
  std::string source;
  std::string sink;
};

// Where a source's next batch starts.
struct SourcePosition {
  std::string offset;
  bool initial = true;  // no batch of this source has been planned
};

class MicroBatchQuery {
 public:
  // Locks and reads the checkpoint, prepares source and sink, starts the thread. kConflict where
  // the checkpoint is in use or bound to another sink, kCorruption where its logs do not fit
  // together.
  static Result<std::unique_ptr<MicroBatchQuery>> start(QueryEnvironment environment,
                                                        QueryParts parts, QueryOptions options,
                                                        QueryListener listener = {});
  ~MicroBatchQuery();

  // Ends after the part in work, without waiting for the batch; returns when the thread has ended.
  void stop();
  void request_stop();
  // Waits for the end (stop, a trigger that is used up, an error); returns the error that ended it.
  Result<void> wait();
  // False where it still runs after `timeout_us` of real time.
  bool wait_for(int64_t timeout_us);
  // Until all that the source had at the time of the call is in the sink. Real time; the error
  // where the query ended. kCancelled where `stop` is requested first.
  Result<void> process_all_available(std::stop_token stop = {});

  bool active() const;
  std::optional<base::Error> failure() const;  // what ended it
  const std::string& id() const { return identity_.query_id; }
  const std::string& run_id() const { return identity_.run_id; }
  const std::string& name() const { return options_.name; }
  QueryStatus status() const;
  std::vector<QueryProgress> recent_progress() const;  // the newest progress_kept, oldest first
  std::optional<QueryProgress> last_progress() const;

 private:
  struct Batch;

  MicroBatchQuery(QueryEnvironment environment, QueryParts parts, QueryOptions options,
                  QueryListener listener);
  Result<void> prepare();
  Result<void> recover();
  Result<OffsetLogEntry> planned(base::BatchId id, base::BatchId newest);
  Result<void> take_positions(const OffsetLogEntry& entry);
  Result<void> check_sink_binding(const OffsetLogEntry& entry, bool something_committed) const;

  void run();
  Result<void> loop();
  Result<bool> run_trigger();  // false: there was nothing to do
  Result<void> take_later_parts();
  Result<bool> plan_batch();
  Result<void> execute_batch();
  Result<void> read_part(source::PartitionReader& reader, BatchTransform& transform,
                         sink::BatchWriter& writer, int part, const BatchContext& context,
                         TransformCounters& counters);
  Result<void> run_pipeline(const std::vector<std::unique_ptr<source::PartitionReader>>& readers,
                            sink::BatchWriter& writer, std::vector<TransformCounters>& counters);
  Result<void> run_plan(StreamPlan::Readers& readers);
  Result<void> count_rows(const StreamPlan::Readers& readers,
                          const std::vector<TransformCounters>& counters);
  void commit_source_and_purge();
  void begin_read_ahead();
  const std::vector<std::string>& source_columns(size_t source) const;
  const Schema& output_schema() const;
  void report(const Batch& batch, int64_t trigger_start_us);
  bool pause_until(int64_t deadline_us);  // monotonic; false where the query is to stop
  void set_message(std::string message, bool data_available, bool trigger_active);

  QueryEnvironment environment_;
  QueryParts parts_;
  QueryOptions options_;
  QueryListener listener_;
  sink::QueryIdentity identity_;
  std::string sink_binding_;
  std::unique_ptr<io::FileLock> lock_;
  OffsetLog offset_log_;
  CommitLog commit_log_;
  TaskPool pool_;
  std::vector<std::unique_ptr<BatchTransform>> transforms_;  // one a worker

  // The loop's own state.
  base::BatchId next_batch_;
  std::vector<SourcePosition> positions_;  // ends of the last committed batch
  std::unique_ptr<Batch> batch_;           // logged, not yet committed
  std::unique_ptr<ReadAhead> ahead_;       // of the batch after it
  std::map<std::string, int64_t> durations_us_;
  std::vector<std::string> latest_offsets_;
  int64_t last_trigger_start_us_ = -1;
  WatermarkTracker watermark_;
  int64_t last_watermark_ms_ = 0;  // that of the batch before
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  bool active_ = true;
  std::optional<base::Error> error_;
  QueryStatus status_;
  std::deque<QueryProgress> recent_;
  std::stop_source pause_;          // ends the sleep of now
  uint64_t look_ = 0;               // number of the newest look for data
  uint64_t look_without_data_ = 0;  // the newest that found nothing
  int hurry_ = 0;                   // how many wait for all available data
  uint64_t hurry_look_ = 0;         // they wait for a look after this one
  std::jthread thread_;
  std::stop_callback<std::function<void()>> outer_stop_;  // of options_.stop; the last member
};

}  // namespace weir::stream
