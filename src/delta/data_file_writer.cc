#include "delta/data_file_writer.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/text.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "delta/conform.h"
#include "delta/parquet_file.h"
#include "delta/partition_values.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using columnar::Field;
using columnar::TypeKind;
using ArrayPtr = std::shared_ptr<arrow::Array>;

std::string_view compression_suffix(ParquetCompression compression) {
  switch (compression) {
    case ParquetCompression::kUncompressed:
      return "";
    case ParquetCompression::kSnappy:
      return ".snappy";
    case ParquetCompression::kZstd:
      return ".zstd";
    case ParquetCompression::kGzip:
      return ".gz";
  }
  return "";
}

class DataFileWriterImpl final : public DataFileWriter {
 public:
  DataFileWriterImpl(Environment environment, std::string path, columnar::Schema schema,
                     const Metadata& metadata, DataFileOptions options)
      : environment_(environment),
        path_(std::move(path)),
        schema_(std::move(schema)),
        metadata_(metadata),
        options_(std::move(options)) {
    if (options_.folders == nullptr) options_.folders = std::make_shared<DurableFolders>();
  }

  Result<void> plan_columns() {
    for (const std::string& column : metadata_.partition_columns) {
      const int index = schema_.field_index(column);
      if (index < 0) {
        return base::error(ErrorKind::kInvalidArgument,
                           "partition column {} is not in the schema of table {}", column, path_);
      }
      partition_columns_.push_back(static_cast<size_t>(index));
    }
    std::vector<Field> fields;
    for (size_t i = 0; i < schema_.fields().size(); ++i) {
      const bool is_partition = std::find(partition_columns_.begin(), partition_columns_.end(),
                                          i) != partition_columns_.end();
      if (is_partition || schema_.fields()[i].type().is(TypeKind::kNull)) continue;
      data_columns_.push_back(i);
      fields.push_back(schema_.fields()[i]);
    }
    if (fields.empty()) {
      return base::error(ErrorKind::kInvalidArgument,
                         "table {} has no column beside its partition columns", path_);
    }
    file_schema_ = columnar::Schema::structure(std::move(fields));
    return {};
  }

  Result<void> write(const arrow::RecordBatch& rows) override {
    if (rows.num_rows() == 0) return {};
    std::vector<ArrayPtr> columns;
    WEIR_TRY(match_columns(rows, columns));
    if (partition_columns_.empty()) {
      WEIR_TRY(write_partition({}, "", data_arrays(columns), rows.num_rows()));
    } else {
      WEIR_TRY(write_partitioned(columns, rows.num_rows()));
    }
    rows_ += rows.num_rows();
    return {};
  }

  int64_t rows() const override { return rows_; }

  Result<std::vector<AddFile>> finish() override {
    while (!open_.empty())
      WEIR_TRY(finish_file(open_.begin()));
    for (const std::string& folder : folders_)
      WEIR_TRY(environment_.fs.sync_dir(folder));
    return std::move(finished_);
  }

  Result<void> abort() override {
    open_.clear();
    Result<void> result;
    for (const std::string& path : created_) {
      auto removed = environment_.fs.remove(path);
      if (!removed.ok() && removed.error().kind() != ErrorKind::kNotFound) result = removed;
    }
    created_.clear();
    return result;
  }

 private:
  struct OpenFile {
    std::unique_ptr<ParquetFile> file;
    PartitionValues values;
    std::string relative_path;
    int64_t opened = 0;  // order of opening
  };
  using OpenFiles = std::map<std::string, OpenFile>;

