#include "python/session_files.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <sys/stat.h>

#include "python/work.h"

namespace weir::python {

namespace {

base::Error failed(const std::string& path) {
  return base::error(base::ErrorKind::kIo, "keeping {} for Python workers: {}", path,
                     std::strerror(errno));
}

// For members of the group `reader` (-1: none) to read, and only the server's to change: nobody
// puts anything else in its place.
constexpr mode_t kFileMode = 0640, kFolderMode = 0750;

Result<void> give(const std::string& path, mode_t mode, int reader) {
  if (reader < 0) return {};
  if (::lchown(path.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(reader)) != 0 ||
      ::chmod(path.c_str(), mode) != 0)
    return failed(path);
  return {};
}

Result<void> write_file(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return failed(path);
  while (!bytes.empty()) {
    const auto wrote = ::write(file, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      auto error = failed(path);
      ::close(file);
      return error;
    }
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  ::close(file);
  return {};
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return failed(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

bool is_archive(std::string_view name) {
  return name.ends_with(".zip") || name.ends_with(".egg") || name.ends_with(".jar");
}

}  // namespace

SessionFiles::~SessionFiles() {
  std::error_code ignored;
  if (!place_.folder.empty()) std::filesystem::remove_all(place_.folder, ignored);
}

Result<bool> SessionFiles::add(const std::string& name, std::string_view bytes) {
  const auto slash = name.find('/');
  const auto kind = name.substr(0, slash);
  if (kind == "archives")
    return unsupported("An archive among artifacts (addArtifacts(archive=True))");
  if (slash == std::string::npos || (kind != "pyfiles" && kind != "files")) return false;
  const auto file = name.substr(slash + 1);
  if (file.empty() || file == "." || file == ".." || file.find('\0') != std::string::npos)
    return base::error(base::ErrorKind::kInvalidArgument, "'{}' is no name for an artifact", name);
  if (file.find('/') != std::string::npos)
    return unsupported("A folder in the name of an artifact");
  const std::lock_guard lock(mutex_);
  if (place_.folder.empty()) {
    auto folder = (std::filesystem::temp_directory_path() / "weir-files-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) return failed(folder);
    place_.folder = folder;
  }
  const auto path = path_of(name);
  if (std::filesystem::exists(path)) {
    WEIR_ASSIGN(const auto there, read_file(path));
    if (there == bytes) return false;
    return base::error(base::ErrorKind::kAlreadyExists,
                       "The artifact {} already exists. Please choose a different name for the new "
                       "artifact because it cannot be overwritten.",
                       name)
        .with_class("ARTIFACT_ALREADY_EXISTS")
        .with_sql_state("42713")
        .with_parameter("normalizedRemoteRelativePath", name);
  }
  WEIR_TRY(write_file(path, bytes));
  WEIR_TRY(give(path, kFileMode, owner_));
  names_.push_back(name);
  if (kind == "pyfiles" && is_archive(file)) place_.includes.push_back(file);
  return true;
}

std::string SessionFiles::path_of(const std::string& name) const {
  return place_.folder + name.substr(name.find('/'));
}

Result<void> SessionFiles::copy_to(FileTaker& to) {
  std::vector<std::pair<std::string, std::string>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& name : names_) {
      WEIR_ASSIGN(auto bytes, read_file(path_of(name)));
      all.emplace_back(name, std::move(bytes));
    }
  }
  for (const auto& [name, bytes] : all)
    WEIR_TRY(to.add_file(name, bytes));
  return {};
}

Result<SessionFiles::Place> SessionFiles::place(int uid) {
  const std::lock_guard lock(mutex_);
  if (place_.folder.empty() || uid < 0 || uid == owner_) return place_;
  for (const auto& name : names_)
    WEIR_TRY(give(path_of(name), kFileMode, uid));
  WEIR_TRY(give(place_.folder, kFolderMode, uid));
  owner_ = uid;
  return place_;
}

}  // namespace weir::python
