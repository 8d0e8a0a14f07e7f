#include "state/state_reader.h"

#include <algorithm>
#include <charconv>

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/parse_integer.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "state/record.h"
#include "state/row_codec.h"
#include "state/versioned_store.h"

namespace weir::state {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

namespace {

constexpr size_t kBatchRows = 8192;

Result<StoreInfo> read_info(io::FileSystem& files, const std::string& folder) {
  const std::string path = io::join_path(folder, kMetadataFile);
  WEIR_ASSIGN(const std::string text, files.read_all(path));
  WEIR_ASSIGN(StoreInfo info, parse_metadata(text, path));
  WEIR_ASSIGN(const auto entries, files.list_recursive(folder));
  for (const io::FileInfo& entry : entries) {
    if (!entry.is_directory) info.bytes += entry.size;
    int64_t version = -1;
    std::from_chars(entry.name.data(), entry.name.data() + entry.name.size(), version);
    if (version >= 0 && entry.name.ends_with(kChangelogSuffix)) info.versions.push_back(version);
  }
  std::sort(info.versions.begin(), info.versions.end());
  info.versions.erase(std::unique(info.versions.begin(), info.versions.end()), info.versions.end());
  return info;
}

// Copies rows, since the store's views end with a call, and gives them as batches.
class TableWriter {
 public:
  TableWriter(const StoreInfo& store, ChangeVisitor visit)
      : store_(store),
        schema_(columnar::to_arrow_schema(state_table_schema(store))),
        visit_(std::move(visit)) {}

  Result<void> add(int shard, const StateRow& row, bool removed = false) {
    if (removed != removed_) WEIR_TRY(flush());
    removed_ = removed;
    shards_.push_back(shard);
    times_.push_back(row.time);
    keys_.emplace_back(row.key);
    values_.emplace_back(row.value);
    return keys_.size() < kBatchRows ? Result<void>() : flush();
  }

  Result<void> flush() {
    if (keys_.empty()) return {};
    const auto rows = static_cast<int64_t>(keys_.size());
    std::vector<ArrayPtr> columns(3);
    arrow::Int32Builder shards;
    WEIR_ARROW_TRY(shards.AppendValues(shards_));
    WEIR_ARROW_TRY(shards.Finish(&columns[0]));
    const std::vector<std::string_view> keys(keys_.begin(), keys_.end());
    WEIR_ASSIGN(const auto key_columns, decode_keys(store_.spec.key, keys));
    columns[1] = std::make_shared<arrow::StructArray>(schema_->field(1)->type(), rows, key_columns);
    if (removed_) {
      WEIR_ARROW_ASSIGN(columns[2], arrow::MakeArrayOfNull(schema_->field(2)->type(), rows));
    } else {
      const std::vector<std::string_view> values(values_.begin(), values_.end());
      WEIR_ASSIGN(const auto value_columns, decode_values(store_.spec.value, values));
      columns[2] =
          std::make_shared<arrow::StructArray>(schema_->field(2)->type(), rows, value_columns);
    }
    if (store_.spec.time != TimeBuckets::kNone) {
      arrow::TimestampBuilder times(schema_->field(3)->type(), arrow::default_memory_pool());
      WEIR_ARROW_TRY(times.AppendValues(times_));
      columns.emplace_back();
      WEIR_ARROW_TRY(times.Finish(&columns[3]));
    }
    shards_.clear();
    times_.clear();
    keys_.clear();
    values_.clear();
    return visit_(removed_, arrow::RecordBatch::Make(schema_, rows, columns));
  }

