// What consumer groups have committed: a log of its own, and the newest value of each key in
// memory.
//
//   DIR/groups/offsets-<generation>.log   entries, appended; the highest generation counts
//   DIR/groups/recovery-point             as of a partition (recovery_point.h); segment_base is the
//   generation
//
// An entry, little-endian (docs/formats/hub-segment.md): uint32 CRC-32C of what follows the length,
// uint32 length, then uint8 kind (1 commit, 2 forget), int64 commit time ms, group, topic (uint16
// length + bytes each), int32 partition, int64 offset, int32 leader epoch, metadata (uint16 length
// + bytes). When the log is much larger than what lives, it is written anew as the next generation.
//
// A commit is seen (and answered) once it is durable; FlushPolicy::kNever: at once. commit, fetch,
// forget: any thread. A failed write or sync, or damage before the durable point, takes the store
// offline.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "hub/flusher.h"
#include "hub/recovery_point.h"
#include "io/file_system.h"

namespace weir::hub {

struct CommittedOffset {
  int64_t offset = -1;
  int32_t leader_epoch = -1;
  std::string metadata;
  int64_t commit_ms = 0;
};

class OffsetStore final : public Flushable {
 public:
  using Callback = std::function<void(bool durable)>;
  using Offsets = std::map<base::TopicPartition, CommittedOffset>;

  OffsetStore(io::FileSystem& files, base::Clock& clock, Flusher& flusher, const std::string& dir,
              bool repair);

  base::Result<void> open();
  base::Result<void> close();

  void commit(const std::string& group, const Offsets& offsets, Callback callback);
  std::optional<CommittedOffset> fetch(const std::string& group,
                                       const base::TopicPartition& partition) const;
  Offsets fetch_all(const std::string& group) const;
  // Whether this group has committed before or there are fewer than `groups_max`.
  bool has_room_for(const std::string& group, int32_t groups_max) const;
  // Whether all that is remembered stays within `bytes_max` with this entry, or grows no more by
  // it.
  bool has_room_for(const std::string& group, const base::TopicPartition& partition,
                    size_t metadata_bytes, int64_t bytes_max) const;
  // Forgets what was committed before `before_ms` by groups for which `in_use` is false.
  void expire(int64_t before_ms, const std::function<bool(const std::string&)>& in_use);

  bool flush() override;
  void make_recovery_point_durable();
  // Writes the log anew where that is worth it; called now and then.
  void compact_if_worthwhile();
  bool offline() const { return offline_.load(std::memory_order_acquire); }
  std::string offline_reason() const;

 private:
  struct Change {
    std::string group;
    base::TopicPartition partition;
    std::optional<CommittedOffset> value;  // nullopt: forget
  };
  static std::string encode(const Change& change);
  static std::optional<Change> decode(std::string_view body);

  void append(std::vector<Change> changes, Callback callback);
  int64_t growth(const std::string& group, const base::TopicPartition& partition,
                 size_t metadata_bytes) const;
  void apply(const Change& change);
  void fail(std::string reason);
  base::Result<void> replay(const std::string& bytes, const std::optional<DurablePoint>& point);
  base::Result<void> rewrite();  // flush_mutex_ and mutex_ held
  std::string path(int64_t generation) const;

  io::FileSystem& files_;
  base::Clock& clock_;
  Flusher& flusher_;
  const std::string folder_;
  const bool repair_;

  std::mutex flush_mutex_;  // before mutex_; guards syncer_ and point_
  RecoveryPoint point_;
  std::unique_ptr<io::WritableFile> syncer_;

  mutable std::mutex mutex_;
  std::map<std::string, Offsets, std::less<>> groups_;
  std::unique_ptr<io::WritableFile> writer_;
  int64_t generation_ = 0;
  int64_t live_bytes_ = 0;  // roughly what a rewrite would take
  std::vector<Change> pending_;
  std::vector<Callback> callbacks_;
  bool flush_wanted_ = false;
  std::string offline_reason_;
  std::atomic<bool> offline_ = false;
};

}  // namespace weir::hub
