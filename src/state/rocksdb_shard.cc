#include "state/rocksdb_shard.h"

#include <algorithm>

namespace weir::state {

using base::error;
using base::ErrorKind;

namespace {

constexpr size_t kGroup = 128;  // rows that are looked up together
constexpr size_t kVisitRows = 512;
constexpr size_t kKeyHead = 2 + 1 + 8;

void append_big_endian(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i)
    out.push_back(static_cast<char>(value >> (8 * i)));
}

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

int64_t bucket_of_key(std::string_view key) {
  uint64_t bits = 0;
  for (size_t i = 3; i < kKeyHead; ++i)
    bits = bits << 8 | static_cast<uint8_t>(key[i]);
  return static_cast<int64_t>(bits ^ (uint64_t{1} << 63));
}

}  // namespace

base::Error from_rocksdb(const rocksdb::Status& status, std::string_view what) {
  ErrorKind kind = ErrorKind::kIo;
  if (status.IsCorruption()) kind = ErrorKind::kCorruption;
  if (status.IsNoSpace() || status.IsMemoryLimit()) kind = ErrorKind::kResourceExhausted;
  if (kind == ErrorKind::kCorruption)
    return error(kind,
                 "{}: {}. Put back a copy of this file, or start the query with a new checkpoint",
                 what, status.ToString());
  return error(kind, "{}: {}", what, status.ToString());
}

RocksDbShard::RocksDbShard(const StoreSpec& spec, int index)
    : form_(RecordForm::of(spec)),
      ordered_(spec.layout == Layout::kOrdered),
      width_(spec.bucket_width_us),
      index_(index),
      batch_(rocksdb::BytewiseComparator(), 0, true) {}

std::string RocksDbShard::database_key(Space space, int64_t bucket, std::string_view key) const {
  std::string out;
  out.reserve(kKeyHead + key.size());
  append_big_endian(out, static_cast<uint64_t>(index_), 2);
  out.push_back(space);
  append_big_endian(out, static_cast<uint64_t>(bucket) ^ (uint64_t{1} << 63), 8);
  out += key;
  return out;
}

std::string RocksDbShard::database_value(const Record& record) const {
  std::string out;
  out.reserve(12 + record.value.size());
  if (form_.has_prefix) append_varint(out, record.prefix);
  if (form_.mode != TimeBuckets::kNone)
    out.append(reinterpret_cast<const char*>(&record.time), sizeof(record.time));
  out += record.value;
  return out;
}

bool RocksDbShard::read_value(std::string_view stored, Record& record) const {
  const char* in = stored.data();
  const char* end = in + stored.size();
  uint64_t prefix = record.key.size();
  if (form_.has_prefix) in = read_varint(in, end, prefix);
  if (in == nullptr || prefix > record.key.size()) return false;
  record.prefix = prefix;
  if (form_.mode != TimeBuckets::kNone) {
    if (end - in < 8) return false;
    std::memcpy(&record.time, in, 8);
    in += 8;
  }
  record.value = {in, static_cast<size_t>(end - in)};
  return true;
}

void RocksDbShard::begin_batch() {
  updated_ = 0;
  removed_ = 0;
}

void RocksDbShard::touch() {
  if (touched_) return;
  touched_ = true;
  buckets_before_ = buckets_;
}

Result<void> RocksDbShard::get(const EncodedRows& keys, std::span<const uint32_t> rows,
                               std::span<const int64_t> times, FoundValues& found) {
  found.values.assign(rows.size(), std::string_view());
  found.held.assign(rows.size(), std::string());
  if (form_.mode == TimeBuckets::kOfRow) found.times.assign(rows.size(), 0);
  std::vector<std::string> database_keys(kGroup);
  std::vector<rocksdb::Slice> slices(kGroup);
  for (size_t begin = 0; begin < rows.size(); begin += kGroup) {
    const size_t count = std::min(kGroup, rows.size() - begin);
    std::vector<rocksdb::PinnableSlice> stored(count);
    std::vector<rocksdb::Status> statuses(count);
    for (size_t i = 0; i < count; ++i) {
      const uint32_t row = rows[begin + i];
      database_keys[i] = database_key(kRows, bucket_in_key(times, row), keys.at(row));
      slices[i] = database_keys[i];
    }
    batch_.MultiGetFromBatchAndDB(database_, {}, database_->DefaultColumnFamily(), count,
                                  slices.data(), stored.data(), statuses.data(), false);
    for (size_t i = 0; i < count; ++i) {
      if (statuses[i].IsNotFound()) continue;
      if (!statuses[i].ok()) return from_rocksdb(statuses[i], "reading state");
      std::string& held = found.held[begin + i];
      held.assign(stored[i].data(), stored[i].size());
      Record record{.key = keys.at(rows[begin + i])};
      if (!read_value(held, record))
        return error(ErrorKind::kCorruption, "a row of state in RocksDB is cut off");
      found.values[begin + i] = record.value;
      if (form_.mode == TimeBuckets::kOfRow) found.times[begin + i] = record.time;
    }
  }
  return {};
}