 private:
  const StoreInfo& store_;
  std::shared_ptr<arrow::Schema> schema_;
  ChangeVisitor visit_;
  bool removed_ = false;
  std::vector<int32_t> shards_;
  std::vector<int64_t> times_;
  std::vector<std::string> keys_;
  std::vector<std::string> values_;
};

Result<std::unique_ptr<VersionedStore>> load_to_read(io::FileSystem& files,
                                                     const std::string& folder,
                                                     const StoreInfo& store, const Manifest& chain,
                                                     int threads = 1) {
  StoreOptions options;
  options.threads = threads;
  options.files = &files;
  options.folder = folder;
  options.operator_id = store.operator_id;
  options.provider = store.provider;
  options.shards = store.shards;
  options.background = false;
  auto state = store.provider == Provider::kMemory
                   ? make_memory_store(std::move(options), store.spec)
                   : make_rocksdb_store(std::move(options), store.spec);
  WEIR_TRY(state->load(&chain, true));
  return state;
}

}  // namespace

Result<std::vector<StoreInfo>> list_stores(io::FileSystem& files, const std::string& folder) {
  std::vector<StoreInfo> stores;
  auto operators = files.list(folder);
  if (!operators.ok() && operators.error().kind() == ErrorKind::kNotFound) return stores;
  if (!operators.ok()) return std::move(operators).error();
  for (const io::FileInfo& entry : *operators) {
    if (!entry.is_directory || !base::parse_integer(entry.name)) continue;
    WEIR_ASSIGN(const auto names, files.list(entry.path));
    for (const io::FileInfo& store : names) {
      if (!store.is_directory) continue;
      WEIR_ASSIGN(StoreInfo info, read_info(files, store.path));
      stores.push_back(std::move(info));
    }
  }
  std::sort(stores.begin(), stores.end(), [](const StoreInfo& a, const StoreInfo& b) {
    return std::pair(a.operator_id, a.spec.name) < std::pair(b.operator_id, b.spec.name);
  });
  return stores;
}

Result<std::optional<std::string>> sparks_operator(io::FileSystem& files,
                                                   const std::string& folder) {
  WEIR_ASSIGN(const bool there, files.exists(folder));
  if (!there) return std::optional<std::string>();
  WEIR_ASSIGN(const auto operators, files.list(folder));
  for (const io::FileInfo& one : operators) {
    if (!one.is_directory || !base::parse_integer(one.name)) continue;
    WEIR_ASSIGN(const auto entries, files.list(one.path));
    for (const io::FileInfo& entry : entries) {
      if (entry.name == "_metadata") return std::optional(one.path);
      if (!entry.is_directory || !base::parse_integer(entry.name)) continue;
      WEIR_ASSIGN(const bool own, files.exists(io::join_path(entry.path, kMetadataFile)));
      if (!own) return std::optional(one.path);
    }
  }
  return std::optional<std::string>();
}

columnar::Schema state_table_schema(const StoreInfo& store) {
  std::vector<columnar::Field> fields;
  fields.push_back(columnar::make_field("partition_id", DataType::of(TypeKind::kInteger)));
  fields.push_back(columnar::make_field("key", store.spec.key));
  fields.push_back(columnar::make_field("value", store.spec.value));
  if (store.spec.time != TimeBuckets::kNone)
    fields.push_back(columnar::make_field("time", DataType::of(TypeKind::kTimestamp)));
  return DataType::structure(std::move(fields));
}

namespace {

class LoadedState final : public StateReader {
 public:
  LoadedState(const StoreInfo& store, std::unique_ptr<VersionedStore> state)
      : store_(store), state_(std::move(state)) {}
  Result<void> read(int shard, const BatchVisitor& visit) override {
    TableWriter writer(store_, [&](bool, const auto& rows) { return visit(rows); });
    const RowVisitor add = [&](std::span<const StateRow> rows) -> Result<void> {
      for (const StateRow& row : rows)
        WEIR_TRY(writer.add(shard, row));
      return {};
    };
    WEIR_TRY(state_->shard(shard).scan(kTimeMin, kTimeMax, add));
    return writer.flush();
  }

