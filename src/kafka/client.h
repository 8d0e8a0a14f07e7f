// weir's own fetch client: metadata, offsets, and whole record batches by the arena.
//
// Client answers questions about a cluster (topics, partitions, offsets); safe to call from any
// thread, one call at a time inside. Fetcher reads ranges of partitions: a thread of its own
// fetches ahead into arenas, up to read_ahead_bytes that next() has not taken; next() hands on
// batches as views into a shared arena. One thread takes from a Fetcher. A Fetcher has connections
// of its own and doesn't need its Client to live.
//
// Errors that pass by themselves (leader moved, broker gone, request timed out) are retried with
// back-off; what can't mend is a Result error; an offset that the broker no longer (or not yet) has
// is an outcome.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "kafka/client_options.h"
#include "kafka/messages_data.h"
#include "kafka/padded_buffer.h"
#include "kafka/record_batch.h"

namespace weir::kafka {

struct TopicInfo {
  std::string name;
  bool is_internal = false;
  std::vector<int32_t> partitions;  // ascending
};

struct OffsetQuery {
  base::TopicPartition partition;
  int64_t timestamp_ms =
      kLatestTimestamp;  // or kEarliestTimestamp, or milliseconds since the epoch
};

// Offsets [start, end) of a partition; without an end the range never finishes.
struct FetchRange {
  base::TopicPartition partition;
  int64_t start = 0;
  std::optional<int64_t> end;
};

struct BatchView {
  RecordBatchHeader header;
  std::string_view bytes;  // the whole batch, in FetchedBatches::arena
};

// Some batches of one partition, in order; none where only next_offset has moved on. Control
// batches are left out, and with isolation.level=read_committed those of transactions that were
// rolled back. The first batch may begin before the range's start and the last may go past its end:
// look at each record's offset.
struct FetchedBatches {
  size_t range = 0;                           // index into the ranges given to fetch()
  std::shared_ptr<const PaddedBuffer> arena;  // at least 64 zeroed bytes stand after its end
  std::vector<BatchView> batches;
  int64_t next_offset = 0;      // where this partition goes on
  int64_t high_watermark = -1;  // as far as the log can be read: with read_committed that is up to
                                // the first transaction under way
  int64_t log_start_offset = -1;
};

enum class FetchStatus {
  kBatches,           // see `fetched`
  kOffsetOutOfRange,  // `fetched.range` was asked for at `requested_offset`; the log is [start,
                      // end). The range is not fetched any further until seek().
  kTimeout,           // nothing came within the time
  kFinished,          // all ranges have reached their ends
};

struct FetchOutcome {
  FetchStatus status = FetchStatus::kTimeout;
  FetchedBatches fetched;
  int64_t requested_offset = -1;
  int64_t log_start_offset = -1;
  int64_t log_end_offset = -1;
};

class Fetcher {
 public:
  virtual ~Fetcher() = default;
  // Waits at most timeout_ms. A Result error is final: the fetcher has stopped.
  virtual base::Result<FetchOutcome> next(int64_t timeout_ms) = 0;
  // How far the log of a range reached by the newest answer, also where next() has yet to give what
  // came with it; -1 unknown.
  virtual int64_t high_watermark(size_t range) = 0;
  // Goes on at `offset` after kOffsetOutOfRange.
  virtual void seek(size_t range, int64_t offset) = 0;
  // Wakes a waiting next(), which gives kCancelled then; from any thread.
  virtual void stop() = 0;
};

class Client {
 public:
  virtual ~Client() = default;
  // Doesn't connect yet: the first call does.
  static base::Result<std::unique_ptr<Client>> open(ClientOptions options, base::Clock& clock,
                                                    base::Random& random);

  // All topics by name, internal ones left out.
  virtual base::Result<std::vector<TopicInfo>> list_topics() = 0;
  // As named; kNotFound where one isn't there. Never creates a topic.
  virtual base::Result<std::vector<TopicInfo>> describe_topics(
      const std::vector<std::string>& names) = 0;
  // Topics whose whole name matches (see TopicPattern); kInvalidArgument where malformed.
  virtual base::Result<std::vector<TopicInfo>> match_topics(const std::string& pattern) = 0;
  // One offset for each query, -1 where no record has the timestamp or a later one. The latest is
  // how far the log can be read (FetchedBatches::high_watermark).
  virtual base::Result<std::vector<int64_t>> list_offsets(std::span<const OffsetQuery> queries) = 0;
  // kAlreadyExists where it is there. For tests, demo and simulator; replication -1 is the broker's
  // default.
  virtual base::Result<void> create_topic(const std::string& name, int32_t partitions,
                                          int16_t replication = -1) = 0;

  virtual base::Result<std::unique_ptr<Fetcher>> fetch(std::vector<FetchRange> ranges) = 0;
  // Ends what waits for a broker, with kCancelled, and every later call; its fetchers go on. From
  // any thread, while other calls are under way.
  virtual void stop() = 0;
};

}  // namespace weir::kafka