void RocksDbShard::count(int64_t bucket, int64_t time, int64_t rows) {
  Bucket& counts = buckets_[bucket];
  counts.rows += rows;
  if (rows > 0) counts.min_time = std::min(counts.min_time, time);
  if (counts.rows == 0) buckets_.erase(bucket);
}

Result<void> RocksDbShard::apply_one(const Change& change, const rocksdb::Status& status,
                                     std::string_view stored) {
  if (!status.ok() && !status.IsNotFound()) return from_rocksdb(status, "reading state");
  const bool existed = status.ok();
  Record before{.key = change.record.key};
  if (existed && !read_value(stored, before))
    return error(ErrorKind::kCorruption, "a row of state in RocksDB is cut off");
  const bool of_row = form_.mode == TimeBuckets::kOfRow;
  const auto bucket_for = [&](int64_t time) {
    return of_row ? bucket_of(time, width_) : change.bucket;
  };
  rocksdb::Status written;
  if (change.is_remove) {
    if (!existed) return {};
    written = batch_.Delete(change.key);
    if (written.ok() && of_row)
      written = batch_.Delete(database_key(kTimes, bucket_for(before.time), change.record.key));
    count(bucket_for(before.time), before.time, -1);
    ++removed_;
  } else {
    const std::string value = database_value(change.record);
    if (existed && stored == value) return {};
    const int64_t bucket = bucket_for(change.record.time);
    written = batch_.Put(change.key, value);
    const bool moves = of_row && existed && bucket_for(before.time) != bucket;
    if (written.ok() && moves)
      written = batch_.Delete(database_key(kTimes, bucket_for(before.time), change.record.key));
    if (written.ok() && of_row && (!existed || moves))
      written = batch_.Put(database_key(kTimes, bucket, change.record.key), rocksdb::Slice());
    if (moves) count(bucket_for(before.time), before.time, -1);
    if (!existed || moves) count(bucket, change.record.time, 1);
    Bucket& counts = buckets_[bucket];
    counts.min_time = std::min(counts.min_time, change.record.time);
  }
  if (!written.ok()) return from_rocksdb(written, "changing state");
  return {};
}

Result<void> RocksDbShard::apply(std::span<const Change> changes) {
  touch();
  std::vector<rocksdb::Slice> slices;
  slices.reserve(changes.size());
  for (const Change& change : changes)
    slices.push_back(change.key);
  std::vector<rocksdb::PinnableSlice> stored(changes.size());
  std::vector<rocksdb::Status> statuses(changes.size());
  batch_.MultiGetFromBatchAndDB(database_, {}, database_->DefaultColumnFamily(), changes.size(),
                                slices.data(), stored.data(), statuses.data(), false);
  for (size_t i = 0; i < changes.size(); ++i)
    WEIR_TRY(apply_one(changes[i], statuses[i], view(stored[i])));
  return {};
}

// Groups changes that may be looked up together: those of different keys.
Result<void> RocksDbShard::apply_all(std::vector<Change>& changes, Change change) {
  const bool again = std::any_of(changes.begin(), changes.end(),
                                 [&](const Change& other) { return other.key == change.key; });
  if (again || changes.size() >= kGroup) {
    WEIR_TRY(apply(changes));
    changes.clear();
  }
  changes.push_back(std::move(change));
  return {};
}

Result<void> RocksDbShard::put(const EncodedRows& keys, const EncodedRows& values,
                               std::span<const uint32_t> rows, std::span<const int64_t> times) {
  std::vector<Change> changes;
  for (const uint32_t row : rows) {
    const int64_t bucket = bucket_in_key(times, row);
    Change change{.key = database_key(kRows, bucket, keys.at(row)), .bucket = bucket};
    change.record = {.key = keys.at(row),
                     .value = values.at(row),
                     .prefix = keys.prefix(row).size(),
                     .time = form_.mode == TimeBuckets::kNone ? 0 : times[row]};
    WEIR_TRY(apply_all(changes, std::move(change)));
  }
  updated_ += static_cast<int64_t>(rows.size());
  return changes.empty() ? Result<void>() : apply(changes);
}

Result<void> RocksDbShard::remove(const EncodedRows& keys, std::span<const uint32_t> rows,
                                  std::span<const int64_t> times) {
  std::vector<Change> changes;
  for (const uint32_t row : rows) {
    const int64_t bucket = bucket_in_key(times, row);
    Change change{.key = database_key(kRows, bucket, keys.at(row)),
                  .bucket = bucket,
                  .record = {.key = keys.at(row)},
                  .is_remove = true};
    WEIR_TRY(apply_all(changes, std::move(change)));
  }
  return changes.empty() ? Result<void>() : apply(changes);
}

