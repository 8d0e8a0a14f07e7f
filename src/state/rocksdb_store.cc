// The provider RocksDB: state larger than memory.
//
// The database lives in a folder live-… of the store, is made anew at each open from the files that
// the manifest names, and is never trusted after the process. A snapshot is RocksDB's own
// checkpoint: links to its immutable table files, so that it costs by what changed since the one
// before.
#include <algorithm>

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_buffer_manager.h>

#include "state/key_prefix.h"
#include "state/rocksdb_file_system.h"
#include "state/rocksdb_shard.h"
#include "state/versioned_store.h"

namespace weir::state {

using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kDefaultMemory = 64 << 20;

class RocksDbMemory final : public StateMemory {
 public:
  explicit RocksDbMemory(int64_t limit)
      : limit_(limit),
        // Few parts: with the default of 64 one would be smaller than what a file's filter takes.
        cache_(rocksdb::NewLRUCache(static_cast<size_t>(limit), limit < (64 << 20) ? 0 : 2)),
        buffers_(std::make_shared<rocksdb::WriteBufferManager>(static_cast<size_t>(limit) / 2,
                                                               cache_)) {}
  int64_t limit() const override { return limit_; }
  // Write buffers are charged to the cache, so this is both.
  int64_t used() const override { return static_cast<int64_t>(cache_->GetUsage()); }
  const std::shared_ptr<rocksdb::Cache>& cache() const { return cache_; }
  const std::shared_ptr<rocksdb::WriteBufferManager>& buffers() const { return buffers_; }

 private:
  int64_t limit_;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::shared_ptr<rocksdb::WriteBufferManager> buffers_;
};

// In a changelog's header; with more of them than these, the rows are read instead.
constexpr std::string_view kCounts = "counts";
constexpr size_t kCountsMax = 8192;

// Counts of rows by shard and bucket, in the database beside the rows: no shard has this number.
constexpr std::string_view kCountsKey = "\xff\xff";

// For the filters: the part of a database key that ends with the row's prefix, so that a scan for a
// prefix passes over the files that have none of it.
class KeyPrefix final : public rocksdb::SliceTransform {
 public:
  explicit KeyPrefix(const StoreSpec& spec)
      : schema_(spec.key), columns_(static_cast<size_t>(spec.prefix_columns)) {}
  const char* Name() const override { return "weir.key-prefix"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return {key.data(), bytes(key).value_or(key.size())};
  }
  bool InDomain(const rocksdb::Slice& key) const override { return bytes(key).has_value(); }

 private:
  std::optional<size_t> bytes(const rocksdb::Slice& key) const {
    if (key.size() < kRocksDbKeyHead) return std::nullopt;
    const auto of_row = key_prefix_bytes(
        schema_, columns_, {key.data() + kRocksDbKeyHead, key.size() - kRocksDbKeyHead});
    if (!of_row) return std::nullopt;
    return kRocksDbKeyHead + *of_row;
  }
  columnar::Schema schema_;
  size_t columns_;
};

// Rows that follow each other in a commit: of one shard and space. Not the begin of a range that is
// removed, which has no row's key: RocksDB keeps ranges in a table of their own, but would look for
// the place of one by a row's.
class CommitOrder final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "weir.commit-order"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return {key.data(), 3}; }
  bool InDomain(const rocksdb::Slice& key) const override { return key.size() > kRocksDbKeyHead; }
};

class Silence final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

class RocksDbStore final : public VersionedStore {
 public:
  RocksDbStore(StoreOptions options, StoreSpec spec)
      : VersionedStore(std::move(options), std::move(spec)) {
    for (int i = 0; i < shards(); ++i)
      shards_.push_back(std::make_unique<RocksDbShard>(this->spec(), i));
    memory_ = std::dynamic_pointer_cast<RocksDbMemory>(this->options().rocksdb_memory
                                                           ? this->options().rocksdb_memory
                                                           : StateMemory::make(kDefaultMemory));
  }

  ~RocksDbStore() override {
    stop_snapshot();
    for (auto& shard : shards_)
      shard->roll_back_batch();
    if (database_ != nullptr) database_->Close();
    database_.reset();
    // What is left here is removed by the next open.
    if (!live_.empty()) (void)files().remove_tree(live_).ok();
  }

  StateShard& shard(int index) override { return *shards_[static_cast<size_t>(index)]; }

