// Keeps the table of a streaming query compact while the query writes to it: merges its small files
// into larger ones, on a thread of its own and of low priority, so that no batch waits.
//
// after_commit() only notes the batch's files. Once there are many small ones in a partition they
// are merged (delta/compaction.h decides which, and commits). Only files that this query wrote are
// touched, also those of its earlier runs; a file that another writer changed is left to that
// writer, and so is the table's head where somebody else wins the race: then the work is dropped. A
// failure is logged and tried again later: the table is whole without it. Called by the query's
// thread; the destructor waits for a merge under way where it is a small one and gives up a large
// one.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "delta/compaction.h"
#include "sink/delta_sink.h"

namespace weir::sink {

class CompactionWorker {
 public:
  CompactionWorker(delta::Environment environment, DeltaCompactionOptions options,
                   delta::DataFileOptions files);
  ~CompactionWorker();

  // The table has to outlive the worker's thread: DeltaSink keeps it and destroys the worker first.
  void after_commit(delta::Table& table, const std::string& query_id, base::TableVersion version,
                    const std::vector<delta::AddFile>& files);
  // Returns when nothing is under way or waits; for tests.
  void wait_idle();

 private:
  void run(std::stop_token stop);
  void load_earlier_files();
  void merge_what_is_due(std::stop_token stop);
  bool merge(const std::vector<delta::CompactionFile>& due, std::stop_token stop);
  void keep(const delta::AddFile& file);
  void keep_again(const std::vector<delta::CompactionFile>& files);
  std::optional<delta::CompactionPolicy> policy() const;

  delta::Environment environment_;
  DeltaCompactionOptions options_;
  delta::DataFileOptions files_;
  delta::Table* table_ = nullptr;  // set once, with the first commit
  std::string query_id_;
  base::TableVersion first_version_;  // of this run

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<delta::AddFile> came_;  // and not yet looked at
  bool woken_ = false;
  bool working_ = false;

  // The thread's own.
  delta::CompactionCandidates candidates_;
  bool loaded_ = false;
  bool overflow_told_ = false;
  int64_t failures_ = 0;
  int64_t not_before_us_ = 0;    // monotonic; after a failure
  std::stop_source merge_stop_;  // of a large merge, requested by the destructor
  std::jthread thread_;          // started with the first commit
};

}  // namespace weir::sink
