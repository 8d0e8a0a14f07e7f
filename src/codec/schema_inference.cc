#include "codec/schema_inference.h"

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include "base/text.h"
#include "codec/file_formats.h"
#include "codec/inference_internal.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"

namespace weir::codec {

using base::error;
using base::ErrorKind;
using columnar::Field;
using columnar::make_field;
using columnar::TypeKind;

namespace {

constexpr const char* kSparkSchemaKey = "org.apache.spark.sql.parquet.row.metadata";

Result<Schema> parquet_schema(io::FileSystem& fs, const io::FileInfo& file) {
  WEIR_ASSIGN(auto readable, fs.open_read(file.path));
  WEIR_ASSIGN(auto input,
              columnar::arrow_input(std::shared_ptr<io::ReadableFile>(std::move(readable))));
  try {
    const auto reader = parquet::ParquetFileReader::Open(std::move(input));
    const auto metadata = reader->metadata();
    if (const auto& texts = metadata->key_value_metadata()) {
      if (const auto spark = texts->Get(kSparkSchemaKey); spark.ok())
        return columnar::parse_type_json_text(*spark);
    }
    std::shared_ptr<arrow::Schema> schema;
    WEIR_ARROW_TRY(parquet::arrow::FromParquetSchema(metadata->schema(), &schema));
    return columnar::from_arrow(*schema);
  } catch (const std::exception& exception) {
    return error(ErrorKind::kCorruption, "it is no Parquet file: {}", exception.what())
        .with_class("FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER")
        .with_sql_state("KD001")
        .with_parameter("path", file.path);
  }
}

// Spark reads every field of files as nullable.
Result<DataType> merge_file_types(const DataType& a, const DataType& b, bool case_sensitive) {
  if (a.is(TypeKind::kStruct) && b.is(TypeKind::kStruct)) {
    std::vector<Field> fields = a.fields();
    for (const Field& field : b.fields()) {
      const int index =
          case_sensitive ? a.field_index(field.name) : a.field_index_ignoring_case(field.name);
      if (index < 0) {
        fields.push_back(field);
        continue;
      }
      auto& left = fields[static_cast<size_t>(index)];
      WEIR_ASSIGN(auto merged, merge_file_types(left.type(), field.type(), case_sensitive));
      left = make_field(left.name, std::move(merged), true, left.metadata);
    }
    return DataType::structure(std::move(fields));
  }
  if (a.is(TypeKind::kArray) && b.is(TypeKind::kArray)) {
    WEIR_ASSIGN(auto element, merge_file_types(a.element(), b.element(), case_sensitive));
    return DataType::array(std::move(element));
  }
  if (a.same_type(b)) return a;
  if (a.is(TypeKind::kDecimal) && b.is(TypeKind::kDecimal) && a.scale() == b.scale())
    return DataType::decimal(std::max(a.precision(), b.precision()), a.scale());
  return error(ErrorKind::kInvalidArgument, "Failed to merge incompatible data types {} and {}.",
               a.sql(), b.sql())
      .with_class("CANNOT_MERGE_INCOMPATIBLE_DATA_TYPE")
      .with_sql_state("42825")
      .with_parameter("left", "\"" + a.sql() + "\"")
      .with_parameter("right", "\"" + b.sql() + "\"");
}

}  // namespace

bool has_plain_columns(io::FileSystem& fs, const std::string& path, const Schema& columns) {
  auto readable = fs.open_read(path);
  if (!readable.ok()) return false;
  auto input = columnar::arrow_input(std::shared_ptr<io::ReadableFile>(std::move(*readable)));
  if (!input.ok()) return false;
  std::shared_ptr<arrow::Schema> schema;
  try {
    const auto reader = parquet::ParquetFileReader::Open(*input);
    if (!parquet::arrow::FromParquetSchema(reader->metadata()->schema(), &schema).ok())
      return false;
  } catch (const std::exception&) {
    return false;
  }
  for (const Field& wanted : columns.fields()) {
    int found = 0;
    bool fits = false;
    for (const auto& field : schema->fields()) {
      if (base::lower_case(field->name()) != base::lower_case(wanted.name)) continue;
      ++found;
      fits = field->name() == wanted.name &&
             field->type()->Equals(*columnar::to_arrow(wanted.type()), false);
    }
    if (found != 1 || !fits) return false;
  }
  return true;
}

Result<std::optional<Schema>> infer_parquet(io::FileSystem& fs, const Files& files,
                                            const InferenceRequest& request) {
  OptionMap map(request.options);
  WEIR_ASSIGN(const bool merge, map.boolean("mergeSchema", false));
  std::optional<Schema> merged;
  for (const auto& file : files) {
    auto schema = parquet_schema(fs, file);
    if (!schema.ok()) return std::move(schema).error().with_context(file.path);
    if (!merged) {
      merged = std::move(schema).value();
    } else {
      auto both = merge_file_types(*merged, *schema, request.case_sensitive);
      if (!both.ok()) return std::move(both).error();
      merged = std::move(both).value();
    }
    if (!merge) break;
  }
  if (merged) merged = merged->as_nullable();
  return merged;
}

Result<std::optional<Schema>> infer_schema(io::FileSystem& fs, const Files& files,
                                           const InferenceRequest& request, std::stop_token stop) {
  if (request.format == "text") {
    return std::optional<Schema>(
        Schema::structure({make_field("value", DataType::of(TypeKind::kString))}));
  }
  if (files.empty()) return std::optional<Schema>();
  if (request.format == "json") return infer_json(fs, files, request, stop);
  if (request.format == "csv") return infer_csv(fs, files, request, stop);
  if (request.format == "parquet") return infer_parquet(fs, files, request);
  return error(ErrorKind::kUnsupported, "file format '{}': json, csv, text and parquet are read",
               request.format);
}

}  // namespace weir::codec
