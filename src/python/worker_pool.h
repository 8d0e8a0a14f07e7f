// The workers of one session: taken for a run, kept for the next one, never shared with another
// session.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "python/worker_host.h"

namespace weir::python {

class WorkerPool;

// A worker and its socket. Killed when dropped; WorkerPool::give_back() keeps it.
class Worker {
 public:
  Worker(std::shared_ptr<WorkerPool> pool, int pid, int socket)
      : pool_(std::move(pool)), pid_(pid), socket_(socket) {}
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  int pid() const { return pid_; }
  int socket() const { return socket_; }
  std::string how_ended() const;

 private:
  friend class WorkerPool;
  std::shared_ptr<WorkerPool> pool_;  // null: idle inside the pool
  int generation_ = 0;
  int pid_;
  int socket_;
};
using WorkerPtr = std::unique_ptr<Worker>;

// May be used from several threads.
class WorkerPool : public std::enable_shared_from_this<WorkerPool> {
 public:
  // At most `workers_max` at a time; `idle_max` are kept for later.
  WorkerPool(std::shared_ptr<WorkerHost> host, int slot, int workers_max, int idle_max)
      : host_(std::move(host)), slot_(slot), workers_max_(workers_max), idle_max_(idle_max) {}
  ~WorkerPool();

  WorkerHost& host() { return *host_; }
  // Waits for a while where all are taken; then kResourceExhausted.
  Result<WorkerPtr> take(const std::stop_token& stop);
  // A new one that runs foreachBatch (WorkerHost::fork); not to be given back.
  Result<WorkerPtr> take_for_batches(const WorkerHost::ForBatches& batches,
                                     const std::stop_token& stop);
  // One more, or null where there is none to be had now.
  Result<WorkerPtr> take_another();
  void give_back(WorkerPtr worker);
  // Workers from now on are new ones.
  void renew();
  int user() { return host_->user_of(slot_); }
  // Kills all; nothing can be taken any more.
  void close();

 private:
  friend class Worker;
  Result<void> wait_for_room(const std::stop_token& stop);
  Result<WorkerPtr> make(const WorkerHost::ForBatches* batches = nullptr);
  void release(int pid, int socket);

  const std::shared_ptr<WorkerHost> host_;
  const int slot_;
  const int workers_max_;
  const int idle_max_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<WorkerPtr> idle_;
  std::vector<int> taken_;  // process ids
  int count_ = 0;           // idle, taken and being made
  int generation_ = 0;      // of renew()
  bool closed_ = false;
};

}  // namespace weir::python
