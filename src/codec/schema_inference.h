// The schema that files have by themselves, as Spark infers it.
//
// parquet: of the first file's footer (with mergeSchema=true of all), Spark's own schema where the
// file holds one. json: the types that all records fit, fields by name. csv: names of the header or
// _c0 …; STRING unless inferSchema=true. text: value STRING. samplingRatio is taken but all records
// are read, so the answer is that of the ratio 1.
#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "columnar/data_type.h"
#include "io/file_system.h"

namespace weir::codec {

using base::Result;
using columnar::DataType;
using columnar::Schema;

struct InferenceRequest {
  std::string format;  // "json", "csv", "text", "parquet"
  std::map<std::string, std::string> options;
  bool case_sensitive = false;  // spark.sql.caseSensitive
  bool ntz = false;             // spark.sql.timestampType is TIMESTAMP_NTZ
};

// nullopt where the files give none (no files, no records): Spark's UNABLE_TO_INFER_SCHEMA.
Result<std::optional<Schema>> infer_schema(io::FileSystem& fs,
                                           const std::vector<io::FileInfo>& files,
                                           const InferenceRequest& request, std::stop_token stop);

// True where the Parquet file has each of these columns under exactly its name, no other name that
// differs in case only, and of the type that the schema's type is written with (so that any reader
// gives the same values). False too where the file cannot be read.
bool has_plain_columns(io::FileSystem& fs, const std::string& path, const Schema& columns);

// The type that values of both types fit, as JSON inference merges them.
DataType merge_json_types(const DataType& a, const DataType& b);
// The type of one record's text (schema_of_json); nullopt where it is not JSON.
std::optional<DataType> infer_json_record(std::string_view record,
                                          const std::map<std::string, std::string>& options);

// The struct of one record's text (schema_of_csv).
Result<DataType> infer_csv_record(std::string_view record,
                                  const std::map<std::string, std::string>& options);

}  // namespace weir::codec
