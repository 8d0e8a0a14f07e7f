#include "session/part_files.h"

#include <algorithm>

#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/initialize.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "delta/partition_values.h"
#include "eval/node.h"

namespace weir::session {

using columnar::Field;

namespace {

constexpr size_t kOpenFilesMax = 64;

}  // namespace

Result<std::shared_ptr<const PartLayout>> PartLayout::make(const FileWrite& write,
                                                           const Schema& schema) {
  auto layout = std::make_shared<PartLayout>();
  layout->schema_ = schema;
  std::vector<Field> kept;
  for (const auto& name : write.partition_by) {
    const int index = schema.field_index_ignoring_case(name);
    if (index < 0) {
      return sql_error("PARTITION_COLUMN_NOT_FOUND_IN_SCHEMA", "42000",
                       fmt::format("Partition column {} not found in schema {}. Please provide "
                                   "the existing column for partitioning.",
                                   quoted_word(name), schema.simple_string()))
          .with_parameter("column", name)
          .with_parameter("schema", schema.simple_string());
    }
    layout->partitions_.push_back(static_cast<size_t>(index));
  }
  for (size_t i = 0; i < schema.fields().size(); ++i) {
    if (std::find(layout->partitions_.begin(), layout->partitions_.end(), i) !=
        layout->partitions_.end())
      continue;
    layout->data_columns_.push_back(static_cast<int>(i));
    kept.push_back(schema.fields()[i]);
  }
  if (kept.empty() && !layout->partitions_.empty()) {
    return sql_error("ALL_PARTITION_COLUMNS_NOT_ALLOWED", "KD005",
                     "Cannot use all columns for partition columns.");
  }
  layout->data_schema_ = Schema::structure(std::move(kept));
  WEIR_ARROW_TRY(arrow::compute::Initialize());
  WEIR_ASSIGN(layout->format_, RowFormat::make(write, layout->data_schema_));
  return std::shared_ptr<const PartLayout>(std::move(layout));
}

Result<relational::BatchPtr> PartLayout::data_of(const arrow::RecordBatch& batch) const {
  const auto schema = columnar::to_arrow_schema(data_schema_);
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const int column : data_columns_) {
    const auto& type = schema->field(static_cast<int>(columns.size()))->type();
    WEIR_ASSIGN(auto array, eval::canonical(batch.column(column), type));
    columns.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(schema, batch.num_rows(), std::move(columns));
}

Result<void> PartFiles::write(const relational::BatchPtr& batch) {
  if (batch->num_rows() == 0) return {};
  WEIR_ASSIGN(const auto data, layout_->data_of(*batch));
  if (layout_->partitions_.empty()) return write_rows("", data);
  std::map<std::string, std::vector<int64_t>> rows_of;
  std::vector<std::string> texts(layout_->partitions_.size());
  for (int64_t row = 0; row < batch->num_rows(); ++row) {
    std::string folder;
    for (const size_t column : layout_->partitions_) {
      WEIR_ASSIGN(const auto text,
                  delta::partition_text(layout_->schema_.fields()[column].type(),
                                        *batch->column(static_cast<int>(column)), row));
      folder += (folder.empty() ? "" : "/") +
                delta::partition_folder(layout_->schema_.fields()[column].name, text);
    }
    rows_of[folder].push_back(row);
  }
  for (const auto& [folder, rows] : rows_of) {
    if (static_cast<int64_t>(rows.size()) == batch->num_rows()) {
      WEIR_TRY(write_rows(folder, data));
      continue;
    }
    arrow::Int64Builder indices;
    WEIR_ARROW_TRY(indices.AppendValues(rows));
    WEIR_ARROW_ASSIGN(const auto which, indices.Finish());
    WEIR_ARROW_ASSIGN(const auto taken,
                      arrow::compute::Take(arrow::Datum(data), arrow::Datum(which)));
    WEIR_TRY(write_rows(folder, taken.record_batch()));
  }
  return {};
}

Result<void> PartFiles::write_rows(const std::string& folder, const relational::BatchPtr& rows) {
  auto found = open_.find(folder);
  if (found == open_.end()) {
    if (open_.size() >= kOpenFilesMax) {
      WEIR_TRY(
          close_file(std::min_element(open_.begin(), open_.end(), [](const auto& a, const auto& b) {
            return a.second.number < b.second.number;
          })));
    }
    WEIR_TRY(open_file(folder));
    found = open_.find(folder);
  }
  files_[found->second.number].rows += rows->num_rows();
  return found->second.encoder->write(rows);
}

Result<void> PartFiles::open_file(const std::string& folder) {
  const int counter = counters_[folder]++;
  File file;
  file.folder = folder;
  file.name = fmt::format("part-{:05}-{}{}c{:03}{}", part_, job_,
                          layout_->partitioned() ? "." : "-", counter, layout_->format_->suffix());
  WEIR_ASSIGN(file.path, place_(file, files_.size()));
  WEIR_ASSIGN(auto encoder, layout_->format_->open(fs_, file.path));
  open_[folder] = {std::move(encoder), files_.size()};
  files_.push_back(std::move(file));
  return {};
}

Result<void> PartFiles::close_file(OpenFiles::iterator at) {
  const auto encoder = std::move(at->second.encoder);
  open_.erase(at);
  return encoder->finish();
}

Result<void> PartFiles::write_empty() { return open_file(""); }

Result<void> PartFiles::finish() {
  while (!open_.empty())
    WEIR_TRY(close_file(open_.begin()));
  return {};
}

}  // namespace weir::session
