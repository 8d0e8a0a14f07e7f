// sources/0 of a file stream's checkpoint: which files belong to which offset. Spark's
// FileStreamSourceLog:
//
//   v1
//   {"path":"file:///in/a.json","timestamp":1480730949000,"batchId":0}       one line a file;
//   timestamp: modified, ms
//
// Entry N is in the file N; every tenth entry (9, 19, …) is N.compact and repeats all entries
// before it, so that the older files can go. Those before the compaction that leaves 100 entries
// readable are removed (Spark waits ten minutes more, for readers on object stores that see an
// older listing). An interval other than ten that Spark left is taken over, as Spark does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"

namespace weir::source {

using base::Result;

struct FileEntry {
  std::string path;  // plain: "/in/a b.json"; encoded as a URI in the log only
  int64_t timestamp_ms = 0;
  int64_t batch = 0;
};

std::string file_entries_text(const std::vector<FileEntry>& entries);
Result<std::vector<FileEntry>> parse_file_entries(std::string_view text, std::string_view what);

class FileSourceLog {
 public:
  FileSourceLog(io::FileSystem& files, std::string folder)
      : files_(files), folder_(std::move(folder)) {}

  // Reads what is there. All entries, oldest first, are given to the caller once.
  Result<std::vector<FileEntry>> open();
  // The newest entry, -1 where there is none.
  int64_t latest() const { return latest_; }
  // Entry latest() + 1. kConflict where somebody else has written it.
  Result<void> add(const std::vector<FileEntry>& entries);
  // The files of entries [from, to].
  Result<std::vector<FileEntry>> get(int64_t from, int64_t to);

 private:
  bool compacts(int64_t id) const { return (id + 1) % interval_ == 0; }
  std::string path_of(int64_t id) const;
  Result<std::vector<FileEntry>> read(int64_t id);
  Result<std::vector<FileEntry>> all_up_to(int64_t id);
  Result<void> remove_expired();

  io::FileSystem& files_;
  std::string folder_;
  int64_t latest_ = -1;
  int64_t interval_ = 10;
  std::vector<FileEntry>
      newest_;  // of entry latest_, as a compacted file would have to be read whole
};

}  // namespace weir::source
