// One shard of the provider RocksDB: the batch's changes in an indexed write batch over the
// database.
//
// Keys in the database: u16 shard, u8 space, u64 bucket (sign bit turned), all big-endian, then the
// row's key. Space 0 has the rows, with bucket 0 where time does not belong to the key; space 1
// has, where it belongs to the row, an empty value for each row under the bucket of its time.
// Values: varint prefix bytes in stores with a prefix, the time in 8 bytes (little-endian) in
// stores with time, then the row's value.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include "state/change_sink.h"
#include "state/record.h"
#include "state/state_store.h"

namespace weir::state {

base::Error from_rocksdb(const rocksdb::Status& status, std::string_view what);

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
  int64_t rows() const override;

  // --- for the store
  void begin_batch();
  Result<void> encode_changes(BlockCollector& blocks);
  Result<void> commit_batch();
  void roll_back_batch();
  int64_t bytes() const;  // of the batch in work
  int64_t updated() const { return updated_; }
  int64_t removed() const { return removed_; }
  const Buckets& buckets() const { return buckets_; }
  void set_bucket(int64_t bucket, Bucket counts) { buckets_[bucket] = counts; }
  // The changes stay in the batch in work; false where the payload is not of such a store.
  Result<bool> apply_changes(const Block& block, std::string_view payload);

 private:
  enum Space : char { kRows = 0, kTimes = 1 };
  struct Change {
    std::string key = {};  // in the database
    int64_t bucket = 0;
    Record record = {};
    bool is_remove = false;
  };

  std::string database_key(Space space, int64_t bucket, std::string_view key) const;
  int64_t bucket_in_key(std::span<const int64_t> times, uint32_t row) const {
    return form_.mode == TimeBuckets::kOfKey ? form_.bucket(times[row]) : 0;
  }
  std::string database_value(const Record& record) const;
  bool read_value(std::string_view stored, Record& record) const;
  void touch();
  // Changes of keys that differ from each other.
  Result<void> apply(std::span<const Change> changes);
  Result<void> apply_all(std::vector<Change>& changes, Change change);
  Result<void> apply_one(const Change& change, const rocksdb::Status& status,
                         std::string_view stored);
  void count(int64_t bucket, int64_t time, int64_t rows);
  std::unique_ptr<rocksdb::Iterator> iterator();
  // Rows under a prefix of database keys; copies them where `copy`.
  Result<void> visit_range(std::string_view begin_with, const RowVisitor& visit);
  Result<void> collect_times(int64_t bucket, int64_t time, std::vector<Change>& leaving,
                             std::vector<std::string>& values);
  Result<void> evict_bucket(int64_t bucket, int64_t time, const RowVisitor& visit);

  RecordForm form_;
  bool ordered_;
  int64_t width_;
  int index_;
  rocksdb::DB* database_ = nullptr;
  rocksdb::WriteBatchWithIndex batch_;
  Buckets buckets_;

  bool touched_ = false;
  Buckets buckets_before_;
  std::set<int64_t> dropped_;
  int64_t updated_ = 0;
  int64_t removed_ = 0;
};

}  // namespace weir::state
