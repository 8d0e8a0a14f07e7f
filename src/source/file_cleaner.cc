#include "source/file_cleaner.h"

#include <algorithm>

#include "base/logging.h"
#include "base/text.h"
#include "source/file_listing.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

std::vector<std::string> steps(const std::string& path) {
  std::vector<std::string> list;
  size_t begin = 0;
  while (begin < path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) list.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return list;
}

// As deep as both are, one matches the other.
bool could_be_read(const std::string& archive, const std::string& source) {
  const auto to = steps(archive);
  const auto from = steps(source);
  for (size_t i = 0; i < std::min(to.size(), from.size()); ++i)
    if (!glob_matches(from[i], to[i])) return false;
  return true;
}

}  // namespace

Result<FileCleaner> FileCleaner::take(Options& options, const std::string& path) {
  FileCleaner made;
  const std::string action = base::lower_case(options.take("cleanSource").value_or("off"));
  auto archive = options.take("sourceArchiveDir");
  if (action == "off") return made;
  if (action == "delete") {
    made.action_ = Action::kDelete;
    return made;
  }
  if (action != "archive")
    return error(ErrorKind::kInvalidArgument,
                 "Invalid mode for clean source option '{}'. Must be one of archive, delete, off",
                 action);
  made.action_ = Action::kArchive;
  if (!archive)
    return error(ErrorKind::kInvalidArgument,
                 "Archive mode must be used with 'sourceArchiveDir' option.");
  made.archive_ = absolute_path(*archive);
  if (could_be_read(made.archive_, path))
    return error(ErrorKind::kInvalidArgument,
                 "Base archive path cannot be set to the path where archived path can possibly "
                 "match with source pattern. Ensure the base archive path doesn't match with "
                 "source pattern in depth, where the depth is minimum of depth on both paths. "
                 "Base archive path: {} Source pattern: {}",
                 made.archive_, path);
  return made;
}

Result<void> FileCleaner::archive(io::FileSystem& files, const std::string& path) const {
  const std::string target = archive_ + path;
  WEIR_TRY(files.make_dirs(io::parent_path(target)));
  return files.rename(path, target);
}

void FileCleaner::clean(io::FileSystem& files, const std::vector<std::string>& paths) const {
  for (const auto& path : paths) {
    const auto done = action_ == Action::kDelete ? files.remove(path) : archive(files, path);
    if (!done.ok() && done.error().kind() != ErrorKind::kNotFound)
      base::log_warn("a file that was read stays where it is: {}", done.error().to_string());
  }
}

}  // namespace weir::source
