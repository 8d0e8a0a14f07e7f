#include "delta/durable_folders.h"

namespace weir::delta {

base::Result<void> DurableFolders::ensure(io::FileSystem& fs, const std::string& root,
                                          const std::string& folder) {
  {
    const std::lock_guard lock(mutex_);
    if (known_.contains(folder)) return {};
  }
  const std::string parent = io::parent_path(folder);
  if (folder == root) {
    WEIR_TRY(fs.make_dirs(folder));
  } else {
    WEIR_TRY(ensure(fs, root, parent));
    WEIR_TRY(fs.make_dir(folder));
  }
  WEIR_TRY(fs.sync_dir(parent));
  const std::lock_guard lock(mutex_);
  known_.insert(folder);
  return {};
}

}  // namespace weir::delta
