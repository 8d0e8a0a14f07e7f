// Scans and evictions of a shard: the rows of the batch and of the database, merged.
#include <algorithm>

#include "state/rocksdb_keys.h"
#include "state/rocksdb_shard.h"

namespace weir::state {

namespace {

constexpr size_t kVisitRows = 512;
constexpr int64_t kDense = 8;  // of so many rows of a bucket one is looked for: go from row to row
constexpr int kStepsMax = 16;  // … so many at most, before the place is looked for

}  // namespace

// Copies of rows: an iterator's own bytes move.
class RocksDbShard::Held {
 public:
  void add(std::string_view key, const Record& record) {
    pieces_.push_back({record.time, bytes_.size(), key.size(), record.value.size()});
    bytes_ += key;
    bytes_ += record.value;
  }
  size_t size() const { return pieces_.size(); }
  void clear() {
    pieces_.clear();
    bytes_.clear();
  }
  // Valid until the next add() or clear().
  std::span<const StateRow> rows() {
    rows_.clear();
    const std::string_view bytes = bytes_;
    for (const Piece& piece : pieces_)
      rows_.push_back({.time = piece.time,
                       .key = bytes.substr(piece.begin, piece.key),
                       .value = bytes.substr(piece.begin + piece.key, piece.value)});
    return rows_;
  }

