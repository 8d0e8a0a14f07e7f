// Values of the column `_metadata` (plan/metadata_column.h).
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "columnar/data_type.h"

namespace arrow {
class Array;
}

namespace weir::session {

struct FileMetadata {
  std::string path;  // absolute
  int64_t size = 0;
  int64_t modified_us = 0;
  int64_t begin = 0;   // of the part that is read
  int64_t length = 0;  // of it
};

// The same value so many times.
base::Result<std::shared_ptr<arrow::Array>> metadata_values(const FileMetadata& file, int64_t rows);
// The schema with `_metadata` behind its columns; nullopt where it has one of that name.
std::optional<columnar::Schema> with_metadata_column(const columnar::Schema& schema);

}  // namespace weir::session
