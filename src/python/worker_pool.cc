#include "python/worker_pool.h"

#include <algorithm>
#include <chrono>
#include <unistd.h>

#include <sys/socket.h>

namespace weir::python {

namespace {

constexpr std::chrono::seconds kPatience{60};

// A worker that has said something unasked, or is gone, is of no use any more.
bool is_quiet(int socket) {
  char byte;
  const auto got = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace

Worker::~Worker() {
  if (pool_) pool_->release(pid_, socket_);
}

std::string Worker::how_ended() const { return pool_ ? pool_->host_->how_ended(pid_) : ""; }

WorkerPool::~WorkerPool() { close(); }

void WorkerPool::close() {
  std::vector<WorkerPtr> idle;
  std::vector<int> taken;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    idle.swap(idle_);
    count_ -= static_cast<int>(idle.size());
    taken = taken_;
  }
  changed_.notify_all();
  for (const auto& worker : idle) {
    host_->kill(worker->pid_);
    ::close(worker->socket_);
  }
  // Who runs on them sees them die.
  for (const int pid : taken)
    host_->kill(pid);
}

void WorkerPool::release(int pid, int socket) {
  ::close(socket);
  host_->kill(pid);
  {
    const std::lock_guard lock(mutex_);
    taken_.erase(std::remove(taken_.begin(), taken_.end(), pid), taken_.end());
    --count_;
  }
  changed_.notify_all();
}

Result<WorkerPtr> WorkerPool::make(const WorkerHost::ForBatches* batches) {
  auto forked = host_->fork(slot_, batches);
  WorkerPtr worker;  // dropped when the lock is free, where the pool was closed meanwhile
  const std::lock_guard lock(mutex_);
  if (!forked.ok()) {
    --count_;
    return std::move(forked).error();
  }
  taken_.push_back(forked->pid);
  worker = std::make_unique<Worker>(shared_from_this(), forked->pid, forked->socket);
  worker->generation_ = generation_;
  if (closed_) return base::error(base::ErrorKind::kCancelled, "the session was closed");
  return worker;
}

Result<void> WorkerPool::wait_for_room(const std::stop_token& stop) {
  const auto patience = std::chrono::steady_clock::now() + kPatience;
  std::unique_lock lock(mutex_);
  const bool free = changed_.wait_until(
      lock, stop, patience, [&] { return closed_ || !idle_.empty() || count_ < workers_max_; });
  if (stop.stop_requested())
    return base::error(base::ErrorKind::kCancelled, "the query was cancelled");
  if (!free)
    return base::error(base::ErrorKind::kResourceExhausted,
                       "all {} Python workers of the session are busy (weir serve "
                       "--python-workers)",
                       workers_max_);
  return {};
}

Result<WorkerPtr> WorkerPool::take(const std::stop_token& stop) {
  while (true) {
    WEIR_ASSIGN(auto worker, take_another());
    if (worker) return worker;
    WEIR_TRY(wait_for_room(stop));
  }
}

Result<WorkerPtr> WorkerPool::take_for_batches(const WorkerHost::ForBatches& batches,
                                               const std::stop_token& stop) {
  while (true) {
    WEIR_TRY(wait_for_room(stop));
    WorkerPtr unused;  // one that waits for functions makes room; dropped when the lock is free
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return base::error(base::ErrorKind::kCancelled, "the session was closed");
      if (count_ < workers_max_) {
        ++count_;
        break;
      }
      if (!idle_.empty()) {
        unused = std::move(idle_.back());
        idle_.pop_back();
        unused->pool_ = shared_from_this();
        taken_.push_back(unused->pid_);
      }
    }
  }
  return make(&batches);
}

Result<WorkerPtr> WorkerPool::take_another() {
  std::vector<WorkerPtr> dead;  // dropped when the lock is free again
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return base::error(base::ErrorKind::kCancelled, "the session was closed");
    while (!idle_.empty()) {
      auto worker = std::move(idle_.back());
      idle_.pop_back();
      worker->pool_ = shared_from_this();
      taken_.push_back(worker->pid_);
      if (is_quiet(worker->socket_)) return worker;
      dead.push_back(std::move(worker));
    }
    if (count_ >= workers_max_) return WorkerPtr();
    ++count_;
  }
  return make();
}

void WorkerPool::renew() {
  std::vector<WorkerPtr> old;  // dropped when the lock is free again
  {
    const std::lock_guard lock(mutex_);
    ++generation_;
    old.swap(idle_);
    for (auto& worker : old) {
      worker->pool_ = shared_from_this();
      taken_.push_back(worker->pid_);
    }
  }
}

void WorkerPool::give_back(WorkerPtr worker) {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_ && worker->generation_ == generation_ &&
        static_cast<int>(idle_.size()) < idle_max_) {
      taken_.erase(std::remove(taken_.begin(), taken_.end(), worker->pid_), taken_.end());
      worker->pool_.reset();
      idle_.push_back(std::move(worker));
    }
  }
  changed_.notify_all();
}

}  // namespace weir::python
