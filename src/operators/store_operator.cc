#include "operators/store_operator.h"

#include <algorithm>
#include <numeric>

#include <arrow/api.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "columnar/arrow_types.h"
#include "eval/node.h"
#include "eval/vector.h"

namespace weir::operators {

StoreOperator::StoreOperator(std::string name, plan::OperatorPtr node, OutputMode mode,
                             StateEnvironment environment)
    : node_(std::move(node)),
      mode_(mode),
      environment_(std::move(environment)),
      output_schema_(columnar::Schema::structure({})) {
  metrics_.name = std::move(name);
  std::vector<columnar::Field> fields;  // hidden columns too: what is above reads by position
  for (const auto& column : node_->columns)
    fields.push_back(columnar::make_field(column.name, column.type, column.nullable));
  output_schema_ = columnar::Schema::structure(std::move(fields));
  arrow_schema_ = columnar::to_arrow_schema(output_schema_);
}

Result<void> StoreOperator::open(std::optional<base::BatchId> version,
                                 const base::JsonObject* manifest) {
  stores_.clear();
  for (auto& spec : specs()) {
    spec.operator_name = metrics_.name;
    state::StoreOptions options;
    options.files = environment_.files;
    options.random = &random_;
    options.folder = environment_.folder;
    options.operator_id = environment_.operator_id;
    options.threads = environment_.threads;
    if (environment_.shards > 0) options.shards = environment_.shards;
    options.rocksdb_memory = environment_.rocksdb_memory;
    if (environment_.provider == "rocksdb") {
      options.provider = state::Provider::kRocksDb;
    } else if (environment_.provider != "memory") {
      return base::error(base::ErrorKind::kInvalidArgument, "no state provider is called '{}'",
                         environment_.provider);
    }
    const auto* own = manifest ? base::json_object(*manifest, spec.name) : nullptr;
    if (manifest && !own) {
      return base::error(base::ErrorKind::kConflict,
                         "the checkpoint has no state named {} of operator {}: {}", spec.name,
                         environment_.operator_id, identity());
    }
    WEIR_ASSIGN(auto opened, state::StateStore::open(options, std::move(spec), version, own));
    stores_.push_back(std::move(opened));
  }
  return {};
}

Result<void> StoreOperator::begin(const BatchRun& run) {
  run_ = run;
  dropped_ = 0;
  const auto name = std::move(metrics_.name);
  metrics_ = {};
  metrics_.name = name;
  for (auto& one : stores_)
    WEIR_TRY(one->begin(run.batch));
  return {};
}

Result<base::JsonObject> StoreOperator::prepare() {
  const Stopwatch watch(metrics_.commit_us);
  base::JsonObject manifest;
  for (auto& one : stores_) {
    WEIR_ASSIGN(auto own, one->prepare());
    manifest[one->spec().name] = std::move(own);
  }
  return manifest;
}

void StoreOperator::committed() {
  for (auto& one : stores_)
    one->committed();
}

void StoreOperator::roll_back() {
  drop_collectors();
  for (auto& one : stores_)
    one->roll_back();
}

Result<void> StoreOperator::clean_up(const base::JsonObject& oldest) {
  for (auto& one : stores_) {
    if (const auto* own = base::json_object(oldest, one->spec().name))
      WEIR_TRY(one->clean_up(*own));
  }
  return {};
}

bool StoreOperator::is_large() const {
  const auto& held = stores_.front();
  int64_t rows = 0;
  for (int shard = 0; shard < held->shards(); ++shard)
    rows += held->shard(shard).rows();
  return is_many(rows);
}

bool StoreOperator::wants_batch_without_rows(int64_t eviction_us) const {
  const int64_t last_us = std::max<int64_t>(run_.eviction_us, 0);  // event time begins at 0
  return waits_for_event_time() && eviction_us > last_us;
}

OperatorMetrics StoreOperator::metrics() const {
  auto made = metrics_;
  made.rows_dropped_by_watermark = dropped_;
  state::StoreMetrics sum;
  for (const auto& one : stores_) {
    const auto state = one->metrics();
    made.rows_total += state.rows;
    made.rows_updated += state.rows_updated;
    made.rows_removed += state.rows_removed;
    made.memory_bytes += state.memory_bytes - state.shared_bytes;
    made.shards = one->shards();
    sum.changelog_bytes += state.changelog_bytes;
    sum.snapshot_bytes += state.snapshot_bytes;
    sum.disk_bytes += state.disk_bytes;
    sum.load_us += state.load_us;
    sum.snapshot_us = std::max(sum.snapshot_us, state.snapshot_us);
    sum.shared_bytes = std::max(sum.shared_bytes, state.shared_bytes);
    sum.shared_limit = std::max(sum.shared_limit, state.shared_limit);
  }
  if (stores_.empty()) return made;
  made.memory_bytes += sum.shared_bytes;
  made.custom["changelogBytes"] = sum.changelog_bytes;
  made.custom["loadMs"] = sum.load_us / 1000;
  made.custom["snapshotBytes"] = sum.snapshot_bytes;
  made.custom["snapshotMs"] = sum.snapshot_us / 1000;
  if (sum.shared_limit > 0) {
    made.custom["rocksdbMemoryLimitBytes"] = sum.shared_limit;
    made.custom["rocksdbMemoryUsedBytes"] = sum.shared_bytes;
    made.custom["rocksdbSstFileSize"] = sum.disk_bytes;
  } else {
    made.custom["stateOnCurrentVersionSizeBytes"] = made.memory_bytes;
  }
  return made;
}

Result<void> StoreOperator::give(const Output& output, std::vector<ArrayPtr> columns) {
  if (columns.size() != static_cast<size_t>(arrow_schema_->num_fields()))
    return base::error(base::ErrorKind::kInternal, "{} gives {} columns of {}", metrics_.name,
                       columns.size(), arrow_schema_->num_fields());
  const int64_t rows = columns.empty() ? 0 : columns[0]->length();
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto& type = arrow_schema_->field(static_cast<int>(i))->type();
    WEIR_ASSIGN(columns[i], eval::canonical(columns[i], type));
  }
  return output(arrow::RecordBatch::Make(arrow_schema_, rows, std::move(columns)));
}

Result<int64_t> drop_late(std::vector<int64_t>& times, int64_t late_us, BatchPtr& batch) {
  if (late_us == kNoWatermark) return 0;
  int64_t late = 0;
  for (const auto time : times)
    late += time <= late_us;
  if (late == 0) return 0;
  eval::BoolWriter keep(batch->num_rows());
  size_t kept = 0;
  for (size_t i = 0; i < times.size(); ++i) {
    keep.set(static_cast<int64_t>(i), times[i] > late_us);
    if (times[i] > late_us) times[kept++] = times[i];
  }
  times.resize(kept);
  WEIR_ASSIGN(batch, eval::filter_rows(batch, *keep.finish()));
  return late;
}

std::string aggregates_in_words(const plan::op::Aggregate& aggregate) {
  std::string words;
  for (const auto& one : aggregate.aggregates) {
    if (!words.empty()) words += ", ";
    const auto* call = std::get_if<plan::TypedCall>(&one->node);
    if (call == nullptr) continue;
    words += call->distinct ? "distinct " : "";
    words += call->function->name;
  }
  for (const auto& set : aggregate.sets)
    words += fmt::format(" ({})", fmt::join(set, ","));
  return words.empty() ? "no aggregates" : words;
}

std::vector<uint32_t> counted(int64_t rows) {
  std::vector<uint32_t> made(static_cast<size_t>(rows));
  std::iota(made.begin(), made.end(), 0u);
  return made;
}

}  // namespace weir::operators
