// What the providers have in common: the metadata file, changelogs, manifests, the chain from a
// snapshot to the version, when snapshots are made, and which files may go.
//
// A manifest, as prepare() gives it:
//   {"format":1,"version":7,"rows":123,
//    "snapshot":{"version":5,…},            what the provider wrote; absent: there is none yet
//    "changelogs":[{"version":6,"file":"6-0badcafe.changelog","bytes":…,"checksum":"…",…},…]}
// It names every file that the version is rebuilt from, so nothing has to be looked for in a
// folder.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "state/block_file.h"
#include "state/change_sink.h"
#include "state/shard_threads.h"
#include "state/state_reader.h"
#include "state/state_store.h"

namespace weir::state {

struct Manifest {
  int64_t version = -1;
  int64_t rows = 0;
  std::optional<base::JsonObject> snapshot;  // has "version" and "bytes"
  std::vector<BlockFileEntry> changelogs;    // of versions after the snapshot's, ascending

  base::JsonObject to_json() const;
  static Result<Manifest> parse(const base::JsonObject& json, std::string_view what);
  // The smallest version of a file that it needs; INT64_MAX: none.
  int64_t base_version() const;
};

// folder/<operator id>/<store name>
std::string store_folder(const std::string& folder, int64_t operator_id, std::string_view name);
constexpr std::string_view kMetadataFile = "metadata";
constexpr std::string_view kChangelogSuffix = ".changelog";
constexpr std::string_view kSnapshotSuffix = ".snapshot";
constexpr std::string_view kRocksDbSuffix = ".rocksdb";
constexpr std::string_view kLivePrefix = "live-";

// The metadata file's text, and what it says.
std::string metadata_text(const StoreSpec& spec, int64_t operator_id, Provider provider,
                          int shards);
Result<StoreInfo> parse_metadata(std::string_view text, std::string_view what);
// kConflict with everything that differs.
Result<void> check_same_store(const StoreInfo& existing, const StoreSpec& wanted, Provider provider,
                              std::string_view what);
Result<void> check_spec(const StoreSpec& spec, int shards);

class VersionedStore : public StateStore {
 public:
  VersionedStore(StoreOptions options, StoreSpec spec)
      : options_(std::move(options)), spec_(std::move(spec)) {}

  const StoreSpec& spec() const final { return spec_; }
  int shards() const final { return options_.shards; }
  std::optional<BatchId> version() const final;
  Result<void> begin(BatchId batch) final;
  Result<base::JsonObject> prepare() final;
  void committed() final;
  void roll_back() final;
  Result<void> clean_up(const base::JsonObject& oldest) final;
  std::optional<base::Error> snapshot_error() const final;
  void wait_for_snapshot() final;
  StoreMetrics metrics() const final;

  // With what the manifest names; before anything else. Nothing is written with `read_only`.
  Result<void> load(const Manifest* manifest, bool read_only);

 protected:
  struct ShardCounts {
    int64_t rows = 0;
    int64_t memory_bytes = 0;
    int64_t updated = 0;
    int64_t removed = 0;
  };
  // To be called by the destructor of the provider.
  void stop_snapshot() { wait_for_snapshot(); }
  std::string path(std::string_view name) const { return io::join_path(folder(), name); }
  const std::string& folder() const { return folder_; }
  io::FileSystem& files() const { return *options_.files; }
  std::string attempt_name(int64_t version, std::string_view suffix);
  const StoreOptions& options() const { return options_; }
  base::JsonObject file_header(std::string_view kind, int64_t version) const;

  // --- of the provider
  virtual Result<void> load_snapshot(const base::JsonObject& snapshot, bool read_only) = 0;
  virtual Result<void> load_nothing(bool read_only) = 0;
  // Blocks of one shard come in their order, from one thread.
  virtual Result<void> apply_block(const BlockFile& file, const Block& block,
                                   std::string_view payload) = 0;
  // Around the blocks of a changelog.
  virtual Result<void> begin_changelog(const BlockFile&) { return {}; }
  virtual Result<void> end_changelog(const BlockFile&) { return {}; }
  virtual Result<void> finish_loading() = 0;
  virtual Result<void> begin_batch() = 0;
  virtual Result<void> encode_changes(int shard, BlockCollector& blocks) = 0;
  // What a changelog of these changes says in its header too.
  virtual void describe_changes(base::JsonObject&) const {}
  virtual void commit_batch() = 0;
  virtual void roll_back_batch() = 0;
  virtual ShardCounts count() const = 0;
  virtual int64_t disk_bytes() const { return 0; }
  virtual const StateMemory* shared_memory() const { return nullptr; }
  virtual bool snapshots_are_incremental() const = 0;
  // On the query's thread, right after commit_batch(); then make_snapshot() in the background.
  virtual Result<void> begin_snapshot() = 0;
  virtual Result<base::JsonObject> make_snapshot(int64_t version, const std::string& name) = 0;
  virtual std::string_view snapshot_suffix() const = 0;

 private:
  Result<void> apply_changelog(const BlockFileEntry& entry);
  bool wants_snapshot() const;
  void start_snapshot();
  void run_snapshot(int64_t version, const std::string& name);
  void adopt_snapshot();
  bool is_garbage(const std::string& name, int64_t oldest_base) const;

  StoreOptions options_;
  StoreSpec spec_;
  std::string folder_;
  Manifest chain_;                   // the committed version
  std::optional<Manifest> attempt_;  // prepared, not committed
  std::optional<BatchId> batch_;     // in work
  bool committed_once_ = false;
  int64_t rows_updated_ = 0;
  int64_t rows_removed_ = 0;
  int64_t changelog_bytes_ = 0;
  int64_t commit_us_ = 0;
  int64_t load_us_ = 0;

  mutable std::mutex snapshot_mutex_;
  std::condition_variable snapshot_done_;
  bool snapshot_running_ = false;
  std::string snapshot_name_;  // of the one that runs, or has ended and is in no manifest
  std::optional<base::JsonObject> snapshot_made_;
  std::optional<base::Error> snapshot_error_;
  int64_t snapshot_us_ = 0;
  int64_t snapshot_tried_ = -1;
  std::jthread snapshot_thread_;
};

std::unique_ptr<VersionedStore> make_memory_store(StoreOptions options, StoreSpec spec);
std::unique_ptr<VersionedStore> make_rocksdb_store(StoreOptions options, StoreSpec spec);

}  // namespace weir::state