  // What CHAR(n) and VARCHAR(n) were declared as; their data are texts.
  static Result<void> check_lengths(const Field& field, const arrow::Array& column) {
    const auto declared = base::json_string(field.metadata, "__CHAR_VARCHAR_TYPE_STRING");
    if (!declared || column.type_id() != arrow::Type::STRING) return {};
    const auto type = columnar::parse_ddl_type(*declared);
    if (!type.ok()) return {};
    const auto& texts = static_cast<const arrow::StringArray&>(column);
    for (int64_t row = 0; row < texts.length(); ++row) {
      if (texts.IsNull(row)) continue;
      std::string_view text = texts.GetView(row);
      while (text.ends_with(' '))
        text.remove_suffix(1);
      const auto length = std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      });
      if (length <= type->precision()) continue;
      return base::error(ErrorKind::kInvalidArgument,
                         "a value of {} characters for column {} exceeds the length of its type {}",
                         length, field.name, *declared)
          .with_class("DELTA_EXCEED_CHAR_VARCHAR_LIMIT")
          .with_sql_state("22001");
    }
    return {};
  }

  // The batch's columns in the table's order and types.
  Result<void> match_columns(const arrow::RecordBatch& rows, std::vector<ArrayPtr>& columns) const {
    std::vector<bool> used(static_cast<size_t>(rows.num_columns()));
    for (const Field& field : schema_.fields()) {
      const int index = find_field(rows.schema()->fields(), field, FieldMatch::kName);
      ArrayPtr column;
      if (index >= 0) {
        used[static_cast<size_t>(index)] = true;
        auto conformed = conform(rows.column(index), field.type(), FieldMatch::kName);
        if (!conformed.ok()) {
          return std::move(conformed).error().with_context(
              fmt::format("column {} of table {}", field.name, path_));
        }
        column = std::move(conformed).value();
      } else {
        WEIR_ARROW_ASSIGN(
            column, arrow::MakeArrayOfNull(columnar::to_arrow(field.type()), rows.num_rows()));
      }
      if (!field.nullable && column->null_count() > 0) {
        return base::error(ErrorKind::kInvalidArgument,
                           "column {} of table {} is NOT NULL, but a row to write has NULL there",
                           field.name, path_)
            .with_class("DELTA_NOT_NULL_CONSTRAINT_VIOLATED");
      }
      WEIR_TRY(check_lengths(field, *column));
      columns.push_back(std::move(column));
    }
    for (size_t i = 0; i < used.size(); ++i) {
      if (used[i]) continue;
      return base::error(ErrorKind::kInvalidArgument,
                         "table {} has no column {}; set mergeSchema to add it", path_,
                         rows.schema()->field(static_cast<int>(i))->name())
          .with_class("_LEGACY_ERROR_TEMP_DELTA_0007");
    }
    return {};
  }

  std::vector<ArrayPtr> data_arrays(const std::vector<ArrayPtr>& columns) const {
    std::vector<ArrayPtr> arrays;
    for (const size_t index : data_columns_)
      arrays.push_back(columns[index]);
    return arrays;
  }

  // Splits the rows by the texts of their partition values and writes each part.
  Result<void> write_partitioned(const std::vector<ArrayPtr>& columns, int64_t rows) {
    struct Group {
      PartitionValues values;
      std::string folder;
      arrow::Int64Builder rows;
    };
    std::unordered_map<std::string, Group> groups;
    for (int64_t row = 0; row < rows; ++row) {
      std::string folder;
      PartitionValues values;
      for (const size_t index : partition_columns_) {
        const Field& field = schema_.fields()[index];
        WEIR_ASSIGN(auto text, partition_text(field.type(), *columns[index], row));
        folder += (folder.empty() ? "" : "/") + partition_folder(field.name, text);
        values[field.name] = std::move(text);
      }
      Group& group = groups[folder];
      if (group.folder.empty()) {
        group.folder = folder;
        group.values = std::move(values);
      }
      WEIR_ARROW_TRY(group.rows.Append(row));
    }
    const std::vector<ArrayPtr> arrays = data_arrays(columns);
    for (auto& [folder, group] : groups) {
      if (groups.size() == 1) return write_partition(group.values, folder, arrays, rows);
      WEIR_ARROW_ASSIGN(auto indices, group.rows.Finish());
      std::vector<ArrayPtr> taken;
      for (const ArrayPtr& array : arrays) {
        WEIR_ARROW_ASSIGN(
            auto part,
            arrow::compute::Take(*array, *indices, arrow::compute::TakeOptions::NoBoundsCheck()));
        taken.push_back(std::move(part));
      }
      WEIR_TRY(write_partition(group.values, folder, taken, indices->length()));
    }
    return {};
  }

  Result<void> write_partition(const PartitionValues& values, const std::string& folder,
                               const std::vector<ArrayPtr>& arrays, int64_t rows) {
    auto open = open_.find(folder);
    if (open == open_.end()) {
      WEIR_TRY(open_file(values, folder, arrays));
      open = open_.find(folder);
    }
    WEIR_TRY(open->second.file->write(arrays, rows));
    if (open->second.file->bytes() >= options_.target_file_bytes) WEIR_TRY(finish_file(open));
    return {};
  }

  Result<void> open_file(const PartitionValues& values, const std::string& folder,
                         const std::vector<ArrayPtr>& sample) {
    if (static_cast<int64_t>(open_.size()) >= options_.open_partitions_max) {
      WEIR_TRY(finish_file(std::min_element(
          open_.begin(), open_.end(),
          [](const auto& a, const auto& b) { return a.second.opened < b.second.opened; })));
    }
    const std::string directory = folder.empty() ? path_ : io::join_path(path_, folder);
    if (folders_.insert(directory).second)
      WEIR_TRY(options_.folders->ensure(environment_.fs, path_, directory));
    const std::string name =
        fmt::format("part-{:05d}-{}-c000{}.parquet", files_opened_, base::uuid(environment_.random),
                    compression_suffix(options_.compression));
    OpenFile open;
    open.values = values;
    open.relative_path = folder.empty() ? name : folder + "/" + name;
    open.opened = files_opened_++;
    created_.push_back(io::join_path(directory, name));
    WEIR_ASSIGN(open.file, ParquetFile::create(environment_.fs, created_.back(), *file_schema_,
                                               metadata_, options_, sample));
    open_.emplace(folder, std::move(open));
    return {};
  }

  Result<void> finish_file(OpenFiles::iterator position) {
    OpenFile open = std::move(position->second);
    open_.erase(position);
    WEIR_TRY(open.file->finish());
    AddFile add;
    add.path = encode_log_path(open.relative_path);
    add.partition_values = std::move(open.values);
    add.size = open.file->bytes();
    add.modification_time_ms = environment_.clock.now_ms();
    add.stats = open.file->statistics().json();
    finished_.push_back(std::move(add));
    return {};
  }

  Environment environment_;
  std::string path_;
  columnar::Schema schema_;
  Metadata metadata_;
  DataFileOptions options_;
  std::vector<size_t> partition_columns_;
  std::vector<size_t> data_columns_;
  std::optional<columnar::Schema> file_schema_;
  OpenFiles open_;  // by partition folder
  std::vector<AddFile> finished_;
  std::vector<std::string> created_;
  std::set<std::string> folders_;
  int64_t files_opened_ = 0;
  int64_t rows_ = 0;
};

}  // namespace

Result<ParquetCompression> parse_compression(const std::string& name) {
  const std::string lower = base::lower_case(name);
  if (lower == "snappy") return ParquetCompression::kSnappy;
  if (lower == "zstd") return ParquetCompression::kZstd;
  if (lower == "gzip") return ParquetCompression::kGzip;
  if (lower == "none" || lower == "uncompressed") return ParquetCompression::kUncompressed;
  return base::error(ErrorKind::kUnsupported,
                     "compression {} is not supported; use snappy, zstd, gzip or none", name);
}

Result<std::unique_ptr<DataFileWriter>> DataFileWriter::create(Environment environment,
                                                               std::string table_path,
                                                               columnar::Schema schema,
                                                               const Metadata& metadata,
                                                               DataFileOptions options) {
  auto writer = std::make_unique<DataFileWriterImpl>(
      environment, std::move(table_path), std::move(schema), metadata, std::move(options));
  WEIR_TRY(writer->plan_columns());
  return std::unique_ptr<DataFileWriter>(std::move(writer));
}

}  // namespace weir::delta
