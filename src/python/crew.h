// The workers that do one piece of a query's work, and waiting for them.
//
// There is one at first and others where those that are there have more than they can take, as long
// as the session may have more. One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "python/conversation.h"
#include "python/run_header.h"
#include "python/worker_wait.h"

namespace weir::python {

struct CrewOptions {
  int workers_max = 1;
  int64_t silence_us = 0;  // a worker that says nothing for so long is given up; 0: never
};

class Crew {
 public:
  // `begin` is what a worker is told first, behind the header.
  using Begin = std::function<Result<std::shared_ptr<arrow::Buffer>>()>;
  Crew(std::shared_ptr<WorkerPool> pool, RunHeader header, CrewOptions options, base::Clock& clock,
       Begin begin);
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  const std::vector<std::unique_ptr<Conversation>>& members() const { return members_; }
  // One that can take more input; where there is none, a new one, if there may be one; else null.
  Result<Conversation*> hungry(const std::stop_token& stop);
  static bool has_room(const Conversation& one) { return one.unsent() < kUnsentMax; }
  Result<void> advance();
  // Until a worker has said or taken something.
  Result<void> wait(const std::stop_token& stop);
  // `last` is sent to each, then the end.
  void end_input(const std::string& last);
  bool all_ended() const;
  // Those that may be used again go back to the pool.
  void dismiss();

 private:
  static constexpr int64_t kUnsentMax = 256 << 10;
  Result<Conversation*> add(WorkerPtr worker);

  std::shared_ptr<WorkerPool> pool_;
  RunHeader header_;
  const int workers_max_;
  Begin begin_;
  std::vector<std::unique_ptr<Conversation>> members_;
  WorkerWait wait_;
};

}  // namespace weir::python
