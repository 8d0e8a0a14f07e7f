#include "delta/checkpoint_writer.h"

#include <algorithm>
#include <charconv>

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/io/buffered.h>
#include <arrow/record_batch.h>
#include <arrow/table_builder.h>
#include <arrow/type.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include "columnar/arrow_adapter.h"
#include "delta/checkpoint_reader.h"
#include "delta/log_segment.h"
#include "delta/table_features.h"

namespace weir::delta {
namespace {

using base::ErrorKind;

constexpr int64_t kRowsPerBatch = 8192;
constexpr int64_t kDayMs = 86'400'000;

using TypePtr = std::shared_ptr<arrow::DataType>;

TypePtr text_map() { return arrow::map(arrow::utf8(), arrow::utf8()); }

TypePtr deletion_vector_type() {
  return arrow::struct_(
      {arrow::field("storageType", arrow::utf8()), arrow::field("pathOrInlineDv", arrow::utf8()),
       arrow::field("offset", arrow::int32()), arrow::field("sizeInBytes", arrow::int32()),
       arrow::field("cardinality", arrow::int64())});
}

std::shared_ptr<arrow::Schema> checkpoint_schema() {
  using arrow::field;
  const TypePtr& text = arrow::utf8();
  const TypePtr& number = arrow::int64();
  return arrow::schema({
      field("txn", arrow::struct_({field("appId", text), field("version", number),
                                   field("lastUpdated", number)})),
      field("add",
            arrow::struct_(
                {field("path", text), field("partitionValues", text_map()), field("size", number),
                 field("modificationTime", number), field("dataChange", arrow::boolean()),
                 field("stats", text), field("tags", text_map()),
                 field("deletionVector", deletion_vector_type()), field("baseRowId", number),
                 field("defaultRowCommitVersion", number), field("clusteringProvider", text)})),
      field("remove",
            arrow::struct_({field("path", text), field("deletionTimestamp", number),
                            field("dataChange", arrow::boolean()),
                            field("extendedFileMetadata", arrow::boolean()),
                            field("partitionValues", text_map()), field("size", number),
                            field("deletionVector", deletion_vector_type()),
                            field("baseRowId", number), field("defaultRowCommitVersion", number)})),
      field("metaData",
            arrow::struct_(
                {field("id", text), field("name", text), field("description", text),
                 field("format",
                       arrow::struct_({field("provider", text), field("options", text_map())})),
                 field("schemaString", text), field("partitionColumns", arrow::list(text)),
                 field("configuration", text_map()), field("createdTime", number)})),
      field("protocol", arrow::struct_({field("minReaderVersion", arrow::int32()),
                                        field("minWriterVersion", arrow::int32()),
                                        field("readerFeatures", arrow::list(text)),
                                        field("writerFeatures", arrow::list(text))})),
      field("domainMetadata", arrow::struct_({field("domain", text), field("configuration", text),
                                              field("removed", arrow::boolean())})),
  });
}

// Appends values to a struct's children one after the other; the first failure is kept.
class StructAppender {
 public:
  StructAppender(arrow::StructBuilder& builder, arrow::Status& status)
      : builder_(builder), status_(status) {
    keep(builder.Append());
  }
  void text(const std::optional<std::string>& value) {
    auto& child = next<arrow::StringBuilder>();
    keep(value ? child.Append(*value) : child.AppendNull());
  }
  void number(std::optional<int64_t> value) {
    auto& child = next<arrow::Int64Builder>();
    keep(value ? child.Append(*value) : child.AppendNull());
  }
  void small_number(std::optional<int32_t> value) {
    auto& child = next<arrow::Int32Builder>();
    keep(value ? child.Append(*value) : child.AppendNull());
  }
  void boolean(std::optional<bool> value) {
    auto& child = next<arrow::BooleanBuilder>();
    keep(value ? child.Append(*value) : child.AppendNull());
  }
  void list(const std::optional<std::vector<std::string>>& values) {
    auto& child = next<arrow::ListBuilder>();
    if (!values) return keep(child.AppendNull());
    keep(child.Append());
    for (const std::string& value : *values)
      keep(static_cast<arrow::StringBuilder*>(child.value_builder())->Append(value));
  }
  void map(const std::optional<StringMap>& values) {
    auto& child = next<arrow::MapBuilder>();
    if (!values) return keep(child.AppendNull());
    keep(child.Append());
    for (const auto& [key, value] : *values)
      append_entry(child, key, value);
  }
  void partition_values(const std::optional<PartitionValues>& values) {
    auto& child = next<arrow::MapBuilder>();
    if (!values) return keep(child.AppendNull());
    keep(child.Append());
    for (const auto& [key, value] : *values)
      append_entry(child, key, value);
  }
  void deletion_vector(const std::optional<DeletionVectorDescriptor>& vector) {
    auto& child = next<arrow::StructBuilder>();
    if (!vector) return keep(child.AppendNull());
    StructAppender inner(child, status_);
    inner.text(vector->storage_type);
    inner.text(vector->path_or_inline);
    inner.small_number(vector->offset);
    inner.small_number(vector->size_in_bytes);
    inner.number(vector->cardinality);
  }
  arrow::StructBuilder& structure() { return next<arrow::StructBuilder>(); }

