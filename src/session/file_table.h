// Files of a format (parquet, json, csv, text) as a table that queries read.
//
// Paths may be files, folders and globs. Partition folders (day=2024-01-01) become columns behind
// the files' own; their types are inferred as Spark does unless the schema names them. The files
// are listed once, when the table is opened; files that a scan's condition on partition columns
// rules out are not read.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "relational/scan_source.h"
#include "session/warehouse.h"

namespace weir::session {

struct FileTableRequest {
  std::string format;  // lower case
  std::vector<std::string> paths;
  TextMap options;               // names in any case
  std::optional<Schema> schema;  // given by the user or the catalog; else inferred
  // Of a catalog table: the partition columns, whatever the folders are. Else found by the folders.
  std::optional<std::vector<std::string>> partition_columns;
  bool missing_is_empty = false;  // of a catalog table: no folder yet means no rows
  bool case_sensitive = false;
  bool infer_partition_types = true;
  bool ntz = false;
};

Result<std::shared_ptr<const relational::ScanSource>> open_file_table(const Services& services,
                                                                      FileTableRequest request);

// "file:/a/b" and "/a/b" as the absolute path; schemes of other stores are UNSUPPORTED_FEATURE.
Result<std::string> local_path(const std::string& path);

bool is_file_format(std::string_view format);

// DATA_SOURCE_NOT_FOUND, or UNSUPPORTED_FEATURE for what Spark has built in and weir has not.
base::Error no_data_source(const std::string& format);

}  // namespace weir::session
