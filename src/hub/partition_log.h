// The log of one partition: segments in offset order, what is durable of them, and the producers'
// state.
//
// Invariants:
//  * offsets run without gaps; every segment but the last (active) one is wholly durable;
//  * consumers see offsets below the high watermark, which is the durable end (FlushPolicy::kNever:
//  the end);
//  * recovery cuts only behind the durable point; damage before it leaves the partition offline;
//  * a failed append or sync takes the partition offline until the hub is started again; nothing is
//  retried.
//
// append, read, when_durable and listeners: any thread. flush: the flusher's thread. recover: once,
// first. Callbacks and listeners are called without locks held, from whichever thread made the
// progress; they must be short.
#pragma once

#include <array>
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
#include "hub/flusher.h"
#include "hub/hub_options.h"
#include "hub/log_segment.h"
#include "hub/producer_state.h"
#include "hub/recovery_point.h"
#include "io/file_system.h"
#include "kafka/error_code.h"

namespace weir::hub {

struct PartitionLogOptions {
  std::string folder;  // exists
  std::string name;    // "topic-3", for messages
  TopicConfig config;
  int32_t producers_max = 10'000;
  int64_t producer_expiry_ms = 7LL * 24 * 60 * 60 * 1000;
  bool repair = false;
};

struct AppendOutcome {
  kafka::ErrorCode error = kafka::ErrorCode::kNone;
  std::string message;
  int64_t base_offset = -1;
  int64_t end_offset = -1;  // durable once the high watermark has reached it
  int64_t log_append_time_ms = -1;
  int64_t log_start_offset = -1;
  bool duplicate = false;  // stored before; nothing was appended
};

struct ReadOutcome {
  kafka::ErrorCode error = kafka::ErrorCode::kNone;
  int64_t high_watermark = -1;
  int64_t log_start_offset = -1;
  int64_t messages =
      0;  // records in the batches read, the first of which may begin before the offset
};

struct TimedOffset {
  int64_t offset = -1;
  int64_t timestamp = -1;
};

// Told of every growth of what consumers may see, and of going offline (0 bytes).
class VisibleListener {
 public:
  virtual ~VisibleListener() = default;
  virtual void on_visible(int64_t bytes) = 0;
};

class PartitionLog final : public Flushable {
 public:
  using DurableCallback = std::function<void(bool durable)>;

  PartitionLog(io::FileSystem& files, base::Clock& clock, Flusher& flusher, HubMetrics* metrics,
               PartitionLogOptions options);
  ~PartitionLog() override;

  // Makes the files of a new, empty log; durable on return but for the folder's own name.
  static base::Result<void> create_files(io::FileSystem& files, const std::string& folder);
  // Reads what is there. An error leaves the partition offline with that reason.
  base::Result<void> recover();

  // `batch` is one record batch that validate_record_batch accepted; its base offset is set here.
  AppendOutcome append(std::string_view batch, const kafka::RecordBatchHeader& header);
  // Calls back once end_offset is durable (perhaps at once), or with false where that will not be.
  void when_durable(int64_t end_offset, DurableCallback callback);

  // Whole batches from the one that holds `offset` on, into `buffer`: at most max_bytes, but at
  // least one batch where at_least_one and one is there.
  ReadOutcome read(int64_t offset, int64_t max_bytes, bool at_least_one,
                   kafka::PaddedBuffer& buffer);
  // The first visible record with this timestamp or a later one; offset -1 where there is none.
  base::Result<TimedOffset> offset_for_time(int64_t timestamp_ms);

  void add_listener(std::shared_ptr<VisibleListener> listener);
  void remove_listener(const VisibleListener* listener);

  bool flush() override;
  // What the recovery point lags behind after a power loss ends here; called every second.
  void make_recovery_point_durable();
  // Removes whole segments by age and size; returns how many.
  base::Result<int> apply_retention(int64_t now_ms);
  // Syncs, and leaves index and snapshot so that the next start need not scan.
  base::Result<void> close();

  const std::string& name() const { return options_.name; }
  const TopicConfig& config() const { return options_.config; }
  bool offline() const { return offline_.load(std::memory_order_acquire); }
  std::string offline_reason() const;
  int64_t log_start_offset() const;
  int64_t high_watermark() const;
  int64_t end_offset() const;
  int64_t bytes() const;

 private:
  static constexpr std::string_view kOfflineMarker = "offline";
  struct Notices {  // gathered under the lock, delivered without it
    std::vector<DurableCallback> callbacks;
    bool durable = true;
    std::vector<std::shared_ptr<VisibleListener>> listeners;
    int64_t bytes = 0;
    void deliver();
  };
  struct ReadHint {
    int64_t offset = -1;
    int64_t segment_base = -1;
    int64_t position = 0;
  };
  struct Place {  // where a read begins, and how far it may go
    std::shared_ptr<LogSegment> segment;
    int64_t position = 0;
    int64_t limit = 0;
  };

  // With mutex_ held:
  LogSegment& active() { return *segments_.back(); }
  int64_t visible_end() const;
  int64_t visible_limit(const LogSegment& segment) const;
  base::Result<void> roll();
  base::Result<void> store_snapshot();
  base::Result<int> remove_expired(int64_t now_ms);  // takes mutex_
  void advance(const DurablePoint& point, Notices& notices);
  void take_offline(std::string reason, Notices& notices);
  std::optional<Place> locate(int64_t offset);

  void fail(std::string reason);  // takes mutex_
  void record_point(const DurablePoint& point);
  base::Result<void> find_batch(Place& place, int64_t offset) const;
  base::Result<void> read_batches(const Place& place, int64_t offset, int64_t max_bytes,
                                  bool at_least_one, kafka::PaddedBuffer& buffer,
                                  ReadOutcome& outcome);

  // partition_recovery.cc
  struct Found;
  base::Result<Found> list_files();
  base::Result<void> recover_segments(const Found& found);
  base::Result<void> handle_damage(const Found& found, size_t segment_number,
                                   const SegmentScan& scan);
  base::Result<void> write_anew(LogSegment& segment);
  base::Result<void> set_aside(const std::string& path, int64_t from_byte);
  base::Result<void> rebuild_producers(const Found& found);

  io::FileSystem& files_;
  base::Clock& clock_;
  Flusher& flusher_;
  HubMetrics* metrics_;
  const PartitionLogOptions options_;
  const bool never_flush_;

  std::mutex flush_mutex_;  // one flush at a time; before mutex_
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<LogSegment>> segments_;
  DurablePoint durable_;
  ProducerState producers_;
  std::multimap<int64_t, DurableCallback> waiting_;
  std::vector<std::shared_ptr<VisibleListener>> listeners_;
  std::array<ReadHint, 8> hints_;
  size_t next_hint_ = 0;
  bool flush_wanted_ = false;
  std::string offline_reason_;
  std::atomic<bool> offline_ = false;
  std::atomic<int64_t> damaged_segment_ = -1;  // the last one that a read found damaged

  std::mutex point_mutex_;  // after mutex_
  RecoveryPoint point_;
};

}  // namespace weir::hub
