// Fetch: whole batches from the log into the answer, after waiting for min_bytes at most
// max_wait_ms.
#include <algorithm>
#include <atomic>

#include "hub/broker.h"
#include "kafka/record_batch.h"

namespace weir::hub {
namespace {

using kafka::ErrorCode;
using kafka::FetchRequest;

constexpr int64_t kLeaseBytesMin = 1 << 20;
constexpr int64_t kMemoryRetryMs = 50;
constexpr int16_t kZstdVersion = 10;
constexpr size_t kAttributesAt = 21;
constexpr int64_t kWaitMsMax = 30'000;  // an empty answer before max_wait_ms is allowed

// Whether one of these whole batches is compressed with zstd, which Fetch has from version 10 on.
bool has_zstd(std::string_view records) {
  for (auto size = kafka::record_batch_size(records); size && *size <= records.size();
       size = kafka::record_batch_size(records)) {
    const auto attributes = kafka::load_big<int16_t>(records.data() + kAttributesAt);
    if ((attributes & 0x07) == static_cast<int16_t>(kafka::Compression::kZstd)) return true;
    records.remove_prefix(*size);
  }
  return false;
}

// One partition's part of an answer.
struct Part {
  ErrorCode error = ErrorCode::kNone;
  ReadOutcome outcome;
  kafka::PaddedBuffer records;
};

constexpr size_t kPartitionBytes = sizeof(Part) + sizeof(FetchRequest::Partition);

class FetchJob final : public VisibleListener, public std::enable_shared_from_this<FetchJob> {
 public:
  FetchJob(Broker& broker, const Request& request, FetchRequest message)
      : broker_(broker),
        header_(request.header),
        reply_(request.reply),
        message_(std::move(message)) {}

  void start() {
    if (message_.session_id != 0) return refuse_session();
    read();
    const bool enough = bytes_ >= message_.min_bytes || failed_;
    if (message_.max_wait_ms <= 0 || (enough && have_memory_)) return answer();
    wait(std::min<int64_t>(message_.max_wait_ms, have_memory_ ? kWaitMsMax : kMemoryRetryMs));
  }

  void on_visible(int64_t bytes) override {
    if (bytes > 0 && missing_.fetch_sub(bytes, std::memory_order_relaxed) - bytes > 0) return;
    wake();
  }

 private:
  void refuse_session() {
    kafka::FetchResponse response;
    response.error = ErrorCode::kFetchSessionIdNotFound;
    broker_.refused(response.error);
    reply_.send(Frame::of(
        kafka::encode_response_frame(header_.api_version, header_.correlation_id, response)));
  }

  void read() {
    parts_.clear();
    bytes_ = 0;
    failed_ = false;
    const int64_t limit =
        std::min<int64_t>(std::max(message_.max_bytes, 0), broker_.options.fetch_bytes_max);
    have_memory_ = lease_.try_lease(broker_.response_memory, limit) ||
                   lease_.try_lease(broker_.response_memory, std::min(limit, kLeaseBytesMin));
    const int64_t budget = lease_.bytes();
    for (const FetchRequest::Topic& topic : message_.topics)
      for (const FetchRequest::Partition& partition : topic.partitions)
        read_partition(topic.name, partition, budget);
    // A request of many partitions holds more than its records while it waits.
    lease_.resize(bytes_ + static_cast<int64_t>(parts_.size() * kPartitionBytes));
  }

  void read_partition(const std::string& topic, const FetchRequest::Partition& partition,
                      int64_t budget) {
    Part& part = parts_.emplace_back();
    PartitionLog* const log = broker_.topics.partition(topic, partition.index);
    if (!log) {
      part.error = ErrorCode::kUnknownTopicOrPartition;
    } else if (partition.current_leader_epoch > 0) {
      part.error = ErrorCode::kUnknownLeaderEpoch;
    } else {
      const bool first = bytes_ == 0;
      const int64_t allowed = std::min<int64_t>(partition.max_bytes, budget - bytes_);
      part.outcome = log->read(partition.fetch_offset,
                               have_memory_ ? std::max<int64_t>(allowed, first ? 1 : 0) : 0, first,
                               part.records);
      part.error = part.outcome.error;
      if (header_.api_version < kZstdVersion && has_zstd(part.records.view())) {
        part.error = ErrorCode::kUnsupportedCompressionType;
        part.outcome.messages = 0;
        part.records.set_size(0);
      }
      bytes_ += static_cast<int64_t>(part.records.size());
    }
    failed_ |= part.error != ErrorCode::kNone;
  }

