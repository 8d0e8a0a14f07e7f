#include "base/clock.h"

#include <chrono>
#include <ctime>

#include <fmt/core.h>

namespace weir::base {
namespace {

template <typename Timepoint>
int64_t to_us(Timepoint point) {
  return std::chrono::duration_cast<std::chrono::microseconds>(point.time_since_epoch()).count();
}

std::string format_utc_seconds(int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

int64_t floor_divide(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

}  // namespace

int64_t SystemClock::now_us() const { return to_us(std::chrono::system_clock::now()); }
int64_t SystemClock::monotonic_us() const { return to_us(std::chrono::steady_clock::now()); }

bool SystemClock::sleep_until_us(int64_t deadline_us, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  const std::chrono::steady_clock::time_point deadline{std::chrono::microseconds(deadline_us)};
  wake.wait_until(lock, stop, deadline, [] { return false; });
  return !stop.stop_requested();
}

int64_t ManualClock::now_us() const {
  std::lock_guard lock(mutex_);
  return now_us_;
}

bool ManualClock::sleep_until_us(int64_t deadline_us, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  ++sleepers_;
  changed_.wait(lock, stop, [&] { return now_us_ >= deadline_us; });
  --sleepers_;
  return !stop.stop_requested();
}

void ManualClock::advance_us(int64_t us) {
  {
    std::lock_guard lock(mutex_);
    now_us_ += us;
  }
  changed_.notify_all();
}

int ManualClock::sleepers() const {
  std::lock_guard lock(mutex_);
  return sleepers_;
}

std::string format_utc_ms(int64_t us) {
  const int64_t seconds = floor_divide(us, 1'000'000);
  return fmt::format("{}.{:03}Z", format_utc_seconds(seconds), (us - seconds * 1'000'000) / 1000);
}

std::string format_utc_us(int64_t us) {
  const int64_t seconds = floor_divide(us, 1'000'000);
  return fmt::format("{}.{:06}Z", format_utc_seconds(seconds), us - seconds * 1'000'000);
}

}  // namespace weir::base
