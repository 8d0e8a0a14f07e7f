#include "state/versioned_store.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>

namespace weir::state {

using base::error;
using base::ErrorKind;

namespace {

// Real time, for metrics alone.
int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A snapshot of all rows is written when the changelogs since the last one have at least this part
// of its bytes, so that writing it costs a bounded multiple of what the batches wrote anyway.
constexpr int64_t kSnapshotShare = 8;
// But no chain is longer than this many times snapshot_every.
constexpr int64_t kChainFactor = 10;
// An incremental one comes earlier where the changelogs have so many bytes, so that a restart does
// not have to apply more.
constexpr int64_t kIncrementalBytes = 32 << 20;
constexpr int64_t kIncrementalShare = 4;
constexpr int64_t kSmallBatchRows = 20'000;  // is encoded by one thread

int64_t version_of_file(std::string_view name) {
  int64_t version = -1;
  std::from_chars(name.data(), name.data() + name.size(), version);
  return version;
}

}  // namespace

Result<void> for_each_shard(int count, int threads, const std::function<Result<void>(int)>& work) {
  if (threads <= 1 || count <= 1) {
    for (int i = 0; i < count; ++i)
      WEIR_TRY(work(i));
    return {};
  }
  std::atomic<int> next = 0;
  std::atomic<bool> failed = false;
  std::vector<Result<void>> results(static_cast<size_t>(count));
  const auto run = [&] {
    for (int i = next++; i < count && !failed; i = next++) {
      results[static_cast<size_t>(i)] = work(i);
      if (!results[static_cast<size_t>(i)].ok()) failed = true;
    }
  };
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < std::min(threads, count); ++i)
      others.emplace_back(run);
    run();
  }
  for (auto& result : results)
    WEIR_TRY(std::move(result));
  return {};
}

std::optional<BatchId> VersionedStore::version() const {
  return chain_.version < 0 ? std::nullopt : std::optional(BatchId(chain_.version));
}

std::string VersionedStore::attempt_name(int64_t version, std::string_view suffix) {
  return fmt::format("{}-{:08x}{}", version, static_cast<uint32_t>(options_.random->next()),
                     suffix);
}

base::JsonObject VersionedStore::file_header(std::string_view kind, int64_t version) const {
  base::JsonObject header;
  header["format"] = 1;
  header["kind"] = kind;
  header["operator"] = options_.operator_id;
  header["store"] = spec_.name;
  header["version"] = version;
  return header;
}

// --- loading

Result<void> VersionedStore::load(const Manifest* manifest, bool read_only) {
  const int64_t start = now_us();
  folder_ = store_folder(options_.folder, options_.operator_id, spec_.name);
  if (manifest != nullptr) chain_ = *manifest;
  if (chain_.snapshot) {
    WEIR_TRY(load_snapshot(*chain_.snapshot, read_only));
  } else {
    WEIR_TRY(load_nothing(read_only));
  }
  for (const BlockFileEntry& entry : chain_.changelogs)
    WEIR_TRY(apply_changelog(entry));
  WEIR_TRY(finish_loading());
  const int64_t rows = count().rows;
  if (rows != chain_.rows)
    return error(
        ErrorKind::kCorruption,
        "{}: the files of version {} give {} rows instead of the {} of its commit. Start the "
        "query with a new checkpoint or a copy of this one",
        folder_, chain_.version, rows, chain_.rows);
  load_us_ = now_us() - start;
  return {};
}

Result<void> VersionedStore::apply_changelog(const BlockFileEntry& entry) {
  WEIR_ASSIGN(const BlockFile file, BlockFile::open(files(), path(entry.file), &entry));
  if (base::json_int(file.header(), "version") != entry.version ||
      base::json_string(file.header(), "store") != spec_.name)
    return file.damaged(0, "it is the changelog of another version or store");
  std::vector<std::vector<const Block*>> by_shard(static_cast<size_t>(shards()));
  for (const Block& block : file.blocks()) {
    if (block.shard >= by_shard.size()) return file.damaged(block.offset, "there is no such shard");
    by_shard[block.shard].push_back(&block);
  }
  WEIR_TRY(begin_changelog(file));
  const int threads = entry.rows + entry.removed < kSmallBatchRows ? 1 : options_.threads;
  const auto apply_shard = [&](int shard) -> Result<void> {
    std::string payload;
    for (const Block* block : by_shard[static_cast<size_t>(shard)]) {
      payload.resize(block->payload_bytes);
      WEIR_TRY(file.read(*block, payload.data()));
      WEIR_TRY(apply_block(file, *block, payload));
    }
    return {};
  };
  WEIR_TRY(for_each_shard(shards(), threads, apply_shard));
  return end_changelog(file);
}

