#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bitmap_ops.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include "base/text.h"
#include "codec/file_formats.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"

namespace weir::codec {

namespace {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

// What Spark's Parquet reader turns into what: the same type, and conversions that lose nothing.
bool can_widen(const DataType& from, const DataType& to) {
  const TypeKind f = from.kind();
  const TypeKind t = to.kind();
  const auto text = [](TypeKind kind) {
    return kind == TypeKind::kString || kind == TypeKind::kChar || kind == TypeKind::kVarchar;
  };
  if (f == t && f != TypeKind::kDecimal) return true;
  if (text(f) && text(t)) return true;
  // Strings without their annotation are binary in the file.
  if ((f == TypeKind::kBinary && text(t)) || (text(f) && t == TypeKind::kBinary)) return true;
  if (f == TypeKind::kNull) return true;
  const bool small = f == TypeKind::kByte || f == TypeKind::kShort || f == TypeKind::kInteger;
  // In the file they are all INT32, so Spark reads them as each other.
  if (small && (t == TypeKind::kByte || t == TypeKind::kShort || t == TypeKind::kInteger))
    return true;
  if (small && (t == TypeKind::kLong || t == TypeKind::kDouble)) return true;
  if (f == TypeKind::kFloat && t == TypeKind::kDouble) return true;
  if (f == TypeKind::kDate && t == TypeKind::kTimestampNtz) return true;
  if (t == TypeKind::kDecimal) {
    const int digits = f == TypeKind::kDecimal ? from.precision() - from.scale()
                       : small                 ? 10
                       : f == TypeKind::kLong  ? 20
                                               : 100;
    const int scale = f == TypeKind::kDecimal ? from.scale() : 0;
    return to.precision() - to.scale() >= digits && to.scale() >= scale;
  }
  return false;
}

class Adapter {
 public:
  explicit Adapter(std::string path) : path_(std::move(path)) {}

  Result<std::shared_ptr<arrow::Array>> adapt(std::shared_ptr<arrow::Array> array,
                                              const DataType& to, const std::string& column) const {
    auto target = columnar::to_arrow(to);
    if (array->type()->Equals(*target)) return array;
    if (array->type_id() == arrow::Type::DICTIONARY) {
      WEIR_ARROW_ASSIGN(
          array,
          arrow::compute::Cast(
              *array, static_cast<const arrow::DictionaryType&>(*array->type()).value_type()));
    }
    if (to.is(TypeKind::kStruct) && array->type_id() == arrow::Type::STRUCT)
      return adapt_struct(*array, to, column);
    if (to.is(TypeKind::kArray) && array->type_id() == arrow::Type::LIST) {
      const auto& list = static_cast<const arrow::ListArray&>(*array);
      WEIR_ASSIGN(auto values, adapt(list.values(), to.element(), column + ".element"));
      auto data = array->data()->Copy();
      data->type = target;
      data->child_data = {values->data()};
      return arrow::MakeArray(data);
    }
    if (to.is(TypeKind::kMap) && array->type_id() == arrow::Type::MAP)
      return adapt_map(*array, to, column);
    auto from = columnar::from_arrow(*array->type());
    if (!from.ok() || !can_widen(*from, to)) {
      return error(ErrorKind::kInvalidArgument,
                   "{}: column {} is {} in the file, and cannot be read as {}", path_, column,
                   array->type()->ToString(), to.simple_string())
          .with_class("FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH");
    }
    // Narrower integers are truncated as Java does, nanoseconds too.
    arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(target);
    options.allow_int_overflow = true;
    options.allow_time_truncate = true;
    WEIR_ARROW_ASSIGN(auto cast, arrow::compute::Cast(*array, target, options));
    return cast;
  }

 private:
  Result<std::shared_ptr<arrow::Array>> adapt_struct(const arrow::Array& array, const DataType& to,
                                                     const std::string& column) const {
    const auto& from = static_cast<const arrow::StructArray&>(array);
    std::vector<std::shared_ptr<arrow::ArrayData>> children;
    for (const columnar::Field& field : to.fields()) {
      WEIR_ASSIGN(
          const int index,
          find(static_cast<const arrow::StructType&>(*array.type()).fields(), field.name, column));
      if (index < 0) {
        WEIR_ARROW_ASSIGN(auto nulls,
                          arrow::MakeArrayOfNull(columnar::to_arrow(field.type()), array.length()));
        children.push_back(nulls->data());
      } else {
        WEIR_ASSIGN(auto child, adapt(from.field(index), field.type(), column + "." + field.name));
        children.push_back(child->data());
      }
    }
    auto validity = array.data()->buffers[0];
    if (validity && array.offset() != 0) {
      WEIR_ARROW_ASSIGN(validity,
                        arrow::internal::CopyBitmap(arrow::default_memory_pool(), validity->data(),
                                                    array.offset(), array.length()));
    }
    return arrow::MakeArray(arrow::ArrayData::Make(columnar::to_arrow(to), array.length(),
                                                   {validity}, std::move(children),
                                                   array.null_count()));
  }

