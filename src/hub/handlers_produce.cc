// Produce: check each batch, append it, answer when it is durable.
#include <atomic>

#include "hub/broker.h"
#include "kafka/record_batch.h"

namespace weir::hub {
namespace {

using kafka::Compression;
using kafka::ErrorCode;
using kafka::ProduceRequest;
using kafka::ProduceResponse;
using kafka::RecordBatchHeader;

// An answer that waits for its partitions; each of them writes its own entry.
struct Pending {
  ProduceResponse response;
  std::atomic<int> waiting = 1;  // one for the handler itself
  int16_t version = 0;
  int32_t correlation_id = 0;
  Reply reply;

  void one_done() {
    if (waiting.fetch_sub(1, std::memory_order_acq_rel) == 1)
      reply.send(Frame::of(kafka::encode_response_frame(version, correlation_id, response)));
  }
};

struct Checked {
  ErrorCode error = ErrorCode::kNone;
  std::string message;
  RecordBatchHeader header;
};

Checked refuse(ErrorCode error, std::string message) { return {error, std::move(message), {}}; }

// Everything about a batch that can be wrong before the log is looked at.
Checked check_batch(std::string_view records, const TopicConfig& config, int16_t version) {
  const auto size = kafka::record_batch_size(records);
  if (size && static_cast<int64_t>(*size) > config.message_bytes_max)
    return refuse(ErrorCode::kMessageTooLarge,
                  fmt::format("a batch of {} bytes is over the topic's max.message.bytes of {}",
                              *size, config.message_bytes_max));
  auto header = kafka::validate_record_batch(records);
  if (!header.ok())
    return refuse(header.error().kind() == base::ErrorKind::kUnsupported
                      ? ErrorCode::kUnsupportedForMessageFormat
                      : ErrorCode::kCorruptMessage,
                  header.error().message());
  if (header->size() != records.size())
    return refuse(ErrorCode::kInvalidRecord, "more than one record batch for a partition");
  if (header->is_transactional() || header->is_control())
    return refuse(ErrorCode::kInvalidRecord, "transactional and control batches are not supported");
  if (header->record_count < 1) return refuse(ErrorCode::kInvalidRecord, "a batch without records");
  if (int64_t{header->record_count} != int64_t{header->last_offset_delta} + 1)
    return refuse(ErrorCode::kInvalidRecord, "its last offset delta is not its count less one");
  if (header->has_producer_id() && (header->producer_epoch < 0 || header->base_sequence < 0))
    return refuse(ErrorCode::kInvalidRecord, "a producer id without epoch and sequence");
  if (header->compression_bits() > static_cast<int8_t>(Compression::kZstd) ||
      (header->compression() == Compression::kZstd && version < 7))
    return refuse(ErrorCode::kUnsupportedCompressionType,
                  "a compression that this version of Produce does not have");
  if (header->compression() == Compression::kNone) {
    // Compressed records are kept unread; a count that lies would only hurt their readers.
    if (const auto walked = kafka::check_records(records, *header); !walked.ok())
      return refuse(ErrorCode::kInvalidRecord, walked.error().message());
  }
  return {ErrorCode::kNone, {}, *header};
}

void append(Broker& broker, const ProduceRequest& request, int16_t version,
            const std::string& topic, const ProduceRequest::Partition& sent,
            const std::shared_ptr<Pending>& pending, ProduceResponse::Partition& entry) {
  PartitionLog* const log = broker.topics.partition(topic, sent.index);
  auto fail = [&](ErrorCode error, std::string message) {
    entry.error = error;
    if (!message.empty()) entry.error_message = std::move(message);
    broker.refused(error);
  };
  if (!log) return fail(ErrorCode::kUnknownTopicOrPartition, {});
  const std::string_view records = sent.records.value_or(std::string_view());
  Checked checked = check_batch(records, log->config(), version);
  if (checked.error != ErrorCode::kNone) return fail(checked.error, std::move(checked.message));
  AppendOutcome outcome = log->append(records, checked.header);
  if (outcome.error != ErrorCode::kNone) return fail(outcome.error, std::move(outcome.message));
  entry.base_offset = outcome.base_offset;
  entry.log_append_time_ms = outcome.log_append_time_ms;
  entry.log_start_offset = outcome.log_start_offset;
  if (!outcome.duplicate)
    broker.metrics.count_incoming(checked.header.record_count,
                                  static_cast<int64_t>(records.size()));
  if (request.acks != -1) return;
  pending->waiting.fetch_add(1, std::memory_order_relaxed);
  log->when_durable(outcome.end_offset, [pending, &entry](bool durable) {
    if (!durable) {
      entry.error = ErrorCode::kKafkaStorageError;
      entry.base_offset = -1;
    }
    pending->one_done();
  });
}

}  // namespace

void handle_produce(Broker& broker, const Request& request) {
  const auto message = request.decode<ProduceRequest>();
  if (!message) return;
  auto pending = std::make_shared<Pending>();
  pending->version = request.header.api_version;
  pending->correlation_id = request.header.correlation_id;
  pending->reply = request.reply;
  // All entries first: they must not move once a partition may write to one.
  for (const ProduceRequest::Topic& topic : message->topics) {
    ProduceResponse::Topic& answered = pending->response.topics.emplace_back();
    answered.name = topic.name;
    for (const ProduceRequest::Partition& partition : topic.partitions)
      answered.partitions.emplace_back().index = partition.index;
  }
  const bool acks_known = message->acks >= -1 && message->acks <= 1;
  bool failed = false;
  for (size_t t = 0; t < message->topics.size(); ++t) {
    const ProduceRequest::Topic& topic = message->topics[t];
    for (size_t p = 0; p < topic.partitions.size(); ++p) {
      ProduceResponse::Partition& entry = pending->response.topics[t].partitions[p];
      if (!acks_known || message->transactional_id) {
        entry.error = acks_known ? ErrorCode::kInvalidRequest : ErrorCode::kInvalidRequiredAcks;
        broker.refused(entry.error);
      } else {
        append(broker, *message, request.header.api_version, topic.name, topic.partitions[p],
               pending, entry);
      }
      // The entry belongs to the log's callback once that waits; only then may it be none.
      if (message->acks == 0) failed |= entry.error != ErrorCode::kNone;
    }
  }
  if (message->acks == 0) {
    // Nobody waits for an answer; that something went wrong shows in the connection's end.
    return failed ? request.reply.drop("PRODUCE_WITHOUT_ACKS_FAILED") : request.reply.none();
  }
  pending->one_done();
}

}  // namespace weir::hub
