#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <mutex>
#include <set>
#include <unistd.h>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "io/descriptor.h"
#include "io/file_system.h"

namespace weir::io {
namespace {

using base::Error;
using base::error;
using base::ErrorKind;

Error system_error(std::string_view action, const std::string& path, int code) {
  ErrorKind kind = ErrorKind::kIo;
  if (code == ENOENT || code == ENOTDIR) kind = ErrorKind::kNotFound;
  if (code == EEXIST) kind = ErrorKind::kAlreadyExists;
  if (code == EACCES || code == EPERM) kind = ErrorKind::kPermissionDenied;
  if (code == ENOSPC || code == EDQUOT || code == EMFILE || code == ENFILE)
    kind = ErrorKind::kResourceExhausted;
  return error(kind, "cannot {} {}: {}", action, path, std::strerror(code));
}

class LocalWritableFile final : public WritableFile {
 public:
  LocalWritableFile(int fd, std::string path, int64_t size)
      : fd_(fd), path_(std::move(path)), size_(size) {}

  Result<void> append(std::string_view bytes) override {
    return append_pieces(std::span(&bytes, 1));
  }

  Result<void> append_pieces(std::span<const std::string_view> pieces) override {
    std::vector<iovec> vectors;
    vectors.reserve(pieces.size());
    for (const std::string_view piece : pieces)
      if (!piece.empty()) vectors.push_back({const_cast<char*>(piece.data()), piece.size()});
    size_t first = 0;
    while (first < vectors.size()) {
      const int count = static_cast<int>(std::min<size_t>(vectors.size() - first, IOV_MAX));
      const ssize_t written = ::writev(fd_.get(), &vectors[first], count);
      if (written < 0) {
        if (errno == EINTR) continue;
        return system_error("write to", path_, errno);
      }
      size_ += written;
      auto left = static_cast<size_t>(written);
      while (first < vectors.size() && left >= vectors[first].iov_len)
        left -= vectors[first++].iov_len;
      if (left > 0) {
        vectors[first].iov_base = static_cast<char*>(vectors[first].iov_base) + left;
        vectors[first].iov_len -= left;
      }
    }
    return {};
  }

  Result<void> sync() override {
    if (::fdatasync(fd_.get()) != 0) return system_error("sync", path_, errno);
    return {};
  }

  Result<void> truncate(int64_t size) override {
    if (::ftruncate(fd_.get(), size) != 0) return system_error("truncate", path_, errno);
    size_ = size;
    return {};
  }

  int64_t size() const override { return size_; }

  Result<void> close() override {
    if (::close(fd_.release()) != 0) return system_error("close", path_, errno);
    return {};
  }

 private:
  Descriptor fd_;
  std::string path_;
  int64_t size_;
};

class LocalReadableFile final : public ReadableFile {
 public:
  LocalReadableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<int64_t> read_at(int64_t offset, int64_t length, void* buffer) const override {
    int64_t total = 0;
    while (total < length) {
      const ssize_t got = ::pread(fd_.get(), static_cast<char*>(buffer) + total,
                                  static_cast<size_t>(length - total), offset + total);
      if (got < 0) {
        if (errno == EINTR) continue;
        return system_error("read", path_, errno);
      }
      if (got == 0) break;
      total += got;
    }
    return total;
  }

  Result<int64_t> size() const override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return system_error("stat", path_, errno);
    return info.st_size;
  }

 private:
  Descriptor fd_;
  std::string path_;
};

class LocalFileLock final : public FileLock {
 public:
  explicit LocalFileLock(int fd) : fd_(fd) {}

 private:
  Descriptor fd_;
};

FileInfo to_info(const std::string& path, const struct stat& info) {
  return {.name = file_name(path),
          .path = path,
          .size = info.st_size,
          .modified_us = info.st_mtim.tv_sec * 1'000'000LL + info.st_mtim.tv_nsec / 1000,
          .is_directory = S_ISDIR(info.st_mode)};
}

class LocalFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) override {
    return open_writable(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
  }

  Result<std::unique_ptr<WritableFile>> create(const std::string& path) override {
    return open_writable(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC);
  }

  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return system_error("open", path, errno);
    return std::unique_ptr<ReadableFile>(std::make_unique<LocalReadableFile>(fd, path));
  }

  Result<FileInfo> stat(const std::string& path) override {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return system_error("stat", path, errno);
    return to_info(path, info);
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0)
      return system_error(fmt::format("rename {} to", from), to, errno);
    return {};
  }

  Result<void> remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0) return system_error("remove", path, errno);
    return {};
  }

  Result<CreateOutcome> link(const std::string& path, const std::string& new_path) override {
    if (::link(path.c_str(), new_path.c_str()) == 0) return CreateOutcome::kCreated;
    if (errno == EEXIST) return CreateOutcome::kExists;
    return system_error(fmt::format("link {} to", path), new_path, errno);
  }

  Result<void> make_dir(const std::string& path) override {
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST)
      return system_error("create folder", path, errno);
    return {};
  }

  Result<std::vector<FileInfo>> list(const std::string& path) override {
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) return system_error("list", path, errno);
    std::vector<FileInfo> entries;
    while (const dirent* entry = ::readdir(folder)) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string child = join_path(path, name);
      struct stat info {};
      if (::stat(child.c_str(), &info) == 0)
        entries.push_back(to_info(child, info));  // else: removed meanwhile
    }
    ::closedir(folder);
    std::sort(entries.begin(), entries.end(),
              [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
    return entries;
  }

  Result<void> sync_dir(const std::string& path) override {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return system_error("open folder", path, errno);
    if (::fsync(fd.get()) != 0) return system_error("sync folder", path, errno);
    return {};
  }

  Result<std::unique_ptr<FileLock>> try_lock(const std::string& path) override {
    // flock belongs to the open file, so a second attempt in this process is refused as well.
    Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (fd.get() < 0) return system_error("open lock file", path, errno);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return std::unique_ptr<FileLock>();
      return system_error("lock", path, errno);
    }
    return std::unique_ptr<FileLock>(std::make_unique<LocalFileLock>(fd.release()));
  }

 private:
  static Result<std::unique_ptr<WritableFile>> open_writable(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags, 0666);
    if (fd < 0) return system_error("open for writing", path, errno);
    struct stat info {};
    if (::fstat(fd, &info) != 0) {
      const int code = errno;
      ::close(fd);
      return system_error("stat", path, code);
    }
    return std::unique_ptr<WritableFile>(
        std::make_unique<LocalWritableFile>(fd, path, info.st_size));
  }
};

}  // namespace

std::unique_ptr<FileSystem> local_file_system() { return std::make_unique<LocalFileSystem>(); }

}  // namespace weir::io