 private:
  const StoreInfo& store_;
  std::unique_ptr<VersionedStore> state_;
};

}  // namespace

Result<std::unique_ptr<StateReader>> StateReader::open(io::FileSystem& files,
                                                       const std::string& folder,
                                                       const StoreInfo& store, BatchId version,
                                                       const base::JsonObject& manifest,
                                                       int threads) {
  const std::string where = store_folder(folder, store.operator_id, store.spec.name);
  WEIR_ASSIGN(const Manifest chain, Manifest::parse(manifest, where));
  if (chain.version != version.value())
    return error(ErrorKind::kInvalidArgument, "{}: the commit is of version {}, not {}", where,
                 chain.version, version.value());
  WEIR_ASSIGN(auto state, load_to_read(files, folder, store, chain, threads));
  return std::unique_ptr<StateReader>(std::make_unique<LoadedState>(store, std::move(state)));
}

Result<void> read_state(io::FileSystem& files, const std::string& folder, const StoreInfo& store,
                        BatchId version, const base::JsonObject& manifest,
                        const BatchVisitor& visit) {
  WEIR_ASSIGN(const auto reader, StateReader::open(files, folder, store, version, manifest));
  for (int shard = 0; shard < store.shards; ++shard)
    WEIR_TRY(reader->read(shard, visit));
  return {};
}

Result<void> read_changes(io::FileSystem& files, const std::string& folder, const StoreInfo& store,
                          BatchId version, const base::JsonObject& manifest,
                          const base::JsonObject* before, const ChangeVisitor& visit) {
  const std::string where = store_folder(folder, store.operator_id, store.spec.name);
  WEIR_ASSIGN(const Manifest chain, Manifest::parse(manifest, where));
  const auto entry =
      std::find_if(chain.changelogs.begin(), chain.changelogs.end(),
                   [&](const BlockFileEntry& one) { return one.version == version.value(); });
  if (entry == chain.changelogs.end()) return {};  // it changed nothing
  WEIR_ASSIGN(const BlockFile file,
              BlockFile::open(files, io::join_path(where, entry->file), &*entry));
  const RecordForm form = RecordForm::of(store.spec);
  std::unique_ptr<VersionedStore> state;
  TableWriter writer(store, visit);
  std::string payload;
  for (const Block& block : file.blocks()) {
    if (block.shard >= store.shards) return file.damaged(block.offset, "there is no such shard");
    if (block.kind == BlockKind::kDropBucket) {
      if (before == nullptr) continue;
      if (state == nullptr) {
        WEIR_ASSIGN(const Manifest chain_before, Manifest::parse(*before, where));
        WEIR_ASSIGN(state, load_to_read(files, folder, store, chain_before));
      }
      const int64_t begin = block.bucket * form.width;
      const RowVisitor gone = [&](std::span<const StateRow> rows) -> Result<void> {
        for (const StateRow& row : rows)
          if (bucket_of(row.time, form.width) == block.bucket)
            WEIR_TRY(writer.add(block.shard, row, true));
        return {};
      };
      WEIR_TRY(state->shard(block.shard).scan(begin, begin + form.width - 1, gone));
      continue;
    }
    payload.resize(block.payload_bytes);
    WEIR_TRY(file.read(block, payload.data()));
    const char* at = payload.data();
    const char* end = at + payload.size();
    for (uint32_t row = 0; row < block.rows; ++row) {
      Record record;
      if (!form.read_checked(at, end, block.bucket, record))
        return file.damaged(block.offset, "the block does not hold changes of this store");
      at += record.bytes;
      WEIR_TRY(writer.add(block.shard,
                          {.time = record.time, .key = record.key, .value = record.value},
                          block.kind == BlockKind::kRemoves));
    }
  }
  return writer.flush();
}

Result<int64_t> verify_state(io::FileSystem& files, const std::string& folder,
                             const StoreInfo& store, const base::JsonObject& manifest) {
  const std::string where = store_folder(folder, store.operator_id, store.spec.name);
  WEIR_ASSIGN(const Manifest chain, Manifest::parse(manifest, where));
  WEIR_ASSIGN(const auto state, load_to_read(files, folder, store, chain));
  int64_t rows = 0;
  const RowVisitor count = [&](std::span<const StateRow> some) -> Result<void> {
    rows += static_cast<int64_t>(some.size());
    return {};
  };
  for (int shard = 0; shard < store.shards; ++shard)
    WEIR_TRY(state->shard(shard).scan(kTimeMin, kTimeMax, count));
  if (rows != chain.rows)
    return error(ErrorKind::kCorruption,
                 "{}: version {} has {} rows instead of the {} of its commit", where, chain.version,
                 rows, chain.rows);
  return rows;
}

Result<std::vector<std::string>> files_of(const base::JsonObject& manifest) {
  WEIR_ASSIGN(const Manifest chain, Manifest::parse(manifest, "a commit"));
  std::vector<std::string> names;
  if (chain.snapshot) names.push_back(base::json_string(*chain.snapshot, "file").value_or(""));
  for (const BlockFileEntry& entry : chain.changelogs)
    names.push_back(entry.file);
  return names;
}

}  // namespace weir::state