 protected:
  Result<void> load_nothing(bool read_only) override {
    if (read_only) {
      memory_env_.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
      return open_database("/empty", *memory_env_, false);
    }
    WEIR_TRY(make_live_folder());
    return open_live();
  }

  Result<void> load_snapshot(const base::JsonObject& snapshot, bool read_only) override {
    const auto name = base::json_string(snapshot, "file");
    if (!name || name->empty() || name->find('/') != std::string::npos)
      return error(ErrorKind::kCorruption, "{}: the commit's snapshot has no name", folder());
    const std::string from = path(*name);
    auto entries = files().list(from);
    if (!entries.ok() && entries.error().kind() == ErrorKind::kNotFound)
      return error(
          ErrorKind::kDataLoss,
          "{} is not there, though a commit of the query names it: put it back from a copy "
          "of the checkpoint, or start the query with a new checkpoint",
          from);
    if (!entries.ok()) return std::move(entries).error();
    WEIR_TRY(check_files(*entries, snapshot, from));
    if (read_only) {
      env_ = make_rocksdb_env(files());
      WEIR_TRY(open_database(from, *env_, true));
    } else {
      WEIR_TRY(make_live_folder());
      for (const io::FileInfo& entry : *entries)
        WEIR_TRY(take_over(entry));
      WEIR_TRY(open_live());
    }
    return read_counts(from);
  }

  Result<void> apply_block(const BlockFile& file, const Block& block,
                           std::string_view payload) override {
    RocksDbShard& shard = *shards_[block.shard];
    WEIR_ASSIGN(const bool good, replays_ ? shard.replay_changes(block, payload)
                                          : shard.apply_changes(block, payload));
    if (!good) return file.damaged(block.offset, "the block does not hold changes of this store");
    if (!read_only_ && !replays_) return shard.commit_batch();
    return {};
  }

  // Where the changelog says what the counts are behind it, no row has to be read for them.
  Result<void> begin_changelog(const BlockFile& file) override {
    replays_ = !read_only_ && spec().time != TimeBuckets::kOfRow &&
               base::json_array(file.header(), kCounts) != nullptr;
    return {};
  }
  Result<void> end_changelog(const BlockFile& file) override {
    if (!replays_) return {};
    for (const base::JsonValue& entry : *base::json_array(file.header(), kCounts)) {
      const auto* fields = entry.if_array();
      if (fields == nullptr || fields->size() != 4 ||
          !std::all_of(fields->begin(), fields->end(),
                       [](const base::JsonValue& field) { return field.is_int64(); }))
        return file.damaged(0, "its counts are not those of buckets");
      const int64_t shard = (*fields)[0].get_int64();
      if (shard < 0 || shard >= shards())
        return file.damaged(0, "it has counts of a shard that is not there");
      shards_[static_cast<size_t>(shard)]->set_bucket(
          (*fields)[1].get_int64(),
          {.rows = (*fields)[2].get_int64(), .min_time = (*fields)[3].get_int64()});
    }
    return {};
  }
  void describe_changes(base::JsonObject& header) const override {
    if (spec().time == TimeBuckets::kOfRow) return;
    base::JsonArray counts;
    for (size_t i = 0; i < shards_.size(); ++i) {
      for (const auto& [bucket, count] : shards_[i]->changed_buckets())
        counts.push_back(base::JsonArray{static_cast<int64_t>(i), bucket, count.rows,
                                         count.rows == 0 ? 0 : count.min_time});
      if (counts.size() > kCountsMax) return;
    }
    header[kCounts] = std::move(counts);
  }

  Result<void> finish_loading() override { return {}; }

