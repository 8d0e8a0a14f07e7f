#include "state/state_reader.h"

#include <algorithm>
#include <charconv>

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
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
  using Visit = std::function<Result<void>(const std::shared_ptr<arrow::RecordBatch>&)>;
  TableWriter(const StoreInfo& store, const Visit& visit)
      : store_(store),
        schema_(columnar::to_arrow_schema(state_table_schema(store))),
        visit_(visit) {}

  Result<void> add(int shard, const StateRow& row) {
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
    const std::vector<std::string_view> values(values_.begin(), values_.end());
    WEIR_ASSIGN(const auto key_columns, decode_keys(store_.spec.key, keys));
    WEIR_ASSIGN(const auto value_columns, decode_values(store_.spec.value, values));
    columns[1] = std::make_shared<arrow::StructArray>(schema_->field(1)->type(), rows, key_columns);
    columns[2] =
        std::make_shared<arrow::StructArray>(schema_->field(2)->type(), rows, value_columns);
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
    return visit_(arrow::RecordBatch::Make(schema_, rows, columns));
  }

 private:
  const StoreInfo& store_;
  std::shared_ptr<arrow::Schema> schema_;
  const Visit& visit_;
  std::vector<int32_t> shards_;
  std::vector<int64_t> times_;
  std::vector<std::string> keys_;
  std::vector<std::string> values_;
};

}  // namespace

Result<std::vector<StoreInfo>> list_stores(io::FileSystem& files, const std::string& folder) {
  std::vector<StoreInfo> stores;
  auto operators = files.list(folder);
  if (!operators.ok() && operators.error().kind() == ErrorKind::kNotFound) return stores;
  if (!operators.ok()) return std::move(operators).error();
  for (const io::FileInfo& entry : *operators) {
    int64_t id = -1;
    const char* end = entry.name.data() + entry.name.size();
    if (!entry.is_directory || std::from_chars(entry.name.data(), end, id).ptr != end) continue;
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

columnar::Schema state_table_schema(const StoreInfo& store) {
  std::vector<columnar::Field> fields;
  fields.push_back(columnar::make_field("partition_id", DataType::of(TypeKind::kInteger)));
  fields.push_back(columnar::make_field("key", store.spec.key));
  fields.push_back(columnar::make_field("value", store.spec.value));
  if (store.spec.time != TimeBuckets::kNone)
    fields.push_back(columnar::make_field("time", DataType::of(TypeKind::kTimestamp)));
  return DataType::structure(std::move(fields));
}

Result<void> read_state(
    io::FileSystem& files, const std::string& folder, const StoreInfo& store, BatchId version,
    const base::JsonObject& manifest,
    const std::function<Result<void>(const std::shared_ptr<arrow::RecordBatch>&)>& visit) {
  const std::string where = store_folder(folder, store.operator_id, store.spec.name);
  WEIR_ASSIGN(const Manifest chain, Manifest::parse(manifest, where));
  if (chain.version != version.value())
    return error(ErrorKind::kInvalidArgument, "{}: the commit is of version {}, not {}", where,
                 chain.version, version.value());
  StoreOptions options;
  options.files = &files;
  options.folder = folder;
  options.operator_id = store.operator_id;
  options.provider = store.provider;
  options.shards = store.shards;
  options.background = false;
  const auto state = store.provider == Provider::kMemory
                         ? make_memory_store(std::move(options), store.spec)
                         : make_rocksdb_store(std::move(options), store.spec);
  WEIR_TRY(state->load(&chain, true));
  TableWriter writer(store, visit);
  for (int shard = 0; shard < store.shards; ++shard) {
    const RowVisitor add = [&](std::span<const StateRow> rows) -> Result<void> {
      for (const StateRow& row : rows)
        WEIR_TRY(writer.add(shard, row));
      return {};
    };
    WEIR_TRY(state->shard(shard).scan(kTimeMin, kTimeMax, add));
  }
  return writer.flush();
}

}  // namespace weir::state
