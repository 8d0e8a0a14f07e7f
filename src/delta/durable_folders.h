// Folders below a table that are known to be durable in this process.
//
// A folder that is there already may have been made by a process that died before it synced the
// parent: the first use in a process therefore syncs the parent, also where nothing is to be made.
// Kept over the batches of a stream, so that later ones pay nothing. Any thread.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "io/file_system.h"

namespace weir::delta {

class DurableFolders {
 public:
  // `folder` is `root` or lies below it; root's parents are made where they are missing.
  base::Result<void> ensure(io::FileSystem& fs, const std::string& root, const std::string& folder);

 private:
  std::mutex mutex_;
  std::set<std::string> known_;
};

}  // namespace weir::delta
