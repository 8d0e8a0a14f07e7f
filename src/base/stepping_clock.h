// A clock for tests: time passes only where somebody waits, or says so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stop_token>

#include "base/clock.h"

namespace weir::base {

// One thread.
class SteppingClock final : public Clock {
 public:
  explicit SteppingClock(int64_t start_us = 1'600'000'000'000'000) : now_us_(start_us) {}
  int64_t now_us() const override { return now_us_; }
  int64_t monotonic_us() const override { return now_us_; }
  bool sleep_until_us(int64_t deadline_us, std::stop_token stop) override {
    now_us_ = std::max(now_us_, deadline_us);
    return !stop.stop_requested();
  }
  void advance_us(int64_t us) { now_us_ += us; }

 private:
  int64_t now_us_;
};

}  // namespace weir::base
