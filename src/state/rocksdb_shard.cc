#include "state/rocksdb_shard.h"

#include <algorithm>
#include <numeric>

#include "state/rocksdb_keys.h"

namespace weir::state {

using base::error;
using base::ErrorKind;

namespace {

constexpr size_t kGroup = 128;                   // rows that are looked up together
constexpr size_t kWriteBytes = size_t{1} << 20;  // a write to the database, about

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
      index_(index) {}

void RocksDbShard::append_head(std::string& out, Space space, int64_t bucket) const {
  append_big_endian(out, static_cast<uint64_t>(index_), 2);
  out.push_back(space);
  append_big_endian(out, static_cast<uint64_t>(bucket) ^ (uint64_t{1} << 63), 8);
}

std::string RocksDbShard::database_key(Space space, int64_t bucket, std::string_view key) const {
  std::string out;
  out.reserve(kRocksDbKeyHead + key.size());
  append_head(out, space, bucket);
  out += key;
  return out;
}

void RocksDbShard::write_value(const Record& record, std::string& out) const {
  out.clear();
  if (form_.has_prefix) append_varint(out, record.prefix);
  if (form_.mode != TimeBuckets::kNone)
    out.append(reinterpret_cast<const char*>(&record.time), sizeof(record.time));
  out += record.value;
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

// `key` and `stored` as the database has them.
Result<Record> RocksDbShard::read_row(std::string_view key, std::string_view stored) const {
  Record record{.key = key.substr(kRocksDbKeyHead)};
  if (!read_value(stored, record))
    return error(ErrorKind::kCorruption, "a row of state in RocksDB is cut off");
  return record;
}

// --- a batch

void RocksDbShard::begin_batch() {
  forget_batch();
  updated_ = 0;
  removed_ = 0;
}

void RocksDbShard::forget_batch() {
  total_.reset();
  prefix_.reset();
  changes_.clear();
  dropped_.clear();
  before_.clear();
  touched_ = false;
}

void RocksDbShard::roll_back_batch() {
  for (const auto& [bucket, counts] : before_)
    set_bucket(bucket, counts);
  forget_batch();
}

int64_t RocksDbShard::stored_rows(int64_t bucket) const {
  if (form_.mode != TimeBuckets::kOfKey) return stored_rows_;
  if (const auto it = before_.find(bucket); it != before_.end()) return it->second.rows;
  const auto it = buckets_.find(bucket);
  return it == buckets_.end() ? 0 : it->second.rows;
}

bool RocksDbShard::may_be_stored(int64_t bucket) const {
  return stored_rows(bucket) > 0 && !dropped_.contains(bucket);
}

void RocksDbShard::count(int64_t bucket, int64_t time, int64_t rows) {
  Bucket& counts = buckets_[bucket];
  keep_before(bucket, counts);
  counts.rows += rows;
  rows_ += rows;
  if (rows >= 0) counts.min_time = std::min(counts.min_time, time);
  if (counts.rows == 0) buckets_.erase(bucket);
}

Result<void> RocksDbShard::look_up(const EncodedRows& keys, std::span<const uint32_t> rows,
                                   std::span<const int64_t> times, std::vector<uint32_t>& numbers) {
  numbers.resize(rows.size());
  missing_.clear();
  int64_t last = 0;
  bool stored = may_be_stored(0);
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t bucket = bucket_in_key(times, rows[i]);
    if (bucket != last) stored = may_be_stored(bucket);
    last = bucket;
    key_.clear();
    append_head(key_, kRows, bucket);
    key_ += keys.at(rows[i]);
    bool added = false;
    numbers[i] = changes_.find_or_add(key_, added);
    if (added && stored) missing_.push_back(numbers[i]);
  }
  return fetch(missing_);
}

// Rows that were just added to changes_, from the database.
Result<void> RocksDbShard::fetch(std::vector<uint32_t>& numbers) {
  if (numbers.empty()) return {};
  changes_.sort(numbers);
  slices_.resize(kGroup);
  stored_.resize(kGroup);
  statuses_.resize(kGroup);
  for (size_t begin = 0; begin < numbers.size(); begin += kGroup) {
    const size_t count = std::min(kGroup, numbers.size() - begin);
    for (size_t i = 0; i < count; ++i)
      slices_[i] = slice(changes_[numbers[begin + i]].key());
    database_->MultiGet({}, database_->DefaultColumnFamily(), count, slices_.data(), stored_.data(),
                        statuses_.data(), true);
    for (size_t i = 0; i < count; ++i) {
      if (statuses_[i].IsNotFound()) continue;
      if (!statuses_[i].ok()) return from_rocksdb(statuses_[i], "reading state");
      ShardChanges::Row& row = changes_[numbers[begin + i]];
      WEIR_ASSIGN(const Record record, read_row(row.key(), view(stored_[i])));
      changes_.set_value(row, view(stored_[i]));
      row.existed = true;
      if (form_.mode == TimeBuckets::kOfRow) row.bucket_before = bucket_of(record.time, width_);
      stored_[i].Reset();
    }
  }
  return {};
}

Result<void> RocksDbShard::get(const EncodedRows& keys, std::span<const uint32_t> rows,
                               std::span<const int64_t> times, FoundValues& found) {
  found.values.assign(rows.size(), std::string_view());
  found.held.clear();
  if (form_.mode == TimeBuckets::kOfRow) found.times.assign(rows.size(), 0);
  WEIR_TRY(look_up(keys, rows, times, numbers_));
  for (size_t i = 0; i < rows.size(); ++i) {
    const ShardChanges::Row& row = changes_[numbers_[i]];
    if (!row.present()) continue;
    WEIR_ASSIGN(const Record record, read_row(row.key(), row.value()));
    found.values[i] = record.value;
    if (form_.mode == TimeBuckets::kOfRow) found.times[i] = record.time;
  }
  return {};
}

Result<void> RocksDbShard::put_row(ShardChanges::Row& row, const Record& record) {
  write_value(record, value_);
  if (row.present() && row.value() == value_) return {};
  const bool of_row = form_.mode == TimeBuckets::kOfRow;
  const int64_t bucket =
      of_row ? bucket_of(record.time, width_) : bucket_of_database_key(row.key());
  int64_t rows = 1;
  if (row.present()) {
    rows = 0;
    if (of_row) {
      WEIR_ASSIGN(const Record before, read_row(row.key(), row.value()));
      if (const int64_t from = bucket_of(before.time, width_); from != bucket) {
        count(from, before.time, -1);
        rows = 1;
      }
    }
  }
  count(bucket, record.time, rows);
  changes_.set_value(row, value_);
  row.changed = true;
  return {};
}

Result<void> RocksDbShard::remove_row(ShardChanges::Row& row) {
  if (!row.present()) return {};
  WEIR_ASSIGN(const Record before, read_row(row.key(), row.value()));
  const int64_t bucket = form_.mode == TimeBuckets::kOfRow ? bucket_of(before.time, width_)
                                                           : bucket_of_database_key(row.key());
  count(bucket, before.time, -1);
  row.value_begin = nullptr;
  row.changed = true;
  ++removed_;
  return {};
}

Result<void> RocksDbShard::put(const EncodedRows& keys, const EncodedRows& values,
                               std::span<const uint32_t> rows, std::span<const int64_t> times) {
  touched_ = true;
  WEIR_TRY(look_up(keys, rows, times, numbers_));
  for (size_t i = 0; i < rows.size(); ++i) {
    const uint32_t row = rows[i];
    WEIR_TRY(put_row(changes_[numbers_[i]],
                     {.key = keys.at(row),
                      .value = values.at(row),
                      .prefix = keys.prefix(row).size(),
                      .time = form_.mode == TimeBuckets::kNone ? 0 : times[row]}));
  }
  updated_ += static_cast<int64_t>(rows.size());
  return {};
}

Result<void> RocksDbShard::remove(const EncodedRows& keys, std::span<const uint32_t> rows,
                                  std::span<const int64_t> times) {
  touched_ = true;
  WEIR_TRY(look_up(keys, rows, times, numbers_));
  for (size_t i = 0; i < rows.size(); ++i)
    WEIR_TRY(remove_row(changes_[numbers_[i]]));
  return {};
}

std::optional<int64_t> RocksDbShard::earliest_time() const {
  if (form_.mode == TimeBuckets::kNone || buckets_.empty()) return std::nullopt;
  return buckets_.begin()->second.min_time;
}

// --- what the batch changed

RocksDbShard::Buckets RocksDbShard::changed_buckets() const {
  Buckets changed;
  for (const auto& [bucket, before] : before_) {
    const auto it = buckets_.find(bucket);
    const Bucket now = it == buckets_.end() ? Bucket{} : it->second;
    if (now.rows != before.rows || now.min_time != before.min_time) changed[bucket] = now;
  }
  return changed;
}

void RocksDbShard::set_bucket(int64_t bucket, Bucket counts) {
  Bucket& set = buckets_[bucket];
  rows_ += counts.rows - set.rows;
  stored_rows_ = rows_;
  set = counts;
  if (counts.rows == 0) buckets_.erase(bucket);
}

Result<void> RocksDbShard::encode_changes(BlockCollector& blocks) {
  if (!touched_) return {};
  for (const int64_t bucket : dropped_)
    blocks.add_drop(bucket);
  for (const uint32_t number : changes_.sorted()) {
    const ShardChanges::Row& row = changes_[number];
    if (!row.changed) continue;
    const int64_t bucket = bucket_of_database_key(row.key());
    if (row.present()) {
      WEIR_ASSIGN(const Record record, read_row(row.key(), row.value()));
      blocks.add_put(bucket, form_, record);
    } else if (row.existed) {
      Record record{.key = row.key().substr(kRocksDbKeyHead)};
      if (form_.mode == TimeBuckets::kOfKey) record.time = bucket * width_;
      blocks.add_remove(bucket, form_, record);
    }
  }
  return {};
}

// Changes on their way into the database, some at a time.
class RocksDbShard::Writer {
 public:
  explicit Writer(rocksdb::DB* database) : database_(database) {}
  void put(std::string_view key, std::string_view value) {
    note(batch_.Put(slice(key), slice(value)));
  }
  void remove(std::string_view key) { note(batch_.Delete(slice(key))); }
  void remove_range(std::string_view from, std::string_view to) {
    note(batch_.DeleteRange(slice(from), slice(to)));
  }
  Result<void> finish() {
    flush();
    return status_.ok() ? Result<void>() : from_rocksdb(status_, "keeping state");
  }

