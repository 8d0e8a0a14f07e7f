// Chance as an interface, so that a run can be repeated from its seed.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace weir::base {

class Random {
 public:
  virtual ~Random() = default;
  // 64 uniformly distributed bits. Safe to call from several threads.
  virtual uint64_t next() = 0;

  // Uniform in [0, bound), bound > 0.
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  // Uniform in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
};

// xoshiro256** (Blackman, Vigna), seeded by splitmix64.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed);
  uint64_t next() override;

 private:
  std::mutex mutex_;
  uint64_t state_[4];
};

// Bits of the operating system (getrandom).
class SystemRandom final : public Random {
 public:
  uint64_t next() override;
};

// A random (version 4) UUID in its 36-character form.
std::string uuid(Random& random);

}  // namespace weir::base
