#include "sink/kafka_sink.h"

#include <arrow/record_batch.h>

#include "sink/kafka_exact_sink.h"
#include "sink/kafka_sink_rows.h"

namespace weir::sink {

namespace {

class KafkaBatch final : public BatchWriter {
 public:
  KafkaBatch(kafka::Producer& producer, Deliveries& deliveries, KafkaRowSender sender)
      : producer_(producer), deliveries_(deliveries), sender_(std::move(sender)) {}

  Result<void> write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) override {
    WEIR_TRY(deliveries_.check());
    return sender_.send(part, *rows);
  }
  Result<SinkCommit> commit() override {
    WEIR_TRY(producer_.flush(kFlushTimeoutMs));
    WEIR_TRY(deliveries_.check());
    return sender_.counts();
  }
  // What was sent stays sent.
  Result<void> abort() override { return {}; }

 private:
  kafka::Producer& producer_;
  Deliveries& deliveries_;
  KafkaRowSender sender_;
};

class KafkaSink final : public Sink {
 public:
  KafkaSink(base::Clock& clock, KafkaSinkOptions options, KafkaProducerFactory open_producer)
      : clock_(clock), options_(std::move(options)), open_producer_(std::move(open_producer)) {}

  std::string description() const override { return "KafkaSink"; }
  bool exactly_once() const override { return false; }
  Result<std::string> prepare(const QueryIdentity&, const Schema& schema) override {
    WEIR_ASSIGN(columns_, kafka_columns(schema, options_));
    WEIR_ASSIGN(auto producer,
                open_producer_(options_.producer, [this](const kafka::Delivery& delivery) {
                  deliveries_.take(delivery);
                }));
    const std::lock_guard lock(mutex_);
    if (interrupted_) producer->stop();
    producer_ = std::move(producer);
    return std::string();
  }
  Result<std::unique_ptr<BatchWriter>> begin(BatchId, int parts) override {
    if (!deliveries_.check().ok()) {
      // What an attempt that failed has in the producer must not be told of this one.
      (void)producer_->flush(kFlushTimeoutMs);
      deliveries_.forget();
    }
    return std::unique_ptr<BatchWriter>(std::make_unique<KafkaBatch>(
        *producer_, deliveries_,
        KafkaRowSender(*producer_, clock_, columns_, options_.topic, parts)));
  }
  void interrupt() override {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
    if (producer_ != nullptr) producer_->stop();
  }

 private:
  base::Clock& clock_;
  KafkaSinkOptions options_;
  KafkaProducerFactory open_producer_;
  KafkaColumns columns_;
  Deliveries deliveries_;
  std::mutex mutex_;  // of producer_ while it is set, and of interrupted_
  bool interrupted_ = false;
  std::unique_ptr<kafka::Producer> producer_;  // the last member: its thread calls deliveries_
};

}  // namespace

Result<std::unique_ptr<Sink>> make_kafka_sink(base::Clock& clock,
                                              const std::map<std::string, std::string>& values,
                                              KafkaProducerFactory open_producer) {
  WEIR_ASSIGN(auto options, parse_kafka_sink_options(values));
  if (options.exactly_once)
    return base::error(base::ErrorKind::kUnsupported,
                       "option exactlyOnce: this producer has no transactions");
  return std::unique_ptr<Sink>(
      std::make_unique<KafkaSink>(clock, std::move(options), std::move(open_producer)));
}

Result<std::unique_ptr<Sink>> make_kafka_sink(base::Clock& clock, base::Random& random,
                                              const std::map<std::string, std::string>& values) {
  WEIR_ASSIGN(auto options, parse_kafka_sink_options(values));
  if (options.exactly_once) return make_exact_kafka_sink(clock, random, std::move(options));
  return std::unique_ptr<Sink>(std::make_unique<KafkaSink>(
      clock, std::move(options),
      [&clock, &random](kafka::ProducerOptions producer, kafka::Producer::Callback callback) {
        return kafka::Producer::open(std::move(producer), clock, random, std::move(callback));
      }));
}

}  // namespace weir::sink
