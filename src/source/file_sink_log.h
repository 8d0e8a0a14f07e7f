// _spark_metadata of a folder that a query's file sink writes: which files count. Spark's
// FileStreamSinkLog:
//
//   v1
//   {"path":"file:///out/part-00000-….json","size":100,"isDir":false,"modificationTime":1480730949000,
//    "blockReplication":1,"blockSize":33554432,"action":"add"}                  one line a file
//
// Entry N holds the files of batch N; compacted as compact_log.h tells. Files of the folder that
// the log does not name are leftovers of attempts that failed, and nobody reads them. Beside the
// entries, ".query" holds the id of the query that weir began the log for; Spark passes over it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "source/compact_log.h"

namespace weir::source {

using base::Result;

inline constexpr std::string_view kSinkLogFolder = "_spark_metadata";

class FileSinkLog {
 public:
  // `folder`: where the files go.
  FileSinkLog(io::FileSystem& files, const std::string& folder,
              int64_t interval = CompactLog::kInterval);

  // Reads what is there; makes nothing. kConflict where another query writes the folder.
  Result<void> open(const std::string& query_id);
  int64_t latest() const { return log_.latest(); }
  // The files of batch latest() + 1, which are durable.
  Result<void> add(const std::vector<io::FileInfo>& written);

 private:
  io::FileSystem& files_;
  std::string folder_;  // of the log
  std::string query_id_;
  CompactLog log_;
};

// The files that count in a folder with such a log, by path; nullopt where it has none.
Result<std::optional<std::vector<io::FileInfo>>> files_by_sink_log(io::FileSystem& files,
                                                                   const std::string& folder);

}  // namespace weir::source
