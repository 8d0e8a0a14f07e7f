#include "state/rocksdb_file_system.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace weir::state {

namespace {

using base::ErrorKind;
using base::Result;
using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus to_status(const base::Error& error) {
  switch (error.kind()) {
    case ErrorKind::kNotFound:
      return IOStatus::PathNotFound(error.message());
    case ErrorKind::kResourceExhausted:
      return IOStatus::NoSpace(error.message());
    default:
      return IOStatus::IOError(error.message());
  }
}

template <typename T>
IOStatus to_status(const Result<T>& result) {
  return result.ok() ? IOStatus::OK() : to_status(result.error());
}

std::string_view view(const Slice& slice) { return {slice.data(), slice.size()}; }

// RocksDB asks for folders with a slash at their end at times.
std::string plain(const std::string& path) {
  size_t end = path.size();
  while (end > 1 && path[end - 1] == '/')
    --end;
  return path.substr(0, end);
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<io::ReadableFile> file) : file_(std::move(file)) {}
  IOStatus Read(size_t size, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    auto got = file_->read_at(offset_, static_cast<int64_t>(size), scratch);
    if (!got.ok()) return to_status(got.error());
    offset_ += *got;
    *result = Slice(scratch, static_cast<size_t>(*got));
    return IOStatus::OK();
  }
  IOStatus Skip(uint64_t bytes) override {
    offset_ += static_cast<int64_t>(bytes);
    return IOStatus::OK();
  }

 private:
  std::unique_ptr<io::ReadableFile> file_;
  int64_t offset_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<io::ReadableFile> file) : file_(std::move(file)) {}
  IOStatus Read(uint64_t offset, size_t size, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    auto got = file_->read_at(static_cast<int64_t>(offset), static_cast<int64_t>(size), scratch);
    if (!got.ok()) return to_status(got.error());
    *result = Slice(scratch, static_cast<size_t>(*got));
    return IOStatus::OK();
  }

 private:
  std::unique_ptr<io::ReadableFile> file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  explicit WritableFile(std::unique_ptr<io::WritableFile> file) : file_(std::move(file)) {}
  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    return to_status(file_->append(view(data)));
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    if (static_cast<int64_t>(size) == file_->size()) return IOStatus::OK();
    return to_status(file_->truncate(static_cast<int64_t>(size)));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override {
    if (closed_) return IOStatus::OK();
    closed_ = true;
    size_ = file_->size();
    return to_status(file_->close());
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return to_status(file_->sync()); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    return static_cast<uint64_t>(closed_ ? size_ : file_->size());
  }

 private:
  std::unique_ptr<io::WritableFile> file_;
  bool closed_ = false;
  int64_t size_ = 0;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(io::FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return to_status(files_.sync_dir(path_));
  }

 private:
  io::FileSystem& files_;
  std::string path_;
};

class HeldLock final : public rocksdb::FileLock {
 public:
  explicit HeldLock(std::unique_ptr<io::FileLock> lock) : lock_(std::move(lock)) {}

 private:
  std::unique_ptr<io::FileLock> lock_;
};

class Silence final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

class Files final : public rocksdb::FileSystem {
 public:
  explicit Files(io::FileSystem& files) : files_(files) {}
  const char* Name() const override { return "weir"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext*) override {
    auto file = files_.open_read(path);
    if (!file.ok()) return to_status(file.error());
    *result = std::make_unique<SequentialFile>(std::move(file).value());
    return IOStatus::OK();
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override {
    auto file = files_.open_read(path);
    if (!file.ok()) return to_status(file.error());
    *result = std::make_unique<RandomAccessFile>(std::move(file).value());
    return IOStatus::OK();
  }
  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    auto file = files_.create(path);
    if (!file.ok() && file.error().kind() == ErrorKind::kAlreadyExists) {
      // A file that is replaced: RocksDB does so with what no other name stands for.
      if (auto removed = files_.remove(path); !removed.ok()) return to_status(removed.error());
      file = files_.create(path);
    }
    if (!file.ok()) return to_status(file.error());
    *result = std::make_unique<WritableFile>(std::move(file).value());
    return IOStatus::OK();
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext*) override {
    auto file = files_.open_append(path);
    if (!file.ok()) return to_status(file.error());
    *result = std::make_unique<WritableFile>(std::move(file).value());
    return IOStatus::OK();
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) override {
    auto info = files_.stat(plain(path));
    if (!info.ok()) return to_status(info.error());
    *result = std::make_unique<Directory>(files_, plain(path));
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    auto info = files_.stat(plain(path));
    if (info.ok()) return IOStatus::OK();
    return info.error().kind() == ErrorKind::kNotFound ? IOStatus::NotFound()
                                                       : to_status(info.error());
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* result,
                       IODebugContext*) override {
    result->clear();
    auto entries = files_.list(plain(path));
    if (!entries.ok()) {
      return entries.error().kind() == ErrorKind::kNotFound ? IOStatus::NotFound()
                                                            : to_status(entries.error());
    }
    for (const io::FileInfo& entry : *entries)
      result->push_back(entry.name);
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return to_status(files_.remove(path));
  }
  IOStatus CreateDir(const std::string& path, const IOOptions& options,
                     IODebugContext* context) override {
    if (FileExists(path, options, context).ok()) return IOStatus::IOError(path + " exists");
    return to_status(files_.make_dir(plain(path)));
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    return to_status(files_.make_dir(plain(path)));
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return to_status(files_.remove(plain(path)));
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* size,
                       IODebugContext*) override {
    auto info = files_.stat(path);
    if (!info.ok()) return to_status(info.error());
    *size = static_cast<uint64_t>(info->size);
    return IOStatus::OK();
  }
  IOStatus GetFileModificationTime(const std::string& path, const IOOptions&, uint64_t* time,
                                   IODebugContext*) override {
    auto info = files_.stat(path);
    if (!info.ok()) return to_status(info.error());
    *time = static_cast<uint64_t>(info->modified_us / 1'000'000);
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return to_status(files_.rename(plain(from), plain(to)));
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                    IODebugContext*) override {
    auto outcome = files_.link(from, to);
    if (!outcome.ok()) return to_status(outcome.error());
    if (*outcome == io::CreateOutcome::kExists) return IOStatus::IOError(to + " exists");
    return IOStatus::OK();
  }
  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    auto held = files_.try_lock(path);
    if (!held.ok()) return to_status(held.error());
    if (*held == nullptr) return IOStatus::IOError(path + " is locked");
    *lock = new HeldLock(std::move(held).value());
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete lock;
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string*, IODebugContext*) override {
    return IOStatus::NotSupported();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result,
                     IODebugContext*) override {
    *result = std::make_shared<Silence>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* result,
                           IODebugContext*) override {
    *result = path;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* result,
                       IODebugContext*) override {
    auto info = files_.stat(plain(path));
    if (!info.ok()) return to_status(info.error());
    *result = info->is_directory;
    return IOStatus::OK();
  }

 private:
  io::FileSystem& files_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> make_rocksdb_env(io::FileSystem& files) {
  return rocksdb::NewCompositeEnv(std::make_shared<Files>(files));
}

}  // namespace weir::state