std::unique_ptr<rocksdb::Iterator> RocksDbShard::iterator() {
  return std::unique_ptr<rocksdb::Iterator>(
      batch_.NewIteratorWithBase(database_->NewIterator(rocksdb::ReadOptions())));
}

Result<void> RocksDbShard::visit_range(std::string_view begin_with, const RowVisitor& visit) {
  const std::unique_ptr<rocksdb::Iterator> it = iterator();
  std::vector<std::pair<std::string, std::string>> held;  // the iterator's own bytes move
  std::vector<StateRow> rows;
  const auto flush = [&]() -> Result<void> {
    rows.clear();
    for (const auto& [key, stored] : held) {
      Record record{.key = std::string_view(key).substr(kKeyHead)};
      if (!read_value(stored, record))
        return error(ErrorKind::kCorruption, "a row of state in RocksDB is cut off");
      rows.push_back({.time = record.time, .key = record.key, .value = record.value});
    }
    if (!rows.empty() && visit) WEIR_TRY(visit(rows));
    held.clear();
    return {};
  };
  for (it->Seek(slice(begin_with)); it->Valid() && view(it->key()).starts_with(begin_with);
       it->Next()) {
    held.emplace_back(view(it->key()), view(it->value()));
    if (held.size() >= kVisitRows) WEIR_TRY(flush());
  }
  if (!it->status().ok()) return from_rocksdb(it->status(), "reading state");
  return flush();
}

Result<void> RocksDbShard::scan_prefixes(const EncodedRows& prefixes,
                                         std::span<const uint32_t> rows, int64_t time_from,
                                         int64_t time_to, const PrefixVisitor& visit) {
  WEIR_CHECK(ordered_, "prefix scans are for ordered stores");
  const bool bounded = form_.mode == TimeBuckets::kOfKey;
  std::vector<int64_t> in;
  if (bounded) {
    const auto last = buckets_.upper_bound(form_.bucket(time_to));
    for (auto it = buckets_.lower_bound(form_.bucket(time_from)); it != last; ++it)
      in.push_back(it->first);
  } else {
    in.push_back(0);
  }
  for (const uint32_t row : rows) {
    for (const int64_t bucket : in)
      WEIR_TRY(visit_range(database_key(kRows, bucket, prefixes.at(row)),
                           [&](std::span<const StateRow> found) { return visit(row, found); }));
  }
  return {};
}

Result<void> RocksDbShard::scan(int64_t time_from, int64_t time_to, const RowVisitor& visit) {
  if (form_.mode != TimeBuckets::kOfKey) return visit_range(database_key(kRows, 0, ""), visit);
  const auto last = buckets_.upper_bound(form_.bucket(time_to));
  for (auto it = buckets_.lower_bound(form_.bucket(time_from)); it != last; ++it)
    WEIR_TRY(visit_range(database_key(kRows, it->first, ""), visit));
  return {};
}

// Rows with time < `time` in a bucket.
Result<void> RocksDbShard::collect_times(int64_t bucket, int64_t time, std::vector<Change>& leaving,
                                         std::vector<std::string>& values) {
  const bool of_row = form_.mode == TimeBuckets::kOfRow;
  const std::string range = database_key(of_row ? kTimes : kRows, bucket, "");
  const std::unique_ptr<rocksdb::Iterator> it = iterator();
  for (it->Seek(range); it->Valid() && view(it->key()).starts_with(range); it->Next()) {
    const std::string_view key = view(it->key()).substr(kKeyHead);
    Change change{.key = database_key(kRows, of_row ? 0 : bucket, key),
                  .bucket = of_row ? 0 : bucket,
                  .is_remove = true};
    std::string stored;
    if (of_row) {
      const auto status = batch_.GetFromBatchAndDB(database_, {}, change.key, &stored);
      if (!status.ok()) return from_rocksdb(status, "reading state");
    } else {
      stored.assign(it->value().data(), it->value().size());
    }
    Record record{.key = key};
    if (!read_value(stored, record))
      return error(ErrorKind::kCorruption, "a row of state in RocksDB is cut off");
    if (record.time >= time) continue;
    leaving.push_back(std::move(change));
    values.push_back(std::move(stored));
  }
  if (!it->status().ok()) return from_rocksdb(it->status(), "reading state");
  return {};
}

