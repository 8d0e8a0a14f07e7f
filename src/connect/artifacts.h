// What a client has sent ahead: rows for local relations ("cache/<sha256>"), files and Python
// modules.
//
// Kept in memory, bounded; `cache/` entries are checked against their name. One store a session;
// may be used from several threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"

namespace weir::connect {

using base::Result;

class ArtifactStore {
 public:
  explicit ArtifactStore(int64_t bytes_max) : bytes_max_(bytes_max) {}

  Result<void> add(const std::string& name, std::string bytes);
  bool contains(const std::string& name) const;
  // The entry cache/<hash>.
  Result<std::shared_ptr<const std::string>> cached(const std::string& hash) const;
  void copy_to(ArtifactStore& other) const;

 private:
  const int64_t bytes_max_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const std::string>> entries_;
  int64_t bytes_ = 0;
};

// java.util.zip.CRC32 of the bytes.
uint32_t crc32_of(std::string_view bytes);

}  // namespace weir::connect
