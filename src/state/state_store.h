// Versioned key-value state of one stateful operator of a query. A version is the id of the batch
// that made it.
//
// The life of a store:
//   open(version, manifest)   the state as commits/`version` names it; nothing: an empty state
//   begin(N)                  then any number of threads work on shards, one thread a shard at once
//   prepare()                 the changes of batch N are durable under a name of this attempt
//   alone;
//                             what it returns goes to commits/N
//   committed()               commits/N is durable: N is what the next batch begins from
//   roll_back()               or: the state is again as it was before begin(N), also after
//   prepare();
//                             the same batch may begin again
// Nothing but the files that a manifest names is ever read; a crash between prepare() and the
// commit leaves files that no commit names, and clean_up() removes them.
//
// Rows are in virtual shards by the hash of their key('s prefix): a fixed number of them, kept in
// the store's metadata file, so that the number of threads may change from run to run. The default
// is 64: enough that 16 threads are kept busy although shards differ, few enough that an empty
// store costs nothing and a batch of some thousand rows still gives each shard rows to work on
// together.
//
// Time: a store may be told each row's time (microseconds). It is kept in buckets of a width, and
// evict_below(t) takes out all rows with time < t: whole buckets go at once, and only the bucket in
// which t lies is looked through. So eviction costs by what leaves plus one bucket.
//   kOfKey   the time is a function of the key (a window's end, a key column): whoever looks for a
//            key says its time, and a bucket is dropped without touching its rows
//   kOfRow   the time belongs to the row (an expiry): looked for by key alone, a put may move it
//
// Owner: one query's thread calls what is not on StateShard. Destroying a store waits for its
// background snapshot.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/random.h"
#include "base/result.h"
#include "columnar/data_type.h"
#include "io/file_system.h"
#include "state/encoded_rows.h"

