#include "connect/worker_pool.h"

#include "connect/requests.h"

namespace weir::connect {

WorkerPool::~WorkerPool() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  for (const pthread_t thread : threads_)
    ::pthread_join(thread, nullptr);
}

bool WorkerPool::post(std::function<void()> task) {
  const std::scoped_lock lock(mutex_);
  if (stopping_ || waiting_.size() >= waiting_max_) return false;
  if (idle_ <= waiting_.size() && threads_.size() < threads_max_) {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, kWorkerStackBytes);
    pthread_t thread{};
    const bool made = ::pthread_create(&thread, &attributes, enter, this) == 0;
    ::pthread_attr_destroy(&attributes);
    if (made) threads_.push_back(thread);
    if (threads_.empty()) return false;
  }
  waiting_.push_back(std::move(task));
  changed_.notify_one();
  return true;
}

void* WorkerPool::enter(void* pool) {
  static_cast<WorkerPool*>(pool)->run();
  return nullptr;
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    --idle_;
    if (stopping_) return;
    const auto task = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace weir::connect
