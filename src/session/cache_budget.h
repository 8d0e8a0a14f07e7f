// What the cached results of a process may take together. Any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace weir::session {

class CacheBudget {
 public:
  explicit CacheBudget(int64_t bytes_max) : bytes_max_(bytes_max) {}
  bool take(int64_t bytes) {
    int64_t used = used_;
    while (used + bytes <= bytes_max_)
      if (used_.compare_exchange_weak(used, used + bytes)) return true;
    return false;
  }
  void give(int64_t bytes) { used_ -= bytes; }
  int64_t bytes_max() const { return bytes_max_; }
  int64_t used() const { return used_; }

 private:
  const int64_t bytes_max_;
  std::atomic<int64_t> used_{0};
};

}  // namespace weir::session
