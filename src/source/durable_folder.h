// A log's folder as whoever goes on from what is in it needs it.
#pragma once

#include <string>

#include "io/file_system.h"

namespace weir::source {

// The folder is there; it and the names in it are durable, also those of a process that died
// between making them and its sync: whoever builds upon what is found there would otherwise lose
// the ground when the power goes.
inline base::Result<void> make_durable_folder(io::FileSystem& files, const std::string& folder) {
  WEIR_TRY(files.make_dirs(folder));
  WEIR_TRY(files.sync_dir(folder));
  return files.sync_dir(io::parent_path(folder));
}

}  // namespace weir::source