namespace weir::state {

using base::BatchId;
using base::Result;

class StateMemory;

enum class Layout : uint8_t {
  kHash,     // found by whole keys
  kOrdered,  // also scanned by prefix and in key order
};
enum class TimeBuckets : uint8_t { kNone, kOfKey, kOfRow };
enum class Provider : uint8_t { kMemory, kRocksDb };

// What makes a store's meaning. It is kept beside the state; a store is opened only by an equal
// one.
struct StoreSpec {
  std::string name = "default";    // "default", "left", "right" … : [A-Za-z0-9_-]+
  std::string identity = {};       // the operator in words, shown where a changed query is refused
  std::string operator_name = {};  // as Spark calls it: "stateStoreSave", "dedupe" …
  std::string kind = {};  // what else a changed query may not change: a join's kind, a timeout's …
  columnar::Schema key = columnar::DataType::structure({});
  columnar::Schema value = columnar::DataType::structure({});
  int prefix_columns = 0;  // of the key, that decide the shard and can be scanned for; 0: all
  Layout layout = Layout::kHash;
  TimeBuckets time = TimeBuckets::kNone;
  int64_t bucket_width_us = 0;  // > 0 with time
};

struct StoreOptions {
  io::FileSystem* files = nullptr;  // these two outlive the store
  base::Random* random = nullptr;   // attempt names
  std::string folder;               // the checkpoint's state/; a store lives in
                                    // folder/<operator id>/<store name>
  int64_t operator_id = 0;
  Provider provider = Provider::kMemory;
  int shards =
      64;  // of a store that begins: a power of two, 1 … 1024; an existing one keeps its own
  int threads = 1;              // for loading and for encoding the changes
  int64_t snapshot_every = 10;  // batches; and as soon as the changelogs outweigh the state
  bool background = true;       // false: snapshots are made inside committed()
  // kResourceExhausted from prepare() where the state in memory is larger (0: no limit).
  int64_t memory_limit = 0;
  std::shared_ptr<StateMemory> rocksdb_memory;  // shared by all RocksDB stores; null: one of 64 MiB
};

// Block cache and write buffers of all stores that share it, in one budget.
class StateMemory {
 public:
  static std::shared_ptr<StateMemory> make(int64_t limit_bytes);
  virtual ~StateMemory() = default;
  virtual int64_t limit() const = 0;
  virtual int64_t used() const = 0;
};

struct StateRow {
  int64_t time = 0;  // 0 without time
  std::string_view key;
  std::string_view value;
};

// Rows that were found; views stay valid until the shard is changed or the next call with the same
// object.
class FoundValues {
 public:
  // data() == nullptr: there is no such key.
  std::vector<std::string_view> values;
  std::vector<int64_t> times;     // kOfRow only
  std::vector<std::string> held;  // bytes that are not in the store's own memory
};

// Some rows at a time; an error ends the scan. The views are valid during the call, in which the
// shard must not be changed.
using RowVisitor = std::function<Result<void>(std::span<const StateRow>)>;
// Rows of one prefix, named by its row of the request; the rows of a prefix may come in several
// calls.
using PrefixVisitor = std::function<Result<void>(uint32_t row, std::span<const StateRow>)>;

constexpr int64_t kTimeMin = INT64_MIN;
constexpr int64_t kTimeMax = INT64_MAX;

// One thread at a time. `rows` picks rows of the batch, all of this shard (RowsByShard::of).
// `times` is indexed like the batch (times[row]); empty in stores without time.
class StateShard {
 public:
  virtual ~StateShard() = default;
  // found.values[i] is that of rows[i]. `times` with kOfKey only.
  virtual Result<void> get(const EncodedRows& keys, std::span<const uint32_t> rows,
                           std::span<const int64_t> times, FoundValues& found) = 0;
  // In order; a later row of the same key wins.
  virtual Result<void> put(const EncodedRows& keys, const EncodedRows& values,
                           std::span<const uint32_t> rows, std::span<const int64_t> times) = 0;
  // Keys that are not there are passed over. `times` with kOfKey only.
  virtual Result<void> remove(const EncodedRows& keys, std::span<const uint32_t> rows,
                              std::span<const int64_t> times) = 0;
  // Rows whose keys begin with the prefix of each of `rows`, in key order within a bucket, of the
  // buckets that touch [time_from, time_to] (kOfKey; the visitor looks at exact times). kOrdered
  // only.
  virtual Result<void> scan_prefixes(const EncodedRows& prefixes, std::span<const uint32_t> rows,
                                     int64_t time_from, int64_t time_to,
                                     const PrefixVisitor& visit) = 0;
  // All rows in buckets that touch [time_from, time_to]; kOrdered: in key order within a bucket,
  // else in no order that means anything, though the same for the same history.
  virtual Result<void> scan(int64_t time_from, int64_t time_to, const RowVisitor& visit) = 0;
  // Removes all rows with time < `time` after showing them to `visit` (which may be empty). Where
  // the visitor fails, the batch has to be rolled back.
  virtual Result<void> evict_below(int64_t time, const RowVisitor& visit) = 0;
  // No row is older; nullopt: there is none. Exact or too early by less than what was removed.
  virtual std::optional<int64_t> earliest_time() const = 0;
  virtual int64_t rows() const = 0;
};

struct StoreMetrics {
  int64_t rows = 0;
  int64_t memory_bytes = 0;
  int64_t rows_updated = 0;  // of the batch in work or the last one: put
  int64_t rows_removed = 0;  // removed or evicted
  int64_t changelog_bytes = 0;
  int64_t commit_us = 0;          // of the last prepare()
  int64_t snapshot_version = -1;  // newest durable one
  int64_t snapshot_bytes = 0;
  int64_t snapshot_us = 0;
  int64_t load_us = 0;     // of open()
  int64_t disk_bytes = 0;  // RocksDB's files
  // RocksDB's caches and buffers, of all stores that share them; part of memory_bytes.
  int64_t shared_bytes = 0;
  int64_t shared_limit = 0;  // 0: the provider has none
};

class StateStore {
 public:
  // `manifest` is what prepare() gave for `version`; null with a query that begins. kConflict with
  // what differs where the folder has the state of another operator or other types; kCorruption
  // with file, offset and what to do.
  static Result<std::unique_ptr<StateStore>> open(StoreOptions options, StoreSpec spec,
                                                  std::optional<BatchId> version,
                                                  const base::JsonObject* manifest);
  virtual ~StateStore() = default;

  virtual const StoreSpec& spec() const = 0;
  virtual int shards() const = 0;
  virtual StateShard& shard(int index) = 0;
  virtual std::optional<BatchId> version() const = 0;  // what begin() starts from

  virtual Result<void> begin(BatchId batch) = 0;  // greater than version()
  virtual Result<base::JsonObject> prepare() = 0;
  virtual void committed() = 0;
  virtual void roll_back() = 0;
  // Removes files that no commit from `oldest` on needs: `oldest` is the manifest of the oldest
  // commit that is kept. Only after committed() of this run, never between begin() and committed().
  virtual Result<void> clean_up(const base::JsonObject& oldest) = 0;
  // An error that the last background snapshot met; the state itself is whole, recovery takes
  // longer.
  virtual std::optional<base::Error> snapshot_error() const = 0;
  virtual void wait_for_snapshot() = 0;
  virtual StoreMetrics metrics() const = 0;
};

}  // namespace weir::state
