// One shard of the provider RocksDB: what the batch in work has read and changed, over the
// database.
//
// Keys in the database: u16 shard, u8 space, u64 bucket (sign bit turned), all big-endian, then the
// row's key. Space 0 has the rows, with bucket 0 where time does not belong to the key; space 1
// has, where it belongs to the row, an empty value for each row under the bucket of its time.
// Values: varint prefix bytes in stores with a prefix, the time in 8 bytes (little-endian) in
// stores with time, then the row's value.
//
// A batch looks its keys up together and in key order, so that neighbours share the blocks of table
// files, and not at all in a bucket that the database does not have. The commit writes each changed
// row once, in key order, and a bucket that went as a whole as one range.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "state/change_sink.h"
#include "state/record.h"
#include "state/rocksdb_changes.h"
#include "state/state_store.h"

namespace weir::state {

base::Error from_rocksdb(const rocksdb::Status& status, std::string_view what);

constexpr size_t kRocksDbKeyHead = 2 + 1 + 8;  // before the row's key

class RocksDbShard final : public StateShard {
 public:
  struct Bucket {
    int64_t rows = 0;
    int64_t min_time = INT64_MAX;
  };
  using Buckets = std::map<int64_t, Bucket>;

  // `database` is set by the store before anything else is called.
  RocksDbShard(const StoreSpec& spec, int index);
  void set_database(rocksdb::DB* database) { database_ = database; }

  Result<void> get(const EncodedRows& keys, std::span<const uint32_t> rows,
                   std::span<const int64_t> times, FoundValues& found) override;
  Result<void> put(const EncodedRows& keys, const EncodedRows& values,
                   std::span<const uint32_t> rows, std::span<const int64_t> times) override;
  Result<void> remove(const EncodedRows& keys, std::span<const uint32_t> rows,
                      std::span<const int64_t> times) override;
  Result<void> scan_prefixes(const EncodedRows& prefixes, std::span<const uint32_t> rows,
                             int64_t time_from, int64_t time_to,
                             const PrefixVisitor& visit) override;
  Result<void> scan(int64_t time_from, int64_t time_to, const RowVisitor& visit) override;
  Result<void> evict_below(int64_t time, const RowVisitor& visit) override;
  std::optional<int64_t> earliest_time() const override;
  int64_t rows() const override { return rows_; }

  // --- for the store
  void begin_batch();
  Result<void> encode_changes(BlockCollector& blocks);
  Result<void> commit_batch();
  void roll_back_batch();
  int64_t bytes() const { return static_cast<int64_t>(changes_.bytes()); }  // of the batch in work
  int64_t updated() const { return updated_; }
  int64_t removed() const { return removed_; }
  const Buckets& buckets() const { return buckets_; }
  // Buckets whose counts the batch in work has changed; those that are not there any more have no
  // rows.
  Buckets changed_buckets() const;
  // What the database has; not with a batch in work.
  void set_bucket(int64_t bucket, Bucket counts);
  // The changes stay in the batch in work; false where the payload is not of such a store.
  Result<bool> apply_changes(const Block& block, std::string_view payload);
  // The same straight into the database, unread. The buckets' counts have to be set after it; not
  // for stores whose rows have times of their own.
  Result<bool> replay_changes(const Block& block, std::string_view payload);

 private:
  enum Space : char { kRows = 0, kTimes = 1 };
  class Held;
  class Writer;

  void append_head(std::string& out, Space space, int64_t bucket) const;
  std::string database_key(Space space, int64_t bucket, std::string_view key) const;
  int64_t bucket_in_key(std::span<const int64_t> times, uint32_t row) const {
    return form_.mode == TimeBuckets::kOfKey ? form_.bucket(times[row]) : 0;
  }
  void write_value(const Record& record, std::string& out) const;
  bool read_value(std::string_view stored, Record& record) const;
  Result<Record> read_row(std::string_view key, std::string_view stored) const;
  // Rows of the bucket that the database has, whatever the batch has done to them; without time in
  // the key all rows.
  int64_t stored_rows(int64_t bucket) const;
  // Whether a look into the database can find some of them.
  bool may_be_stored(int64_t bucket) const;
  void keep_before(int64_t bucket, Bucket counts) { before_.try_emplace(bucket, counts); }
  void count(int64_t bucket, int64_t time, int64_t rows);

  // The numbers of the rows' keys in changes_, read from the database where that is new to them.
  Result<void> look_up(const EncodedRows& keys, std::span<const uint32_t> rows,
                       std::span<const int64_t> times, std::vector<uint32_t>& numbers);
  Result<void> fetch(std::vector<uint32_t>& numbers);
  Result<void> put_row(ShardChanges::Row& row, const Record& record);
  Result<void> remove_row(ShardChanges::Row& row);

  enum class Order : uint8_t { kTotal, kPrefix };
  rocksdb::Iterator& iterator(Order order);
  // use(key, stored) for the rows under a prefix of database keys, the batch's and the database's
  // (where the iterator is not null; it has been placed).
  template <typename Use>
  Result<void> merge(std::string_view range, rocksdb::Iterator* it, Use&& use);
  // The rows under a prefix, some at a time. Whether `held` has all of them afterwards: the last
  // are still in it, those before, of very many, are not.
  template <typename Visit>
  Result<bool> visit_range(std::string_view range, rocksdb::Iterator* it, Held& held,
                           Visit&& visit);
  Result<void> visit_bucket(int64_t bucket, const RowVisitor& visit);
  Result<void> scan_bucket(const EncodedRows& prefixes, std::span<const uint32_t> ordered,
                           int64_t bucket, const PrefixVisitor& visit);
  void drop_buckets(const std::set<int64_t>& dropped);
  Result<void> evict_from(int64_t bucket, int64_t time, const RowVisitor& visit);
  Result<void> evict_times(std::span<const int64_t> buckets, int64_t time, const RowVisitor& visit);
  void forget_batch();

  RecordForm form_;
  bool ordered_;
  int64_t width_;
  int index_;
  rocksdb::DB* database_ = nullptr;
  Buckets buckets_;
  int64_t rows_ = 0;         // of all buckets
  int64_t stored_rows_ = 0;  // the same before the batch in work

  bool touched_ = false;
  ShardChanges changes_;
  Buckets before_;             // counts that the batch has changed, as they were
  std::set<int64_t> dropped_;  // buckets of the database that went as a whole
  int64_t updated_ = 0;
  int64_t removed_ = 0;

  // Of the database as it is until the batch is committed.
  std::unique_ptr<rocksdb::Iterator> total_;
  std::unique_ptr<rocksdb::Iterator> prefix_;
  // Buffers.
  std::string key_;
  std::string value_;
  std::vector<uint32_t> numbers_;
  std::vector<uint32_t> missing_;
  std::vector<rocksdb::Slice> slices_;
  std::vector<rocksdb::PinnableSlice> stored_;
  std::vector<rocksdb::Status> statuses_;
};

}  // namespace weir::state
