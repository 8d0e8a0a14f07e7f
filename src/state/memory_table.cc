#include "state/memory_table.h"

#include <bit>

namespace weir::state {

// --- HashIndex

void HashIndex::reserve(size_t rows, const Records& records) {
  const size_t capacity = std::bit_ceil(std::max<size_t>(8, rows + rows / 3 + 1));
  if (capacity > slots_.size()) grow(capacity, records);
}

void HashIndex::grow(size_t capacity, const Records& records) {
  std::vector<uint64_t> old(capacity, 0);
  old.swap(slots_);
  filled_ = rows_;
  const size_t mask = slots_.size() - 1;
  constexpr size_t kAhead = 8;
  for (size_t i = 0; i < old.size(); ++i) {
    if (i + kAhead < old.size() && old[i + kAhead] > kErased)
      __builtin_prefetch(records.arena.at(old[i + kAhead] & kPositionMask));
    if (old[i] <= kErased) continue;
    size_t slot = records.hash(old[i] & kPositionMask) & mask;
    while (slots_[slot] != 0)
      slot = (slot + 1) & mask;
    slots_[slot] = old[i];
  }
}

uint64_t HashIndex::candidate(uint64_t hash) const {
  if (slots_.empty()) return 0;
  const size_t mask = slots_.size() - 1;
  const uint64_t wanted = tag(hash);
  for (size_t slot = hash & mask; slots_[slot] != 0; slot = (slot + 1) & mask)
    if (slots_[slot] > kErased && (slots_[slot] & ~kPositionMask) == wanted)
      return slots_[slot] & kPositionMask;
  return 0;
}

Place HashIndex::locate(uint64_t hash, std::string_view key, const Records& records) const {
  if (slots_.empty()) return {};
  const size_t mask = slots_.size() - 1;
  const uint64_t wanted = tag(hash);
  size_t free = SIZE_MAX;
  size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    if (slots_[slot] == kErased) {
      if (free == SIZE_MAX) free = slot;
    } else if ((slots_[slot] & ~kPositionMask) == wanted) {
      const uint64_t position = slots_[slot] & kPositionMask;
      if (records.read(position).key == key) return {.slot = slot, .position = position};
    }
  }
  return {.slot = free == SIZE_MAX ? slot : free};
}

Place HashIndex::locate(uint64_t hash, uint64_t position) const {
  if (slots_.empty()) return {};
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask)
    if ((slots_[slot] & kPositionMask) == position) return {.slot = slot, .position = position};
  return {.slot = slot};
}

void HashIndex::replace(const Place& place, uint64_t hash, uint64_t position) {
  slots_[place.slot] = tag(hash) | position;
}

void HashIndex::insert(Place place, uint64_t hash, uint64_t position, const Records& records) {
  if (slots_.empty() || (filled_ + 1) * 4 > slots_.size() * 3) {
    // Twice the room where rows need it, else only the erased ones go.
    grow(std::max<size_t>(8, rows_ * 2 >= slots_.size() ? slots_.size() * 2 : slots_.size()),
         records);
    const size_t mask = slots_.size() - 1;
    place.slot = hash & mask;
    while (slots_[place.slot] != 0)
      place.slot = (place.slot + 1) & mask;
  }
  if (slots_[place.slot] == 0) ++filled_;
  slots_[place.slot] = tag(hash) | position;
  ++rows_;
}

void HashIndex::erase(const Place& place) {
  const size_t mask = slots_.size() - 1;
  --rows_;
  if (slots_[(place.slot + 1) & mask] != 0) {
    slots_[place.slot] = kErased;
    return;
  }
  // Nothing follows: this slot and erased ones before it are free again.
  slots_[place.slot] = 0;
  --filled_;
  for (size_t slot = (place.slot - 1) & mask; slots_[slot] == kErased; slot = (slot - 1) & mask) {
    slots_[slot] = 0;
    --filled_;
  }
}

// --- OrderedIndex

