// Rows of one shard and bucket in memory: an arena of records and an index of their positions, with
// the undo of the batch in work.
//
// The index holds 8 bytes a row in an open-addressing table that is at most 3/4 full (kHash), or 16
// bytes in sorted leaves (kOrdered: by hash of the prefix, then by key). Records of committed
// batches are never overwritten, so a frozen view is a copy of the positions and shares the
// records.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "state/arena.h"
#include "state/record.h"

namespace weir::state {

// Where a key is, or would be.
struct Place {
  size_t slot = 0;  // or leaf
  size_t entry = 0;
  uint64_t position = 0;  // 0: it is not there
};

class Records {
 public:
  Records(const RecordForm& form, int64_t bucket) : form(form), bucket(bucket) {}
  Record read(uint64_t position) const { return form.read(arena.at(position), bucket); }
  uint64_t hash(uint64_t position) const { return hash_bytes(read(position).key_prefix()); }

  Arena arena;
  RecordForm form;
  int64_t bucket;
};

class HashIndex {
 public:
  void reserve(size_t rows, const Records& records);
  void prefetch(uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }
  // The record that the key's first candidate slot points to, for prefetching; 0: none.
  uint64_t candidate(uint64_t hash) const;
  Place locate(uint64_t hash, std::string_view key, const Records& records) const;
  // Of the row whose record is at the position; that of a row not there where no slot has it.
  Place locate(uint64_t hash, uint64_t position) const;
  void replace(const Place& place, uint64_t hash, uint64_t position);
  void insert(Place place, uint64_t hash, uint64_t position, const Records& records);
  void erase(const Place& place);
  size_t bytes() const { return slots_.capacity() * sizeof(uint64_t); }
  template <typename F>
  void for_each(F&& use) const {
    for (const uint64_t slot : slots_)
      if (slot > kErased) use(slot & kPositionMask);
  }
  template <typename F>
  void move_each(F&& use) {
    for (uint64_t& slot : slots_)
      if (slot > kErased) slot = (slot & ~kPositionMask) | use(slot & kPositionMask);
  }

 private:
  static constexpr uint64_t kErased = 1;  // positions are larger
  static constexpr uint64_t kPositionMask = (uint64_t{1} << 48) - 1;
  static uint64_t tag(uint64_t hash) { return (hash << 10) & ~kPositionMask; }
  void grow(size_t capacity, const Records& records);
  std::vector<uint64_t> slots_;
  size_t filled_ = 0;  // with erased ones
  size_t rows_ = 0;
};

class OrderedIndex {
 public:
  Place locate(uint64_t hash, std::string_view key, const Records& records) const;
  void replace(const Place& place, uint64_t position);
  void insert(const Place& place, uint64_t hash, uint64_t position);
  void erase(const Place& place);
  size_t bytes() const { return leaves_.size() * (sizeof(Leaf) + 16); }
  // From the place on while use(position) says true.
  template <typename F>
  void for_each_from(Place place, F&& use) const {
    for (; place.slot < leaves_.size(); ++place.slot, place.entry = 0)
      for (; place.entry < leaves_[place.slot]->count; ++place.entry)
        if (!use(leaves_[place.slot]->hashes[place.entry],
                 leaves_[place.slot]->positions[place.entry]))
          return;
  }
  template <typename F>
  void move_each(F&& use) {
    for (auto& leaf : leaves_)
      for (size_t i = 0; i < leaf->count; ++i)
        leaf->positions[i] = use(leaf->positions[i]);
  }

 private:
  static constexpr size_t kLeafRows = 64;
  struct Leaf {
    size_t count = 0;
    uint64_t hashes[kLeafRows];
    uint64_t positions[kLeafRows];
  };
  std::vector<std::unique_ptr<Leaf>> leaves_;
  std::vector<uint64_t> first_hashes_;
};

// Committed rows of a table as they were, for a snapshot.
struct FrozenTable {
  RecordForm form;
  int64_t bucket = 0;
  std::vector<ArenaChunk> chunks = {};
  std::vector<uint64_t> positions = {};

  const char* at(uint64_t position) const {
    return chunks[(position >> Arena::kOffsetBits) - 1].get() +
           (position & ((uint64_t{1} << Arena::kOffsetBits) - 1));
  }
};

class MemoryTable {
 public:
  MemoryTable(const RecordForm& form, Layout layout, int64_t bucket)
      : ordered_(layout == Layout::kOrdered), records_(form, bucket) {}

  int64_t rows() const { return rows_; }
  int64_t bucket() const { return records_.bucket; }
  int64_t bytes() const;
  int64_t min_time() const { return min_time_; }
  void set_min_time(int64_t time) { min_time_ = time; }

