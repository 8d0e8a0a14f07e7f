// Rows of a query into the files of a folder.
//
// They are written below _temporary-<uuid>, which readers do not see, made durable, then given
// their names; old files go in between. _SUCCESS comes last.
#include <algorithm>
#include <map>
#include <set>

#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/initialize.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "delta/partition_values.h"
#include "eval/node.h"
#include "session/row_encoder.h"

namespace weir::session {

using base::error;
using base::ErrorKind;
using columnar::Field;

namespace {

constexpr size_t kOpenFilesMax = 64;

class FolderWriter {
 public:
  FolderWriter(const Services& services, const FileWrite& write, const Schema& schema)
      : services_(services), write_(write), schema_(schema) {}

  Result<void> prepare() {
    std::vector<Field> kept;
    for (const auto& name : write_.partition_by) {
      const int index = schema_.field_index_ignoring_case(name);
      if (index < 0) {
        return sql_error("PARTITION_COLUMN_NOT_FOUND_IN_SCHEMA", "42000",
                         fmt::format("Partition column {} not found in schema {}. Please provide "
                                     "the existing column for partitioning.",
                                     quoted_word(name), schema_.simple_string()))
            .with_parameter("column", name)
            .with_parameter("schema", schema_.simple_string());
      }
      partitions_.push_back(static_cast<size_t>(index));
    }
    for (size_t i = 0; i < schema_.fields().size(); ++i) {
      if (std::find(partitions_.begin(), partitions_.end(), i) != partitions_.end()) continue;
      data_columns_.push_back(static_cast<int>(i));
      kept.push_back(schema_.fields()[i]);
    }
    if (kept.empty() && !partitions_.empty()) {
      return sql_error("ALL_PARTITION_COLUMNS_NOT_ALLOWED", "KD005",
                       "Cannot use all columns for partition columns.");
    }
    data_schema_ = Schema::structure(std::move(kept));
    WEIR_ARROW_TRY(arrow::compute::Initialize());
    WEIR_ASSIGN(format_, RowFormat::make(write_, data_schema_));
    job_ = base::uuid(services_.random);
    temporary_ = fmt::format("{}/_temporary-{}", write_.path, job_);
    WEIR_TRY(services_.fs.make_dirs(temporary_));
    return {};
  }

  Result<void> write(const relational::BatchPtr& batch) {
    if (batch->num_rows() == 0) return {};
    WEIR_ASSIGN(const auto data, select(*batch));
    if (partitions_.empty()) return write_part("", data);
    std::map<std::string, std::vector<int64_t>> rows_of;
    std::vector<std::string> texts(partitions_.size());
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      std::string folder;
      for (const size_t column : partitions_) {
        WEIR_ASSIGN(const auto text,
                    delta::partition_text(schema_.fields()[column].type(),
                                          *batch->column(static_cast<int>(column)), row));
        folder += (folder.empty() ? "" : "/") +
                  delta::partition_folder(schema_.fields()[column].name, text);
      }
      rows_of[folder].push_back(row);
    }
    for (const auto& [folder, rows] : rows_of) {
      if (static_cast<int64_t>(rows.size()) == batch->num_rows()) {
        WEIR_TRY(write_part(folder, data));
        continue;
      }
      arrow::Int64Builder indices;
      WEIR_ARROW_TRY(indices.AppendValues(rows));
      WEIR_ARROW_ASSIGN(const auto which, indices.Finish());
      WEIR_ARROW_ASSIGN(const auto taken,
                        arrow::compute::Take(arrow::Datum(data), arrow::Datum(which)));
      WEIR_TRY(write_part(folder, taken.record_batch()));
    }
    return {};
  }

  Result<void> commit() {
    // Spark leaves one file where there are no rows, so that the schema can be read.
    if (files_.empty() && partitions_.empty()) WEIR_TRY(open_part(""));
    while (!open_.empty())
      WEIR_TRY(close_part(open_.begin()));
    std::set<std::string> folders;
    for (const auto& file : files_)
      folders.insert(file.folder);
    if (write_.overwrite) WEIR_TRY(remove_old(folders));
    for (const auto& folder : folders)
      WEIR_TRY(services_.fs.make_dirs(below(write_.path, folder)));
    for (const auto& file : files_)
      WEIR_TRY(
          services_.fs.rename(file.temporary, below(below(write_.path, file.folder), file.name)));
    for (const auto& folder : folders)
      WEIR_TRY(services_.fs.sync_dir(below(write_.path, folder)));
    WEIR_TRY(services_.fs.remove_tree(temporary_));
    WEIR_TRY(services_.fs.replace(below(write_.path, "_SUCCESS"), ""));
    return services_.fs.sync_dir(write_.path);
  }

