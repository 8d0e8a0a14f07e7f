// State as tables: what the sources "state-metadata" and "statestore" show.
//
// Reads what lies in a checkpoint's state/ folder without changing a byte of it, also while the
// query runs. Which attempt of a version counts is known by commits/N alone, so the manifest is
// given.
#pragma once

#include <functional>
#include <memory>
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

// partition_id INT, key STRUCT, value STRUCT, as Spark's statestore source; with time: time
// TIMESTAMP.
columnar::Schema state_table_schema(const StoreInfo& store);

// The rows of the version that `manifest` names, as batches of at most 8,192 rows, shard by shard.
Result<void> read_state(
    io::FileSystem& files, const std::string& folder, const StoreInfo& store, BatchId version,
    const base::JsonObject& manifest,
    const std::function<Result<void>(const std::shared_ptr<arrow::RecordBatch>&)>& visit);

}  // namespace weir::state
