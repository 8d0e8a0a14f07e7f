// sources/0 of a file stream's checkpoint: which files belong to which offset. Spark's
// FileStreamSourceLog:
//
//   v1
//   {"path":"file:///in/a.json","timestamp":1480730949000,"batchId":0}       one line a file;
//   timestamp: modified, ms
//
// Compacted as compact_log.h tells.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "source/compact_log.h"

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
  FileSourceLog(io::FileSystem& files, std::string folder, int64_t interval = CompactLog::kInterval)
      : folder_(std::move(folder)), log_(files, folder_, interval) {}

  // Reads what is there. All entries, oldest first, are given to the caller once.
  Result<std::vector<FileEntry>> open();
  // The newest entry, -1 where there is none.
  int64_t latest() const { return log_.latest(); }
  // Entry latest() + 1. kConflict where somebody else has written it.
  Result<void> add(const std::vector<FileEntry>& entries);
  // The files of entries [from, to].
  Result<std::vector<FileEntry>> get(int64_t from, int64_t to);

 private:
  std::string folder_;
  CompactLog log_;
  std::vector<FileEntry>
      newest_;  // of entry latest(), as a compacted file would have to be read whole
};

}  // namespace weir::source