  template <typename Visit>
  void each_log(Visit visit) {
    for (const FetchRequest::Topic& topic : message_.topics)
      for (const FetchRequest::Partition& partition : topic.partitions)
        if (PartitionLog* const log = broker_.topics.partition(topic.name, partition.index))
          visit(*log);
  }

  void wait(int64_t ms) {
    int64_t seen = 0;
    for (const Part& part : parts_)
      seen += std::max<int64_t>(part.outcome.high_watermark, 0);
    missing_ = message_.min_bytes - bytes_;
    waiting_ = true;
    timer_ = reply_.after(ms, [self = shared_from_this()] { self->finish(); });
    each_log([&](PartitionLog& log) { log.add_listener(shared_from_this()); });
    // What became visible between the read and the registration wakes nobody by itself.
    int64_t now = 0;
    each_log([&](PartitionLog& log) { now += std::max<int64_t>(log.high_watermark(), 0); });
    if (now != seen) wake();
  }

  void wake() {
    if (woken_.exchange(true, std::memory_order_acq_rel)) return;
    reply_.run([self = shared_from_this()] { self->finish(); });
  }

  void finish() {  // on the connection's thread
    if (!waiting_) return;
    waiting_ = false;
    timer_.reset();
    each_log([&](PartitionLog& log) { log.remove_listener(this); });
    if (!reply_.alive()) return;
    read();
    answer();
  }

  void answer() {
    const int16_t version = header_.api_version;
    Frame frame;
    kafka::Writer out;
    out.int32(0);  // the size, patched below
    kafka::encode_response_header(out, header_.api_key, version, header_.correlation_id);
    out.int32(0);  // throttle time
    if (version >= 7) {
      out.int16(0);
      out.int32(0);  // no session
    }
    out.array_length(static_cast<int32_t>(message_.topics.size()));
    size_t at = 0;
    int64_t messages = 0;
    for (const FetchRequest::Topic& topic : message_.topics) {
      out.string(topic.name);
      out.array_length(static_cast<int32_t>(topic.partitions.size()));
      for (const FetchRequest::Partition& partition : topic.partitions) {
        Part& part = parts_[at++];
        messages += part.outcome.messages;
        put_head(out, partition.index, part);
        if (part.records.size() == 0) continue;
        frame.pieces.push_back({out.take(), {}});
        frame.pieces.push_back({{}, std::move(part.records)});
        out = kafka::Writer();
      }
    }
    if (out.size() > 0) frame.pieces.push_back({out.take(), {}});
    kafka::store_big(frame.pieces.front().text.data(), static_cast<int32_t>(frame.size() - 4));
    frame.lease = std::move(lease_);
    if (messages > 0) broker_.metrics.count_outgoing(messages, bytes_);
    reply_.send(std::move(frame));
  }

  void put_head(kafka::Writer& out, int32_t index, const Part& part) const {
    broker_.refused(part.error);
    out.int32(index);
    out.int16(static_cast<int16_t>(part.error));
    out.int64(part.outcome.high_watermark);
    out.int64(part.outcome.high_watermark);  // last stable offset: there are no transactions
    if (header_.api_version >= 5) out.int64(part.outcome.log_start_offset);
    out.array_length(message_.isolation_level == 0 ? -1 : 0);  // aborted transactions
    if (header_.api_version >= 11) out.int32(-1);              // preferred read replica
    out.int32(static_cast<int32_t>(part.records.size()));
  }

  Broker& broker_;
  const kafka::RequestHeader header_;
  const Reply reply_;
  const FetchRequest message_;
  std::vector<Part> parts_;
  MemoryLease lease_;
  int64_t bytes_ = 0;
  bool failed_ = false;
  bool have_memory_ = true;
  bool waiting_ = false;
  std::unique_ptr<Timer> timer_;
  std::atomic<int64_t> missing_ = 0;  // bytes until min_bytes
  std::atomic<bool> woken_ = false;
};

}  // namespace

void handle_fetch(Broker& broker, const Request& request) {
  auto message = request.decode<FetchRequest>();
  if (message) std::make_shared<FetchJob>(broker, request, std::move(*message))->start();
}

}  // namespace weir::hub
