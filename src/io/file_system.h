// Files: the door through which every durable byte of weir passes.
//
// LocalFileSystem is the real one; ModelFileSystem (model_file_system.h) keeps unsynced bytes and
// directory entries apart from durable ones, injects errors and loses power on request.
//
// What is durable, and when (POSIX as Linux keeps it):
//  * bytes of a file: after sync() of that file;
//  * a file's name (created, linked, renamed, removed): after sync_dir() of the folder that holds
//  it.
// A failed sync leaves the file in an unknown state and is never retried: the owner of the file
// stops and recovers from what is on disk.
//
// Paths are UTF-8 with '/'; absolute, or relative to the process's folder. All calls may be made
// from any thread; one WritableFile is used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::io {

using base::Result;

struct FileInfo {
  std::string name;         // last component
  std::string path;         // as it can be opened
  int64_t size = 0;         // bytes
  int64_t modified_us = 0;  // microseconds since the epoch
  bool is_directory = false;
};

class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes without syncing
  // Appends all bytes or fails; after a failure the file's tail is unknown.
  virtual Result<void> append(std::string_view bytes) = 0;
  // Appends the pieces in order with as few system calls as possible.
  virtual Result<void> append_pieces(std::span<const std::string_view> pieces) = 0;
  // fdatasync: all appended bytes and the file's size are durable after it returns ok.
  virtual Result<void> sync() = 0;
  // Cuts the file (recovery only); durable after sync().
  virtual Result<void> truncate(int64_t size) = 0;
  virtual int64_t size() const = 0;  // bytes appended so far, with those found at opening
  virtual Result<void> close() = 0;
};

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Reads up to length bytes at offset into buffer; returns the number read, less only at the end
  // of the file.
  virtual Result<int64_t> read_at(int64_t offset, int64_t length, void* buffer) const = 0;
  virtual Result<int64_t> size() const = 0;
};

// Held until destroyed or the process ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class CreateOutcome { kCreated, kExists };

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // --- single files
  // Opens for appending; creates the file where absent. Its name is durable after sync_dir(parent).
  virtual Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) = 0;
  // Creates a new, empty file; kAlreadyExists where there is one.
  virtual Result<std::unique_ptr<WritableFile>> create(const std::string& path) = 0;
  virtual Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) = 0;
  virtual Result<FileInfo> stat(const std::string& path) = 0;  // kNotFound where absent
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Result<void> remove(const std::string& path) = 0;  // file or empty folder
  // The file at `path` gets a second name; kExists where the name is taken. Atomic.
  virtual Result<CreateOutcome> link(const std::string& path, const std::string& new_path) = 0;

  // --- folders
  virtual Result<void> make_dir(
      const std::string& path) = 0;  // ok where it exists; the parent must
  virtual Result<std::vector<FileInfo>> list(
      const std::string& path) = 0;  // by name; kNotFound where absent
  virtual Result<void> sync_dir(const std::string& path) = 0;

  // An exclusive advisory lock on a file (created where absent): nullptr where somebody else, also
  // another part of this process, holds it.
  virtual Result<std::unique_ptr<FileLock>> try_lock(const std::string& path) = 0;

  // A mapping or copy of the whole file.
  Result<std::string> read_all(const std::string& path);
  Result<bool> exists(const std::string& path);
  // Creates the folder and its missing parents, each durable.
  Result<void> make_dirs(const std::string& path);
  // All-or-nothing and durable on return: the file has exactly `bytes`, or kExists and nothing
  // changed. (temporary file, sync, link, sync of the folder). Readers never see a part of it.
  Result<CreateOutcome> create_if_absent(const std::string& path, std::string_view bytes);
  // Atomically puts `bytes` in the place of what `path` held; durable on return.
  Result<void> replace(const std::string& path, std::string_view bytes);
  // Removes a folder and what is in it; ok where absent.
  Result<void> remove_tree(const std::string& path);
  // All files below, depth first by name.
  Result<std::vector<FileInfo>> list_recursive(const std::string& path);
};

// POSIX calls on the local disk.
std::unique_ptr<FileSystem> local_file_system();

std::string parent_path(const std::string& path);  // "a/b/c" -> "a/b"; "c" -> "."
std::string file_name(const std::string& path);    // "a/b/c" -> "c"
std::string join_path(const std::string& folder, std::string_view name);

// Names of temporary files begin with this; listings of data skip them and recovery removes them.
inline constexpr std::string_view kTemporaryPrefix = ".weir-tmp-";

}  // namespace weir::io
