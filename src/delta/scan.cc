#include "delta/scan.h"

#include <algorithm>
#include <numeric>

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "delta/conform.h"
#include "delta/deletion_vector.h"
#include "delta/partition_values.h"
#include "delta/table_features.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using columnar::Field;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

FieldMatch field_match(const TableSnapshot& snapshot) {
  switch (column_mapping_mode(snapshot.protocol(), snapshot.metadata())) {
    case ColumnMappingMode::kNone:
      return FieldMatch::kName;
    case ColumnMappingMode::kName:
      return FieldMatch::kPhysicalName;
    case ColumnMappingMode::kId:
      return FieldMatch::kFieldId;
  }
  return FieldMatch::kName;
}

struct OutputColumn {
  Field field;
  std::shared_ptr<arrow::Scalar> partition_value;  // null: from the file
};

class ParquetFileReader final : public FileReader {
 public:
  ParquetFileReader(std::shared_ptr<arrow::Schema> schema, std::vector<OutputColumn> columns,
                    FieldMatch match, int64_t batch_rows)
      : schema_(std::move(schema)),
        columns_(std::move(columns)),
        match_(match),
        batch_rows_(batch_rows) {}

  Result<void> open(io::FileSystem& fs, const std::string& path, std::vector<int64_t> deleted) {
    path_ = path;
    deleted_ = std::move(deleted);
    return guarded([&]() -> Result<void> {
      WEIR_ASSIGN(auto file, fs.open_read(path));
      WEIR_ASSIGN(auto input, columnar::arrow_input(std::move(file)));
      parquet::ArrowReaderProperties properties(/*use_threads=*/false);
      properties.set_batch_size(batch_rows_);
      properties.set_pre_buffer(false);
      properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
      parquet::arrow::FileReaderBuilder builder;
      WEIR_ARROW_TRY(builder.Open(input));
      builder.properties(properties);
      WEIR_ARROW_TRY(builder.Build(&reader_));
      rows_left_ = reader_->parquet_reader()->metadata()->num_rows();
      std::shared_ptr<arrow::Schema> file_schema;
      WEIR_ARROW_TRY(reader_->GetSchema(&file_schema));
      const std::vector<int> leaves = wanted_leaves(*file_schema);
      if (leaves.empty()) return {};  // only rows are counted
      std::vector<int> groups(static_cast<size_t>(reader_->num_row_groups()));
      std::iota(groups.begin(), groups.end(), 0);
      WEIR_ARROW_ASSIGN(batches_, reader_->GetRecordBatchReader(groups, leaves));
      return {};
    });
  }

  Result<BatchPtr> next() override {
    BatchPtr result;
    WEIR_TRY(guarded([&] { return read_next(result); }));
    return result;
  }

 private:
  // Our errors get the file's name, parquet's exceptions become errors.
  template <typename Body>
  Result<void> guarded(Body body) {
    try {
      auto result = body();
      if (!result.ok())
        return std::move(result).error().with_context(fmt::format("data file {}", path_));
      return {};
    } catch (const std::exception& exception) {
      return base::error(ErrorKind::kCorruption, "data file {}: {}", path_, exception.what());
    }
  }

  // Leaves `result` null at the end.
  Result<void> read_next(BatchPtr& result) {
    BatchPtr source;
    int64_t rows = 0;
    if (batches_ != nullptr) {
      WEIR_ARROW_TRY(batches_->ReadNext(&source));
      if (source == nullptr) return {};
      WEIR_ARROW_TRY(source->Validate());
      rows = source->num_rows();
    } else {
      rows = std::min(rows_left_, batch_rows_);
      if (rows == 0) return {};
      rows_left_ -= rows;
    }
    WEIR_ASSIGN(result, output(source.get(), rows));
    return {};
  }