 private:
  template <typename Builder>
  Builder& next() {
    return static_cast<Builder&>(*builder_.field_builder(index_++));
  }
  void append_entry(arrow::MapBuilder& map, const std::string& key,
                    const std::optional<std::string>& value) {
    keep(static_cast<arrow::StringBuilder*>(map.key_builder())->Append(key));
    auto* items = static_cast<arrow::StringBuilder*>(map.item_builder());
    keep(value ? items->Append(*value) : items->AppendNull());
  }
  void keep(const arrow::Status& status) {
    if (status_.ok()) status_ = status;
  }
  arrow::StructBuilder& builder_;
  arrow::Status& status_;
  int index_ = 0;
};

// Turns actions into rows and writes them batch by batch.
class CheckpointFile {
 public:
  ~CheckpointFile() {
    if (stream_ == nullptr) return;  // finished, or never opened
    try {
      writer_.reset();
    } catch (...) {  // parquet's destructor writes a footer into the buffer; it goes no further
    }
    (void)stream_->Abort();
  }
  Result<void> open(io::FileSystem& fs, const std::string& path) {
    WEIR_ASSIGN(file_, fs.create(path));
    schema_ = checkpoint_schema();
    auto* pool = arrow::default_memory_pool();
    WEIR_ARROW_ASSIGN(stream_, arrow::io::BufferedOutputStream::Create(
                                   256 * 1024, pool, columnar::arrow_output(*file_)));
    parquet::WriterProperties::Builder properties;
    properties.compression(arrow::Compression::SNAPPY);
    properties.disable_statistics();
    properties.created_by("weir");
    WEIR_ARROW_ASSIGN(
        writer_, parquet::arrow::FileWriter::Open(*schema_, pool, stream_, properties.build()));
    WEIR_ARROW_ASSIGN(builder_, arrow::RecordBatchBuilder::Make(schema_, pool, kRowsPerBatch));
    return {};
  }
  // A row with this action in column `column`; fill() appends the struct's members.
  template <typename Fill>
  Result<void> row(int column, Fill fill) {
    for (int i = 0; i < schema_->num_fields(); ++i) {
      auto& child = static_cast<arrow::StructBuilder&>(*builder_->GetField(i));
      if (i == column) {
        StructAppender appender(child, status_);
        fill(appender);
      } else {
        WEIR_ARROW_TRY(child.AppendNull());
      }
    }
    WEIR_ARROW_TRY(status_);
    ++actions_;
    if (++pending_ < kRowsPerBatch) return {};
    return flush();
  }
  Result<int64_t> finish() {
    WEIR_TRY(flush());
    WEIR_ARROW_TRY(writer_->Close());
    WEIR_ARROW_TRY(stream_->Flush());
    stream_.reset();
    WEIR_TRY(file_->sync());
    const int64_t bytes = file_->size();
    WEIR_TRY(file_->close());
    return bytes;
  }
  int64_t actions() const { return actions_; }

