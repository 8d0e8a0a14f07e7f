// Time as an interface, so that ten-minute watermarks and seven-day retention run in milliseconds
// under test.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>

namespace weir::base {

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall clock: microseconds since 1970-01-01T00:00:00Z. May jump.
  virtual int64_t now_us() const = 0;
  // Monotonic microseconds from an arbitrary start. Never jumps back.
  virtual int64_t monotonic_us() const = 0;
  // Sleeps until monotonic_us() >= deadline_us or stop is requested; returns false where stopped.
  virtual bool sleep_until_us(int64_t deadline_us, std::stop_token stop) = 0;

  int64_t now_ms() const { return now_us() / 1000; }
  bool sleep_for_us(int64_t us, std::stop_token stop) {
    return sleep_until_us(monotonic_us() + us, stop);
  }
};

class SystemClock final : public Clock {
 public:
  int64_t now_us() const override;
  int64_t monotonic_us() const override;
  bool sleep_until_us(int64_t deadline_us, std::stop_token stop) override;
};

// Both clocks stand at start_us until advanced. Sleepers wake when the clock passes their deadline.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t start_us = 1'600'000'000'000'000) : now_us_(start_us) {}
  int64_t now_us() const override;
  int64_t monotonic_us() const override { return now_us(); }
  bool sleep_until_us(int64_t deadline_us, std::stop_token stop) override;
  void advance_us(int64_t us);
  // Number of threads asleep on this clock now; lets a test wait for a loop to reach its sleep.
  int sleepers() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  int64_t now_us_;
  int sleepers_ = 0;
};

// "2021-06-28T18:49:28.123Z" (milliseconds; Spark's progress format) from microseconds since the
// epoch.
std::string format_utc_ms(int64_t us);
// "2021-06-28T18:49:28.123456Z"
std::string format_utc_us(int64_t us);

}  // namespace weir::base
