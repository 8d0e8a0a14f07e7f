#include "hub/flusher.h"

namespace weir::hub {

Flusher::Flusher(base::Clock& clock, FlushPolicy policy, int64_t interval_ms, HubMetrics* metrics)
    : clock_(clock), policy_(policy), interval_us_(interval_ms * 1000), metrics_(metrics) {}

Flusher::~Flusher() { stop(); }

void Flusher::start() {
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

void Flusher::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  thread_ = {};
  flush_all();
}

void Flusher::want(Flushable& target) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(&target);
    if (waiting_.size() > 1) return;  // the thread has been told, or is at work and will look again
  }
  wanted_.notify_one();
}

void Flusher::flush_all() {
  std::vector<Flushable*> targets;
  {
    const std::lock_guard lock(mutex_);
    targets.swap(waiting_);
  }
  for (Flushable* target : targets)
    if (target->flush() && metrics_) metrics_->count_sync();
}

void Flusher::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      if (!wanted_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
    }
    if (policy_ == FlushPolicy::kInterval && !clock_.sleep_for_us(interval_us_, stop)) return;
    flush_all();
  }
}

}  // namespace weir::hub