  void abort() {
    open_.clear();
    (void)services_.fs.remove_tree(temporary_);
  }

 private:
  struct OpenFile {
    std::unique_ptr<RowEncoder> encoder;
    int64_t opened = 0;
  };
  struct WrittenFile {
    std::string folder;
    std::string name;
    std::string temporary;
  };
  using OpenFiles = std::map<std::string, OpenFile>;

  static std::string below(const std::string& folder, const std::string& name) {
    return name.empty() ? folder : folder + "/" + name;
  }

  // Columns of exactly the files' types: whether elements may be null is part of them, and Parquet
  // files are written by it.
  Result<relational::BatchPtr> select(const arrow::RecordBatch& batch) const {
    const auto schema = columnar::to_arrow_schema(data_schema_);
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (const int column : data_columns_) {
      const auto& type = schema->field(static_cast<int>(columns.size()))->type();
      WEIR_ASSIGN(auto array, eval::canonical(batch.column(column), type));
      columns.push_back(std::move(array));
    }
    return arrow::RecordBatch::Make(schema, batch.num_rows(), std::move(columns));
  }

  Result<void> write_part(const std::string& folder, const relational::BatchPtr& rows) {
    auto found = open_.find(folder);
    if (found == open_.end()) {
      if (open_.size() >= kOpenFilesMax) {
        WEIR_TRY(close_part(std::min_element(
            open_.begin(), open_.end(),
            [](const auto& a, const auto& b) { return a.second.opened < b.second.opened; })));
      }
      WEIR_TRY(open_part(folder));
      found = open_.find(folder);
    }
    return found->second.encoder->write(rows);
  }

  Result<void> open_part(const std::string& folder) {
    const int counter = counters_[folder]++;
    WrittenFile file;
    file.folder = folder;
    file.name = fmt::format("part-00000-{}{}c{:03}{}", job_, partitions_.empty() ? "-" : ".",
                            counter, format_->suffix());
    file.temporary = fmt::format("{}/{}-{}", temporary_, files_.size(), file.name);
    WEIR_ASSIGN(auto encoder, format_->open(services_.fs, file.temporary));
    files_.push_back(std::move(file));
    open_[folder] = {std::move(encoder), static_cast<int64_t>(files_.size())};
    return {};
  }

  Result<void> close_part(OpenFiles::iterator at) {
    const auto encoder = std::move(at->second.encoder);
    open_.erase(at);
    return encoder->finish();
  }

  // What readers see below a folder; hidden files of ours and others stay.
  Result<void> clear_folder(const std::string& folder, bool recursive) {
    const auto listed = services_.fs.list(folder);
    if (!listed.ok()) {
      if (listed.error().kind() == ErrorKind::kNotFound) return {};
      return listed.error();
    }
    for (const auto& entry : *listed) {
      if (entry.path == temporary_ || entry.name.starts_with("_temporary-")) continue;
      if (entry.is_directory && !recursive) continue;
      WEIR_TRY(services_.fs.remove_tree(entry.path));
    }
    return services_.fs.sync_dir(folder);
  }
  Result<void> remove_old(const std::set<std::string>& folders) {
    if (write_.dynamic_partitions) {
      for (const auto& folder : folders)
        WEIR_TRY(clear_folder(below(write_.path, folder), false));
      return {};
    }
    return clear_folder(below(write_.path, write_.static_folder), true);
  }

  const Services& services_;
  const FileWrite& write_;
  Schema schema_;
  Schema data_schema_ = Schema::structure({});
  std::vector<size_t> partitions_;
  std::vector<int> data_columns_;
  std::unique_ptr<RowFormat> format_;
  std::string job_;
  std::string temporary_;
  std::vector<WrittenFile> files_;
  OpenFiles open_;
  std::map<std::string, int> counters_;
};

}  // namespace

Result<void> write_files(const Services& services, const FileWrite& write, const Schema& schema,
                         const std::function<Result<relational::BatchPtr>()>& next) {
  FolderWriter writer(services, write, schema);
  WEIR_TRY(writer.prepare());
  const auto fill = [&]() -> Result<void> {
    while (true) {
      WEIR_ASSIGN(const auto batch, next());
      if (!batch) return writer.commit();
      WEIR_TRY(writer.write(batch));
    }
  };
  auto done = fill();
  if (!done.ok()) writer.abort();
  return done;
}

}  // namespace weir::session