  // --- reading
  void prefetch_slot(uint64_t hash) const {
    if (!ordered_) hash_.prefetch(hash);
  }
  void prefetch_record(uint64_t hash) const {
    if (ordered_) return;
    if (const uint64_t position = hash_.candidate(hash); position != 0)
      __builtin_prefetch(records_.arena.at(position));
  }
  uint64_t find(uint64_t hash, std::string_view key) const { return locate(hash, key).position; }
  // Whether the record at the position, of this hash, is that of a row that is there now.
  bool holds(uint64_t hash, uint64_t position) const {
    return locate(hash, position).position == position;
  }
  Record read(uint64_t position) const { return records_.read(position); }
  template <typename F>  // use(position)
  void for_each(F&& use) const {
    if (ordered_) {
      tree_.for_each_from({}, [&](uint64_t, uint64_t position) {
        use(position);
        return true;
      });
    } else {
      hash_.for_each(use);
    }
  }
  template <typename F>  // use(record), in key order; ordered tables only
  void for_each_with_prefix(uint64_t hash, std::string_view prefix, F&& use) const {
    tree_.for_each_from(locate(hash, prefix), [&](uint64_t row_hash, uint64_t position) {
      if (row_hash != hash) return false;
      const Record record = records_.read(position);
      if (!record.key.starts_with(prefix)) return false;
      use(record);
      return true;
    });
  }

  // --- a batch
  // Before the first change of a batch.
  void begin_batch();
  bool in_batch() const { return in_batch_; }
  bool born_in_batch() const { return born_; }
  void set_born_in_batch() { born_ = true; }
  // The position of a record that was written for it; 0 where nothing had to change.
  uint64_t put(uint64_t hash, const Record& record);
  bool remove(uint64_t hash, std::string_view key) { return remove(locate(hash, key)); }
  // The row whose record is at the position.
  bool remove(uint64_t hash, uint64_t position) { return remove(locate(hash, position)); }
  void commit_batch();
  void roll_back_batch();
  // What the batch changed: records that are there now, and keys that are not any more; each key
  // once, but for one that went and came again, which may be told of twice.
  template <typename Put, typename Remove>
  void for_each_change(Put&& put_record, Remove&& remove_record) const {
    if (restated_) return for_each_restated(put_record, remove_record);
    for (const Change& change : changes_) {
      if (change.after != 0) {
        put_record(records_.read(change.after), records_.arena.at(change.after));
      } else {
        remove_record(records_.read(change.before));
      }
    }
  }

  // --- loading
  void reserve(size_t rows) {
    if (!ordered_) hash_.reserve(rows, records_);
  }
  // Takes a chunk of checked records that are not there yet; false where one is.
  bool adopt(ArenaChunk chunk, size_t bytes);

  // --- between batches
  FrozenTable freeze() const;
  bool wants_compaction() const { return garbage_ > 65536 && garbage_ > live_bytes_; }
  void compact();

 private:
  struct Change {
    uint64_t before;  // the row's committed record; 0: there was none
    uint64_t after;   // the record that took its place; 0: the row went

    uint64_t key() const { return before != 0 ? before : after; }  // a record that has the key
  };

  // Where keys have changed more than once, by what the index says of them now.
  template <typename Put, typename Remove>
  void for_each_restated(Put&& put_record, Remove&& remove_record) const {
    constexpr size_t kAhead = 16;
    uint64_t hashes[kAhead];
    for (size_t begin = 0; begin < changes_.size(); begin += kAhead) {
      const size_t count = std::min(kAhead, changes_.size() - begin);
      for (size_t i = 0; i < count; ++i) {
        hashes[i] = records_.hash(changes_[begin + i].key());
        prefetch_slot(hashes[i]);
      }
      for (size_t i = 0; i < count; ++i)
        prefetch_record(hashes[i]);
      for (size_t i = 0; i < count; ++i) {
        const Change& change = changes_[begin + i];
        const Record record = records_.read(change.key());
        const Place place = locate(hashes[i], record.key);
        if (place.position != 0) {
          put_record(records_.read(place.position), records_.arena.at(place.position));
        } else if (change.before != 0) {
          remove_record(record);
        }
      }
    }
  }

  Place locate(uint64_t hash, std::string_view key) const {
    return ordered_ ? tree_.locate(hash, key, records_) : hash_.locate(hash, key, records_);
  }
  Place locate(uint64_t hash, uint64_t position) const;
  bool remove(const Place& place);
  void replace(const Place& place, uint64_t hash, uint64_t position);
  void insert(const Place& place, uint64_t hash, uint64_t position);
  void erase(const Place& place);
  uint64_t append(const Record& record, size_t bytes);

  bool ordered_;
  bool in_batch_ = false;
  bool born_ = false;
  Records records_;
  HashIndex hash_;
  OrderedIndex tree_;
  int64_t rows_ = 0;
  size_t live_bytes_ = 0;
  size_t garbage_ = 0;
  int64_t min_time_ = INT64_MAX;
  uint64_t mark_ = 0;  // records from here on are of the batch
  int64_t min_time_before_ = INT64_MAX;
  std::vector<Change> changes_;
  bool removed_in_batch_ = false;
  bool restated_ = false;  // a key may have more than one change, or a change that is not the last
};

}  // namespace weir::state