// --- a batch

Result<void> VersionedStore::begin(BatchId batch) {
  WEIR_CHECK(!batch_, "a batch begins after the one before was committed or rolled back");
  if (batch.value() <= chain_.version)
    return error(ErrorKind::kInternal, "batch {} cannot begin from state of version {}",
                 batch.value(), chain_.version);
  WEIR_TRY(begin_batch());
  rows_updated_ = 0;
  rows_removed_ = 0;
  batch_ = batch;
  return {};
}

Result<base::JsonObject> VersionedStore::prepare() {
  WEIR_CHECK(batch_ && !attempt_, "a batch is prepared once");
  const int64_t start = now_us();
  const ShardCounts counts = count();
  rows_updated_ = counts.updated;
  rows_removed_ = counts.removed;
  if (options_.memory_limit > 0 && counts.memory_bytes > options_.memory_limit)
    return error(
        ErrorKind::kResourceExhausted,
        "the state of operator {}, store {} takes {} bytes of memory, the limit is {}: bound "
        "it by a watermark, raise the limit, or start a new checkpoint with the provider "
        "rocksdb",
        options_.operator_id, spec_.name, counts.memory_bytes, options_.memory_limit);
  std::vector<BlockCollector> changes(static_cast<size_t>(shards()));
  const int threads = counts.updated + counts.removed < kSmallBatchRows ? 1 : options_.threads;
  WEIR_TRY(for_each_shard(shards(), threads, [&](int shard) {
    return encode_changes(shard, changes[static_cast<size_t>(shard)]);
  }));
  adopt_snapshot();
  Manifest next = chain_;
  next.version = batch_->value();
  next.rows = counts.rows;
  changelog_bytes_ = 0;
  const bool changed = std::any_of(changes.begin(), changes.end(),
                                   [](BlockCollector& each) { return !each.blocks().empty(); });
  if (changed) {
    base::JsonObject header = file_header("changelog", next.version);
    describe_changes(header);
    WEIR_ASSIGN(BlockFileWriter writer,
                BlockFileWriter::create(files(), folder_,
                                        attempt_name(next.version, kChangelogSuffix), header));
    for (int shard = 0; shard < shards(); ++shard)
      for (const EncodedBlock& block : changes[static_cast<size_t>(shard)].blocks())
        WEIR_TRY(writer.add(shard, block.kind, block.bucket, block.rows, block.payload));
    WEIR_ASSIGN(BlockFileEntry entry, writer.finish());
    entry.version = next.version;
    changelog_bytes_ = entry.bytes;
    next.changelogs.push_back(std::move(entry));
  }
  attempt_ = std::move(next);
  commit_us_ = now_us() - start;
  return attempt_->to_json();
}

void VersionedStore::committed() {
  WEIR_CHECK(batch_ && attempt_, "what is committed has been prepared");
  commit_batch();
  // A snapshot that ended meanwhile is adopted by the next prepare().
  chain_ = std::move(*attempt_);
  attempt_.reset();
  batch_.reset();
  committed_once_ = true;
  adopt_snapshot();
  if (wants_snapshot()) start_snapshot();
}

void VersionedStore::roll_back() {
  if (!batch_) return;
  roll_back_batch();
  attempt_.reset();
  batch_.reset();
}

// --- snapshots

bool VersionedStore::wants_snapshot() const {
  {
    std::lock_guard lock(snapshot_mutex_);
    if (snapshot_running_ || snapshot_made_) return false;
    if (snapshot_error_ && chain_.version - snapshot_tried_ < options_.snapshot_every) return false;
  }
  if (chain_.changelogs.empty()) return false;
  const auto length = static_cast<int64_t>(chain_.changelogs.size());
  int64_t bytes = 0;
  for (const BlockFileEntry& entry : chain_.changelogs)
    bytes += entry.bytes;
  const int64_t snapshot =
      chain_.snapshot ? base::json_int(*chain_.snapshot, "bytes").value_or(0) : 0;
  // Those link what is there and write what is not yet, but hold the files of their version.
  if (snapshots_are_incremental())
    return length >= options_.snapshot_every ||
           bytes >= std::max<int64_t>(kIncrementalBytes, snapshot / kIncrementalShare);
  if (length >= options_.snapshot_every * kChainFactor) return true;
  constexpr int64_t kFew = 16 << 20;
  return (length >= options_.snapshot_every && bytes * kSnapshotShare >= snapshot) ||
         (bytes >= kFew && bytes >= snapshot);
}

