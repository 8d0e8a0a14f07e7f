// The formats behind make_file_format(), one function each.
#pragma once

#include "codec/csv_decoder.h"
#include "codec/file_format.h"
#include "codec/json_decoder.h"
#include "codec/option_map.h"

namespace weir::codec {

// What every format has; a format derives from it and adds open().
class FileFormatBase : public FileFormat {
 public:
  FileFormatBase(std::string name, Schema schema, const FileFormatRequest& request,
                 std::vector<std::string> unknown)
      : batch_rows_(request.batch_rows),
        batch_bytes_(request.batch_bytes),
        name_(std::move(name)),
        schema_(std::move(schema)),
        unknown_(std::move(unknown)) {}
  const std::string& name() const override { return name_; }
  const Schema& schema() const override { return schema_; }
  const std::vector<std::string>& unknown_options() const override { return unknown_; }

 protected:
  int64_t batch_rows_;
  int64_t batch_bytes_;

 private:
  std::string name_;
  Schema schema_;
  std::vector<std::string> unknown_;
};

// The request's columns out of its schema, in the order asked for.
Result<Schema> wanted_columns(const FileFormatRequest& request);

// The options of a format's reader, each marked as known.
struct JsonFileOptions {
  JsonOptions records;
  bool multi_line = false;
};
Result<JsonFileOptions> parse_json_options(OptionMap& options);
Result<CsvOptions> parse_csv_options(OptionMap& options);

Result<std::shared_ptr<const FileFormat>> make_json_format(const FileFormatRequest& request,
                                                           OptionMap& options);
Result<std::shared_ptr<const FileFormat>> make_csv_format(const FileFormatRequest& request,
                                                          OptionMap& options);
Result<std::shared_ptr<const FileFormat>> make_text_format(const FileFormatRequest& request,
                                                           OptionMap& options);
Result<std::shared_ptr<const FileFormat>> make_parquet_format(const FileFormatRequest& request,
                                                              OptionMap& options);

}  // namespace weir::codec
