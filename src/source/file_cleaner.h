// What becomes of a file stream's files once their batch is committed: cleanSource = off (they
// stay), delete, or archive (moved below sourceArchiveDir, under their whole path). As in Spark by
// best effort: a file that cannot be moved or removed is named in the log and left where it is.
#pragma once

#include <string>
#include <vector>

#include "io/file_system.h"
#include "source/option_text.h"

namespace weir::source {

class FileCleaner {
 public:
  // Takes cleanSource and sourceArchiveDir. `path`: where the stream reads, a glob perhaps;
  // an archive that the stream would read again is refused.
  static Result<FileCleaner> take(Options& options, const std::string& path);

  bool active() const { return action_ != Action::kOff; }
  void clean(io::FileSystem& files, const std::vector<std::string>& paths) const;

 private:
  enum class Action { kOff, kDelete, kArchive };
  Result<void> archive(io::FileSystem& files, const std::string& path) const;

  Action action_ = Action::kOff;
  std::string archive_;
};

}  // namespace weir::source
