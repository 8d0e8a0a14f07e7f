// Producer ids: handed out once and never again, also after a power loss.
//
// DIR/producer-ids holds the first id that no run has taken yet, as JSON: {"format":1,"next":3000}.
// A block is taken by replacing that file durably before the first of its ids is given away; what
// is left of a block at stop is lost. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "io/file_system.h"

namespace weir::hub {

class ProducerIds {
 public:
  static constexpr int64_t kBlock = 1000;

  ProducerIds(io::FileSystem& files, const std::string& dir);
  base::Result<void> open();
  base::Result<int64_t> next();

 private:
  io::FileSystem& files_;
  std::string path_;
  std::mutex mutex_;
  int64_t next_ = 0;
  int64_t block_end_ = 0;
};

}  // namespace weir::hub