Result<void> RocksDbShard::evict_bucket(int64_t bucket, int64_t time, const RowVisitor& visit) {
  std::vector<Change> leaving;
  std::vector<std::string> values;
  WEIR_TRY(collect_times(bucket, time, leaving, values));
  std::vector<StateRow> rows;
  for (size_t i = 0; i < leaving.size(); ++i) {
    leaving[i].record = {.key = std::string_view(leaving[i].key).substr(kKeyHead)};
    read_value(values[i], leaving[i].record);
    rows.push_back({.time = leaving[i].record.time,
                    .key = leaving[i].record.key,
                    .value = leaving[i].record.value});
    if (visit && (rows.size() >= kVisitRows || i + 1 == leaving.size())) {
      WEIR_TRY(visit(rows));
      rows.clear();
    }
  }
  for (size_t i = 0; i < leaving.size(); ++i)
    WEIR_TRY(apply_one(leaving[i], rocksdb::Status::OK(), values[i]));
  return {};
}

Result<void> RocksDbShard::evict_below(int64_t time, const RowVisitor& visit) {
  WEIR_CHECK(form_.mode != TimeBuckets::kNone, "only a store with time is evicted by it");
  const int64_t boundary = bucket_of(time, width_);
  std::vector<int64_t> in;
  for (const auto& [bucket, counts] : buckets_)
    if (bucket < boundary || (bucket == boundary && counts.min_time < time)) in.push_back(bucket);
  if (in.empty()) return {};
  touch();
  for (const int64_t bucket : in) {
    WEIR_TRY(evict_bucket(bucket, time, visit));
    if (bucket < boundary && form_.mode == TimeBuckets::kOfKey) dropped_.insert(bucket);
    if (const auto it = buckets_.find(bucket); it != buckets_.end())
      it->second.min_time = std::max(it->second.min_time, time);
  }
  return {};
}

std::optional<int64_t> RocksDbShard::earliest_time() const {
  if (form_.mode == TimeBuckets::kNone || buckets_.empty()) return std::nullopt;
  return buckets_.begin()->second.min_time;
}

int64_t RocksDbShard::rows() const {
  int64_t rows = 0;
  for (const auto& [bucket, counts] : buckets_)
    rows += counts.rows;
  return rows;
}

int64_t RocksDbShard::bytes() const {
  return static_cast<int64_t>(const_cast<rocksdb::WriteBatchWithIndex&>(batch_).GetDataSize());
}

Result<void> RocksDbShard::encode_changes(BlockCollector& blocks) {
  if (!touched_) return {};
  for (const int64_t bucket : dropped_)
    blocks.add_drop(bucket);
  const std::unique_ptr<rocksdb::WBWIIterator> it(batch_.NewIterator());
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const rocksdb::WriteEntry entry = it->Entry();
    const std::string_view key = view(entry.key);
    if (key[2] != kRows) continue;
    const int64_t bucket = bucket_of_key(key);
    Record record{.key = key.substr(kKeyHead)};
    if (entry.type == rocksdb::kPutRecord) {
      if (!read_value(view(entry.value), record))
        return error(ErrorKind::kInternal, "a change of state in RocksDB is cut off");
      blocks.add_put(bucket, form_, record);
    } else if (!dropped_.contains(bucket)) {
      if (form_.mode == TimeBuckets::kOfKey) record.time = bucket * width_;
      blocks.add_remove(bucket, form_, record);
    }
  }
  return {};
}

Result<void> RocksDbShard::commit_batch() {
  if (!touched_) return {};
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const rocksdb::Status status = database_->Write(options, batch_.GetWriteBatch());
  batch_.Clear();
  dropped_.clear();
  buckets_before_.clear();
  touched_ = false;
  if (!status.ok()) return from_rocksdb(status, "keeping state");
  return {};
}

void RocksDbShard::roll_back_batch() {
  if (!touched_) return;
  batch_.Clear();
  dropped_.clear();
  buckets_ = std::move(buckets_before_);
  buckets_before_.clear();
  touched_ = false;
}

Result<bool> RocksDbShard::apply_changes(const Block& block, std::string_view payload) {
  if (block.kind == BlockKind::kDropBucket) {
    touch();
    if (buckets_.contains(block.bucket)) WEIR_TRY(evict_bucket(block.bucket, kTimeMax, {}));
    return true;
  }
  const char* in = payload.data();
  const char* end = in + payload.size();
  uint32_t rows = 0;
  std::vector<Change> changes;
  for (Record record; in != end; in += record.bytes, ++rows) {
    if (!form_.read_checked(in, end, block.bucket, record)) return false;
    Change change{.key = database_key(kRows, block.bucket, record.key),
                  .bucket = block.bucket,
                  .record = record,
                  .is_remove = block.kind == BlockKind::kRemoves};
    WEIR_TRY(apply_all(changes, std::move(change)));
  }
  if (!changes.empty()) WEIR_TRY(apply(changes));
  return rows == block.rows;
}

}  // namespace weir::state
