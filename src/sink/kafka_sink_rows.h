// Rows as records for Kafka: what the Kafka sinks have in common.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kafka/producer.h"
#include "sink/sink.h"

namespace weir::sink {

constexpr int64_t kFlushTimeoutMs = 150'000;  // delivery.timeout.ms ends a batch before

struct KafkaSinkOptions {
  kafka::ProducerOptions producer;
  std::string topic;  // empty: by column
  bool exactly_once = false;
  int32_t transaction_timeout_ms = 300'000;  // kafka.transaction.timeout.ms
};

Result<KafkaSinkOptions> parse_kafka_sink_options(const std::map<std::string, std::string>& values);

// Where in the rows a record's parts are; -1: nowhere.
struct KafkaColumns {
  int topic = -1, key = -1, value = -1, partition = -1, headers = -1;
};
Result<KafkaColumns> kafka_columns(const Schema& schema, const KafkaSinkOptions& options);

// What the producer's thread says of the records sent.
class Deliveries {
 public:
  void take(const kafka::Delivery& delivery) {
    if (delivery.error == nullptr) return;
    std::lock_guard lock(mutex_);
    if (!failed_) failed_ = *delivery.error;
  }
  void forget() {
    std::lock_guard lock(mutex_);
    failed_.reset();
  }
  Result<void> check() const {
    std::lock_guard lock(mutex_);
    if (failed_) return *failed_;
    return {};
  }

 private:
  mutable std::mutex mutex_;
  std::optional<base::Error> failed_;
};

// Sends the rows of a batch and counts them, by part.
class KafkaRowSender {
 public:
  KafkaRowSender(kafka::Producer& producer, const base::Clock& clock, const KafkaColumns& columns,
                 const std::string& topic, int parts)
      : producer_(producer),
        clock_(clock),
        columns_(columns),
        topic_(topic),
        sent_(static_cast<size_t>(parts)) {}

  Result<void> send(int part, const arrow::RecordBatch& rows);
  SinkCommit counts() const;
  // A topic that was written to, empty where there was no row.
  std::string some_topic() const;

 private:
  struct Sent {
    int64_t rows = 0;
    int64_t bytes = 0;
    std::string topic;
  };

  kafka::Producer& producer_;
  const base::Clock& clock_;
  const KafkaColumns& columns_;
  const std::string& topic_;
  std::vector<Sent> sent_;
};

}  // namespace weir::sink
