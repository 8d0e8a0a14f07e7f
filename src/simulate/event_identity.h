// The eventId of a simulated event is a version 4 UUID made from the seed and the event's index,
// and can be turned back into that index: so a journal needs to name ranges only, and a check of a
// table needs a byte an event, not a set of strings.
//
// Of the UUID's 122 free bits the first 60 are the index behind a keyed permutation (a Feistel
// network of four rounds), so no two events of a seed share an id; the other 62 are a keyed hash of
// the index, so that an id of another seed, or of no simulator at all, is recognised as foreign (a
// chance of 2^-62 to be taken in).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::simulate {

// A well mixed 64-bit hash (the finaliser of splitmix64 by S. Vigna); the root of all chance in
// this room.
constexpr uint64_t mix64(uint64_t z) {
  z += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

class EventIdentity {
 public:
  static constexpr size_t kUuidLength = 36;
  static constexpr uint64_t kIndexEnd = uint64_t{1} << 60;  // indexes are below

  explicit EventIdentity(uint64_t seed);

  // Writes the 36 characters of the UUID of event `index` to `out`.
  void write_uuid(uint64_t index, char* out) const;
  // The index of the event that has this id under this seed; nullopt for every other text.
  std::optional<uint64_t> index_of(std::string_view uuid) const;

 private:
  uint64_t permute(uint64_t index) const;
  uint64_t permute_back(uint64_t permuted) const;
  uint64_t tag(uint64_t index) const;

  uint64_t round_keys_[4];
  uint64_t tag_key_;
};

}  // namespace weir::simulate