void VersionedStore::start_snapshot() {
  snapshot_tried_ = chain_.version;
  if (auto begun = begin_snapshot(); !begun.ok()) {
    std::lock_guard lock(snapshot_mutex_);
    snapshot_error_ = std::move(begun).error();
    return;
  }
  std::string name = attempt_name(chain_.version, snapshot_suffix());
  {
    std::lock_guard lock(snapshot_mutex_);
    snapshot_running_ = true;
    snapshot_name_ = name;
  }
  if (!options_.background) return run_snapshot(chain_.version, name);
  snapshot_thread_ = std::jthread(
      [this, version = chain_.version, name = std::move(name)] { run_snapshot(version, name); });
}

void VersionedStore::run_snapshot(int64_t version, const std::string& name) {
  const int64_t start = now_us();
  auto made = make_snapshot(version, name);
  std::lock_guard lock(snapshot_mutex_);
  snapshot_running_ = false;
  snapshot_us_ = now_us() - start;
  if (made.ok()) {
    snapshot_error_.reset();
    snapshot_made_ = std::move(made).value();
  } else {
    snapshot_name_.clear();
    snapshot_error_ = std::move(made).error();
  }
  snapshot_done_.notify_all();
}

// The chain begins at a snapshot that is durable by now.
void VersionedStore::adopt_snapshot() {
  std::lock_guard lock(snapshot_mutex_);
  if (!snapshot_made_) return;
  const int64_t version = base::json_int(*snapshot_made_, "version").value_or(-1);
  chain_.snapshot = std::move(*snapshot_made_);
  snapshot_made_.reset();
  snapshot_name_.clear();
  std::erase_if(chain_.changelogs,
                [&](const BlockFileEntry& entry) { return entry.version <= version; });
}

void VersionedStore::wait_for_snapshot() {
  std::unique_lock lock(snapshot_mutex_);
  snapshot_done_.wait(lock, [&] { return !snapshot_running_; });
}

std::optional<base::Error> VersionedStore::snapshot_error() const {
  std::lock_guard lock(snapshot_mutex_);
  return snapshot_error_;
}

// --- files that may go

bool VersionedStore::is_garbage(const std::string& name, int64_t oldest_base) const {
  if (name.starts_with(io::kTemporaryPrefix)) return true;
  const int64_t version = version_of_file(name);
  if (version < 0) return false;  // the metadata file, RocksDB's live folder, what is not ours
  if (name == snapshot_name_) return false;
  if (version < oldest_base) return true;
  const int64_t base = chain_.base_version();
  const bool changelog = name.ends_with(kChangelogSuffix);
  const bool snapshot = name.ends_with(kSnapshotSuffix) || name.ends_with(kRocksDbSuffix);
  if (!changelog && !snapshot)  // RocksDB's unfinished "<name>.tmp"
    return !snapshot_running_ && name.ends_with(".tmp");
  // Older commits that are kept name files before the chain's begin.
  if (version < base) return false;
  if (changelog) {
    if (chain_.snapshot && version == base) return false;
    return std::none_of(chain_.changelogs.begin(), chain_.changelogs.end(),
                        [&](const BlockFileEntry& entry) { return entry.file == name; });
  }
  if (!chain_.snapshot) return true;
  return base::json_string(*chain_.snapshot, "file") != name;
}

Result<void> VersionedStore::clean_up(const base::JsonObject& oldest) {
  WEIR_CHECK(!batch_, "files are cleaned up between batches");
  if (!committed_once_) return {};
  WEIR_ASSIGN(const Manifest manifest, Manifest::parse(oldest, "the oldest commit that is kept"));
  // Where it names no file, commits after it may need all that was written after it.
  const int64_t oldest_base =
      std::min({manifest.base_version(), manifest.version, chain_.base_version()});
  WEIR_ASSIGN(const std::vector<io::FileInfo> entries, files().list(folder_));
  std::vector<const io::FileInfo*> garbage;
  {
    std::lock_guard lock(snapshot_mutex_);
    for (const io::FileInfo& entry : entries)
      if (is_garbage(entry.name, oldest_base)) garbage.push_back(&entry);
  }
  for (const io::FileInfo* entry : garbage) {
    auto removed =
        entry->is_directory ? files().remove_tree(entry->path) : files().remove(entry->path);
    if (!removed.ok() && removed.error().kind() != ErrorKind::kNotFound) return removed;
  }
  return {};
}

