// The state of a checkpoint as tables: what spark.read.format("statestore") and "state-metadata"
// give, and `weir state`.
//
// Reads files only, also while the query runs: commits/N names the files of version N, and what it
// names is not removed before the commit itself. Keys and values are shown as Spark's source shows
// those of the same operator, where weir keeps the same (docs/streaming.md).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/json.h"
#include "base/result.h"
#include "columnar/data_type.h"
#include "operators/state_options.h"
#include "state/state_reader.h"

namespace weir::operators {

using base::Result;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// A checkpoint's stores and commits. kUnsupported where the state is Spark's.
class CheckpointState {
 public:
  static Result<CheckpointState> open(io::FileSystem& files, std::string checkpoint);

  const std::string& checkpoint() const { return checkpoint_; }
  std::string folder() const;  // of the stores
  const std::vector<state::StoreInfo>& stores() const { return stores_; }
  const std::vector<int64_t>& commits() const { return commits_; }  // that are kept, ascending
  // What commits/`batch` says of the store; null where it says nothing. kNotFound without commit.
  Result<std::optional<base::JsonObject>> manifest(int64_t batch,
                                                   const state::StoreInfo& store) const;
  bool planned(int64_t batch) const;  // offsets/`batch` is there
  io::FileSystem& files() const { return *files_; }

 private:
  io::FileSystem* files_ = nullptr;
  std::string checkpoint_;
  std::vector<state::StoreInfo> stores_;
  std::vector<int64_t> commits_;
};

// operatorId, operatorName, stateStoreName, numPartitions, minBatchId, maxBatchId,
// operatorProperties: a row a store.
columnar::Schema state_metadata_schema();
Result<BatchPtr> state_metadata(const CheckpointState& checkpoint);

// One store at one version: key, value, partition_id; or what batches changed in it: batch_id,
// change_type ("update", "delete"), key, value, partition_id.
class StateTable {
 public:
  // STDS_…: of Spark's source.
  static Result<std::shared_ptr<const StateTable>> open(io::FileSystem& files,
                                                        std::string checkpoint,
                                                        StateOptions options);
  virtual ~StateTable() = default;
  virtual const columnar::Schema& schema() const = 0;
  virtual std::string description() const = 0;
  // The rows in pieces, each of which one thread may ask for at the same time as others.
  class Reader {
   public:
    virtual ~Reader() = default;
    virtual int pieces() const = 0;
    virtual Result<std::vector<BatchPtr>> read(int piece) = 0;
  };
  virtual Result<std::unique_ptr<Reader>> read(int threads) const = 0;
};

}  // namespace weir::operators
