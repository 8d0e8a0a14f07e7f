#include "simulate/kafka_sink.h"

#include "kafka/client.h"

namespace weir::simulate {

using base::Error;
using base::error;
using base::ErrorKind;

namespace {

constexpr int kBlockMs = 200;                            // between two looks at the stop token
constexpr int kDeliveryTimeoutMs = 24 * 60 * 60 * 1000;  // a broker that is away is waited for
constexpr int64_t kRetryUs = 100'000;
constexpr int64_t kTroubleUs = 2'000'000;

uint64_t to_bits(MessageTag tag) { return tag.index << 1 | static_cast<uint64_t>(tag.copy); }
MessageTag from_bits(uint64_t bits) { return {.index = bits >> 1, .copy = (bits & 1) != 0}; }

bool passes_by_itself(const Error& error) {
  if (error.kind() == ErrorKind::kNotFound) return false;  // Kafka calls an absent topic retryable
  return error.retryable() || error.kind() == ErrorKind::kTimeout ||
         error.kind() == ErrorKind::kUnavailable;
}

// Calls until it succeeds, fails for good, or stop is requested.
template <typename Call>
auto keep_trying(base::Clock& clock, std::stop_token stop, Call call) -> decltype(call()) {
  while (true) {
    auto result = call();
    if (result.ok() || !passes_by_itself(result.error())) return result;
    if (stop.stop_requested() || !clock.sleep_for_us(kRetryUs, stop))
      return error(ErrorKind::kCancelled, "stopped while waiting for the broker: {}",
                   result.error().message());
  }
}

Result<void> ensure_topic(const KafkaSinkOptions& options, base::Clock& clock, base::Random& random,
                          std::stop_token stop) {
  kafka::ClientOptions client_options;
  client_options.connection = options.producer.connection;
  client_options.connection.api_timeout_ms = 2000;
  WEIR_ASSIGN(auto client, kafka::Client::open(client_options, clock, random));
  auto described =
      keep_trying(clock, stop, [&] { return client->describe_topics({options.topic}); });
  if (described.ok()) return {};
  if (described.error().kind() != ErrorKind::kNotFound) return std::move(described).error();
  if (options.partitions <= 0)
    return std::move(described).error().with_context("--partitions N would make the topic");
  auto created = keep_trying(
      clock, stop, [&] { return client->create_topic(options.topic, options.partitions); });
  if (created.ok() || created.error().kind() == ErrorKind::kAlreadyExists) return {};
  return created;
}

}  // namespace

Result<std::unique_ptr<KafkaSink>> KafkaSink::open(KafkaSinkOptions options, base::Clock& clock,
                                                   base::Random& random, SinkObserver& observer,
                                                   std::stop_token stop) {
  WEIR_TRY(ensure_topic(options, clock, random, stop));
  options.producer.max_block_ms = kBlockMs;
  options.producer.delivery_timeout_ms = kDeliveryTimeoutMs;
  std::unique_ptr<KafkaSink> sink(new KafkaSink(options, clock, observer));
  WEIR_ASSIGN(sink->producer_,
              kafka::Producer::open(options.producer, clock, random,
                                    [raw = sink.get()](const kafka::Delivery& delivery) {
                                      raw->on_delivery(delivery);
                                    }));
  auto partitions =
      keep_trying(clock, stop, [&] { return sink->producer_->partition_count(options.topic); });
  if (!partitions.ok()) return std::move(partitions).error();
  return sink;
}

KafkaSink::KafkaSink(KafkaSinkOptions options, base::Clock& clock, SinkObserver& observer)
    : options_(std::move(options)),
      clock_(clock),
      observer_(observer),
      last_delivery_us_(clock.monotonic_us()) {}

Result<void> KafkaSink::send(std::string_view key, std::string_view value, int64_t timestamp_ms,
                             MessageTag tag, std::stop_token stop) {
  const kafka::ProduceRecord record{.topic = options_.topic,
                                    .partition = std::nullopt,
                                    .key = key,
                                    .value = value,
                                    .timestamp_ms = timestamp_ms,
                                    .headers = {},
                                    .tag = to_bits(tag)};
  while (true) {
    auto sent = producer_->send(record);
    if (sent.ok() || !passes_by_itself(sent.error())) return sent;
    if (stop.stop_requested())
      return error(ErrorKind::kCancelled, "stopped while waiting for the broker");
  }
}

Result<void> KafkaSink::flush(int64_t timeout_us) {
  auto flushed = producer_->flush(timeout_us / 1000);
  producer_->close(0);  // what is not acknowledged by now fails, and is told so
  return flushed;
}

std::string KafkaSink::trouble() const {
  const int64_t silent_us = clock_.monotonic_us() - last_delivery_us_;
  if (silent_us < kTroubleUs || producer_->counters().buffered_bytes == 0) return {};
  return fmt::format("no answer for {} s, trying on", silent_us / 1'000'000);
}

void KafkaSink::on_delivery(const kafka::Delivery& delivery) {
  tags_.clear();
  for (const uint64_t bits : delivery.tags)
    tags_.push_back(from_bits(bits));
  if (delivery.error != nullptr) return observer_.on_failed(tags_, *delivery.error);
  last_delivery_us_ = clock_.monotonic_us();
  observer_.on_acknowledged({.topic = delivery.topic,
                             .partition = delivery.partition,
                             .base_offset = delivery.base_offset,
                             .messages = tags_});
}

}  // namespace weir::simulate
