// What a commit of a Delta table's log means to a query that reads the table as a stream: the files
// it adds, and whether the query may go on after it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "columnar/data_type.h"
#include "delta/snapshot.h"
#include "io/file_system.h"

namespace weir::source {

using base::Result;
using columnar::Schema;

struct DeltaChangeRules {
  bool ignore_deletes = false;       // commits that only remove rows are passed over
  bool ignore_changes = false;       // files rewritten by a change are read whole
  bool skip_change_commits = false;  // commits that remove rows are left out
};

// The files that version `version` adds, in the commit's order. nullopt where the log has no such
// commit. `table` is the table as the query was made with. Errors: DELTA_SOURCE_IGNORE_DELETE,
// DELTA_SOURCE_TABLE_IGNORE_CHANGES, DELTA_SCHEMA_CHANGED_WITH_VERSION.
Result<std::optional<delta::FileList>> read_delta_changes(io::FileSystem& files,
                                                          const delta::TableSnapshot& table,
                                                          int64_t version,
                                                          const DeltaChangeRules& rules);

// The first commit at or after a time. Times of the log's files, each at least a millisecond after
// the one before.
Result<int64_t> first_delta_version_at(io::FileSystem& files, const std::string& table_path,
                                       int64_t timestamp_us);
// The oldest commit that the log still has.
Result<int64_t> oldest_delta_commit(io::FileSystem& files, const std::string& table_path);

}  // namespace weir::source
