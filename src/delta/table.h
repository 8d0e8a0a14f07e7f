// A handle on a Delta table's log: finds it, keeps its state in memory, reads only what is new.
//
// refresh() reads the commits that came since the last look, so that a stream that commits every
// second pays for one new file a second, not for the table. All calls may be made from any thread
// (one mutex). Environment's members outlive the table.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "delta/snapshot.h"
#include "delta/table_state.h"
#include "io/file_system.h"

namespace weir::delta {

struct Environment {
  io::FileSystem& fs;
  base::Clock& clock;
  base::Random& random;
};

// Some files of a table and the head of the version that they were looked up in.
struct FilesAt {
  TableHeader header;
  FileList files;  // as asked for; null where the table does not have the file, or has taken rows
                   // out of it by a deletion vector
};

struct LogTail {
  TableVersion version;
  int64_t checkpoint_bytes = 0;
  int64_t commits = 0;
  int64_t log_bytes = 0;
};

// "file:///a/b/", "file:/a/b", "/a/b/" -> "/a/b". Other schemes are kUnsupported by name.
Result<std::string> table_path(const std::string& path_or_uri);

class Table {
 public:
  // kNotFound where the folder has no Delta log. Checks that we can read it (table_features.h).
  static Result<std::unique_ptr<Table>> open(Environment environment, const std::string& path);
  // As open, but a folder without a log is an empty handle with version() == nullopt, to be created
  // by a transaction.
  static Result<std::unique_ptr<Table>> open_or_new(Environment environment,
                                                    const std::string& path);
  // One snapshot without a handle: the newest, or as of a version (kNotFound where the log doesn't
  // reach there).
  static Result<std::shared_ptr<const TableSnapshot>> snapshot_at(
      io::FileSystem& fs, const std::string& path,
      std::optional<TableVersion> version = std::nullopt);

  const std::string& path() const { return path_; }
  const Environment& environment() const { return environment_; }

  // Reads commits that appeared since; returns the newest version (nullopt: no table yet).
  Result<std::optional<TableVersion>> refresh();
  std::optional<TableVersion> version() const;
  // Copies pointers to all files: for scans and checkpoints, not for every commit.
  Result<std::shared_ptr<const TableSnapshot>> snapshot() const;
  // The parts that a commit needs, without the files. The table must exist.
  Result<TableHeader> header() const;
  // The files at these paths (as in the log). The table must exist.
  Result<FilesAt> find_files(const std::vector<std::string>& paths) const;
  int64_t file_count() const;  // 0 where there is no table
  // The version that an application recorded last (txn), nullopt where it never did.
  std::optional<int64_t> transaction_version(const std::string& app_id) const;
  // What a checkpoint of the current version holds (pointers are copied, no actions); null where
  // there is no table.
  std::shared_ptr<const CheckpointContent> checkpoint_content() const;
  // What has come since the newest checkpoint that we know.
  std::optional<LogTail> log_tail() const;
  void checkpoint_written(TableVersion version, int64_t bytes);

  // The actions of `version` as just written by this process: applied without reading them back
  // where `version` is the next one.
  Result<void> apply_own_commit(TableVersion version, const std::vector<Action>& actions,
                                int64_t bytes);

 private:
  Table(Environment environment, std::string path);
  Result<std::optional<TableVersion>> refresh_locked();

  Environment environment_;
  std::string path_;
  mutable std::mutex mutex_;
  std::unique_ptr<TableState> state_;  // null: no table yet
};

}  // namespace weir::delta
