#include "operators/state_tables.h"

#include <algorithm>

#include <arrow/api.h>
#include <fmt/format.h>

#include "base/parse_integer.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "operators/state_shape.h"

namespace weir::operators {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using state::StoreInfo;

namespace {

// The numbers among the folder's names, ascending; none where there is no folder.
Result<std::vector<int64_t>> numbers_in(io::FileSystem& files, const std::string& folder) {
  std::vector<int64_t> numbers;
  auto entries = files.list(folder);
  if (!entries.ok() && entries.error().kind() == ErrorKind::kNotFound) return numbers;
  if (!entries.ok()) return std::move(entries).error();
  for (const io::FileInfo& entry : *entries)
    if (const auto id = base::parse_integer(entry.name); id && *id >= 0) numbers.push_back(*id);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

// --- CheckpointState

Result<CheckpointState> CheckpointState::open(io::FileSystem& files, std::string checkpoint) {
  CheckpointState made;
  made.files_ = &files;
  made.checkpoint_ = std::move(checkpoint);
  WEIR_ASSIGN(const auto sparks, state::sparks_operator(files, made.folder()));
  if (sparks)
    return error(ErrorKind::kUnsupported,
                 "The feature is not supported: {} has state that Spark wrote, which weir cannot "
                 "read. Read it with Spark; weir reads the state of its own queries.",
                 made.folder())
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  WEIR_ASSIGN(made.stores_, state::list_stores(files, made.folder()));
  WEIR_ASSIGN(made.commits_, numbers_in(files, io::join_path(made.checkpoint_, "commits")));
  return made;
}

std::string CheckpointState::folder() const { return io::join_path(checkpoint_, "state"); }

bool CheckpointState::planned(int64_t batch) const {
  const auto there = files_->exists(io::join_path(checkpoint_, "offsets/" + std::to_string(batch)));
  return there.ok() && *there;
}

Result<std::optional<base::JsonObject>> CheckpointState::manifest(int64_t batch,
                                                                  const StoreInfo& store) const {
  const std::string path = io::join_path(checkpoint_, "commits/" + std::to_string(batch));
  WEIR_ASSIGN(const std::string text, files_->read_all(path));
  std::optional<base::JsonObject> found;
  const size_t line = text.find('\n');
  if (!text.starts_with("v1") || line == std::string::npos)
    return error(ErrorKind::kUnsupported, "{}: it is not a commit of weir's format 1", path);
  WEIR_ASSIGN(const base::JsonObject json,
              base::parse_json_object(std::string_view(text).substr(line + 1), path));
  const auto* states = base::json_object(json, "weirState");
  if (states == nullptr) return found;
  const auto* own = base::json_object(*states, std::to_string(store.operator_id));
  const auto* manifest = own == nullptr ? nullptr : base::json_object(*own, store.spec.name);
  if (manifest != nullptr) found = *manifest;
  return found;
}

// --- state-metadata

Schema state_metadata_schema() {
  const auto field = [](const char* name, TypeKind kind) {
    return columnar::make_field(name, DataType::of(kind));
  };
  return Schema::structure(
      {field("operatorId", TypeKind::kLong), field("operatorName", TypeKind::kString),
       field("stateStoreName", TypeKind::kString), field("numPartitions", TypeKind::kInteger),
       field("minBatchId", TypeKind::kLong), field("maxBatchId", TypeKind::kLong),
       field("operatorProperties", TypeKind::kString)});
}

Result<BatchPtr> state_metadata(const CheckpointState& checkpoint) {
  arrow::Int64Builder ids, least, most;
  arrow::Int32Builder shards;
  arrow::StringBuilder operators, stores, properties;
  const auto& commits = checkpoint.commits();
  for (const StoreInfo& store : checkpoint.stores()) {
    WEIR_ARROW_TRY(ids.Append(store.operator_id));
    WEIR_ARROW_TRY(operators.Append(store.spec.operator_name));
    WEIR_ARROW_TRY(stores.Append(store.spec.name));
    WEIR_ARROW_TRY(shards.Append(store.shards));
    WEIR_ARROW_TRY(least.Append(commits.empty() ? -1 : commits.front()));
    WEIR_ARROW_TRY(most.Append(commits.empty() ? -1 : commits.back()));
    WEIR_ARROW_TRY(properties.Append(""));
  }
  arrow::ArrayVector columns(7);
  WEIR_ARROW_TRY(ids.Finish(&columns[0]));
  WEIR_ARROW_TRY(operators.Finish(&columns[1]));
  WEIR_ARROW_TRY(stores.Finish(&columns[2]));
  WEIR_ARROW_TRY(shards.Finish(&columns[3]));
  WEIR_ARROW_TRY(least.Finish(&columns[4]));
  WEIR_ARROW_TRY(most.Finish(&columns[5]));
  WEIR_ARROW_TRY(properties.Finish(&columns[6]));
  const auto rows = static_cast<int64_t>(checkpoint.stores().size());
  return arrow::RecordBatch::Make(columnar::to_arrow_schema(state_metadata_schema()), rows,
                                  std::move(columns));
}

// --- one store as a table

namespace {

std::string in_words(const CheckpointState& checkpoint, const StateOptions& options,
                     int64_t batch) {
  std::string words = fmt::format(
      "StateSourceOptions(checkpointLocation=file:{}, batchId={}, operatorId={}, storeName={}, "
      "joinSide={}, stateVarName={}",
      checkpoint.checkpoint(), batch, options.operator_id, options.store, options.join_side,
      options.variable.value_or("None"));
  if (options.change_feed)
    words +=
        fmt::format(", changeStartBatchId={}, changeEndBatchId={}", *options.change_start, batch);
  return words + ")";
}

base::Error no_such_store(const CheckpointState& checkpoint, const StateOptions& options,
                          int64_t batch) {
  std::string known;
  for (const StoreInfo& store : checkpoint.stores())
    known += fmt::format("{}operator {} ({}) store {}", known.empty() ? "" : ", ",
                         store.operator_id, store.spec.operator_name, store.spec.name);
  const std::string words = in_words(checkpoint, options, batch);
  return state_refused(
             "STDS_FAILED_TO_READ_STATE_SCHEMA", "42K03",
             fmt::format("Failed to read the state schema. Either the file does not exist, or "
                         "the file is corrupted. options: {}. The checkpoint has {}.",
                         words, known.empty() ? "no state" : known))
      .with_parameter("sourceOptions", words);
}

base::Error no_such_batch(const CheckpointState& checkpoint, int64_t batch) {
  const auto& commits = checkpoint.commits();
  const std::string where = "file:" + checkpoint.checkpoint();
  if (!checkpoint.planned(batch))
    return state_refused(
               "STDS_OFFSET_LOG_UNAVAILABLE", "KD006",
               fmt::format("The offset log for {} does not exist, checkpoint location: {}. "
                           "Please specify the batch ID which is available for querying - you "
                           "can query the available batch IDs via using state metadata data "
                           "source.",
                           batch, where))
        .with_parameter("batchId", std::to_string(batch))
        .with_parameter("checkpointLocation", where);
  return state_refused(
             "CANNOT_LOAD_STATE_STORE.CANNOT_READ_STREAMING_STATE_FILE", "58030",
             fmt::format("Error reading streaming state: batch {} of {} is not committed; {} "
                         "is the last that is.",
                         batch, where, commits.empty() ? -1 : commits.back()))
      .with_parameter("fileToRead",
                      io::join_path(checkpoint.checkpoint(), "commits/" + std::to_string(batch)));
}

Schema table_schema(const StateShape& shape, bool changes) {
  std::vector<columnar::Field> fields;
  if (changes) {
    fields.push_back(columnar::make_field("batch_id", DataType::of(TypeKind::kLong)));
    fields.push_back(columnar::make_field("change_type", DataType::of(TypeKind::kString)));
  }
  fields.push_back(columnar::make_field("key", shape.key()));
  fields.push_back(columnar::make_field("value", shape.value()));
  fields.push_back(columnar::make_field("partition_id", DataType::of(TypeKind::kInteger)));
  return Schema::structure(std::move(fields));
}

class StoreTable : public StateTable {
 public:
  StoreTable(CheckpointState checkpoint, StoreInfo store, StateOptions options, int64_t batch)
      : checkpoint_(std::move(checkpoint)),
        store_(std::move(store)),
        options_(std::move(options)),
        batch_(batch),
        shape_(StateShape::of(store_, options_.join_side != "none")),
        schema_(table_schema(shape_, options_.change_feed)) {}
  const Schema& schema() const override { return schema_; }
  std::string description() const override {
    return fmt::format("state of {}, operator {}, store {}, batch {}", checkpoint_.checkpoint(),
                       store_.operator_id, store_.spec.name, batch_);
  }

 protected:
  Result<base::JsonObject> manifest_of(int64_t batch) const {
    const auto& commits = checkpoint_.commits();
    if (!std::binary_search(commits.begin(), commits.end(), batch))
      return no_such_batch(checkpoint_, batch);
    WEIR_ASSIGN(auto manifest, checkpoint_.manifest(batch, store_));
    if (!manifest) return no_such_store(checkpoint_, options_, batch);
    return std::move(*manifest);
  }
  Result<BatchPtr> shaped(const arrow::RecordBatch& rows, arrow::ArrayVector before) const {
    WEIR_ASSIGN(auto key, shape_.key_of(rows));
    WEIR_ASSIGN(auto value, shape_.value_of(rows));
    before.push_back(std::move(key));
    before.push_back(std::move(value));
    before.push_back(rows.column(0));
    return arrow::RecordBatch::Make(columnar::to_arrow_schema(schema_), rows.num_rows(),
                                    std::move(before));
  }

  CheckpointState checkpoint_;
  StoreInfo store_;
  StateOptions options_;
  int64_t batch_;
  StateShape shape_;
  Schema schema_;
};

class VersionTable final : public StoreTable {
 public:
  using StoreTable::StoreTable;
  Result<std::unique_ptr<Reader>> read(int threads) const override {
    WEIR_ASSIGN(auto manifest, manifest_of(batch_));
    if (options_.snapshot_start) WEIR_TRY(begin_at_snapshot(manifest));
    WEIR_ASSIGN(auto rows,
                state::StateReader::open(checkpoint_.files(), checkpoint_.folder(), store_,
                                         base::BatchId(batch_), manifest, threads));
    return std::unique_ptr<Reader>(std::make_unique<Shards>(*this, std::move(rows)));
  }

 private:
  class Shards final : public Reader {
   public:
    Shards(const VersionTable& table, std::unique_ptr<state::StateReader> rows)
        : table_(table), rows_(std::move(rows)) {}
    int pieces() const override {
      return table_.options_.snapshot_partition ? 1 : table_.store_.shards;
    }
    Result<std::vector<BatchPtr>> read(int piece) override {
      const auto only = table_.options_.snapshot_partition;
      std::vector<BatchPtr> batches;
      WEIR_TRY(rows_->read(only ? static_cast<int>(*only) : piece,
                           [&](const auto& rows) -> Result<void> {
                             WEIR_ASSIGN(auto made, table_.shaped(*rows, {}));
                             batches.push_back(std::move(made));
                             return {};
                           }));
      return batches;
    }

   private:
    const VersionTable& table_;
    std::unique_ptr<state::StateReader> rows_;
  };

  // The version from that snapshot on by the batches' own changelogs, as commits name them.
  Result<void> begin_at_snapshot(base::JsonObject& manifest) const {
    const int64_t from = *options_.snapshot_start;
    base::JsonArray changelogs;
    std::optional<base::JsonObject> snapshot;
    for (const int64_t batch : checkpoint_.commits()) {
      if (batch <= from) continue;
      WEIR_ASSIGN(const auto commit, checkpoint_.manifest(batch, store_));
      if (!commit) continue;
      const auto* base = base::json_object(*commit, "snapshot");
      if (base != nullptr && base::json_int(*base, "version") == from) snapshot = *base;
      const auto* entries = base::json_array(*commit, "changelogs");
      if (batch > batch_ || entries == nullptr || entries->empty()) continue;
      if (base::json_int(entries->back().as_object(), "version") == batch)
        changelogs.push_back(entries->back());
    }
    if (!snapshot)
      return state_refused(
                 "CANNOT_LOAD_STATE_STORE.CANNOT_READ_MISSING_SNAPSHOT_FILE", "58030",
                 fmt::format("Error reading snapshot file of batch {} of {}: no commit that is "
                             "kept names a snapshot of that batch.",
                             from, description()))
          .with_parameter("fileToRead", std::to_string(from));
    manifest["snapshot"] = std::move(*snapshot);
    manifest["changelogs"] = std::move(changelogs);
    return {};
  }
};

class ChangesTable final : public StoreTable {
 public:
  using StoreTable::StoreTable;
  Result<std::unique_ptr<Reader>> read(int) const override {
    for (int64_t batch = *options_.change_start; batch <= batch_; ++batch)
      WEIR_TRY(manifest_of(batch));
    return std::unique_ptr<Reader>(std::make_unique<Batches>(*this));
  }

 private:
  class Batches final : public Reader {
   public:
    explicit Batches(const ChangesTable& table) : table_(table) {}
    int pieces() const override {
      return static_cast<int>(table_.batch_ - *table_.options_.change_start + 1);
    }
    Result<std::vector<BatchPtr>> read(int piece) override {
      return table_.changes_of(*table_.options_.change_start + piece);
    }

   private:
    const ChangesTable& table_;
  };

  Result<std::vector<BatchPtr>> changes_of(int64_t batch) const {
    WEIR_ASSIGN(const auto manifest, manifest_of(batch));
    const auto& commits = checkpoint_.commits();
    std::optional<base::JsonObject> before;
    if (std::binary_search(commits.begin(), commits.end(), batch - 1)) {
      WEIR_ASSIGN(before, checkpoint_.manifest(batch - 1, store_));
    }
    std::vector<BatchPtr> all;
    const auto take = [&](bool removed,
                          const std::shared_ptr<arrow::RecordBatch>& rows) -> Result<void> {
      WEIR_ARROW_ASSIGN(auto id,
                        arrow::MakeArrayFromScalar(arrow::Int64Scalar(batch), rows->num_rows()));
      WEIR_ARROW_ASSIGN(
          auto type, arrow::MakeArrayFromScalar(arrow::StringScalar(removed ? "delete" : "update"),
                                                rows->num_rows()));
      WEIR_ASSIGN(auto made, shaped(*rows, {std::move(id), std::move(type)}));
      all.push_back(std::move(made));
      return {};
    };
    WEIR_TRY(state::read_changes(checkpoint_.files(), checkpoint_.folder(), store_,
                                 base::BatchId(batch), manifest, before ? &*before : nullptr,
                                 take));
    return all;
  }
};

Result<void> check_variable(const StateOptions& options, const StoreInfo& store) {
  const std::string& name = store.spec.operator_name;
  if (!options.variable && !options.timers) return {};
  const char* option = options.variable ? "stateVarName" : "readRegisteredTimers";
  if (!name.starts_with("transformWithState"))
    return invalid_state_option(option,
                                fmt::format("Providing state variable names is only supported "
                                            "with the transformWithState operator. Found "
                                            "operator={}. Please remove this option and re-run "
                                            "the query.",
                                            name));
  return error(ErrorKind::kUnsupported,
               "The feature is not supported: the option {} over the state of {}", option, name)
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

}  // namespace

Result<std::shared_ptr<const StateTable>> StateTable::open(io::FileSystem& files, std::string path,
                                                           StateOptions options) {
  WEIR_ASSIGN(auto checkpoint, CheckpointState::open(files, std::move(path)));
  const auto& commits = checkpoint.commits();
  const auto asked = options.change_feed ? options.change_end : options.batch;
  if (!asked && commits.empty())
    return state_refused(
               "STDS_COMMITTED_BATCH_UNAVAILABLE", "KD006",
               fmt::format("No committed batch found, checkpoint location: file:{}. Ensure "
                           "that the query has run and committed any microbatch before "
                           "stopping.",
                           checkpoint.checkpoint()))
        .with_parameter("checkpointLocation", "file:" + checkpoint.checkpoint());
  const int64_t batch = asked ? *asked : commits.back();
  if (options.change_feed && batch < *options.change_start)
    return invalid_state_option(
        "changeEndBatchId",
        fmt::format("changeEndBatchId cannot be smaller than changeStartBatchId. Please check the "
                    "input to changeEndBatchId, or if you are using its default value, make sure "
                    "that changeStartBatchId is less than {}.",
                    batch));
  if (options.snapshot_start && *options.snapshot_start > batch)
    return invalid_state_option("snapshotStartBatchId",
                                fmt::format("value should be less than or equal to {}", batch));
  const std::string& wanted = options.join_side == "none" ? options.store : options.join_side;
  const auto& stores = checkpoint.stores();
  const auto found = std::find_if(stores.begin(), stores.end(), [&](const StoreInfo& store) {
    return store.operator_id == options.operator_id && store.spec.name == wanted &&
           (options.join_side == "none" || store.spec.operator_name == "symmetricHashJoin");
  });
  if (found == stores.end()) {
    const auto other = std::find_if(stores.begin(), stores.end(), [&](const StoreInfo& store) {
      return store.operator_id == options.operator_id;
    });
    if (other != stores.end() && options.store == "default")
      WEIR_TRY(check_variable(options, *other));
    return no_such_store(checkpoint, options, batch);
  }
  WEIR_TRY(check_variable(options, *found));
  if (!std::binary_search(commits.begin(), commits.end(), batch))
    return no_such_batch(checkpoint, batch);
  if (options.snapshot_partition && *options.snapshot_partition >= found->shards)
    return state_refused(
               "CANNOT_LOAD_STATE_STORE.SNAPSHOT_PARTITION_ID_NOT_FOUND", "58030",
               fmt::format("Partition id {} not found for state of operator {} at {}.",
                           *options.snapshot_partition, options.operator_id, checkpoint.folder()))
        .with_parameter("snapshotPartitionId", std::to_string(*options.snapshot_partition))
        .with_parameter("operatorId", std::to_string(options.operator_id))
        .with_parameter("checkpointLocation", checkpoint.folder());
  StoreInfo store = *found;
  if (options.change_feed)
    return std::shared_ptr<const StateTable>(std::make_shared<ChangesTable>(
        std::move(checkpoint), std::move(store), std::move(options), batch));
  return std::shared_ptr<const StateTable>(std::make_shared<VersionTable>(
      std::move(checkpoint), std::move(store), std::move(options), batch));
}

}  // namespace weir::operators
