// A shared limit on bytes. A lease holds a part of it until it is destroyed. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace weir::hub {

class MemoryBudget {
 public:
  explicit MemoryBudget(int64_t limit) : limit_(limit) {}
  bool try_take(int64_t bytes) {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit_) return true;
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  void take(int64_t bytes) {
    used_.fetch_add(bytes, std::memory_order_relaxed);
  }  // may pass the limit
  void give_back(int64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  int64_t limit() const { return limit_; }

 private:
  const int64_t limit_;
  std::atomic<int64_t> used_ = 0;
};

class MemoryLease {
 public:
  MemoryLease() = default;
  MemoryLease(MemoryLease&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  MemoryLease& operator=(MemoryLease&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MemoryLease() {
    if (budget_) budget_->give_back(bytes_);
  }
  // True where the budget had room.
  bool try_lease(MemoryBudget& budget, int64_t bytes) {
    resize(0);
    if (!budget.try_take(bytes)) return false;
    budget_ = &budget;
    bytes_ = bytes;
    return true;
  }
  // To what is really used, which may be more than was asked for.
  void resize(int64_t bytes) {
    if (!budget_) return;
    budget_->take(bytes - bytes_);
    bytes_ = bytes;
  }
  int64_t bytes() const { return bytes_; }

 private:
  MemoryBudget* budget_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace weir::hub
