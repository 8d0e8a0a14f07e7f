// Which files a path stands for: globs expanded, hidden names left out, filters applied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"

namespace weir::source {

using base::Result;

// Hadoop's glob: * ? [a-z] [^x] {a,b} and \ before a character that is meant; on one name without
// '/'.
bool glob_matches(std::string_view pattern, std::string_view name);
bool has_glob(std::string_view text);

struct FileFilter {
  bool recursive = false;  // recursiveFileLookup
  std::string name_glob;   // pathGlobFilter; empty: all
  std::optional<int64_t> modified_before_us;
  std::optional<int64_t> modified_after_us;
};

// Without file:, from the root.
std::string absolute_path(const std::string& path);
// The files and folders that a path with globs stands for; the path itself where it has none. None
// has to be there.
Result<std::vector<std::string>> expand_globs(io::FileSystem& files, const std::string& path);
// Files under `path` (absolute), by path: in it and in its partition folders (a=1), or recursive in
// all folders. Nothing there yet is no error. Where a query's file sink keeps a log in it
// (file_sink_log.h), the files are those of the log.
Result<std::vector<io::FileInfo>> list_files(io::FileSystem& files, const std::string& path,
                                             const FileFilter& filter);

}  // namespace weir::source
