#include "stream/task_pool.h"

namespace weir::stream {

TaskPool::~TaskPool() { rest(); }

void TaskPool::rest() {
  for (std::jthread& worker : workers_)
    worker.request_stop();
  wake_.notify_all();
  workers_.clear();  // joins them
}

void TaskPool::take_parts(const std::function<void(int, int)>& task, int worker) {
  for (int part = next_part_++; part < parts_; part = next_part_++)
    task(part, worker);
}

void TaskPool::run(int parts, const std::function<void(int, int)>& task) {
  if (parts <= 1 || threads_ == 1) {
    for (int part = 0; part < parts; ++part)
      task(part, 0);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    while (static_cast<int>(workers_.size()) < threads_ - 1) {
      const int worker = static_cast<int>(workers_.size()) + 1;
      workers_.emplace_back([this, worker](std::stop_token stop) { work(worker, stop); });
    }
    task_ = &task;
    parts_ = parts;
    next_part_ = 0;
    busy_ = static_cast<int>(workers_.size());
    ++round_;
  }
  wake_.notify_all();
  take_parts(task, 0);
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [this] { return busy_ == 0; });
  task_ = nullptr;
}

void TaskPool::work(int worker, std::stop_token stop) {
  uint64_t seen = 0;
  while (true) {
    const std::function<void(int, int)>* task = nullptr;
    {
      std::unique_lock lock(mutex_);
      // A worker started within a run takes part in that run: its round is newer than 0.
      if (!wake_.wait(lock, stop, [&] { return task_ != nullptr && round_ != seen; })) return;
      seen = round_;
      task = task_;
    }
    take_parts(*task, worker);
    std::lock_guard lock(mutex_);
    if (--busy_ == 0) finished_.notify_one();
  }
}

}  // namespace weir::stream
