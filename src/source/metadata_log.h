// A folder of small files named by batch id ("0", "1", …): what Spark calls an HDFSMetadataLog.
//
// An entry is created whole and durable, once; a second writer of the same id is told so and
// nothing changes. Names that are not numbers (Spark's ".7.crc", ".7.<uuid>.tmp", our temporary
// files) are no entries. Where Spark left a checksum beside an entry it is removed with the entry,
// and before an entry of that name is written: Hadoop would hold it against our bytes. Owned by one
// query, used by its thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"

namespace weir::source {

using base::Result;

class MetadataLog {
 public:
  MetadataLog(io::FileSystem& files, std::string folder)
      : files_(files), folder_(std::move(folder)) {}

  // Makes the folder where absent and removes temporary files of a writer that died.
  Result<void> open();
  // kExists: the id is taken; what is there is left as it is.
  Result<io::CreateOutcome> add(int64_t id, std::string_view text);
  Result<std::optional<std::string>> get(int64_t id);
  // Ids that are there, ascending.
  Result<std::vector<int64_t>> ids();
  Result<std::optional<int64_t>> latest();
  // Removes the entries below `id`.
  Result<void> purge_before(int64_t id);
  Result<void> remove(int64_t id);

  const std::string& folder() const { return folder_; }
  std::string path_of(int64_t id) const;

 private:
  io::FileSystem& files_;
  std::string folder_;
  int64_t purged_before_ = 0;       // entries below are known to be gone
  bool may_have_checksums_ = true;  // a listing saw one of Spark's .crc files
};

// "v1\nrest": checks the version line against `newest` and returns the rest. kCorruption names
// `what`; kUnsupported for a newer version.
Result<std::string_view> after_version_line(std::string_view text, int newest,
                                            std::string_view what, int* version = nullptr);

}  // namespace weir::source
