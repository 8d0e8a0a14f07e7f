// Runs a streaming test case: its streams in memory, its query on a file system that can lose
// power, a clock that moves by hand. Nothing waits for real time. What went wrong comes back with
// the story so far.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "io/model_file_system.h"
#include "operators/operator_factory.h"
#include "plan/streaming_check.h"
#include "relational/duck_engine.h"
#include "session/session.h"
#include "session/warehouse.h"
#include "source/memory_source.h"
#include "stream/micro_batch_query.h"
#include "streaming/case_file.h"

namespace weir::streaming {

using base::Result;

// A clock that knows whether the one thread that sleeps on it has gone to sleep for good.
class CaseClock final : public base::Clock {
 public:
  int64_t now_us() const override;
  int64_t monotonic_us() const override { return now_us(); }
  bool sleep_until_us(int64_t deadline_us, std::stop_token stop) override;
  void advance_us(int64_t us);
  bool asleep() const;  // and not woken by what has happened since

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  int64_t now_us_ = 0;
  std::optional<int64_t> deadline_us_;
};

// Where power may go in a batch.
inline constexpr std::string_view kCrashPoints[] = {
    "planned",    // the offset log has the batch
    "begun",      // operators have begun
    "collected",  // operators have their rows
    "finished",   // operators have given theirs
    "prepared",   // state is durable
    "written",    // the sink has the rows, not yet committed
    "committed",  // the sink has committed
    "logged",     // the commit log has the batch
};

struct CaseOptions {
  std::string provider = "memory";
  int threads = 2;
  int shards = 4;
  // A crash in each batch whose number this gives; checks of metrics are left out then.
  std::optional<std::string> crash_point = {};
  int64_t crash_batch = 0;
  uint64_t seed = 1;
};

// What a process has one of, for all cases.
class CaseHost {
 public:
  static CaseHost& get();
  std::unique_ptr<session::Session> session();
  relational::DuckEngine& engine() { return *engine_; }

 private:
  CaseHost();
  std::unique_ptr<io::ModelFileSystem> files_;
  base::SystemClock clock_;
  base::SeededRandom random_{7};
  std::unique_ptr<relational::DuckEngine> engine_;
  std::shared_ptr<session::Warehouse> warehouse_;
  int sessions_ = 0;
};

// What the sink holds, by batch: rows as text.
struct CaseSink {
  std::mutex mutex;
  std::map<int64_t, std::vector<std::string>> batches;
  std::string differs;  // a batch that came again with other rows
};

class CaseWorld {
 public:
  explicit CaseWorld(CaseOptions options);
  ~CaseWorld();

  Result<void> run(const Case& one);
  const std::string& story() const { return story_; }
  bool crashed() const { return crashed_; }  // the power has gone where it was to go

  // The parts, for tests that are not written down.
  Result<void> step(const CaseStep& step);
  Result<void> add(const std::string& stream, const std::string& rows);
  Result<void> process();
  Result<std::vector<std::string>> rows_since_check();
  // Of a query over tables, sorted.
  Result<std::vector<std::string>> table_rows(const std::string& sql);
  session::Session& session() { return *session_; }
  // Called by the parts of the query where it stands.
  void reached(std::string_view point);
  bool dead() const { return files_.power_lost(); }

 private:
  struct Stream;
  Result<plan::OperatorPtr> view_plan(std::string text);
  Result<void> make_stream(std::string text);
  Result<void> make_table(std::string text);
  Result<void> keep(const std::string& name, plan::OperatorPtr plan);
  Result<stream::RowBatches> rows_of(const std::string& sql);
  Result<stream::RowBatches> drain(const plan::OperatorPtr& plan, const eval::EvalContext& eval);
  Result<void> start();
  Result<void> ensure_started();
  void stop();
  Result<void> advance(const std::string& text);
  Result<void> wait_until_asleep();
  Result<void> refused(const std::string& text, bool at_start);
  Result<void> check_rows(const std::string& verb, const std::string& text);
  Result<void> check_state(std::string text);
  Result<void> check_progress(const std::string& verb, std::string text);
  Result<void> purge_commit();
  bool checks_metrics() const { return !options_.crash_point; }

  CaseOptions options_;
  std::string story_;
  io::ModelFileSystem files_;
  CaseClock clock_;
  base::SeededRandom random_;
  std::unique_ptr<session::Session> session_;
  std::map<std::string, std::unique_ptr<Stream>> streams_;
  std::shared_ptr<CaseSink> sink_ = std::make_shared<CaseSink>();
  std::string query_text_;
  std::string mode_ = "append";
  stream::Trigger trigger_;
  int64_t batches_per_trigger_ = 0;
  std::map<std::string, std::string> conf_;
  bool started_ = false;  // once, or stopped by a step
  bool finite_ = false;   // the trigger ends the query by itself
  std::unique_ptr<stream::MicroBatchQuery> query_;
  int64_t checked_batch_ = -1;
  std::mutex crash_mutex_;
  std::optional<std::string> crash_at_;
  std::optional<int64_t> crash_batch_;
  bool crashed_ = false;
  std::mutex progress_mutex_;
  std::vector<stream::QueryProgress> progress_;  // since the last check of state
  std::vector<stream::QueryProgress> all_progress_;
};

}  // namespace weir::streaming