  Result<void> begin_batch() override {
    if (broken_) return *broken_;
    for (auto& shard : shards_)
      shard->begin_batch();
    return {};
  }
  Result<void> encode_changes(int shard, BlockCollector& blocks) override {
    return shards_[static_cast<size_t>(shard)]->encode_changes(blocks);
  }
  void commit_batch() override {
    wait_for_snapshot();  // it is of the version before, and has to see nothing of this one
    for (auto& shard : shards_)
      if (auto kept = shard->commit_batch(); !kept.ok() && !broken_)
        broken_ = std::move(kept).error().with_context(
            "the state of a committed batch could not be kept; the query has to start again");
  }
  void roll_back_batch() override {
    for (auto& shard : shards_)
      shard->roll_back_batch();
  }
  ShardCounts count() const override {
    ShardCounts counts;
    for (const auto& shard : shards_) {
      counts.rows += shard->rows();
      counts.memory_bytes += shard->bytes();
      counts.updated += shard->updated();
      counts.removed += shard->removed();
    }
    counts.memory_bytes += memory_->used();
    return counts;
  }
  int64_t disk_bytes() const override {
    uint64_t bytes = 0;
    if (database_ != nullptr)
      database_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &bytes);
    return static_cast<int64_t>(bytes);
  }
  const StateMemory* shared_memory() const override { return memory_.get(); }
  bool snapshots_are_incremental() const override { return true; }
  std::string_view snapshot_suffix() const override { return kRocksDbSuffix; }

  Result<void> begin_snapshot() override {
    if (broken_) return *broken_;
    std::string counts;
    for (size_t i = 0; i < shards_.size(); ++i) {
      for (const auto& [bucket, count] : shards_[i]->buckets()) {
        const int64_t fields[] = {static_cast<int64_t>(i), bucket, count.rows, count.min_time};
        counts.append(reinterpret_cast<const char*>(fields), sizeof(fields));
      }
    }
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    const auto status = database_->Put(options, rocksdb::Slice(kCountsKey.data(), 2), counts);
    if (!status.ok()) return from_rocksdb(status, "counting state");
    return {};
  }

  Result<base::JsonObject> make_snapshot(int64_t version, const std::string& name) override {
    const std::string to = path(name);
    rocksdb::Checkpoint* made = nullptr;
    auto status = rocksdb::Checkpoint::Create(database_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    if (status.ok()) status = checkpoint->CreateCheckpoint(to);
    if (!status.ok()) return from_rocksdb(status, "a snapshot of state");
    // RocksDB has synced the files and their folder; the folder's own name is durable after this.
    WEIR_TRY(files().sync_dir(to));
    WEIR_TRY(files().sync_dir(folder()));
    WEIR_ASSIGN(const auto entries, files().list(to));
    base::JsonObject snapshot;
    snapshot["version"] = version;
    snapshot["file"] = name;
    int64_t bytes = 0;
    base::JsonObject sizes;
    for (const io::FileInfo& entry : entries) {
      sizes[entry.name] = entry.size;
      bytes += entry.size;
    }
    snapshot["bytes"] = bytes;
    snapshot["files"] = std::move(sizes);
    return snapshot;
  }

 private:
  Result<void> check_files(const std::vector<io::FileInfo>& entries,
                           const base::JsonObject& snapshot, const std::string& from) const {
    const base::JsonObject* sizes = base::json_object(snapshot, "files");
    if (sizes == nullptr)
      return error(ErrorKind::kCorruption, "{}: the commit does not name its files", from);
    for (const auto& [name, size] : *sizes) {
      const auto it = std::find_if(entries.begin(), entries.end(),
                                   [&, wanted = std::string_view(name)](const io::FileInfo& entry) {
                                     return entry.name == wanted;
                                   });
      const int64_t found = it == entries.end() ? -1 : it->size;
      if (found != size)
        return error(
            it == entries.end() ? ErrorKind::kDataLoss : ErrorKind::kCorruption,
            "{}/{}, offset {}: the file {}. The state cannot be rebuilt from it: put back a "
            "copy of it, or start the query with a new checkpoint",
            from, std::string_view(name), std::max<int64_t>(found, 0),
            found < 0 ? "is not there" : fmt::format("has {} bytes", found));
    }
    return {};
  }

  Result<void> make_live_folder() {
    WEIR_ASSIGN(const auto entries, files().list(folder()));
    for (const io::FileInfo& entry : entries)
      if (entry.name.starts_with(kLivePrefix)) WEIR_TRY(files().remove_tree(entry.path));
    live_ =
        path(fmt::format("{}{:08x}", kLivePrefix, static_cast<uint32_t>(options().random->next())));
    return files().make_dir(live_);
  }

  // A file of the snapshot for the live database: table files never change and are linked.
  Result<void> take_over(const io::FileInfo& entry) {
    const std::string to = io::join_path(live_, entry.name);
    if (entry.name.ends_with(".sst")) {
      WEIR_ASSIGN(const auto outcome, files().link(entry.path, to));
      (void)outcome;
      return {};
    }
    WEIR_ASSIGN(const std::string bytes, files().read_all(entry.path));
    WEIR_ASSIGN(auto file, files().create(to));
    WEIR_TRY(file->append(bytes));
    return file->close();
  }

  Result<void> open_live() {
    env_ = make_rocksdb_env(files());
    return open_database(live_, *env_, false);
  }

  Result<void> open_database(const std::string& at, rocksdb::Env& env, bool read_only) {
    rocksdb::Options options;
    options.env = &env;
    options.create_if_missing = !read_only;
    options.info_log = std::make_shared<Silence>();
    options.write_buffer_manager = memory_->buffers();
    options.write_buffer_size =
        static_cast<size_t>(std::clamp<int64_t>(memory_->limit() / 8, 1 << 20, 64 << 20));
    options.max_write_buffer_number = 4;  // the manager above holds them to the limit
    options.max_background_jobs = 2;
    // A commit writes in key order: each row is put in beside the one before.
    options.allow_concurrent_memtable_write = false;
    options.memtable_insert_with_hint_prefix_extractor = std::make_shared<CommitOrder>();
    options.memtable_prefix_bloom_size_ratio = 0.02;
    options.memtable_whole_key_filtering = true;
    options.compaction_readahead_size = 2 << 20;
    if (spec().layout == Layout::kOrdered)
      options.prefix_extractor = std::make_shared<KeyPrefix>(spec());
    options.max_open_files = 256;
    options.compression = rocksdb::kLZ4Compression;
    options.avoid_flush_during_shutdown = true;
    options.skip_stats_update_on_db_open = true;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.paranoid_checks = true;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = memory_->cache();
    table.cache_index_and_filter_blocks = true;
    table.pin_l0_filter_and_index_blocks_in_cache = true;
    // Indexes and filters are read as they are needed: where not all of them fit the cache, a
    // look-up must not read a whole file's. Those of scans by prefix are whole, of smaller files.
    if (spec().layout == Layout::kHash) {
      table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
      table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
      table.partition_filters = true;
      table.metadata_block_size = 16 << 10;
    } else {
      options.target_file_size_base = 16 << 20;
    }
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* opened = nullptr;
    const auto status = read_only ? rocksdb::DB::OpenForReadOnly(options, at, &opened)
                                  : rocksdb::DB::Open(options, at, &opened);
    database_.reset(opened);
    read_only_ = read_only || memory_env_ != nullptr;
    if (!status.ok()) return from_rocksdb(status, at);
    for (auto& shard : shards_)
      shard->set_database(database_.get());
    return {};
  }

  Result<void> read_counts(const std::string& from) {
    std::string counts;
    const auto status = database_->Get({}, rocksdb::Slice(kCountsKey.data(), 2), &counts);
    int64_t fields[4];
    if (!status.ok() || counts.size() % sizeof(fields) != 0)
      return error(ErrorKind::kCorruption,
                   "{}: the counts of rows are not there ({}). Put back a copy of this folder, or "
                   "start the query with a new checkpoint",
                   from, status.ToString());
    for (size_t at = 0; at < counts.size(); at += sizeof(fields)) {
      std::memcpy(fields, counts.data() + at, sizeof(fields));
      if (fields[0] < 0 || fields[0] >= shards())
        return error(ErrorKind::kCorruption, "{}: counts of a shard that is not there", from);
      shards_[static_cast<size_t>(fields[0])]->set_bucket(
          fields[1], {.rows = fields[2], .min_time = fields[3]});
    }
    return {};
  }

  std::shared_ptr<RocksDbMemory> memory_;
  std::unique_ptr<rocksdb::Env> memory_env_;
  std::unique_ptr<rocksdb::Env> env_;
  std::string live_;
  bool read_only_ = false;
  bool replays_ = false;  // the changelog that is being applied
  std::optional<base::Error> broken_;
  std::unique_ptr<rocksdb::DB> database_;
  std::vector<std::unique_ptr<RocksDbShard>> shards_;
};

}  // namespace

std::shared_ptr<StateMemory> StateMemory::make(int64_t limit_bytes) {
  return std::make_shared<RocksDbMemory>(std::max<int64_t>(limit_bytes, 4 << 20));
}

std::unique_ptr<VersionedStore> make_rocksdb_store(StoreOptions options, StoreSpec spec) {
  return std::make_unique<RocksDbStore>(std::move(options), std::move(spec));
}

}  // namespace weir::state