 private:
  struct Piece {
    int64_t time;
    size_t begin;
    size_t key;
    size_t value;
  };
  std::string bytes_;
  std::vector<Piece> pieces_;
  std::vector<StateRow> rows_;
};

rocksdb::Iterator& RocksDbShard::iterator(Order order) {
  auto& kept = order == Order::kTotal ? total_ : prefix_;
  if (kept == nullptr) {
    rocksdb::ReadOptions options;
    options.total_order_seek = order == Order::kTotal;
    kept.reset(database_->NewIterator(options));
  }
  return *kept;
}

template <typename Use>
Result<void> RocksDbShard::merge(std::string_view range, rocksdb::Iterator* it, Use&& use) {
  const std::span<const uint32_t> own = changes_.sorted();
  auto at = std::lower_bound(
      own.begin(), own.end(), range,
      [&](uint32_t number, std::string_view key) { return changes_[number].key() < key; });
  while (true) {
    const bool stored = it != nullptr && it->Valid() && view(it->key()).starts_with(range);
    const bool mine = at != own.end() && changes_[*at].key().starts_with(range);
    if (!stored && !mine) break;
    const int order = !stored ? 1 : !mine ? -1 : view(it->key()).compare(changes_[*at].key());
    if (order < 0) {
      WEIR_TRY(use(view(it->key()), view(it->value())));
      it->Next();
      continue;
    }
    if (const ShardChanges::Row& row = changes_[*at]; row.present())
      WEIR_TRY(use(row.key(), row.value()));
    ++at;
    if (order == 0) it->Next();
  }
  if (it != nullptr && !it->status().ok()) return from_rocksdb(it->status(), "reading state");
  return {};
}

template <typename Visit>
Result<bool> RocksDbShard::visit_range(std::string_view range, rocksdb::Iterator* it, Held& held,
                                       Visit&& visit) {
  held.clear();
  bool all_held = true;
  const auto hold = [&](std::string_view key, std::string_view stored) -> Result<void> {
    WEIR_ASSIGN(const Record record, read_row(key, stored));
    held.add(record.key, record);
    if (held.size() < kVisitRows) return {};
    WEIR_TRY(visit(held.rows()));
    held.clear();
    all_held = false;
    return {};
  };
  WEIR_TRY(merge(range, it, hold));
  if (held.size() > 0) WEIR_TRY(visit(held.rows()));
  return all_held;
}

Result<void> RocksDbShard::visit_bucket(int64_t bucket, const RowVisitor& visit) {
  const std::string range = database_key(kRows, bucket, "");
  rocksdb::Iterator* it = may_be_stored(bucket) ? &iterator(Order::kTotal) : nullptr;
  if (it != nullptr) it->Seek(slice(range));
  Held held;
  WEIR_TRY(visit_range(range, it, held, visit));
  return {};
}

Result<void> RocksDbShard::scan(int64_t time_from, int64_t time_to, const RowVisitor& visit) {
  if (form_.mode != TimeBuckets::kOfKey) return visit_bucket(0, visit);
  const auto last = buckets_.upper_bound(form_.bucket(time_to));
  for (auto it = buckets_.lower_bound(form_.bucket(time_from)); it != last; ++it)
    WEIR_TRY(visit_bucket(it->first, visit));
  return {};
}

Result<void> RocksDbShard::scan_prefixes(const EncodedRows& prefixes,
                                         std::span<const uint32_t> rows, int64_t time_from,
                                         int64_t time_to, const PrefixVisitor& visit) {
  WEIR_CHECK(ordered_, "prefix scans are for ordered stores");
  std::vector<uint32_t> ordered(rows.begin(), rows.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [&](uint32_t a, uint32_t b) { return prefixes.at(a) < prefixes.at(b); });
  if (form_.mode != TimeBuckets::kOfKey) return scan_bucket(prefixes, ordered, 0, visit);
  const auto last = buckets_.upper_bound(form_.bucket(time_to));
  for (auto it = buckets_.lower_bound(form_.bucket(time_from)); it != last; ++it)
    WEIR_TRY(scan_bucket(prefixes, ordered, it->first, visit));
  return {};
}

// One way through the bucket for all prefixes: from row to row where many of its rows are wanted,
// else from place to place, past table files whose filters say that they have none of a prefix.
Result<void> RocksDbShard::scan_bucket(const EncodedRows& prefixes,
                                       std::span<const uint32_t> ordered, int64_t bucket,
                                       const PrefixVisitor& visit) {
  rocksdb::Iterator* it = nullptr;
  bool dense = false;
  if (may_be_stored(bucket)) {
    dense = static_cast<int64_t>(ordered.size()) * kDense >= stored_rows(bucket);
    it = &iterator(dense ? Order::kTotal : Order::kPrefix);
  }
  auto place = [&, placed = false](std::string_view range) mutable {
    if (it == nullptr) return;
    int steps = placed ? 0 : kStepsMax;
    // Where it stands is behind all smaller prefixes of this call.
    while (dense && steps < kStepsMax && it->Valid() && view(it->key()) < range) {
      it->Next();
      ++steps;
    }
    if (!dense || steps == kStepsMax) it->Seek(slice(range));
    placed = true;
  };
  Held held;
  std::string range;
  const uint32_t* before = nullptr;  // the row whose stored rows are all held
  for (const uint32_t& row : ordered) {
    if (before != nullptr && prefixes.at(*before) == prefixes.at(row)) {
      if (held.size() > 0) WEIR_TRY(visit(row, held.rows()));
      continue;
    }
    range.clear();
    append_head(range, kRows, bucket);
    range += prefixes.at(row);
    place(range);
    WEIR_ASSIGN(const bool all_held,
                visit_range(range, it, held,
                            [&](std::span<const StateRow> rows) { return visit(row, rows); }));
    before = all_held ? &row : nullptr;
  }
  return {};
}

// --- evictions

// Their rows are gone, those of the batch too.
void RocksDbShard::drop_buckets(const std::set<int64_t>& dropped) {
  for (const int64_t bucket : dropped) {
    const auto counts = buckets_.find(bucket);
    if (counts == buckets_.end()) continue;
    keep_before(bucket, counts->second);
    removed_ += counts->second.rows;
    rows_ -= counts->second.rows;
    buckets_.erase(counts);
    if (stored_rows(bucket) > 0) dropped_.insert(bucket);
  }
  for (uint32_t number = 0; number < changes_.size(); ++number) {
    ShardChanges::Row& row = changes_[number];
    if (!dropped.contains(bucket_of_database_key(row.key()))) continue;
    row.value_begin = nullptr;
    row.existed = false;
    row.changed = false;
  }
}

// Rows with time < `time` of a bucket that has others too.
Result<void> RocksDbShard::evict_from(int64_t bucket, int64_t time, const RowVisitor& visit) {
  const std::string range = database_key(kRows, bucket, "");
  rocksdb::Iterator* it = may_be_stored(bucket) ? &iterator(Order::kTotal) : nullptr;
  if (it != nullptr) it->Seek(slice(range));
  Held leaving;
  const auto hold = [&](std::string_view key, std::string_view stored) -> Result<void> {
    WEIR_ASSIGN(const Record record, read_row(key, stored));
    if (record.time < time) leaving.add(key, record);
    return {};
  };
  WEIR_TRY(merge(range, it, hold));
  std::vector<StateRow> rows;
  const std::span<const StateRow> all = leaving.rows();
  for (size_t begin = 0; visit && begin < all.size(); begin += kVisitRows) {
    const auto some = all.subspan(begin, std::min(kVisitRows, all.size() - begin));
    rows.assign(some.begin(), some.end());
    for (StateRow& row : rows)
      row.key.remove_prefix(kRocksDbKeyHead);
    WEIR_TRY(visit(rows));
  }
  for (const StateRow& gone : all) {
    bool added = false;
    ShardChanges::Row& row = changes_[changes_.find_or_add(gone.key, added)];
    if (added) row.existed = true;
    row.value_begin = nullptr;
    row.changed = true;
    count(bucket, gone.time, -1);
    ++removed_;
  }
  return {};
}

// kOfRow: the database's rows are found by their times; the batch's are looked through.
Result<void> RocksDbShard::evict_times(std::span<const int64_t> buckets, int64_t time,
                                       const RowVisitor& visit) {
  if (may_be_stored(0)) {
    std::vector<uint32_t> missing;
    rocksdb::Iterator& it = iterator(Order::kTotal);
    for (const int64_t bucket : buckets) {
      const std::string range = database_key(kTimes, bucket, "");
      for (it.Seek(slice(range)); it.Valid() && view(it.key()).starts_with(range); it.Next()) {
        key_.clear();
        append_head(key_, kRows, 0);
        key_ += view(it.key()).substr(kRocksDbKeyHead);
        bool added = false;
        const uint32_t number = changes_.find_or_add(key_, added);
        if (added) missing.push_back(number);
      }
      if (!it.status().ok()) return from_rocksdb(it.status(), "reading state");
    }
    WEIR_TRY(fetch(missing));
  }
  std::vector<uint32_t> leaving;
  std::vector<StateRow> rows;
  for (uint32_t number = 0; number < changes_.size(); ++number) {
    const ShardChanges::Row& row = changes_[number];
    if (!row.present()) continue;
    WEIR_ASSIGN(const Record record, read_row(row.key(), row.value()));
    if (record.time >= time) continue;
    leaving.push_back(number);
    if (visit) rows.push_back({.time = record.time, .key = record.key, .value = record.value});
    if (rows.size() < kVisitRows) continue;
    WEIR_TRY(visit(rows));
    rows.clear();
  }
  if (!rows.empty()) WEIR_TRY(visit(rows));
  for (const uint32_t number : leaving)
    WEIR_TRY(remove_row(changes_[number]));
  return {};
}

Result<void> RocksDbShard::evict_below(int64_t time, const RowVisitor& visit) {
  WEIR_CHECK(form_.mode != TimeBuckets::kNone, "only a store with time is evicted by it");
  const int64_t boundary = bucket_of(time, width_);
  std::vector<int64_t> in;
  const auto last = buckets_.upper_bound(boundary);
  for (auto it = buckets_.begin(); it != last; ++it)
    if (it->first < boundary || it->second.min_time < time) in.push_back(it->first);
  if (in.empty()) return {};
  touched_ = true;
  if (form_.mode == TimeBuckets::kOfRow) {
    WEIR_TRY(evict_times(in, time, visit));
  } else {
    std::set<int64_t> whole;
    for (const int64_t bucket : in) {
      if (bucket == boundary) continue;
      if (visit) WEIR_TRY(visit_bucket(bucket, visit));
      whole.insert(bucket);
    }
    if (!whole.empty()) drop_buckets(whole);
    if (in.back() == boundary) WEIR_TRY(evict_from(boundary, time, visit));
  }
  if (const auto it = buckets_.find(boundary); it != buckets_.end()) {
    keep_before(boundary, it->second);
    it->second.min_time = std::max(it->second.min_time, time);
  }
  return {};
}

}  // namespace weir::state