Place OrderedIndex::locate(uint64_t hash, std::string_view key, const Records& records) const {
  if (leaves_.empty()) return {};
  // Whether the row at (leaf, entry) is before the key; equal: 0.
  const auto compare = [&](const Leaf& leaf, size_t entry) {
    if (leaf.hashes[entry] != hash) return leaf.hashes[entry] < hash ? -1 : 1;
    return records.read(leaf.positions[entry]).key.compare(key);
  };
  // The last leaf that does not begin behind the key.
  size_t low = 0;
  size_t high = leaves_.size();
  while (high - low > 1) {
    const size_t middle = (low + high) / 2;
    const bool behind = first_hashes_[middle] != hash ? first_hashes_[middle] > hash
                                                      : compare(*leaves_[middle], 0) > 0;
    (behind ? high : low) = middle;
  }
  const Leaf& leaf = *leaves_[low];
  size_t begin = 0;
  size_t end = leaf.count;
  while (begin < end) {
    const size_t middle = (begin + end) / 2;
    const int order = compare(leaf, middle);
    if (order == 0) return {.slot = low, .entry = middle, .position = leaf.positions[middle]};
    if (order < 0) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return {.slot = low, .entry = begin};
}

void OrderedIndex::replace(const Place& place, uint64_t position) {
  leaves_[place.slot]->positions[place.entry] = position;
}

void OrderedIndex::insert(const Place& place, uint64_t hash, uint64_t position) {
  if (leaves_.empty()) {
    leaves_.push_back(std::make_unique<Leaf>());
    first_hashes_.push_back(hash);
  }
  Leaf* leaf = leaves_[place.slot].get();
  size_t leaf_index = place.slot;
  size_t entry = place.entry;
  if (leaf->count == kLeafRows) {
    // Rows that come in order leave full leaves behind.
    const size_t keep = entry == kLeafRows ? kLeafRows - 1 : kLeafRows / 2;
    auto right = std::make_unique<Leaf>();
    right->count = kLeafRows - keep;
    std::copy(leaf->hashes + keep, leaf->hashes + kLeafRows, right->hashes);
    std::copy(leaf->positions + keep, leaf->positions + kLeafRows, right->positions);
    leaf->count = keep;
    const auto at = static_cast<std::ptrdiff_t>(leaf_index) + 1;
    first_hashes_.insert(first_hashes_.begin() + at, right->hashes[0]);
    leaves_.insert(leaves_.begin() + at, std::move(right));
    if (entry > keep) {
      entry -= keep;
      leaf = leaves_[++leaf_index].get();
    }
  }
  std::copy_backward(leaf->hashes + entry, leaf->hashes + leaf->count,
                     leaf->hashes + leaf->count + 1);
  std::copy_backward(leaf->positions + entry, leaf->positions + leaf->count,
                     leaf->positions + leaf->count + 1);
  leaf->hashes[entry] = hash;
  leaf->positions[entry] = position;
  ++leaf->count;
  first_hashes_[leaf_index] = leaf->hashes[0];
}

void OrderedIndex::erase(const Place& place) {
  Leaf& leaf = *leaves_[place.slot];
  std::copy(leaf.hashes + place.entry + 1, leaf.hashes + leaf.count, leaf.hashes + place.entry);
  std::copy(leaf.positions + place.entry + 1, leaf.positions + leaf.count,
            leaf.positions + place.entry);
  --leaf.count;
  const auto remove_leaf = [&](size_t index) {
    leaves_.erase(leaves_.begin() + static_cast<std::ptrdiff_t>(index));
    first_hashes_.erase(first_hashes_.begin() + static_cast<std::ptrdiff_t>(index));
  };
  if (leaf.count == 0) return remove_leaf(place.slot);
  first_hashes_[place.slot] = leaf.hashes[0];
  if (place.slot + 1 < leaves_.size() && leaf.count < kLeafRows / 4) {
    const Leaf& next = *leaves_[place.slot + 1];
    if (leaf.count + next.count > kLeafRows / 2) return;
    std::copy(next.hashes, next.hashes + next.count, leaf.hashes + leaf.count);
    std::copy(next.positions, next.positions + next.count, leaf.positions + leaf.count);
    leaf.count += next.count;
    remove_leaf(place.slot + 1);
  }
}

// --- MemoryTable

int64_t MemoryTable::bytes() const {
  return static_cast<int64_t>(records_.arena.capacity() + hash_.bytes() + tree_.bytes() +
                              changes_.capacity() * sizeof(Change) + sizeof(MemoryTable));
}

void MemoryTable::replace(const Place& place, uint64_t hash, uint64_t position) {
  if (ordered_) {
    tree_.replace(place, position);
  } else {
    hash_.replace(place, hash, position);
  }
}

void MemoryTable::insert(const Place& place, uint64_t hash, uint64_t position) {
  if (ordered_) {
    tree_.insert(place, hash, position);
  } else {
    hash_.insert(place, hash, position, records_);
  }
  ++rows_;
}

void MemoryTable::erase(const Place& place) {
  if (ordered_) {
    tree_.erase(place);
  } else {
    hash_.erase(place);
  }
  --rows_;
}

uint64_t MemoryTable::append(const Record& record, size_t bytes) {
  const uint64_t position = records_.arena.allocate(bytes);
  records_.form.write(records_.arena.writable(position), record, records_.bucket);
  live_bytes_ += bytes;
  min_time_ = std::min(min_time_, record.time);
  return position;
}

Place MemoryTable::locate(uint64_t hash, uint64_t position) const {
  if (!ordered_) return hash_.locate(hash, position);
  const Place place = tree_.locate(hash, records_.read(position).key, records_);
  return place.position == position ? place : Place{.slot = place.slot, .entry = place.entry};
}

void MemoryTable::begin_batch() {
  in_batch_ = true;
  mark_ = records_.arena.end();
  min_time_before_ = min_time_;
}

uint64_t MemoryTable::put(uint64_t hash, const Record& record) {
  const Place place = locate(hash, record.key);
  const size_t bytes = records_.form.size(record, records_.bucket);
  if (place.position == 0) {
    const uint64_t position = append(record, bytes);
    insert(place, hash, position);
    if (in_batch_) {
      changes_.push_back({.before = 0, .after = position});
      restated_ |= removed_in_batch_;  // it may have been this key
    }
    return position;
  }
  const Record before = records_.read(place.position);
  if (before.value == record.value && before.time == record.time) return 0;
  const bool of_batch = in_batch_ && place.position >= mark_;
  if (of_batch && before.bytes == bytes && before.time == record.time) {
    records_.form.write(records_.arena.writable(place.position), record, records_.bucket);
    return 0;
  }
  garbage_ += before.bytes;
  live_bytes_ -= before.bytes;
  const uint64_t position = append(record, bytes);
  replace(place, hash, position);
  restated_ |= of_batch;
  if (in_batch_ && !of_batch) changes_.push_back({.before = place.position, .after = position});
  return position;
}

bool MemoryTable::remove(const Place& place) {
  if (place.position == 0) return false;
  if (in_batch_ && place.position < mark_) {
    changes_.push_back({.before = place.position, .after = 0});
  } else if (in_batch_) {
    restated_ = true;
  }
  removed_in_batch_ = in_batch_;
  const size_t bytes = records_.read(place.position).bytes;
  garbage_ += bytes;
  live_bytes_ -= bytes;
  erase(place);
  return true;
}

void MemoryTable::commit_batch() {
  in_batch_ = false;
  born_ = false;
  removed_in_batch_ = false;
  restated_ = false;
  changes_.clear();
}

void MemoryTable::roll_back_batch() {
  for (size_t i = changes_.size(); i-- > 0;) {
    const Change& change = changes_[i];
    const Record record = records_.read(change.key());
    const uint64_t hash = hash_bytes(record.key_prefix());
    const Place place = locate(hash, record.key);
    if (place.position == change.before) continue;
    if (place.position != 0) {
      const size_t bytes = records_.read(place.position).bytes;
      garbage_ += bytes;
      live_bytes_ -= bytes;
    }
    if (change.before != 0) {
      garbage_ -= record.bytes;
      live_bytes_ += record.bytes;
      if (place.position != 0) {
        replace(place, hash, change.before);
      } else {
        insert(place, hash, change.before);
      }
    } else if (place.position != 0) {
      erase(place);
    }
  }
  min_time_ = min_time_before_;
  in_batch_ = false;
  born_ = false;
  removed_in_batch_ = false;
  restated_ = false;
  changes_.clear();
}

bool MemoryTable::adopt(ArenaChunk chunk, size_t bytes) {
  const char* in = chunk.get();
  const char* end = in + bytes;
  const char* begin = in;
  const uint64_t base = records_.arena.adopt(std::move(chunk), bytes);
  while (in != end) {
    const Record record = records_.form.read(in, records_.bucket);
    const uint64_t hash = hash_bytes(record.key_prefix());
    const Place place = locate(hash, record.key);
    if (place.position != 0) return false;
    insert(place, hash, base + static_cast<uint64_t>(in - begin));
    min_time_ = std::min(min_time_, record.time);
    in += record.bytes;
  }
  live_bytes_ += bytes;
  return true;
}

FrozenTable MemoryTable::freeze() const {
  FrozenTable frozen{
      .form = records_.form, .bucket = records_.bucket, .chunks = records_.arena.chunks()};
  frozen.positions.reserve(static_cast<size_t>(rows_));
  for_each([&](uint64_t position) { frozen.positions.push_back(position); });
  return frozen;
}

void MemoryTable::compact() {
  Arena arena;
  const auto move = [&](uint64_t position) {
    const char* from = records_.arena.at(position);
    const size_t bytes = records_.read(position).bytes;
    const uint64_t to = arena.allocate(bytes);
    std::memcpy(arena.writable(to), from, bytes);
    return to;
  };
  if (ordered_) {
    tree_.move_each(move);
  } else {
    hash_.move_each(move);
  }
  records_.arena = std::move(arena);
  garbage_ = 0;
}

}  // namespace weir::state
