// Counts durations in buckets of 1/64 relative width, from a microsecond to days, in a fixed 22 KB.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace weir::simulate {

class LatencyHistogram {
 public:
  void add(int64_t us) {
    if (us < 0) {
      ++negative_;
      us = 0;
    }
    ++counts_[bucket_of(static_cast<uint64_t>(us))];
    ++count_;
    max_us_ = std::max(max_us_, us);
  }
  int64_t count() const { return count_; }
  int64_t negative() const { return negative_; }  // counted as 0
  int64_t max_us() const { return max_us_; }
  // The duration that `part` (0 … 1) of all do not exceed; the upper end of its bucket.
  int64_t quantile_us(double part) const {
    const auto wanted =
        std::max<int64_t>(1, static_cast<int64_t>(part * static_cast<double>(count_) + 0.999999));
    int64_t seen = 0;
    for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      seen += counts_[bucket];
      if (seen >= wanted && seen > 0)
        return std::min(max_us_, static_cast<int64_t>(upper_end(bucket)));
    }
    return max_us_;
  }

 private:
  static constexpr int kSubBits = 6;
  static constexpr size_t kBuckets = (64 - kSubBits + 1) << kSubBits;
  static size_t bucket_of(uint64_t us) {
    if (us < (uint64_t{1} << kSubBits)) return us;
    const int shift = std::bit_width(us) - 1 - kSubBits;
    return (static_cast<size_t>(shift) + 1) << kSubBits | ((us >> shift) & ((1u << kSubBits) - 1));
  }
  static uint64_t upper_end(size_t bucket) {
    if (bucket < (size_t{1} << kSubBits)) return bucket;
    const int shift = static_cast<int>(bucket >> kSubBits) - 1;
    const uint64_t start = (uint64_t{1} << kSubBits | (bucket & ((1u << kSubBits) - 1))) << shift;
    return start + (uint64_t{1} << shift) - 1;
  }

  std::array<int64_t, kBuckets> counts_{};
  int64_t count_ = 0;
  int64_t negative_ = 0;
  int64_t max_us_ = 0;
};

}  // namespace weir::simulate
