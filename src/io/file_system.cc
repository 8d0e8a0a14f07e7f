#include "io/file_system.h"

#include <atomic>
#include <unistd.h>

namespace weir::io {

using base::error;
using base::ErrorKind;

namespace {

// Unique among the processes of this machine and the threads of this process.
std::string temporary_path_beside(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  return join_path(parent_path(path), fmt::format("{}{}-{}-{}", kTemporaryPrefix, file_name(path),
                                                  ::getpid(), ++counter));
}

Result<void> write_new_file(FileSystem& fs, const std::string& path, std::string_view bytes) {
  WEIR_ASSIGN(auto file, fs.create(path));
  WEIR_TRY(file->append(bytes));
  WEIR_TRY(file->sync());
  return file->close();
}

// The bytes, durable, in a new file beside `path`; its name goes to `temporary`. A process that
// died may have left one of that name: ids of processes come again, in containers at each start.
Result<void> write_temporary(FileSystem& fs, const std::string& path, std::string_view bytes,
                             std::string& temporary) {
  constexpr int kTriesMax = 1000;
  for (int tries = 1;; ++tries) {
    temporary = temporary_path_beside(path);
    auto written = write_new_file(fs, temporary, bytes);
    const bool taken = !written.ok() && written.error().kind() == ErrorKind::kAlreadyExists;
    if (taken && tries < kTriesMax) continue;
    if (!written.ok() && !taken)
      (void)fs.remove(temporary);  // best effort: the first error is the one to report
    return written;
  }
}

}  // namespace

std::string parent_path(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string file_name(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string join_path(const std::string& folder, std::string_view name) {
  if (folder.empty() || folder == ".") return std::string(name);
  return folder.back() == '/' ? folder + std::string(name) : fmt::format("{}/{}", folder, name);
}

Result<std::string> FileSystem::read_all(const std::string& path) {
  WEIR_ASSIGN(auto file, open_read(path));
  WEIR_ASSIGN(const int64_t size, file->size());
  std::string bytes(static_cast<size_t>(size), '\0');
  WEIR_ASSIGN(const int64_t read, file->read_at(0, size, bytes.data()));
  bytes.resize(static_cast<size_t>(read));
  return bytes;
}

Result<bool> FileSystem::exists(const std::string& path) {
  auto info = stat(path);
  if (info.ok()) return true;
  if (info.error().kind() == ErrorKind::kNotFound) return false;
  return std::move(info).error();
}

Result<void> FileSystem::make_dirs(const std::string& path) {
  auto info = stat(path);
  if (info.ok()) {
    if (info->is_directory) return {};
    return error(ErrorKind::kIo, "{} is a file where a folder was expected", path);
  }
  if (info.error().kind() != ErrorKind::kNotFound) return std::move(info).error();
  const std::string parent = parent_path(path);
  WEIR_TRY(make_dirs(parent));
  WEIR_TRY(make_dir(path));
  return sync_dir(parent);
}

Result<CreateOutcome> FileSystem::create_if_absent(const std::string& path,
                                                   std::string_view bytes) {
  std::string temporary;
  WEIR_TRY(write_temporary(*this, path, bytes, temporary));
  auto outcome = link(temporary, path);
  auto removed = remove(temporary);
  if (!outcome.ok()) return outcome;
  WEIR_TRY(removed);
  // Also where the name existed: the winner may have died between its link and its sync.
  WEIR_TRY(sync_dir(parent_path(path)));
  return outcome;
}

Result<void> FileSystem::replace(const std::string& path, std::string_view bytes) {
  std::string temporary;
  WEIR_TRY(write_temporary(*this, path, bytes, temporary));
  if (auto renamed = rename(temporary, path); !renamed.ok()) {
    (void)remove(temporary);
    return renamed;
  }
  return sync_dir(parent_path(path));
}

Result<void> FileSystem::remove_tree(const std::string& path) {
  auto info = stat(path);
  if (!info.ok()) {
    if (info.error().kind() == ErrorKind::kNotFound) return {};
    return std::move(info).error();
  }
  if (info->is_directory) {
    WEIR_ASSIGN(const auto entries, list(path));
    for (const FileInfo& entry : entries)
      WEIR_TRY(remove_tree(entry.path));
  }
  return remove(path);
}

Result<std::vector<FileInfo>> FileSystem::list_recursive(const std::string& path) {
  std::vector<FileInfo> files;
  WEIR_ASSIGN(const auto entries, list(path));
  for (const FileInfo& entry : entries) {
    if (!entry.is_directory) {
      files.push_back(entry);
      continue;
    }
    WEIR_ASSIGN(auto below, list_recursive(entry.path));
    files.insert(files.end(), std::make_move_iterator(below.begin()),
                 std::make_move_iterator(below.end()));
  }
  return files;
}

}  // namespace weir::io