  // Parquet leaves below the top-level fields that are wanted.
  std::vector<int> wanted_leaves(const arrow::Schema& file_schema) const {
    std::vector<bool> wanted(static_cast<size_t>(file_schema.num_fields()));
    for (const OutputColumn& column : columns_) {
      if (column.partition_value) continue;
      const int index = find_field(file_schema.fields(), column.field, match_);
      if (index >= 0) wanted[static_cast<size_t>(index)] = true;
    }
    const parquet::SchemaDescriptor& descriptor = *reader_->parquet_reader()->metadata()->schema();
    std::vector<int> leaves;
    for (int i = 0; i < descriptor.num_columns(); ++i) {
      const int root = descriptor.group_node()->FieldIndex(*descriptor.GetColumnRoot(i));
      if (root >= 0 && wanted[static_cast<size_t>(root)]) leaves.push_back(i);
    }
    return leaves;
  }

  Result<BatchPtr> output(const arrow::RecordBatch* source, int64_t rows) {
    std::vector<ArrayPtr> arrays;
    for (const OutputColumn& column : columns_) {
      ArrayPtr array;
      const int index = source == nullptr || column.partition_value
                            ? -1
                            : find_field(source->schema()->fields(), column.field, match_);
      if (column.partition_value) {
        WEIR_ARROW_ASSIGN(array, arrow::MakeArrayFromScalar(*column.partition_value, rows));
      } else if (index < 0) {
        WEIR_ARROW_ASSIGN(array,
                          arrow::MakeArrayOfNull(columnar::to_arrow(column.field.type()), rows));
      } else {
        auto conformed = conform(source->column(index), column.field.type(), match_);
        if (!conformed.ok())
          return std::move(conformed).error().with_context(
              fmt::format("column {}", column.field.name));
        array = std::move(conformed).value();
      }
      arrays.push_back(std::move(array));
    }
    BatchPtr batch = arrow::RecordBatch::Make(schema_, rows, std::move(arrays));
    const int64_t first_row = position_;
    position_ += rows;
    return without_deleted(std::move(batch), first_row);
  }

  Result<BatchPtr> without_deleted(BatchPtr batch, int64_t first_row) {
    const auto first = std::lower_bound(deleted_.begin(), deleted_.end(), first_row);
    const auto last = std::lower_bound(first, deleted_.end(), first_row + batch->num_rows());
    if (first == last) return batch;
    arrow::Int64Builder kept;
    auto gone = first;
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      if (gone != last && *gone == first_row + i) {
        ++gone;
      } else {
        WEIR_ARROW_TRY(kept.Append(i));
      }
    }
    WEIR_ARROW_ASSIGN(const ArrayPtr indices, kept.Finish());
    std::vector<ArrayPtr> arrays;
    for (const ArrayPtr& column : batch->columns()) {
      WEIR_ARROW_ASSIGN(
          auto taken,
          arrow::compute::Take(*column, *indices, arrow::compute::TakeOptions::NoBoundsCheck()));
      arrays.push_back(std::move(taken));
    }
    return arrow::RecordBatch::Make(schema_, indices->length(), std::move(arrays));
  }

  std::shared_ptr<arrow::Schema> schema_;
  std::vector<OutputColumn> columns_;
  FieldMatch match_;
  int64_t batch_rows_;
  std::string path_;
  std::vector<int64_t> deleted_;  // rows of the file, ascending
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::RecordBatchReader> batches_;  // null where no column of the file is wanted
  int64_t rows_left_ = 0;
  int64_t position_ = 0;  // row of the file that the next batch begins with
};

}  // namespace

