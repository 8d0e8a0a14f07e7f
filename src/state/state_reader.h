// State as tables: what the sources "state-metadata" and "statestore" show.
//
// Reads what lies in a checkpoint's state/ folder without changing a byte of it, also while the
// query runs. Which attempt of a version counts is known by commits/N alone, so the manifest is
// given.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "columnar/data_type.h"
#include "io/file_system.h"
#include "state/state_store.h"

namespace arrow {
class RecordBatch;
}

namespace weir::state {

struct StoreInfo {
  int64_t operator_id = 0;
  StoreSpec spec;
  Provider provider = Provider::kMemory;
  int shards = 0;
  std::vector<int64_t> versions;  // with a changelog, ascending; a version may be an orphan
  int64_t bytes = 0;              // of all its files
};

// Every operator and store below `folder` (a checkpoint's state/), by id and name; none where the
// folder is absent.
Result<std::vector<StoreInfo>> list_stores(io::FileSystem& files, const std::string& folder);

// The folder of the first operator in `folder` (a checkpoint's state/) whose state Spark wrote: it
// keeps OPERATOR/_metadata, and numbers for partitions without a file "metadata" in them.
Result<std::optional<std::string>> sparks_operator(io::FileSystem& files,
                                                   const std::string& folder);

// partition_id INT, key STRUCT, value STRUCT, as Spark's statestore source; with time: time
// TIMESTAMP.
columnar::Schema state_table_schema(const StoreInfo& store);

using BatchVisitor = std::function<Result<void>(const std::shared_ptr<arrow::RecordBatch>&)>;

// The rows of the version that `manifest` names. `files` and `store` outlive it.
class StateReader {
 public:
  static Result<std::unique_ptr<StateReader>> open(io::FileSystem& files, const std::string& folder,
                                                   const StoreInfo& store, BatchId version,
                                                   const base::JsonObject& manifest,
                                                   int threads = 1);
  virtual ~StateReader() = default;
  // Batches of at most 8,192 rows. Several shards may be read at once.
  virtual Result<void> read(int shard, const BatchVisitor& visit) = 0;
};
// All shards in their order.
Result<void> read_state(io::FileSystem& files, const std::string& folder, const StoreInfo& store,
                        BatchId version, const base::JsonObject& manifest,
                        const BatchVisitor& visit);

// What the batch `version` changed: batches of rows put, or of rows removed (whose values are NULL,
// and whose times mean nothing). `before` is the manifest of the version before, null where there
// is none: the rows of a bucket that went at once are looked up there.
using ChangeVisitor =
    std::function<Result<void>(bool removed, const std::shared_ptr<arrow::RecordBatch>&)>;
Result<void> read_changes(io::FileSystem& files, const std::string& folder, const StoreInfo& store,
                          BatchId version, const base::JsonObject& manifest,
                          const base::JsonObject* before, const ChangeVisitor& visit);

// Reads all that the manifest names and checks it: checksums, counts. How many rows there are.
Result<int64_t> verify_state(io::FileSystem& files, const std::string& folder,
                             const StoreInfo& store, const base::JsonObject& manifest);
// The names of the files and folders in the store's folder that the manifest needs.
Result<std::vector<std::string>> files_of(const base::JsonObject& manifest);

}  // namespace weir::state
