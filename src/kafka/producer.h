// A producer that sends record batches: one thread of its own, several requests in flight a
// connection, idempotent by default.
//
// Per partition, records are delivered in the order of send() and, with idempotence, once each,
// over broker restarts and lost answers, until delivery.timeout.ms has passed for a batch. A batch
// that fails for good takes the batches of its partition with it that were sent after it, so that
// order never breaks. A batch that the broker finds too large is split until its parts fit; a
// single record that doesn't fails alone. send() may be called from several threads; it blocks
// while buffer.memory is full. Callbacks come on the producer's thread (or on the one that calls
// close()) and must not call the producer.
//
// With a TransactionalSession what is sent belongs to the session's transaction under way:
// partitions are added to it as they are first written to. A batch that fails, for whatever reason,
// ends such a producer: everything fails from then on, and a new one is opened after take_over().
// Who commits the transaction calls flush() before and next_transaction() after.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "kafka/client_options.h"
#include "kafka/record_batch.h"
#include "kafka/transactions.h"

namespace weir::kafka {

// Java's Utils.murmur2.
uint32_t murmur2(std::string_view bytes);
// The partition that Java's default partitioner gives a record with this key.
int32_t partition_for_key(std::string_view key, int32_t partition_count);

// What became of one batch.
struct Delivery {
  std::string_view topic;
  int32_t partition = 0;
  int32_t record_count = 0;
  int64_t base_offset = -1;  // -1 with acks=0, and where the broker had it already and forgot where
  size_t bytes = 0;          // of the batch as sent
  std::span<const uint64_t> tags;      // those given to send(), in order
  const base::Error* error = nullptr;  // null: acknowledged
};

struct ProduceRecord {
  std::string_view topic;
  std::optional<int32_t> partition;  // none: by the key, or round robin by batch without one
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  int64_t timestamp_ms = 0;
  std::span<const RecordHeader> headers;
  uint64_t tag = 0;  // comes back in Delivery
};

struct ProducerCounters {
  uint64_t records_sent = 0;  // taken by send()
  uint64_t records_acknowledged = 0;
  uint64_t records_failed = 0;
  uint64_t batches = 0;
  uint64_t bytes_acknowledged = 0;
  uint64_t retries = 0;         // batches sent once more
  uint64_t splits = 0;          // batches that the broker found too large, sent again in halves
  uint64_t buffered_bytes = 0;  // now
};

struct TransactionalSession {
  std::shared_ptr<Transactions> transactions;
  ProducerIdentity identity;  // of take_over()
};

class Producer {
 public:
  using Callback = std::function<void(const Delivery&)>;
  virtual ~Producer() = default;

  // A session needs acks=all and idempotence.
  static base::Result<std::unique_ptr<Producer>> open(
      ProducerOptions options, base::Clock& clock, base::Random& random, Callback callback,
      std::optional<TransactionalSession> session = std::nullopt);

  // Copies the record into its partition's open batch. kTimeout after max.block.ms without room or
  // without metadata; kNotFound and the like where the topic can't be had; kResourceExhausted for a
  // record over max.request.size.
  virtual base::Result<void> send(const ProduceRecord& record) = 0;
  // Closes open batches and waits until all that was sent is acknowledged or has failed.
  virtual base::Result<void> flush(int64_t timeout_ms) = 0;
  // flush(), then stops; what is left then fails with kCancelled. The destructor calls close(0).
  virtual void close(int64_t timeout_ms) = 0;
  // Ends what waits for a broker, with kCancelled, and every later call. From any thread.
  virtual void stop() = 0;
  // What is sent from now on belongs to another transaction. Nothing may be under way.
  virtual void next_transaction() = 0;
  virtual ProducerCounters counters() const = 0;
  // Partitions of the topic, fetched where not yet known.
  virtual base::Result<int32_t> partition_count(std::string_view topic) = 0;
};

}  // namespace weir::kafka