StoreMetrics VersionedStore::metrics() const {
  const ShardCounts counts = count();
  StoreMetrics metrics;
  metrics.rows = counts.rows;
  metrics.memory_bytes = counts.memory_bytes;
  metrics.rows_updated = batch_ ? counts.updated : rows_updated_;
  metrics.rows_removed = batch_ ? counts.removed : rows_removed_;
  metrics.changelog_bytes = changelog_bytes_;
  metrics.commit_us = commit_us_;
  metrics.load_us = load_us_;
  metrics.disk_bytes = disk_bytes();
  if (const StateMemory* shared = shared_memory()) {
    metrics.shared_bytes = shared->used();
    metrics.shared_limit = shared->limit();
  }
  std::lock_guard lock(snapshot_mutex_);
  metrics.snapshot_us = snapshot_us_;
  if (const auto& snapshot = snapshot_made_ ? snapshot_made_ : chain_.snapshot; snapshot) {
    metrics.snapshot_version = base::json_int(*snapshot, "version").value_or(-1);
    metrics.snapshot_bytes = base::json_int(*snapshot, "bytes").value_or(0);
  }
  return metrics;
}

// --- opening

Result<std::unique_ptr<StateStore>> StateStore::open(StoreOptions options, StoreSpec spec,
                                                     std::optional<BatchId> version,
                                                     const base::JsonObject* manifest) {
  WEIR_TRY(check_spec(spec, options.shards));
  WEIR_CHECK(version.has_value() == (manifest != nullptr), "a version has a manifest");
  io::FileSystem& files = *options.files;
  const std::string folder = store_folder(options.folder, options.operator_id, spec.name);
  const std::string path = io::join_path(folder, kMetadataFile);
  std::optional<Manifest> chain;
  if (manifest != nullptr) {
    WEIR_ASSIGN(chain, Manifest::parse(*manifest, folder));
    if (chain->version != version->value())
      return error(ErrorKind::kCorruption, "{}: commit {} names state of version {}", folder,
                   version->value(), chain->version);
    auto text = files.read_all(path);
    if (!text.ok() && text.error().kind() == ErrorKind::kNotFound)
      return error(ErrorKind::kConflict,
                   "the checkpoint has no state of operator {}, store {} ({} is not there): the "
                   "query "
                   "has other stateful operators than when the checkpoint was made, or files are "
                   "missing. Undo the change, or start it with a new checkpoint",
                   options.operator_id, spec.name, path)
          .with_class("STREAMING_STATEFUL_OPERATOR_NOT_MATCH_IN_STATE_METADATA")
          .with_sql_state("42K03");
    if (!text.ok()) return std::move(text).error();
    WEIR_ASSIGN(const StoreInfo existing, parse_metadata(*text, path));
    WEIR_TRY(check_same_store(existing, spec, options.provider, path));
    options.shards = existing.shards;
  } else {
    // Nothing is committed, so what an earlier start left here counts for nothing.
    WEIR_TRY(files.make_dirs(folder));
    const std::string text =
        metadata_text(spec, options.operator_id, options.provider, options.shards);
    auto before = files.read_all(path);
    if (!before.ok() || *before != text) WEIR_TRY(files.replace(path, text));
    // Also what an earlier start found no time or luck to make durable.
    const std::string of_operator = io::parent_path(folder);
    for (const std::string& each :
         {folder, of_operator, options.folder, io::parent_path(options.folder)})
      WEIR_TRY(files.sync_dir(each));
  }
  const Provider provider = options.provider;
  auto store = provider == Provider::kMemory
                   ? make_memory_store(std::move(options), std::move(spec))
                   : make_rocksdb_store(std::move(options), std::move(spec));
  WEIR_TRY(store->load(chain ? &*chain : nullptr, false));
  return std::unique_ptr<StateStore>(std::move(store));
}

}  // namespace weir::state
