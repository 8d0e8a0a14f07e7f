// The one thread that syncs: it takes whatever has asked to be flushed and flushes each once, so
// that all that was appended meanwhile, by however many clients, shares one sync a file (group
// commit).
//
// kAlways: as soon as something asks. kInterval: at most once in flush_interval_ms. kNever: only
// flush_all(). want() may be called from any thread; a Flushable lives longer than the flusher's
// thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "hub/hub_metrics.h"
#include "hub/hub_options.h"

namespace weir::hub {

class Flushable {
 public:
  virtual ~Flushable() = default;
  // Makes durable what was appended before the call; true where a file was synced.
  virtual bool flush() = 0;
};

class Flusher {
 public:
  Flusher(base::Clock& clock, FlushPolicy policy, int64_t interval_ms, HubMetrics* metrics);
  ~Flusher();

  void start();
  void stop();  // after a last round
  FlushPolicy policy() const { return policy_; }
  // Asks for a flush; the caller asks once until flush() has begun.
  void want(Flushable& target);
  // Flushes on the calling thread what has asked; for tests and for stop().
  void flush_all();

 private:
  void run(std::stop_token stop);

  base::Clock& clock_;
  FlushPolicy policy_;
  int64_t interval_us_;
  HubMetrics* metrics_;
  std::mutex mutex_;
  std::condition_variable_any wanted_;
  std::vector<Flushable*> waiting_;
  std::jthread thread_;
};

}  // namespace weir::hub
