// A folder of this process' own for what outgrows the memory of a statement: gone with the process,
// and what a process that died left behind goes when the next one starts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "io/file_system.h"

namespace weir::relational {

using base::Result;

class SpillFolder {
 public:
  // Made in `parent`, which is made too where absent.
  static Result<std::unique_ptr<SpillFolder>> open(io::FileSystem& fs, base::Random& random,
                                                   const std::string& parent);
  // `given`: what the user said; empty: nothing is written, null comes back. Not given: `.spill` in
  // the warehouse; where that cannot be made, a warning is logged and null comes back.
  static Result<std::shared_ptr<SpillFolder>> choose(io::FileSystem& fs, base::Random& random,
                                                     const std::optional<std::string>& given,
                                                     const std::string& warehouse);
  ~SpillFolder();
  SpillFolder(const SpillFolder&) = delete;
  SpillFolder& operator=(const SpillFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  SpillFolder(io::FileSystem& fs, std::string path, std::vector<std::string> made,
              std::unique_ptr<io::FileLock> lock);

  io::FileSystem& fs_;
  std::string path_;
  std::vector<std::string> made_;  // folders above it that were not there, outermost first
  std::unique_ptr<io::FileLock> lock_;
};

}  // namespace weir::relational
