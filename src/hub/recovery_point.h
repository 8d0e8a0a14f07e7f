// The last durable point of one partition: everything before it has been synced, so damage before
// it is never cut off silently, and only what lies behind it may be truncated by recovery.
//
// The file `recovery-point` is appended to after every sync of the log, without a sync of its own:
// it is exact after a process died, and after a power loss it lags by what record() was told since
// the last make_durable() (the hub calls that every second, at every roll of a segment and at
// stop). It can lag but never lead: a record is written only after what it tells of is durable.
//
// Records of 32 bytes, little-endian: 0 "WHRP"  4 uint32 CRC-32C of the 24 bytes that follow
//   8 int64 offset  16 int64 base offset of its segment  24 int64 bytes of that segment.
// The last undamaged record counts. Past kFileBytesMax the file is replaced by its last record.
// Not thread-safe: the partition's flush lock guards it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "io/file_system.h"

namespace weir::hub {

struct DurablePoint {
  int64_t offset = 0;        // the first offset that is not known to be durable
  int64_t segment_base = 0;  // base offset of the segment where it lies
  int64_t segment_bytes = 0;
  bool operator==(const DurablePoint&) const = default;
};

class RecoveryPoint {
 public:
  static constexpr int64_t kFileBytesMax = 64 * 1024;

  RecoveryPoint(io::FileSystem& files, const std::string& folder);

  // The first file, for an empty log; its name is durable after a sync of the folder.
  base::Result<void> create();
  // Nullopt where there is no undamaged record.
  base::Result<std::optional<DurablePoint>> load();
  // Tells of a newer point. An error is harmless for what is durable already.
  base::Result<void> record(const DurablePoint& point);
  // All that was recorded survives a power loss after this.
  base::Result<void> make_durable();
  // Starts the file anew with this one record, durably.
  base::Result<void> reset(const DurablePoint& point);
  bool pending() const { return pending_; }
  const DurablePoint& last() const { return last_; }

 private:
  io::FileSystem& files_;
  std::string path_;
  std::unique_ptr<io::WritableFile> file_;
  DurablePoint last_;
  bool pending_ = false;
};

}  // namespace weir::hub
