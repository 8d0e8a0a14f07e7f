// The provider in memory. A snapshot is a file of the shards' records, shard by shard, in the order
// of the index, so that a load fills an index of the same size from its begin to its end.
#include <algorithm>

#include "state/memory_shard.h"
#include "state/versioned_store.h"

namespace weir::state {

namespace {

class MemoryStore final : public VersionedStore {
 public:
  MemoryStore(StoreOptions options, StoreSpec spec)
      : VersionedStore(std::move(options), std::move(spec)) {
    for (int i = 0; i < shards(); ++i)
      shards_.push_back(std::make_unique<MemoryShard>(this->spec()));
  }
  ~MemoryStore() override { stop_snapshot(); }

  StateShard& shard(int index) override { return *shards_[static_cast<size_t>(index)]; }

 protected:
  Result<void> load_nothing(bool) override { return {}; }

  Result<void> load_snapshot(const base::JsonObject& snapshot, bool) override {
    WEIR_ASSIGN(const BlockFileEntry entry, block_file_entry(snapshot, folder()));
    WEIR_ASSIGN(const BlockFile file, BlockFile::open(files(), path(entry.file), &entry));
    std::vector<std::vector<const Block*>> by_shard(shards_.size());
    for (const Block& block : file.blocks()) {
      if (block.shard >= by_shard.size())
        return file.damaged(block.offset, "there is no such shard");
      by_shard[block.shard].push_back(&block);
    }
    return for_each_shard(shards(), options().threads, [&](int index) -> Result<void> {
      MemoryShard& shard = *shards_[static_cast<size_t>(index)];
      const auto& blocks = by_shard[static_cast<size_t>(index)];
      std::map<int64_t, size_t> rows;
      for (const Block* block : blocks) {
        // Two bytes a row at least: what a damaged count could ask for is bounded.
        if (block->rows > block->payload_bytes / 2 + 1)
          return file.damaged(block->offset, "more rows than bytes");
        rows[block->bucket] += block->rows;
      }
      for (const auto& [bucket, count] : rows)
        shard.reserve(bucket, count);
      for (const Block* block : blocks) {
        ArenaChunk payload = std::make_shared_for_overwrite<char[]>(block->payload_bytes);
        WEIR_TRY(file.read(*block, payload.get()));
        if (!shard.load_snapshot(*block, std::move(payload)))
          return file.damaged(block->offset, "the block does not hold rows of this store");
      }
      return {};
    });
  }

  Result<void> apply_block(const BlockFile& file, const Block& block,
                           std::string_view payload) override {
    if (shards_[block.shard]->apply_changes(block, payload)) return {};
    return file.damaged(block.offset, "the block does not hold changes of this store");
  }

  Result<void> finish_loading() override {
    return for_each_shard(shards(), options().threads, [&](int index) -> Result<void> {
      shards_[static_cast<size_t>(index)]->finish_loading();
      return {};
    });
  }

  Result<void> begin_batch() override {
    for (auto& shard : shards_)
      shard->begin_batch();
    return {};
  }
  Result<void> encode_changes(int shard, BlockCollector& blocks) override {
    shards_[static_cast<size_t>(shard)]->encode_changes(blocks);
    return {};
  }
  void commit_batch() override {
    for (auto& shard : shards_)
      shard->commit_batch();
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
    return counts;
  }
  bool snapshots_are_incremental() const override { return false; }
  std::string_view snapshot_suffix() const override { return kSnapshotSuffix; }

  Result<void> begin_snapshot() override {
    for (auto& shard : shards_)
      shard->want_frozen();
    return {};
  }

  Result<base::JsonObject> make_snapshot(int64_t version, const std::string& name) override {
    auto entry = write_snapshot(version, name);
    if (entry.ok()) return to_json(*entry);
    for (auto& shard : shards_)
      shard->take_frozen();  // nobody else will
    return std::move(entry).error();
  }

 private:
  Result<BlockFileEntry> write_snapshot(int64_t version, const std::string& name) {
    WEIR_ASSIGN(BlockFileWriter writer,
                BlockFileWriter::create(files(), folder(), name, file_header("snapshot", version)));
    std::string payload;
    payload.reserve(BlockCollector::kBlockBytes + 4096);
    for (int shard = 0; shard < shards(); ++shard) {
      for (const FrozenTable& table : shards_[static_cast<size_t>(shard)]->take_frozen()) {
        uint32_t rows = 0;
        const auto flush = [&]() -> Result<void> {
          if (rows == 0) return {};
          WEIR_TRY(writer.add(shard, BlockKind::kPuts, table.bucket, rows, payload));
          payload.clear();
          rows = 0;
          return {};
        };
        constexpr size_t kAhead = 16;
        for (size_t i = 0; i < table.positions.size(); ++i) {
          if (i + kAhead < table.positions.size())
            __builtin_prefetch(table.at(table.positions[i + kAhead]));
          const char* record = table.at(table.positions[i]);
          payload.append(record, table.form.read(record, table.bucket).bytes);
          ++rows;
          if (payload.size() >= BlockCollector::kBlockBytes) WEIR_TRY(flush());
        }
        WEIR_TRY(flush());
      }
    }
    WEIR_ASSIGN(BlockFileEntry entry, writer.finish());
    entry.version = version;
    return entry;
  }

  std::vector<std::unique_ptr<MemoryShard>> shards_;
};

}  // namespace

std::unique_ptr<VersionedStore> make_memory_store(StoreOptions options, StoreSpec spec) {
  return std::make_unique<MemoryStore>(std::move(options), std::move(spec));
}

}  // namespace weir::state
