#include "codec/file_format.h"

#include <cctype>

#include "base/text.h"
#include "codec/file_formats.h"

namespace weir::codec {

Result<Schema> wanted_columns(const FileFormatRequest& request) {
  if (!request.columns) return request.file_schema;
  std::vector<columnar::Field> fields;
  for (const std::string& name : *request.columns) {
    const int index = request.file_schema.field_index(name);
    if (index < 0) {
      return base::error(base::ErrorKind::kInvalidArgument,
                         "column {} is not in the files' schema {}", name,
                         request.file_schema.simple_string())
          .with_class("UNRESOLVED_COLUMN.WITH_SUGGESTION");
    }
    fields.push_back(request.file_schema.fields()[static_cast<size_t>(index)]);
  }
  return Schema::structure(std::move(fields));
}

Result<std::shared_ptr<const FileFormat>> make_file_format(FileFormatRequest request) {
  const std::string format = base::lower_case(request.format);
  OptionMap options(request.options);
  ignore_file_source_options(options);
  if (format == "json") return make_json_format(request, options);
  if (format == "csv") return make_csv_format(request, options);
  if (format == "text") return make_text_format(request, options);
  if (format == "parquet") return make_parquet_format(request, options);
  return base::error(base::ErrorKind::kUnsupported,
                     "file format '{}': json, csv, text and parquet are read", request.format);
}

}  // namespace weir::codec
