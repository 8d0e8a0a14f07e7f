// Columns that the names of folders make: /in/day=2024-01-01/hour=7/a.json has day and hour.
//
// As Spark: found out once, at the start of a query, from the folders that are there. A column's
// type is that of the schema given where it names the column, otherwise what all values have in
// common (INT, BIGINT, DECIMAL, DOUBLE, DATE, TIMESTAMP, else STRING). __HIVE_DEFAULT_PARTITION__
// is NULL. Immutable; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "columnar/data_type.h"
#include "io/file_system.h"

namespace arrow {
struct Scalar;
}

namespace weir::source {

using base::Result;
using columnar::Schema;

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

class PartitionFolders {
 public:
  // None: files lie where they are.
  PartitionFolders() = default;
  // Folders below the first `depth` parts of the files' paths. kInvalidArgument where two files
  // have different columns.
  static Result<PartitionFolders> find(const std::vector<io::FileInfo>& files, size_t depth,
                                       const std::optional<Schema>& schema);

  const std::vector<columnar::Field>& fields() const { return fields_; }
  // Index of the column of this name in any case; -1.
  int index_of(std::string_view name) const;
  // Of one file, in the order of fields(). kInvalidArgument where its folders have other columns,
  // or a value is not of its column's type.
  Result<std::vector<std::shared_ptr<arrow::Scalar>>> values(const std::string& path) const;

 private:
  size_t depth_ = 0;
  std::vector<columnar::Field> fields_;
};

// The number of parts of an absolute path: 2 of "/in/day=1".
size_t path_depth(std::string_view path);

}  // namespace weir::source