 private:
  void note(const rocksdb::Status& status) {
    if (status_.ok()) status_ = status;
    if (batch_.GetDataSize() >= kWriteBytes) flush();
  }
  void flush() {
    if (!status_.ok() || batch_.Count() == 0) return;
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    status_ = database_->Write(options, &batch_);
    batch_.Clear();
  }

  rocksdb::DB* database_;
  rocksdb::WriteBatch batch_;
  rocksdb::Status status_;
};

Result<void> RocksDbShard::commit_batch() {
  total_.reset();
  prefix_.reset();
  if (!touched_) {
    forget_batch();
    return {};
  }
  Writer writer(database_);
  // Neighbours go as one range: no bucket is between them.
  for (auto first = dropped_.begin(); first != dropped_.end();) {
    const auto live = buckets_.upper_bound(*first);
    const auto end = live == buckets_.end() ? dropped_.end() : dropped_.lower_bound(live->first);
    writer.remove_range(database_key(kRows, *first, ""),
                        successor(database_key(kRows, *std::prev(end), "")));
    first = end;
  }
  const bool of_row = form_.mode == TimeBuckets::kOfRow;
  for (const uint32_t number : changes_.sorted()) {
    const ShardChanges::Row& row = changes_[number];
    if (!row.changed) continue;
    if (row.present()) {
      writer.put(row.key(), row.value());
    } else if (row.existed) {
      writer.remove(row.key());
    }
    if (!of_row) continue;
    const std::string_view key = row.key().substr(kRocksDbKeyHead);
    std::optional<int64_t> before;
    std::optional<int64_t> now;
    if (row.existed) before = row.bucket_before;
    if (row.present()) {
      WEIR_ASSIGN(const Record record, read_row(row.key(), row.value()));
      now = bucket_of(record.time, width_);
    }
    if (before == now) continue;
    if (before) writer.remove(database_key(kTimes, *before, key));
    if (now) writer.put(database_key(kTimes, *now, key), {});
  }
  auto written = writer.finish();
  stored_rows_ = rows_;
  forget_batch();
  return written;
}

// --- changelogs

Result<bool> RocksDbShard::apply_changes(const Block& block, std::string_view payload) {
  touched_ = true;
  if (block.kind == BlockKind::kDropBucket) {
    if (buckets_.contains(block.bucket)) drop_buckets({block.bucket});
    return true;
  }
  const char* in = payload.data();
  const char* end = in + payload.size();
  EncodedRows keys;
  std::vector<Record> records;
  std::vector<int64_t> times;
  for (Record record; in != end; in += record.bytes) {
    if (!form_.read_checked(in, end, block.bucket, record)) return false;
    keys.add(record.key);
    times.push_back(record.time);
    records.push_back(record);
  }
  if (records.size() != block.rows) return false;
  std::vector<uint32_t> rows(records.size());
  std::iota(rows.begin(), rows.end(), 0U);
  std::vector<uint32_t> numbers;
  WEIR_TRY(look_up(keys, rows, times, numbers));
  for (size_t i = 0; i < records.size(); ++i) {
    ShardChanges::Row& row = changes_[numbers[i]];
    WEIR_TRY(block.kind == BlockKind::kRemoves ? remove_row(row) : put_row(row, records[i]));
  }
  return true;
}

Result<bool> RocksDbShard::replay_changes(const Block& block, std::string_view payload) {
  Writer writer(database_);
  if (block.kind == BlockKind::kDropBucket) {
    const std::string from = database_key(kRows, block.bucket, "");
    writer.remove_range(from, successor(from));
    WEIR_TRY(writer.finish());
    return true;
  }
  const char* in = payload.data();
  const char* end = in + payload.size();
  uint32_t rows = 0;
  for (Record record; in != end; in += record.bytes, ++rows) {
    if (!form_.read_checked(in, end, block.bucket, record)) return false;
    key_.clear();
    append_head(key_, kRows, block.bucket);
    key_ += record.key;
    if (block.kind == BlockKind::kRemoves) {
      writer.remove(key_);
      continue;
    }
    write_value(record, value_);
    writer.put(key_, value_);
  }
  WEIR_TRY(writer.finish());
  return rows == block.rows;
}

}  // namespace weir::state
