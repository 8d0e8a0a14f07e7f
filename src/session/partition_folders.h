// Partition values in the names of folders: a=1/b=x.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "columnar/data_type.h"

namespace weir::session {

using base::Result;

struct PartitionFolder {
  std::vector<std::pair<std::string, std::optional<std::string>>>
      values;  // name, text (none: NULL)
};

// The values in the folders between `root` and the file.
PartitionFolder partition_folder_of(const std::string& root, const std::string& file);

// The columns that all folders have, with their types; CONFLICTING_PARTITION_COLUMN_NAMES where
// they differ.
Result<std::vector<columnar::Field>> partition_fields(const std::vector<PartitionFolder>& folders,
                                                      bool infer_types);

// Hive's escapes: %2F and the like.
std::string unescape_folder(std::string_view text);

}  // namespace weir::session
