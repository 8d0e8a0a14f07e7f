// Writes table checkpoints beside the stream, one at a time, so that no batch waits for one.
//
// after_commit() decides by the log's tail and hands the work to a thread of its own. A checkpoint
// that fails is logged and tried again after a later commit: the table is whole without it. The
// destructor waits for the one under way. Called by the query's thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "delta/table.h"
#include "sink/delta_sink.h"

namespace weir::sink {

class CheckpointWorker {
 public:
  explicit CheckpointWorker(delta::Environment environment);
  ~CheckpointWorker();

  // The table has to outlive the worker's thread: DeltaSink keeps it and destroys the worker first.
  void after_commit(delta::Table& table, const DeltaSinkOptions& options);
  // Returns when nothing is under way; for tests and for a clean end.
  void wait_idle();

 private:
  void run(std::stop_token stop);
  void clean_up(const std::string& path, const delta::Metadata& metadata);

  delta::Environment environment_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  delta::Table* table_ = nullptr;                            // of the work that waits
  std::shared_ptr<const delta::CheckpointContent> content_;  // not null: work waits
  bool working_ = false;
  std::optional<int64_t> last_us_;     // when the last one was begun
  std::optional<int64_t> cleaned_us_;  // the thread's own
  std::jthread thread_;                // started with the first checkpoint
};

}  // namespace weir::sink