 private:
  Result<void> flush() {
    if (pending_ == 0) return {};
    WEIR_ARROW_ASSIGN(auto batch, builder_->Flush());
    pending_ = 0;
    WEIR_ARROW_TRY(writer_->WriteRecordBatch(*batch));
    return {};
  }
  std::unique_ptr<io::WritableFile> file_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::io::BufferedOutputStream> stream_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  std::unique_ptr<arrow::RecordBatchBuilder> builder_;
  arrow::Status status_;
  int64_t pending_ = 0;
  int64_t actions_ = 0;
};

enum Column { kTxn, kAdd, kRemove, kMetaData, kProtocol, kDomainMetadata };

Result<void> write_head(CheckpointFile& file, const CheckpointContent& content) {
  WEIR_TRY(file.row(kProtocol, [&](StructAppender& row) {
    row.small_number(content.protocol->min_reader_version);
    row.small_number(content.protocol->min_writer_version);
    row.list(content.protocol->reader_features);
    row.list(content.protocol->writer_features);
  }));
  WEIR_TRY(file.row(kMetaData, [&](StructAppender& row) {
    const Metadata& metadata = *content.metadata;
    row.text(metadata.id);
    row.text(metadata.name);
    row.text(metadata.description);
    arrow::Status status;
    StructAppender format(row.structure(), status);
    format.text(metadata.format_provider);
    format.map(metadata.format_options);
    row.text(metadata.schema_string);
    row.list(metadata.partition_columns);
    row.map(metadata.configuration);
    row.number(metadata.created_time_ms);
  }));
  for (const SetTransaction& transaction : content.transactions) {
    WEIR_TRY(file.row(kTxn, [&](StructAppender& row) {
      row.text(transaction.app_id);
      row.number(transaction.version);
      row.number(transaction.last_updated_ms);
    }));
  }
  for (const DomainMetadata& domain : content.domains) {
    WEIR_TRY(file.row(kDomainMetadata, [&](StructAppender& row) {
      row.text(domain.domain);
      row.text(domain.configuration);
      row.boolean(domain.removed);
    }));
  }
  return {};
}

Result<void> write_add(CheckpointFile& file, const AddFile& add) {
  return file.row(kAdd, [&](StructAppender& row) {
    row.text(add.path);
    row.partition_values(add.partition_values);
    row.number(add.size);
    row.number(add.modification_time_ms);
    row.boolean(false);  // a checkpoint only repeats what the log had
    row.text(add.stats.empty() ? std::nullopt : std::optional<std::string>(add.stats));
    row.map(add.tags);
    row.deletion_vector(add.deletion_vector);
    row.number(add.base_row_id);
    row.number(add.default_row_commit_version);
    row.text(add.clustering_provider);
  });
}

Result<void> write_remove(CheckpointFile& file, const RemoveFile& remove) {
  return file.row(kRemove, [&](StructAppender& row) {
    row.text(remove.path);
    row.number(remove.deletion_timestamp_ms);
    row.boolean(false);
    row.boolean(remove.extended_file_metadata);
    row.partition_values(remove.partition_values);
    row.number(remove.size);
    row.deletion_vector(remove.deletion_vector);
    row.number(remove.base_row_id);
    row.number(remove.default_row_commit_version);
  });
}

int64_t interval_property_ms(const Metadata& metadata, const std::string& key,
                             int64_t otherwise_ms) {
  const auto found = metadata.configuration.find(key);
  if (found == metadata.configuration.end()) return otherwise_ms;
  return parse_interval_ms(found->second).value_or(otherwise_ms);
}

// The tombstones of a version, out of the log: those of the checkpoint before it that are still
// there, and those that came since.
Result<void> write_tombstones(CheckpointFile& file, io::FileSystem& fs,
                              const std::string& table_path, const CheckpointContent& content,
                              int64_t expired_ms) {
  WEIR_ASSIGN(const auto segment, list_log_segment(fs, table_path, content.version));
  if (!segment) return base::error(ErrorKind::kDataLoss, "table {}: its log is gone", table_path);
  std::unordered_set<FileKey> settled;  // files of the version, and tombstones that are written
  for (const auto& add : content.files)
    settled.insert(file_key(*add));
  Result<void> written;
  const auto take = [&](const std::vector<Action>& actions) {
    for (const Action& action : actions) {
      const auto* remove = std::get_if<RemoveFile>(&action);
      if (!written.ok() || remove == nullptr ||
          remove->deletion_timestamp_ms.value_or(0) <= expired_ms ||
          !settled.insert(file_key(*remove)).second)
        continue;
      written = write_remove(file, *remove);
    }
  };
  for (auto commit = segment->commits.rbegin(); commit != segment->commits.rend(); ++commit) {
    WEIR_ASSIGN(const std::string text, fs.read_all(commit->path));
    WEIR_ASSIGN(const auto actions, parse_actions(text, commit->path));
    take(actions);
    WEIR_TRY(written);
  }
  if (segment->checkpoint)
    WEIR_TRY(
        read_checkpoint(fs, table_path, *segment->checkpoint, take, CheckpointActions::kRemoves));
  return written;
}

Result<int64_t> write_content(const Environment& environment, const std::string& table_path,
                              const std::string& path, const CheckpointContent& content,
                              int64_t& actions) {
  const int64_t expired_ms =
      environment.clock.now_ms() -
      interval_property_ms(*content.metadata, "delta.deletedFileRetentionDuration", 7 * kDayMs);
  CheckpointFile file;
  WEIR_TRY(file.open(environment.fs, path));
  WEIR_TRY(write_head(file, content));
  for (const auto& add : content.files)
    WEIR_TRY(write_add(file, *add));
  WEIR_TRY(write_tombstones(file, environment.fs, table_path, content, expired_ms));
  WEIR_ASSIGN(const int64_t bytes, file.finish());
  actions = file.actions();
  return bytes;
}

Result<void> check_form(const std::string& table_path, const CheckpointContent& content) {
  const auto& configuration = content.metadata->configuration;
  const auto policy = configuration.find("delta.checkpointPolicy");
  const bool v2 = policy != configuration.end() && policy->second == "v2";
  const auto as_json = configuration.find("delta.checkpoint.writeStatsAsJson");
  const bool no_json = as_json != configuration.end() && as_json->second == "false";
  if (!v2 && !no_json &&
      !property_is_true(*content.metadata, "delta.checkpoint.writeStatsAsStruct"))
    return {};
  return base::error(
      ErrorKind::kUnsupported,
      "table {}: checkpoints of the form that its properties ask for ({}) are not written",
      table_path, v2 ? "delta.checkpointPolicy=v2" : "statistics as struct");
}

}  // namespace

Result<CheckpointWritten> write_checkpoint(const Environment& environment,
                                           const std::string& table_path,
                                           const CheckpointContent& content) {
  WEIR_TRY(check_form(table_path, content));
  const std::string folder = log_path(table_path);
  const std::string name = fmt::format("{:020d}.checkpoint.parquet", content.version.value());
  const std::string temporary = io::join_path(
      folder, fmt::format("{}{}.{}", io::kTemporaryPrefix, base::uuid(environment.random), name));
  CheckpointWritten written{content.version};
  Result<int64_t> bytes = base::error(ErrorKind::kInternal, "not written");
  try {
    bytes = write_content(environment, table_path, temporary, content, written.actions);
  } catch (const std::exception& exception) {
    bytes = base::error(ErrorKind::kInternal, "checkpoint {}: {}", name, exception.what());
  }
  if (!bytes.ok()) {
    (void)environment.fs.remove(temporary);
    return std::move(bytes).error();
  }
  written.bytes = *bytes;
  WEIR_TRY(environment.fs.rename(temporary, io::join_path(folder, name)));
  WEIR_TRY(environment.fs.sync_dir(folder));
  base::JsonObject last;
  last["version"] = written.version.value();
  last["size"] = written.actions;
  last["sizeInBytes"] = written.bytes;
  last["numOfAddFiles"] = static_cast<int64_t>(content.files.size());
  WEIR_TRY(
      environment.fs.replace(io::join_path(folder, "_last_checkpoint"), base::json_text(last)));
  return written;
}

Result<int64_t> clean_up_log(const Environment& environment, const std::string& table_path,
                             const Metadata& metadata) {
  const auto enabled = metadata.configuration.find("delta.enableExpiredLogCleanup");
  if (enabled != metadata.configuration.end() && enabled->second == "false") return int64_t{0};
  const int64_t cutoff_us =
      (environment.clock.now_ms() -
       interval_property_ms(metadata, "delta.logRetentionDuration", 30 * kDayMs)) *
      1000;
  WEIR_ASSIGN(const auto files, environment.fs.list(log_path(table_path)));
  // Everything from the newest expired classic checkpoint on stays: younger versions are built on
  // it.
  std::optional<TableVersion> base;
  for (const io::FileInfo& file : files) {
    const LogFileName name = parse_log_file_name(file.name);
    if (name.kind == LogFileKind::kCheckpoint && name.parts == 1 && !name.uuid_named &&
        file.modified_us < cutoff_us) {
      base = std::max(base.value_or(name.version), name.version);
    }
  }
  int64_t removed = 0;
  for (const io::FileInfo& file : files) {
    const LogFileName name = parse_log_file_name(file.name);
    if (!base || name.kind == LogFileKind::kOther || name.version >= *base ||
        file.modified_us >= cutoff_us)
      continue;
    WEIR_TRY(environment.fs.remove(file.path));
    ++removed;
  }
  return removed;
}

std::optional<int64_t> parse_interval_ms(std::string_view text) {
  const auto next_word = [&] {
    while (text.starts_with(' '))
      text.remove_prefix(1);
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    return word;
  };
  if (next_word() != "interval") return std::nullopt;
  int64_t total_ms = 0;
  while (true) {
    const std::string_view count_text = next_word();
    if (count_text.empty()) return total_ms > 0 ? std::optional<int64_t>(total_ms) : std::nullopt;
    int64_t count = 0;
    const auto [end, code] =
        std::from_chars(count_text.data(), count_text.data() + count_text.size(), count);
    std::string_view unit = next_word();
    if (code != std::errc() || end != count_text.data() + count_text.size()) return std::nullopt;
    if (unit.ends_with('s')) unit.remove_suffix(1);
    const int64_t unit_ms = unit == "millisecond" ? 1
                            : unit == "second"    ? 1000
                            : unit == "minute"    ? 60'000
                            : unit == "hour"      ? 3'600'000
                            : unit == "day"       ? kDayMs
                            : unit == "week"      ? 7 * kDayMs
                                                  : 0;
    if (unit_ms == 0) return std::nullopt;
    total_ms += count * unit_ms;
  }
}

}  // namespace weir::delta
