#include "state/memory_shard.h"

#include <algorithm>

namespace weir::state {

namespace {

constexpr size_t kGroup = 16;  // rows whose memory is fetched ahead together
constexpr size_t kVisitRows = 512;

// Hands rows to a visitor some at a time, until it fails.
class RowBatch {
 public:
  explicit RowBatch(const RowVisitor& visit) : visit_(visit) { rows_.reserve(kVisitRows); }
  void add(const Record& record) {
    rows_.push_back({.time = record.time, .key = record.key, .value = record.value});
    if (rows_.size() >= kVisitRows) flush();
  }
  Result<void> finish() {
    flush();
    if (error_) return std::move(*error_);
    return {};
  }

 private:
  void flush() {
    if (!rows_.empty() && visit_ && !error_)
      if (auto visited = visit_(rows_); !visited.ok()) error_.emplace(std::move(visited).error());
    rows_.clear();
  }

  const RowVisitor& visit_;
  std::vector<StateRow> rows_;
  std::optional<base::Error> error_;
};

}  // namespace

MemoryTable* MemoryShard::find_table(int64_t bucket) const {
  const auto it = tables_.find(bucket);
  return it == tables_.end() ? nullptr : it->second.get();
}

MemoryTable& MemoryShard::table(int64_t bucket) {
  auto& table = tables_[bucket];
  if (table == nullptr) {
    table = std::make_unique<MemoryTable>(form_, layout_, bucket);
    if (touched_) table->set_born_in_batch();
  }
  return *table;
}

void MemoryShard::freeze_if_wanted() {
  if (!freeze_wanted_ || frozen_) return;
  frozen_.emplace();
  for (const auto& [bucket, table] : tables_)
    if (table->rows() > 0) frozen_->push_back(table->freeze());
}

void MemoryShard::want_frozen() {
  std::lock_guard lock(freeze_mutex_);
  freeze_wanted_ = true;
  frozen_.reset();
}

std::vector<FrozenTable> MemoryShard::take_frozen() {
  std::lock_guard lock(freeze_mutex_);
  freeze_if_wanted();
  freeze_wanted_ = false;
  auto frozen = std::move(frozen_).value_or(std::vector<FrozenTable>());
  frozen_.reset();
  return frozen;
}

void MemoryShard::begin_batch() {
  updated_ = 0;
  removed_ = 0;
}

// Before the first change of a batch.
void MemoryShard::touch() {
  if (touched_) return;
  // The lock also keeps a snapshot's thread from copying positions while rows move.
  std::lock_guard lock(freeze_mutex_);
  freeze_if_wanted();
  touched_ = true;
  bool moved = false;
  for (const auto& [bucket, table] : tables_) {
    if (!table->wants_compaction()) continue;
    table->compact();
    moved = true;
  }
  if (moved && form_.mode == TimeBuckets::kOfRow) list_times();
}

MemoryTable& MemoryShard::changed(MemoryTable& table) {
  if (!table.in_batch()) {
    table.begin_batch();
    changed_.push_back(&table);
  }
  return table;
}

void MemoryShard::note_time(int64_t time, uint64_t position) {
  TimeList& list = lists_[bucket_of(time, width_)];
  list.positions.push_back(position);
  list.min_time = std::min(list.min_time, time);
}

void MemoryShard::list_times() {
  lists_.clear();
  for (const auto& [bucket, table] : tables_)
    table->for_each(
        [&, &rows = *table](uint64_t position) { note_time(rows.read(position).time, position); });
}

Result<void> MemoryShard::get(const EncodedRows& keys, std::span<const uint32_t> rows,
                              std::span<const int64_t> times, FoundValues& found) {
  found.values.assign(rows.size(), std::string_view());
  if (form_.mode == TimeBuckets::kOfRow) found.times.assign(rows.size(), 0);
  const MemoryTable* tables[kGroup];
  int64_t bucket = 0;
  const MemoryTable* table = find_table(bucket);
  for (size_t begin = 0; begin < rows.size(); begin += kGroup) {
    const size_t count = std::min(kGroup, rows.size() - begin);
    for (size_t i = 0; i < count; ++i) {
      const uint32_t row = rows[begin + i];
      if (form_.mode == TimeBuckets::kOfKey && form_.bucket(times[row]) != bucket) {
        bucket = form_.bucket(times[row]);
        table = find_table(bucket);
      }
      tables[i] = table;
      if (table != nullptr) table->prefetch_slot(keys.hash(row));
    }
    for (size_t i = 0; i < count; ++i)
      if (tables[i] != nullptr) tables[i]->prefetch_record(keys.hash(rows[begin + i]));
    for (size_t i = 0; i < count; ++i) {
      if (tables[i] == nullptr) continue;
      const uint32_t row = rows[begin + i];
      const uint64_t position = tables[i]->find(keys.hash(row), keys.at(row));
      if (position == 0) continue;
      const Record record = tables[i]->read(position);
      found.values[begin + i] = record.value;
      if (form_.mode == TimeBuckets::kOfRow) found.times[begin + i] = record.time;
    }
  }
  return {};
}

Result<void> MemoryShard::put(const EncodedRows& keys, const EncodedRows& values,
                              std::span<const uint32_t> rows, std::span<const int64_t> times) {
  if (rows.empty()) return {};
  touch();
  MemoryTable* tables[kGroup];
  int64_t bucket = 0;
  MemoryTable* current = nullptr;
  const int64_t rows_before = rows_;
  for (size_t begin = 0; begin < rows.size(); begin += kGroup) {
    const size_t count = std::min(kGroup, rows.size() - begin);
    for (size_t i = 0; i < count; ++i) {
      const uint32_t row = rows[begin + i];
      const int64_t wanted = form_.bucket(time_of(times, row));
      if (current == nullptr || wanted != bucket) {
        bucket = wanted;
        current = &changed(table(bucket));
      }
      tables[i] = current;
      current->prefetch_slot(keys.hash(row));
    }
    for (size_t i = 0; i < count; ++i)
      tables[i]->prefetch_record(keys.hash(rows[begin + i]));
    for (size_t i = 0; i < count; ++i) {
      const uint32_t row = rows[begin + i];
      const int64_t before = tables[i]->rows();
      const Record record{.key = keys.at(row),
                          .value = values.at(row),
                          .prefix = keys.prefix(row).size(),
                          .time = time_of(times, row)};
      const uint64_t position = tables[i]->put(keys.hash(row), record);
      rows_ += tables[i]->rows() - before;
      if (position != 0 && form_.mode == TimeBuckets::kOfRow) note_time(record.time, position);
    }
    // Where the first of many rows are all new, so may be the others.
    constexpr size_t kSample = 4 * kGroup;
    if (begin + count == kSample && rows.size() >= 4 * kSample &&
        form_.mode != TimeBuckets::kOfKey && rows_ - rows_before == static_cast<int64_t>(kSample))
      current->reserve(static_cast<size_t>(current->rows()) + rows.size() - kSample);
  }
  updated_ += static_cast<int64_t>(rows.size());
  return {};
}

Result<void> MemoryShard::remove(const EncodedRows& keys, std::span<const uint32_t> rows,
                                 std::span<const int64_t> times) {
  if (rows.empty()) return {};
  touch();
  for (const uint32_t row : rows) {
    const int64_t bucket = form_.mode == TimeBuckets::kOfKey ? form_.bucket(times[row]) : 0;
    MemoryTable* table = find_table(bucket);
    if (table == nullptr || !changed(*table).remove(keys.hash(row), keys.at(row))) continue;
    --rows_;
    ++removed_;
  }
  return {};
}

Result<void> MemoryShard::scan_prefixes(const EncodedRows& prefixes, std::span<const uint32_t> rows,
                                        int64_t time_from, int64_t time_to,
                                        const PrefixVisitor& visit) {
  WEIR_CHECK(layout_ == Layout::kOrdered, "prefix scans are for ordered stores");
  const bool bounded = form_.mode == TimeBuckets::kOfKey;
  const auto first = bounded ? tables_.lower_bound(form_.bucket(time_from)) : tables_.begin();
  const auto last = bounded ? tables_.upper_bound(form_.bucket(time_to)) : tables_.end();
  std::vector<StateRow> batch;
  for (const uint32_t row : rows) {
    for (auto it = first; it != last; ++it) {
      batch.clear();
      it->second->for_each_with_prefix(
          prefixes.hash(row), prefixes.at(row), [&](const Record& record) {
            batch.push_back({.time = record.time, .key = record.key, .value = record.value});
          });
      if (!batch.empty()) WEIR_TRY(visit(row, batch));
    }
  }
  return {};
}

Result<void> MemoryShard::scan(int64_t time_from, int64_t time_to, const RowVisitor& visit) {
  const bool bounded = form_.mode == TimeBuckets::kOfKey;
  const auto first = bounded ? tables_.lower_bound(form_.bucket(time_from)) : tables_.begin();
  const auto last = bounded ? tables_.upper_bound(form_.bucket(time_to)) : tables_.end();
  RowBatch batch(visit);
  for (auto it = first; it != last; ++it) {
    it->second->for_each([&](uint64_t position) { batch.add(it->second->read(position)); });
  }
  return batch.finish();
}

Result<void> MemoryShard::remove_leaving(MemoryTable& table, const std::vector<Leaving>& leaving,
                                         const RowVisitor& visit) {
  if (leaving.empty()) return {};
  if (visit) {
    RowBatch batch(visit);
    for (const Leaving& row : leaving)
      batch.add(table.read(row.position));
    WEIR_TRY(batch.finish());
  }
  changed(table);
  for (size_t i = 0; i < leaving.size(); ++i) {
    if (i + kGroup < leaving.size()) table.prefetch_slot(leaving[i + kGroup].hash);
    if (!table.remove(leaving[i].hash, leaving[i].position)) continue;
    --rows_;
    ++removed_;
  }
  return {};
}

Result<void> MemoryShard::evict_rows(MemoryTable& table, int64_t time, const RowVisitor& visit) {
  if (table.min_time() >= time || table.rows() == 0) return {};
  std::vector<Leaving> leaving;
  table.for_each([&](uint64_t position) {
    const Record record = table.read(position);
    if (record.time < time) leaving.push_back({hash_bytes(record.key_prefix()), position});
  });
  WEIR_TRY(remove_leaving(table, leaving, visit));
  changed(table).set_min_time(time);
  return {};
}

Result<void> MemoryShard::evict_tables(int64_t time, const RowVisitor& visit) {
  const int64_t boundary = bucket_of(time, width_);
  while (!tables_.empty() && tables_.begin()->first < boundary) {
    const auto it = tables_.begin();
    MemoryTable& table = *it->second;
    RowBatch batch(visit);
    table.for_each([&](uint64_t position) { batch.add(table.read(position)); });
    WEIR_TRY(batch.finish());
    rows_ -= table.rows();
    removed_ += table.rows();
    dropped_.push_back({.bucket = it->first, .table = std::move(it->second)});
    tables_.erase(it);
  }
  if (MemoryTable* table = find_table(boundary); table != nullptr)
    return evict_rows(*table, time, visit);
  return {};
}

Result<void> MemoryShard::evict_lists(int64_t time, const RowVisitor& visit) {
  MemoryTable* table = find_table(0);
  const int64_t boundary = bucket_of(time, width_);
  std::vector<Leaving> leaving;
  for (auto it = lists_.begin(); it != lists_.end() && it->first <= boundary;) {
    TimeList& list = it->second;
    if (it->first == boundary && list.min_time >= time) break;
    leaving.clear();
    TimeList staying;
    uint64_t hashes[kGroup];
    for (size_t begin = 0; begin < list.positions.size(); begin += kGroup) {
      const size_t count = std::min(kGroup, list.positions.size() - begin);
      for (size_t i = 0; i < count; ++i) {
        hashes[i] = hash_bytes(table->read(list.positions[begin + i]).key_prefix());
        table->prefetch_slot(hashes[i]);
      }
      for (size_t i = 0; i < count; ++i) {
        const uint64_t position = list.positions[begin + i];
        if (!table->holds(hashes[i], position)) continue;
        const int64_t of_row = table->read(position).time;
        if (of_row < time) {
          leaving.push_back({hashes[i], position});
        } else {
          staying.positions.push_back(position);
          staying.min_time = std::min(staying.min_time, of_row);
        }
      }
    }
    WEIR_TRY(remove_leaving(*table, leaving, visit));
    dropped_lists_.emplace_back(it->first, std::move(list));
    if (staying.positions.empty()) {
      it = lists_.erase(it);
    } else {
      it->second = std::move(staying);
      ++it;
    }
  }
  return {};
}

Result<void> MemoryShard::evict_below(int64_t time, const RowVisitor& visit) {
  WEIR_CHECK(form_.mode != TimeBuckets::kNone, "only a store with time is evicted by it");
  if (rows_ == 0) return {};
  touch();
  return form_.mode == TimeBuckets::kOfKey ? evict_tables(time, visit) : evict_lists(time, visit);
}

std::optional<int64_t> MemoryShard::earliest_time() const {
  if (form_.mode == TimeBuckets::kNone) return std::nullopt;
  if (rows_ == 0) return std::nullopt;
  if (form_.mode == TimeBuckets::kOfRow)
    return lists_.empty() ? std::nullopt : std::optional(lists_.begin()->second.min_time);
  for (const auto& [bucket, table] : tables_)
    if (table->rows() > 0) return table->min_time();
  return std::nullopt;
}

void MemoryShard::encode_changes(BlockCollector& blocks) const {
  for (const Dropped& dropped : dropped_)
    if (!dropped.table->born_in_batch()) blocks.add_drop(dropped.bucket);
  for (const auto& [bucket, table] : tables_) {
    if (!table->in_batch()) continue;
    const int64_t of = bucket;
    table->for_each_change(
        [&](const Record& record, const char* bytes) {
          blocks.add_put(of, std::string_view(bytes, record.bytes));
        },
        [&](const Record& record) { blocks.add_remove(of, form_, record); });
  }
}

void MemoryShard::commit_batch() {
  if (!touched_) return;
  std::lock_guard lock(freeze_mutex_);
  dropped_.clear();
  dropped_lists_.clear();
  changed_.clear();
  touched_ = false;
  for (auto it = tables_.begin(); it != tables_.end();) {
    if (it->second->in_batch() || it->second->born_in_batch()) it->second->commit_batch();
    it = it->second->rows() == 0 ? tables_.erase(it) : std::next(it);
  }
  if (tables_.empty()) lists_.clear();
}

void MemoryShard::roll_back_batch() {
  if (!touched_) return;
  std::lock_guard lock(freeze_mutex_);
  for (MemoryTable* table : changed_)
    if (!table->born_in_batch()) table->roll_back_batch();
  changed_.clear();
  for (auto it = tables_.begin(); it != tables_.end();)
    it = it->second->born_in_batch() ? tables_.erase(it) : std::next(it);
  for (Dropped& dropped : dropped_)
    if (!dropped.table->born_in_batch()) tables_[dropped.bucket] = std::move(dropped.table);
  dropped_.clear();
  // What the batch added to the lists is out of date by now; the first list of a bucket is the
  // whole one.
  for (; !dropped_lists_.empty(); dropped_lists_.pop_back())
    lists_[dropped_lists_.back().first] = std::move(dropped_lists_.back().second);
  if (tables_.empty()) lists_.clear();
  touched_ = false;
  count_rows();
}

void MemoryShard::count_rows() {
  rows_ = 0;
  for (const auto& [bucket, table] : tables_)
    rows_ += table->rows();
}

int64_t MemoryShard::bytes() const {
  int64_t bytes = sizeof(MemoryShard);
  for (const auto& [bucket, table] : tables_)
    bytes += table->bytes();
  for (const auto& [bucket, list] : lists_)
    bytes += static_cast<int64_t>(list.positions.capacity() * sizeof(uint64_t));
  return bytes;
}

bool MemoryShard::load_snapshot(const Block& block, ArenaChunk payload) {
  if (block.kind != BlockKind::kPuts) return false;
  const char* in = payload.get();
  const char* end = in + block.payload_bytes;
  uint32_t rows = 0;
  for (Record record; in != end; in += record.bytes, ++rows) {
    const auto offset = static_cast<size_t>(in - payload.get());
    if (offset >= (size_t{1} << Arena::kOffsetBits)) return false;
    if (!form_.read_checked(in, end, block.bucket, record)) return false;
  }
  if (rows != block.rows) return false;
  return rows == 0 || table(block.bucket).adopt(std::move(payload), block.payload_bytes);
}

bool MemoryShard::apply_changes(const Block& block, std::string_view payload) {
  if (block.kind == BlockKind::kDropBucket) {
    tables_.erase(block.bucket);
    return true;
  }
  const char* in = payload.data();
  const char* end = in + payload.size();
  MemoryTable& to = table(block.bucket);
  uint32_t rows = 0;
  for (Record record; in != end; in += record.bytes, ++rows) {
    if (!form_.read_checked(in, end, block.bucket, record)) return false;
    const uint64_t hash = hash_bytes(record.key_prefix());
    if (block.kind == BlockKind::kPuts) {
      to.put(hash, record);
    } else if (block.kind == BlockKind::kRemoves) {
      to.remove(hash, record.key);
    } else {
      return false;
    }
  }
  return rows == block.rows;
}

void MemoryShard::finish_loading() {
  for (auto it = tables_.begin(); it != tables_.end();)
    it = it->second->rows() == 0 ? tables_.erase(it) : std::next(it);
  count_rows();
  if (form_.mode == TimeBuckets::kOfRow) list_times();
}

}  // namespace weir::state
