// A log of lines in a folder, one file an entry, compacted every so often: what Spark calls a
// CompactibleFileStreamLog.
//
//   v1
//   {…}                 one line of JSON each
//
// Entry N is in the file N; every tenth entry (9, 19, …) is N.compact and repeats the lines of all
// entries before it, so that the older files can go. Those before the compaction that leaves 100
// entries readable are removed (Spark waits ten minutes more, for readers on object stores that see
// an older listing). Where there are compactions already, their interval is taken over, as Spark
// does. Used by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"

namespace weir::source {

using base::Result;

class CompactLog {
 public:
  static constexpr int64_t kInterval = 10;  // Spark's default

  // `interval`: of a log that has no compaction yet.
  CompactLog(io::FileSystem& files, std::string folder, int64_t interval = kInterval)
      : files_(files), folder_(std::move(folder)), interval_(interval) {}

  // Finds what is there. For writing: makes the folder where absent, removes temporary files of a
  // writer that died, and makes the entries durable that are found.
  Result<void> open(bool for_writing);
  // The newest entry, -1 where there is none.
  int64_t latest() const { return latest_; }
  // The lines of all entries, oldest first.
  Result<std::vector<std::string>> all();
  // The lines in the file of an entry: with those before it where it is a compaction.
  Result<std::vector<std::string>> read(int64_t id);
  // Entry latest() + 1. kConflict where somebody else has written it.
  Result<void> add(const std::vector<std::string>& lines);
  std::string path_of(int64_t id) const;

 private:
  bool compacts(int64_t id) const { return (id + 1) % interval_ == 0; }
  Result<void> remove_expired();

  io::FileSystem& files_;
  std::string folder_;
  int64_t latest_ = -1;
  int64_t interval_;
};

// The text of an entry's file, and back.
std::string log_lines_text(const std::vector<std::string>& lines);
Result<std::vector<std::string>> parse_log_lines(std::string_view text, std::string_view what);

// "/in/a b.json" as "file:///in/a%20b.json", as java.net.URI leaves a path: letters, digits and a
// few marks stay, and what is beyond ASCII; the rest is %XX, also bytes that are no UTF-8.
std::string path_to_uri(std::string_view path);
// "file:/a", "file:///a", "/a" → "/a"
std::string path_of_uri(std::string_view uri);

}  // namespace weir::source
