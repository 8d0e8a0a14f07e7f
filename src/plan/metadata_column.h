// The hidden column `_metadata` of tables that are made of files: which file a row comes from.
#pragma once

#include "plan/catalog.h"

namespace weir::plan {

inline constexpr std::string_view kMetadataColumn = "_metadata";

// struct<file_path, file_name, file_size, file_block_start, file_block_length,
// file_modification_time>, nothing of it NULL. Paths are URIs ("file:/a%20b").
const DataType& metadata_type();

// A table of files is one of these too.
class FileBacked {
 public:
  virtual ~FileBacked() = default;
  // A table of the same rows whose last column is `_metadata`; nullptr where there is another
  // column of that name.
  virtual TablePtr with_metadata() const = 0;
};

}  // namespace weir::plan
