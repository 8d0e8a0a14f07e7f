// Runs the parts of a batch on a few threads and waits for all of them.
//
// The calling thread works too, so a batch of one part costs no hand-over. Threads are started when
// they are first needed. One caller at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace weir::stream {

class TaskPool {
 public:
  explicit TaskPool(int threads) : threads_(threads < 1 ? 1 : threads) {}
  ~TaskPool();
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  // task(part, worker) for every part in [0, parts); worker in [0, threads()), one at a time each.
  void run(int parts, const std::function<void(int part, int worker)>& task);
  // Ends the threads; the next run starts them again. By the caller of run(), between runs.
  void rest();
  int threads() const { return threads_; }

 private:
  void work(int worker, std::stop_token stop);
  void take_parts(const std::function<void(int, int)>& task, int worker);

  const int threads_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::condition_variable finished_;
  const std::function<void(int, int)>* task_ = nullptr;
  uint64_t round_ = 0;  // a new one for each run that the workers take part in
  int busy_ = 0;        // workers that have not finished this round
  int parts_ = 0;
  std::atomic<int> next_part_{0};
  std::vector<std::jthread> workers_;
};

}  // namespace weir::stream
