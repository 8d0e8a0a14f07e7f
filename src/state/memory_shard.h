// One shard of the provider in memory: a table a time bucket, and lists of rows by bucket where the
// time belongs to the row.
//
// The shard's thread changes it; a snapshot's thread may freeze it meanwhile: whoever comes first
// copies the positions of the committed rows, and the shard's thread does so before the first
// change of a batch.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "state/block_file.h"
#include "state/change_sink.h"
#include "state/memory_table.h"
#include "state/state_store.h"

namespace weir::state {

class MemoryShard final : public StateShard {
 public:
  explicit MemoryShard(const StoreSpec& spec)
      : form_(RecordForm::of(spec)), layout_(spec.layout), width_(spec.bucket_width_us) {}

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

  // --- for the store; begin … roll_back on the query's thread
  void begin_batch();
  void encode_changes(BlockCollector& blocks) const;
  void commit_batch();
  void roll_back_batch();
  int64_t bytes() const;
  int64_t updated() const { return updated_; }
  int64_t removed() const { return removed_; }

  // A snapshot of what is committed is wanted; then, once, by any thread:
  void want_frozen();
  std::vector<FrozenTable> take_frozen();

  // --- loading
  void reserve(int64_t bucket, size_t rows) { table(bucket).reserve(rows); }
  // The payload of a block; false where it is not what a store of this form writes.
  bool load_snapshot(const Block& block, ArenaChunk payload);
  bool apply_changes(const Block& block, std::string_view payload);
  void finish_loading();

 private:
  struct TimeList {
    std::vector<uint64_t> positions;  // some of them may be out of date
    int64_t min_time = INT64_MAX;
  };
  struct Leaving {
    uint64_t hash;
    uint64_t position;
  };
  struct Dropped {
    int64_t bucket;
    std::unique_ptr<MemoryTable> table;
  };

  MemoryTable& table(int64_t bucket);
  MemoryTable* find_table(int64_t bucket) const;
  MemoryTable& changed(MemoryTable& table);
  void touch();
  void freeze_if_wanted();
  int64_t time_of(std::span<const int64_t> times, uint32_t row) const {
    return form_.mode == TimeBuckets::kNone ? 0 : times[row];
  }
  void note_time(int64_t time, uint64_t position);
  void list_times();
  Result<void> evict_tables(int64_t time, const RowVisitor& visit);
  Result<void> evict_rows(MemoryTable& table, int64_t time, const RowVisitor& visit);
  Result<void> evict_lists(int64_t time, const RowVisitor& visit);
  Result<void> remove_leaving(MemoryTable& table, const std::vector<Leaving>& leaving,
                              const RowVisitor& visit);
  void count_rows();

  RecordForm form_;
  Layout layout_;
  int64_t width_;
  std::map<int64_t, std::unique_ptr<MemoryTable>> tables_;
  std::map<int64_t, TimeList> lists_;  // kOfRow
  int64_t rows_ = 0;

  // The batch in work.
  bool touched_ = false;
  int64_t updated_ = 0;
  int64_t removed_ = 0;
  std::vector<MemoryTable*> changed_;
  std::vector<Dropped> dropped_;
  std::vector<std::pair<int64_t, TimeList>> dropped_lists_;

  std::mutex freeze_mutex_;
  bool freeze_wanted_ = false;
  std::optional<std::vector<FrozenTable>> frozen_;
};

}  // namespace weir::state
