#include "base/random.h"

#include <bit>

#include <fmt/core.h>
#include <sys/random.h>

#include "base/result.h"

namespace weir::base {

SeededRandom::SeededRandom(uint64_t seed) {
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

uint64_t SeededRandom::next() {
  std::lock_guard lock(mutex_);
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t SystemRandom::next() {
  uint64_t bits = 0;
  WEIR_CHECK(getrandom(&bits, sizeof bits, 0) == sizeof bits, "getrandom gave too few bytes");
  return bits;
}

std::string uuid(Random& random) {
  const uint64_t high = (random.next() & ~0xf000ULL) | 0x4000ULL;
  const uint64_t low = (random.next() & ~(0xc000ULL << 48)) | (0x8000ULL << 48);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffff'ffff'ffffULL);
}

}  // namespace weir::base
