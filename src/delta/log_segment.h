// The files of `_delta_log` that make up one version: the newest complete checkpoint and the
// commits after it.
//
//   00000000000000000007.json                                     commit
//   00000000000000000010.checkpoint.parquet                       classic checkpoint
//   00000000000000000010.checkpoint.0000000001.0000000003.parquet  a part of a multi-part
//   checkpoint 00000000000000000010.checkpoint.<uuid>.{json,parquet}         checkpoint of spec v2
//   00000000000000000004.00000000000000000006.compacted.json      log compaction: not needed, the
//   commits are read
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "delta/actions.h"
#include "io/file_system.h"

namespace weir::delta {

std::string log_path(const std::string& table_path);  // TABLE/_delta_log
std::string commit_path(const std::string& table_path,
                        TableVersion version);  // TABLE/_delta_log/%020d.json

struct CheckpointFiles {
  TableVersion version;
  std::vector<io::FileInfo> parts;  // in order
  int64_t bytes() const;
};

struct LogSegment {
  TableVersion version;  // that it ends at
  std::optional<CheckpointFiles> checkpoint;
  std::vector<io::FileInfo> commits;  // of versions checkpoint + 1 (or 0) … version
};

// nullopt where there is no Delta log. `at`: the version wanted, else the newest. kCorruption where
// commits are missing in between, kNotFound where the log doesn't reach `at`.
Result<std::optional<LogSegment>> list_log_segment(io::FileSystem& fs,
                                                   const std::string& table_path,
                                                   std::optional<TableVersion> at);

// Version and kind of a file of the log, by its name.
enum class LogFileKind { kCommit, kCheckpoint, kOther };
struct LogFileName {
  LogFileKind kind = LogFileKind::kOther;
  TableVersion version;
  int part = 1;  // multi-part checkpoints
  int parts = 1;
  bool uuid_named = false;
};
LogFileName parse_log_file_name(const std::string& name);

}  // namespace weir::delta
