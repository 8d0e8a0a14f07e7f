#include "session/delta_source.h"

#include <algorithm>
#include <atomic>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "codec/schema_inference.h"
#include "columnar/arrow_adapter.h"
#include "delta/civil_time.h"
#include "delta/log_segment.h"
#include "delta/partition_values.h"
#include "delta/scan.h"
#include "delta/table.h"
#include "delta/table_features.h"
#include "relational/scan_schema.h"
#include "session/file_metadata.h"
#include "session/scan_predicate.h"

namespace weir::session {

using base::error;
using base::ErrorKind;
using relational::BatchPtr;
using relational::BatchStream;

namespace {

constexpr size_t kPlainFilesMax = 256;  // footers are looked at for each query

// One of the streams of a scan: each takes the next file that nobody has.
struct SharedScan {
  SharedScan(delta::Scan planned, std::string table, std::optional<size_t> metadata_at)
      : scan(std::move(planned)),
        folder(std::move(table)),
        metadata(metadata_at),
        schema(scan.schema()) {
    if (!metadata) return;
    auto fields = schema.fields();
    fields.insert(
        fields.begin() + static_cast<std::ptrdiff_t>(*metadata),
        columnar::make_field(std::string(plan::kMetadataColumn), plan::metadata_type(), false));
    schema = Schema::structure(std::move(fields));
  }
  delta::Scan scan;
  std::string folder;
  std::optional<size_t> metadata;  // which of the columns wanted is `_metadata`
  Schema schema;
  std::atomic<size_t> next_file{0};
};

class DeltaStream final : public BatchStream {
 public:
  explicit DeltaStream(std::shared_ptr<SharedScan> shared) : shared_(std::move(shared)) {}
  const Schema& schema() const override { return shared_->schema; }
  Result<BatchPtr> next(std::stop_token stop) override {
    while (true) {
      if (stop.stop_requested()) return error(ErrorKind::kCancelled, "the query was cancelled");
      if (!reader_) {
        const size_t file = shared_->next_file.fetch_add(1);
        if (file >= shared_->scan.files().size()) return BatchPtr();
        WEIR_ASSIGN(reader_, shared_->scan.open(file));
        if (shared_->metadata) {
          const auto& add = *shared_->scan.files()[file];
          WEIR_ASSIGN(auto path, delta::data_file_path(shared_->folder, add.path));
          file_ = {std::move(path), add.size, add.modification_time_ms * 1000, 0, add.size};
        }
      }
      WEIR_ASSIGN(auto batch, reader_->next());
      if (batch && shared_->metadata) return with_metadata(*batch);
      if (batch) return batch;
      reader_.reset();
    }
  }

 private:
  Result<BatchPtr> with_metadata(const arrow::RecordBatch& batch) const {
    const auto at = static_cast<int>(*shared_->metadata);
    WEIR_ASSIGN(auto values, metadata_values(file_, batch.num_rows()));
    auto field = arrow::field(std::string(plan::kMetadataColumn), values->type(), false);
    WEIR_ARROW_ASSIGN(auto made, batch.AddColumn(at, field, std::move(values)));
    return made;
  }

  FileMetadata file_;
  std::shared_ptr<SharedScan> shared_;
  std::unique_ptr<delta::FileReader> reader_;
};

// The newest version that was committed at `timestamp_us` or before. Times of the log's files, each
// at least a millisecond after the one before, as delta-spark counts them.
Result<int64_t> version_at(io::FileSystem& fs, const std::string& path, int64_t timestamp_us) {
  WEIR_ASSIGN(const auto files, fs.list(delta::log_path(path)));
  std::optional<int64_t> found;
  std::optional<int64_t> first_ms;
  int64_t last_ms = 0;
  bool later = false;
  for (const auto& file : files) {
    const auto name = delta::parse_log_file_name(file.name);
    if (name.kind != delta::LogFileKind::kCommit) continue;
    const int64_t at_ms =
        first_ms ? std::max(file.modified_us / 1000, last_ms + 1) : file.modified_us / 1000;
    if (!first_ms) first_ms = at_ms;
    last_ms = at_ms;
    if (at_ms * 1000 <= timestamp_us) {
      found = name.version.value();
    } else {
      later = true;
    }
  }
  if (!first_ms) {
    return error(ErrorKind::kNotFound, "{} is not a Delta table: it has no _delta_log with commits",
                 path)
        .with_class("DELTA_TABLE_NOT_FOUND");
  }
  const auto shown = [](int64_t us) { return delta::timestamp_text(us, ' ', 3); };
  if (!found) {
    return error(ErrorKind::kNotFound,
                 "The provided timestamp ({}) is before the earliest version available to this "
                 "table ({}). Please use a timestamp after {}.",
                 shown(timestamp_us), shown(*first_ms * 1000), shown(*first_ms * 1000))
        .with_class("DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION")
        .with_sql_state("42816")
        .with_parameter("userTimestamp", shown(timestamp_us))
        .with_parameter("commitTs", shown(*first_ms * 1000))
        .with_parameter("timestampString", shown(*first_ms * 1000));
  }
  if (!later && timestamp_us > last_ms * 1000 + 999) {
    return error(ErrorKind::kNotFound,
                 "The provided timestamp ({}) is after the latest version available to this table "
                 "({}). Please use a timestamp before or at {}.",
                 shown(timestamp_us), shown(last_ms * 1000), shown(last_ms * 1000))
        .with_class("DELTA_TIMESTAMP_GREATER_THAN_COMMIT")
        .with_sql_state("42816")
        .with_parameter("providedTimestamp", shown(timestamp_us))
        .with_parameter("tableName", shown(last_ms * 1000))
        .with_parameter("maximumTimestamp", shown(last_ms * 1000));
  }
  return *found;
}

}  // namespace

plan::TablePtr DeltaSource::with_metadata() const {
  auto shown = with_metadata_column(snapshot_->schema());
  if (!shown) return nullptr;
  auto made = std::make_shared<DeltaSource>(*this);
  made->shown_ = std::move(shown);
  return made;
}

std::string DeltaSource::description() const {
  return fmt::format("delta `{}` version {}", snapshot_->path(), snapshot_->version().value());
}

Result<std::vector<std::unique_ptr<BatchStream>>> DeltaSource::scan(const std::vector<int>& columns,
                                                                    const plan::TypedPtr& condition,
                                                                    int streams) const {
  delta::ScanOptions options;
  options.columns.emplace();
  std::optional<size_t> metadata;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (static_cast<size_t>(columns[i]) >= snapshot_->schema().fields().size()) {
      metadata = i;
    } else {
      options.columns->push_back(schema().fields()[static_cast<size_t>(columns[i])].name);
    }
  }
  options.predicate = scan_predicate(condition, schema(), columns);
  WEIR_ASSIGN(auto planned, delta::Scan::plan(services_.fs, snapshot_, std::move(options)));
  const auto wanted = std::max<size_t>(
      1, std::min(planned.files().size(), static_cast<size_t>(std::max(1, streams))));
  auto shared = std::make_shared<SharedScan>(std::move(planned), snapshot_->path(), metadata);
  std::vector<std::unique_ptr<BatchStream>> all;
  for (size_t i = 0; i < wanted; ++i)
    all.push_back(std::make_unique<DeltaStream>(shared));
  return all;
}

