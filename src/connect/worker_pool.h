// Threads that do the work of calls, away from gRPC's.
//
// A thread is made when a task comes and none is free, up to a bound; further tasks wait in a
// bounded queue. Stacks are large (only what is touched is memory): plans are deep trees that are
// walked recursively.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <pthread.h>
#include <vector>

namespace weir::connect {

class WorkerPool {
 public:
  WorkerPool(size_t threads_max, size_t waiting_max)
      : threads_max_(threads_max), waiting_max_(waiting_max) {}
  ~WorkerPool();  // waits for the tasks that run; waiting ones are dropped
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False where too many tasks wait, or no thread can be made.
  bool post(std::function<void()> task);

 private:
  static void* enter(void* pool);
  void run();

  const size_t threads_max_;
  const size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  std::vector<pthread_t> threads_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace weir::connect
