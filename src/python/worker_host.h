// The workers' template: one Python process that has PySpark loaded and forks workers on demand.
//
// Started at the first use. Workers are children of the template; they end with it, and it ends
// when this object does or the server dies. May be used from several threads (requests are short
// and go one at a time). A template that died is started anew at the next use.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "python/session_files.h"

namespace weir::python {

using base::Result;

// As whom the workers run where the server itself is root.
enum class WorkerUser {
  kAuto,     // a user of its own for each session; the server's user where that one cannot read
             // PySpark's files
  kSession,  // a user of its own for each session, or no workers at all
  kServer,   // the server's user
};

struct HostOptions {
  std::string python;  // the interpreter; empty: PYSPARK_PYTHON, then python3
  WorkerUser user = WorkerUser::kAuto;
  int64_t memory_bytes = int64_t{2} << 30;  // of a worker; 0: no limit
  int files_max = 256;                      // open at a time in a worker
};

// What runs behind the template.
struct HostFacts {
  int version = 0;  // of PySpark: 402 is 4.2
  std::string pyspark;
  std::string python;  // "3.11"
  bool users = false;  // sessions have users of their own
};

class WorkerHost {
 public:
  explicit WorkerHost(HostOptions options) : options_(std::move(options)) {}
  ~WorkerHost();
  WorkerHost(const WorkerHost&) = delete;
  WorkerHost& operator=(const WorkerHost&) = delete;

  // Starts the template where it does not run yet.
  Result<HostFacts> start();
  struct Forked {
    int pid = 0;
    int socket = -1;  // owned by the caller
  };
  // What a worker of foreachBatch is told as it starts; others hear of files with each piece of
  // work.
  struct ForBatches {
    std::string url;  // where PySpark's foreach_batch_worker finds its session
    SessionFiles::Place files;
  };
  // A new worker of the session's user `slot` (0 …): of functions, or with `batches` of
  // foreachBatch.
  Result<Forked> fork(int slot, const ForBatches* batches = nullptr);
  // As whom the workers of the slot run; -1: as the server. Once it has started.
  int user_of(int slot);
  void kill(int pid);
  // "signal 9", "exit code 1"; empty for a worker that lives or is not known any more.
  std::string how_ended(int pid);

 private:
  int user_of_locked(int slot) const;
  Result<void> start_locked();
  Result<void> launch(const std::string& python);
  Result<void> read_facts();
  Result<void> choose_users();
  Result<std::string> receive(int timeout_ms);
  Result<std::string> request(const std::string& words, int passed = -1);
  void stop_locked();

  const HostOptions options_;
  std::mutex mutex_;
  int control_ = -1;
  int pid_ = -1;
  HostFacts facts_;
};

}  // namespace weir::python