std::optional<relational::PlainParquet> DeltaSource::plain_parquet(
    const std::vector<int>& columns, const plan::TypedPtr& condition) const {
  if (columns.empty() || delta::column_mapping_mode(snapshot_->protocol(), snapshot_->metadata()) !=
                             delta::ColumnMappingMode::kNone)
    return std::nullopt;
  const auto stored = static_cast<int>(snapshot_->schema().fields().size());
  if (std::any_of(columns.begin(), columns.end(), [&](int column) { return column >= stored; }))
    return std::nullopt;
  const Schema wanted = relational::pick_fields(schema(), columns);
  const auto& partitions = snapshot_->partition_columns();
  relational::PlainParquet plain;
  for (const auto& field : wanted.fields()) {
    if (std::find(partitions.begin(), partitions.end(), field.name) != partitions.end())
      return std::nullopt;
    plain.names.push_back(field.name);
  }
  delta::ScanOptions options;
  options.columns = plain.names;
  options.predicate = scan_predicate(condition, schema(), columns);
  const auto planned = delta::Scan::plan(services_.fs, snapshot_, std::move(options));
  if (!planned.ok() || planned->files().size() > kPlainFilesMax) return std::nullopt;
  for (const auto& file : planned->files()) {
    if (file->deletion_vector) return std::nullopt;
    auto path = delta::data_file_path(snapshot_->path(), file->path);
    if (!path.ok() || !codec::has_plain_columns(services_.fs, *path, wanted)) return std::nullopt;
    plain.paths.push_back(std::move(*path));
  }
  return plain;
}

std::optional<relational::ChosenFiles> DeltaSource::chosen_files(
    const std::vector<int>& columns, const plan::TypedPtr& condition) const {
  delta::ScanOptions options;
  options.columns.emplace();
  options.predicate = scan_predicate(condition, schema(), columns);
  const auto planned = delta::Scan::plan(services_.fs, snapshot_, std::move(options));
  if (!planned.ok()) return std::nullopt;
  return relational::ChosenFiles{static_cast<int64_t>(planned->files().size()),
                                 planned->files_skipped()};
}

std::string DeltaSource::state() const {
  return fmt::format("{} {} {}", snapshot_->path(), snapshot_->metadata().id,
                     snapshot_->version().value());
}

std::optional<int64_t> DeltaSource::rows_estimate() const {
  delta::ScanOptions options;
  options.columns.emplace();
  const auto planned = delta::Scan::plan(services_.fs, snapshot_, std::move(options));
  if (!planned.ok()) return std::nullopt;
  return planned->row_count_by_statistics();
}

void DeltaSource::add_properties(std::map<std::string, std::string>& properties) const {
  for (const auto& [key, value] : snapshot_->metadata().configuration)
    properties[key] = value;
  const auto& protocol = snapshot_->protocol();
  properties["delta.minReaderVersion"] = std::to_string(protocol.min_reader_version);
  properties["delta.minWriterVersion"] = std::to_string(protocol.min_writer_version);
}

Result<std::shared_ptr<const DeltaSource>> open_delta(const Services& services,
                                                      const std::string& path,
                                                      const DeltaState& state) {
  WEIR_ASSIGN(const std::string folder, delta::table_path(path));
  std::optional<base::TableVersion> version;
  if (state.version) version = base::TableVersion(*state.version);
  if (state.timestamp_us) {
    WEIR_ASSIGN(const int64_t at, version_at(services.fs, folder, *state.timestamp_us));
    version = base::TableVersion(at);
  }
  WEIR_ASSIGN(auto snapshot, delta::Table::snapshot_at(services.fs, folder, version));
  return std::shared_ptr<const DeltaSource>(
      std::make_shared<DeltaSource>(services, std::move(snapshot), version.has_value()));
}

Result<bool> is_delta_table(io::FileSystem& fs, const std::string& path) {
  const auto segment = delta::list_log_segment(fs, path, std::nullopt);
  if (segment.ok()) return segment->has_value();
  if (segment.error().kind() == ErrorKind::kNotFound) return false;
  return segment.error();
}

}  // namespace weir::session