  Result<std::shared_ptr<arrow::Array>> adapt_map(const arrow::Array& array, const DataType& to,
                                                  const std::string& column) const {
    const auto& map = static_cast<const arrow::MapArray&>(array);
    WEIR_ASSIGN(auto keys, adapt(map.keys(), to.key(), column + ".key"));
    WEIR_ASSIGN(auto values, adapt(map.items(), to.value(), column + ".value"));
    auto target = columnar::to_arrow(to);
    auto data = array.data()->Copy();
    data->type = target;
    data->child_data = {arrow::ArrayData::Make(target->field(0)->type(), keys->length(), {nullptr},
                                               {keys->data(), values->data()}, 0)};
    return arrow::MakeArray(data);
  }

 public:
  // Index of the field of that name, in any case where no other matches exactly; -1 where there is
  // none.
  Result<int> find(const arrow::FieldVector& fields, const std::string& name,
                   const std::string& where) const {
    int found = -1;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i]->name() == name) return static_cast<int>(i);
      if (!base::equal_ignoring_case(name, fields[i]->name())) continue;
      if (found >= 0) {
        return error(ErrorKind::kInvalidArgument,
                     "{}: several fields are named {} but for the case, in {}", path_, name,
                     where.empty() ? "the file" : where);
      }
      found = static_cast<int>(i);
    }
    return found;
  }

 private:
  std::string path_;
};

// Leaf columns of `field` that `type` needs.
void collect_leaves(const parquet::arrow::SchemaField& field, const DataType& type,
                    std::vector<int>* leaves) {
  if (field.children.empty()) {
    leaves->push_back(field.column_index);
    return;
  }
  const size_t before = leaves->size();
  if (type.is(TypeKind::kStruct) && field.field->type()->id() == arrow::Type::STRUCT) {
    for (const auto& child : field.children) {
      const int index = type.field_index_ignoring_case(child.field->name());
      if (index >= 0)
        collect_leaves(child, type.fields()[static_cast<size_t>(index)].type(), leaves);
    }
    if (leaves->size() > before) return;
  } else if (type.is(TypeKind::kArray) && field.children.size() == 1) {
    collect_leaves(field.children[0], type.element(), leaves);
    return;
  }
  for (const auto& child : field.children)
    collect_leaves(child, DataType::of(TypeKind::kNull), leaves);
}

class ParquetReader final : public FormatReader {
 public:
  ParquetReader(const Schema& schema, std::unique_ptr<parquet::arrow::FileReader> file,
                std::vector<int> row_groups, std::string path, int64_t batch_rows)
      : schema_(schema),
        file_(std::move(file)),
        row_groups_(std::move(row_groups)),
        adapter_(path),
        path_(std::move(path)),
        batch_rows_(batch_rows) {}

  Result<void> prepare() {
    std::shared_ptr<arrow::Schema> in_file;
    WEIR_ARROW_TRY(file_->GetSchema(&in_file));
    std::vector<int> leaves;
    for (const columnar::Field& field : schema_.fields()) {
      WEIR_ASSIGN(const int index, adapter_.find(in_file->fields(), field.name, ""));
      if (index >= 0)
        collect_leaves(file_->manifest().schema_fields[static_cast<size_t>(index)], field.type(),
                       &leaves);
    }
    std::sort(leaves.begin(), leaves.end());
    leaves.erase(std::unique(leaves.begin(), leaves.end()), leaves.end());
    if (leaves.empty()) {
      for (int group : row_groups_)
        rows_left_ += file_->parquet_reader()->metadata()->RowGroup(group)->num_rows();
    } else {
      WEIR_ARROW_ASSIGN(batches_, file_->GetRecordBatchReader(row_groups_, leaves));
    }
    return {};
  }

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) override {
    if (stop.stop_requested()) return error(ErrorKind::kCancelled, "reading {} was stopped", path_);
    auto batch = read();
    if (!batch.ok()) return std::move(batch).error().with_context(path_);
    return batch;
  }
  const RecordCounters& counters() const override { return counters_; }

 private:
  Result<std::shared_ptr<arrow::RecordBatch>> read() {
    std::shared_ptr<arrow::RecordBatch> in_file;
    int64_t rows = 0;
    if (batches_) {
      WEIR_ARROW_TRY(batches_->ReadNext(&in_file));
      if (!in_file) return in_file;
      rows = in_file->num_rows();
    } else {
      rows = std::min(rows_left_, batch_rows_);
      rows_left_ -= rows;
      if (rows == 0) return std::shared_ptr<arrow::RecordBatch>();
    }
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (const columnar::Field& field : schema_.fields()) {
      int index = -1;
      if (in_file) {
        WEIR_ASSIGN(index, adapter_.find(in_file->schema()->fields(), field.name, ""));
      }
      if (index < 0) {
        WEIR_ARROW_ASSIGN(auto nulls,
                          arrow::MakeArrayOfNull(columnar::to_arrow(field.type()), rows));
        columns.push_back(std::move(nulls));
      } else {
        WEIR_ASSIGN(auto adapted, adapter_.adapt(in_file->column(index), field.type(), field.name));
        counters_.bytes +=
            static_cast<int64_t>(adapted->data()->buffers.size() > 1 && adapted->data()->buffers[1]
                                     ? adapted->data()->buffers[1]->size()
                                     : 0);
        columns.push_back(std::move(adapted));
      }
    }
    counters_.rows += rows;
    return arrow::RecordBatch::Make(columnar::to_arrow_schema(schema_), rows, std::move(columns));
  }

  Schema schema_;
  std::unique_ptr<parquet::arrow::FileReader> file_;
  std::vector<int> row_groups_;
  Adapter adapter_;
  std::string path_;
  int64_t batch_rows_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  int64_t rows_left_ = 0;
  RecordCounters counters_;
};