Result<Scan> Scan::plan(io::FileSystem& fs, std::shared_ptr<const TableSnapshot> snapshot,
                        ScanOptions options) {
  Scan scan;
  scan.fs_ = &fs;
  scan.batch_rows_ = std::max<int64_t>(1, options.batch_rows);
  const Schema& table = snapshot->schema();
  std::vector<Field> fields;
  if (options.columns) {
    for (const std::string& name : *options.columns) {
      int index = table.field_index(name);
      if (index < 0) index = table.field_index_ignoring_case(name);
      if (index < 0) {
        return base::error(ErrorKind::kInvalidArgument, "table {} has no column {}; it has {}",
                           snapshot->path(), name, columnar::schema_to_ddl(table))
            .with_class("UNRESOLVED_COLUMN.WITH_SUGGESTION");
      }
      scan.columns_.push_back(index);
    }
  } else {
    for (size_t i = 0; i < table.fields().size(); ++i)
      scan.columns_.push_back(static_cast<int>(i));
  }
  for (const int index : scan.columns_)
    fields.push_back(table.fields()[static_cast<size_t>(index)]);
  scan.schema_ = Schema::structure(std::move(fields));
  scan.arrow_schema_ = columnar::to_arrow_schema(scan.schema_);
  for (const auto& file : snapshot->files()) {
    if (may_match(table, snapshot->metadata(), *file, options.predicate)) {
      scan.files_.push_back(file);
    } else {
      ++scan.skipped_;
    }
  }
  scan.snapshot_ = std::move(snapshot);
  return scan;
}

Result<std::unique_ptr<FileReader>> Scan::open(size_t file_index) const {
  WEIR_CHECK(file_index < files_.size(), "file of the scan");
  const AddFile& file = *files_[file_index];
  const FieldMatch match = field_match(*snapshot_);
  std::vector<OutputColumn> columns;
  for (const Field& field : schema_.fields()) {
    OutputColumn column{field, nullptr};
    const auto& partitions = snapshot_->partition_columns();
    if (std::find(partitions.begin(), partitions.end(), field.name) != partitions.end()) {
      const auto text = file.partition_values.find(physical_name(field, match));
      auto value = partition_scalar(
          field.type(), text == file.partition_values.end() ? std::nullopt : text->second);
      if (!value.ok())
        return std::move(value).error().with_context(
            fmt::format("data file {}: column {}", file.path, field.name));
      column.partition_value = std::move(value).value();
    }
    columns.push_back(std::move(column));
  }
  std::vector<int64_t> deleted;
  if (file.deletion_vector) {
    WEIR_ASSIGN(deleted, read_deletion_vector(*fs_, snapshot_->path(), *file.deletion_vector));
  }
  WEIR_ASSIGN(const std::string path, data_file_path(snapshot_->path(), file.path));
  auto reader =
      std::make_unique<ParquetFileReader>(arrow_schema_, std::move(columns), match, batch_rows_);
  auto opened = reader->open(*fs_, path, std::move(deleted));
  if (!opened.ok() && opened.error().kind() == ErrorKind::kNotFound) {
    return base::
        error(ErrorKind::kDataLoss,
              "data file {}, which version {} of table {} names, is not there (removed by VACUUM?)",
              path, snapshot_->version().value(), snapshot_->path())
            .with_class("FAILED_READ_FILE.FILE_NOT_EXIST");
  }
  WEIR_TRY(std::move(opened));
  return std::unique_ptr<FileReader>(std::move(reader));
}

Result<void> Scan::for_each(const std::function<Result<void>(const BatchPtr&)>& take) const {
  for (size_t i = 0; i < files_.size(); ++i) {
    WEIR_ASSIGN(const auto reader, open(i));
    while (true) {
      WEIR_ASSIGN(const BatchPtr batch, reader->next());
      if (batch == nullptr) break;
      WEIR_TRY(take(batch));
    }
  }
  return {};
}

std::optional<int64_t> Scan::row_count_by_statistics() const {
  int64_t rows = 0;
  for (const auto& file : files_) {
    const auto statistics = base::parse_json_object(file->stats, "statistics");
    const auto count = statistics.ok() ? base::json_int(*statistics, "numRecords") : std::nullopt;
    if (!count) return std::nullopt;
    rows += *count - (file->deletion_vector ? file->deletion_vector->cardinality : 0);
  }
  return rows;
}

}  // namespace weir::delta