class ParquetFormat final : public FileFormatBase {
 public:
  ParquetFormat(Schema schema, const FileFormatRequest& request, std::vector<std::string> unknown)
      : FileFormatBase("parquet", std::move(schema), request, std::move(unknown)) {}
  bool splittable(const io::FileInfo&) const override { return true; }

  Result<std::unique_ptr<FormatReader>> open(io::FileSystem& fs, const io::FileInfo& file,
                                             FileRange range) const override {
    auto opened = open_file(fs, file, range);
    if (!opened.ok()) return std::move(opened).error().with_context(file.path);
    return opened;
  }

 private:
  Result<std::unique_ptr<FormatReader>> open_file(io::FileSystem& fs, const io::FileInfo& file,
                                                  FileRange range) const {
    WEIR_ASSIGN(auto readable, fs.open_read(file.path));
    WEIR_ASSIGN(auto input,
                columnar::arrow_input(std::shared_ptr<io::ReadableFile>(std::move(readable))));
    parquet::arrow::FileReaderBuilder builder;
    WEIR_ARROW_TRY(builder.Open(std::move(input)));
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(batch_rows_);
    properties.set_pre_buffer(false);
    properties.set_use_threads(false);
    std::unique_ptr<parquet::arrow::FileReader> reader;
    WEIR_ARROW_TRY(builder.properties(properties)->Build(&reader));
    std::vector<int> row_groups;
    const auto metadata = reader->parquet_reader()->metadata();
    for (int i = 0; i < metadata->num_row_groups(); ++i) {
      const auto group = metadata->RowGroup(i);
      int64_t begin = group->file_offset();
      if (group->num_columns() > 0) {
        const auto column = group->ColumnChunk(0);
        begin = column->has_dictionary_page() && column->dictionary_page_offset() > 0
                    ? std::min(column->dictionary_page_offset(), column->data_page_offset())
                    : column->data_page_offset();
      }
      const int64_t middle = begin + group->total_compressed_size() / 2;
      // Clamped, so that a damaged size cannot put a group outside of every part.
      const int64_t point = std::clamp<int64_t>(middle, 0, std::max<int64_t>(file.size - 1, 0));
      if (point >= range.begin && point < range.end) row_groups.push_back(i);
    }
    auto made = std::make_unique<ParquetReader>(schema(), std::move(reader), std::move(row_groups),
                                                file.path, batch_rows_);
    WEIR_TRY(made->prepare());
    return std::unique_ptr<FormatReader>(std::move(made));
  }
};

}  // namespace

Result<std::shared_ptr<const FileFormat>> make_parquet_format(const FileFormatRequest& request,
                                                              OptionMap& map) {
  map.ignore({"mergeSchema"});  // the schema is given
  // LEGACY would turn dates of the Julian calendar, which Spark 2 wrote before 1582, into others.
  for (const char* name : {"datetimeRebaseMode", "int96RebaseMode"})
    WEIR_TRY(map.refuse(name, {"CORRECTED", "EXCEPTION"}));
  // Casts are registered once in a process.
  WEIR_ARROW_TRY(arrow::compute::Initialize());
  WEIR_ASSIGN(Schema schema, wanted_columns(request));
  return std::shared_ptr<const FileFormat>(
      std::make_shared<ParquetFormat>(std::move(schema), request, map.unknown()));
}

}  // namespace weir::codec
