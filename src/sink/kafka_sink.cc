#include "sink/kafka_sink.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/logging.h"
#include "base/text.h"

namespace weir::sink {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

namespace {

constexpr int64_t kFlushTimeoutMs = 150'000;  // delivery.timeout.ms ends a batch before

struct KafkaSinkOptions {
  kafka::ProducerOptions producer;
  std::string topic;  // empty: by column
};

base::Error not_built(std::string_view what) {
  return error(ErrorKind::kUnsupported, "The feature is not supported: {}.", what)
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

Result<bool> flag_of(const std::string& name, const std::string& value) {
  const std::string text = base::lower_case(value);
  if (text == "true" || text == "false") return text == "true";
  return error(ErrorKind::kInvalidArgument, "option {}: '{}' is neither true nor false", name,
               value);
}

Result<KafkaSinkOptions> parse_options(const std::map<std::string, std::string>& values) {
  KafkaSinkOptions options;
  kafka::Properties properties;
  for (const auto& [name, value] : values) {
    const std::string key = base::lower_case(name);
    if (key.starts_with("kafka.")) {
      const std::string property = name.substr(6);
      if (property == "key.serializer" || property == "value.serializer")
        return error(ErrorKind::kInvalidArgument,
                     "Kafka option '{}' is not supported as keys and values are written as bytes.",
                     property);
      properties[property] = value;
    } else if (key == "topic") {
      options.topic = value;
    } else if (key == "includeheaders") {
      WEIR_TRY(flag_of(name, value));  // a column of headers is written anyway, as by Spark
    } else if (key == "exactlyonce") {
      WEIR_ASSIGN(const bool wanted, flag_of(name, value));
      if (wanted)
        return not_built(
            "the option exactlyOnce of the Kafka sink, whose client has no "
            "transactions");
    } else {
      base::log_warn("a Kafka sink has no option '{}': it is ignored", name);
    }
  }
  if (!properties.contains("bootstrap.servers"))
    return error(ErrorKind::kInvalidArgument,
                 "Option 'kafka.bootstrap.servers' must be specified for configuring Kafka "
                 "producer");
  WEIR_ASSIGN(options.producer, kafka::ProducerOptions::from_properties(properties));
  return options;
}

struct RowColumns {
  int topic = -1, key = -1, value = -1, partition = -1, headers = -1;
};

DataType headers_type() {
  return DataType::array(
      DataType::structure({columnar::make_field("key", DataType::of(TypeKind::kString)),
                           columnar::make_field("value", DataType::of(TypeKind::kBinary))}));
}

base::Error wrong_type(const columnar::Field& field, std::string_view expected) {
  return error(ErrorKind::kInvalidArgument, "{} attribute type must be a {}. Found: {}", field.name,
               expected, field.type().simple_string());
}

Result<RowColumns> columns_of(const Schema& schema, const KafkaSinkOptions& options) {
  RowColumns columns;
  for (size_t i = 0; i < schema.fields().size(); ++i) {
    const columnar::Field& field = schema.fields()[i];
    const std::string name = base::lower_case(field.name);
    const auto index = static_cast<int>(i);
    const DataType& type = field.type();
    const bool text = type.is(TypeKind::kString);
    const bool bytes = text || type.is(TypeKind::kBinary);
    if (name == "topic") {
      if (!text) return wrong_type(field, "STRING");
      columns.topic = index;
    } else if (name == "key" || name == "value") {
      if (!bytes) return wrong_type(field, "STRING or BINARY");
      (name == "key" ? columns.key : columns.value) = index;
    } else if (name == "partition") {
      if (!type.is(TypeKind::kInteger)) return wrong_type(field, "INT");
      columns.partition = index;
    } else if (name == "headers") {
      if (!type.as_nullable().same_type(headers_type()))
        return wrong_type(field, "ARRAY<STRUCT<key: STRING, value: BINARY>>");
      columns.headers = index;
    }
  }
  if (columns.value < 0)
    return error(ErrorKind::kInvalidArgument, "Required attribute 'value' not found.");
  if (columns.topic < 0 && options.topic.empty())
    return error(ErrorKind::kInvalidArgument,
                 "topic option required when no 'topic' attribute is present. Use the topic option "
                 "for setting a topic.");
  return columns;
}

// The bytes of a text or binary value in any of Arrow's layouts; nullopt: NULL.
std::optional<std::string_view> bytes_at(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return std::nullopt;
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return static_cast<const arrow::BinaryArray&>(array).GetView(row);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return static_cast<const arrow::LargeBinaryArray&>(array).GetView(row);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return static_cast<const arrow::BinaryViewArray&>(array).GetView(row);
    default:
      WEIR_CHECK(false, "not a column of text or bytes");
  }
  return std::nullopt;
}

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

class KafkaBatch final : public BatchWriter {
 public:
  KafkaBatch(kafka::Producer& producer, Deliveries& deliveries, base::Clock& clock,
             const RowColumns& columns, const std::string& topic, int parts)
      : producer_(producer),
        deliveries_(deliveries),
        clock_(clock),
        columns_(columns),
        topic_(topic),
        sent_(static_cast<size_t>(parts)) {}

  Result<void> write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) override;
  Result<SinkCommit> commit() override {
    WEIR_TRY(producer_.flush(kFlushTimeoutMs));
    WEIR_TRY(deliveries_.check());
    SinkCommit done;
    for (const Sent& sent : sent_) {
      done.rows += sent.rows;
      done.bytes += sent.bytes;
    }
    return done;
  }
  // What was sent stays sent.
  Result<void> abort() override { return {}; }

 private:
  struct Sent {
    int64_t rows = 0;
    int64_t bytes = 0;
  };

  kafka::Producer& producer_;
  Deliveries& deliveries_;
  base::Clock& clock_;
  const RowColumns& columns_;
  const std::string& topic_;
  std::vector<Sent> sent_;
};

void take_headers(const arrow::Array& array, int64_t row,
                  std::vector<kafka::RecordHeader>& headers) {
  headers.clear();
  if (array.IsNull(row)) return;
  const auto& list = static_cast<const arrow::ListArray&>(array);
  const auto& entries = static_cast<const arrow::StructArray&>(*list.values());
  const auto& keys = *entries.field(0);
  const auto& values = *entries.field(1);
  for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
    kafka::RecordHeader header;
    header.key = bytes_at(keys, i).value_or(std::string_view());
    if (const auto value = bytes_at(values, i)) header.value = *value;
    headers.push_back(header);
  }
}

Result<void> KafkaBatch::write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) {
  const auto column = [&](int index) { return index < 0 ? nullptr : rows->column(index); };
  const auto topics = topic_.empty() ? column(columns_.topic) : nullptr;
  const auto keys = column(columns_.key);
  const auto values = column(columns_.value);
  const auto partitions = column(columns_.partition);
  const auto headers = column(columns_.headers);
  WEIR_TRY(deliveries_.check());
  Sent& sent = sent_[static_cast<size_t>(part)];
  std::vector<kafka::RecordHeader> row_headers;
  const int64_t now_ms = clock_.now_ms();
  for (int64_t row = 0; row < rows->num_rows(); ++row) {
    kafka::ProduceRecord record;
    const auto topic = topics ? bytes_at(*topics, row) : std::optional<std::string_view>(topic_);
    if (!topic)
      return error(ErrorKind::kInvalidArgument,
                   "null topic present in the data. Use the topic option for setting a topic.");
    record.topic = *topic;
    if (keys) record.key = bytes_at(*keys, row);
    record.value = bytes_at(*values, row);
    if (partitions && !partitions->IsNull(row))
      record.partition = static_cast<const arrow::Int32Array&>(*partitions).Value(row);
    if (headers) {
      take_headers(*headers, row, row_headers);
      record.headers = row_headers;
    }
    record.timestamp_ms = now_ms;
    WEIR_TRY(producer_.send(record));
    ++sent.rows;
    sent.bytes +=
        static_cast<int64_t>(record.key.value_or("").size() + record.value.value_or("").size());
  }
  return {};
}

class KafkaSink final : public Sink {
 public:
  KafkaSink(base::Clock& clock, KafkaSinkOptions options, KafkaProducerFactory open_producer)
      : clock_(clock), options_(std::move(options)), open_producer_(std::move(open_producer)) {}

  std::string description() const override { return "KafkaSink"; }
  bool exactly_once() const override { return false; }
  Result<std::string> prepare(const QueryIdentity&, const Schema& schema) override {
    WEIR_ASSIGN(columns_, columns_of(schema, options_));
    WEIR_ASSIGN(auto producer,
                open_producer_(options_.producer, [this](const kafka::Delivery& delivery) {
                  deliveries_.take(delivery);
                }));
    std::lock_guard lock(interrupt_mutex_);
    producer_ = std::move(producer);
    return std::string();
  }
  // Records that wait for a topic, for memory or for their acknowledgement fail at once.
  void interrupt() override {
    std::lock_guard lock(interrupt_mutex_);
    if (producer_) producer_->close(0);
  }
  Result<std::unique_ptr<BatchWriter>> begin(BatchId, int parts) override {
    if (!deliveries_.check().ok()) {
      // What an attempt that failed has in the producer must not be told of this one.
      (void)producer_->flush(kFlushTimeoutMs);
      deliveries_.forget();
    }
    return std::unique_ptr<BatchWriter>(std::make_unique<KafkaBatch>(
        *producer_, deliveries_, clock_, columns_, options_.topic, parts));
  }

 private:
  base::Clock& clock_;
  KafkaSinkOptions options_;
  KafkaProducerFactory open_producer_;
  RowColumns columns_;
  Deliveries deliveries_;
  std::mutex interrupt_mutex_;                 // prepare() against interrupt()
  std::unique_ptr<kafka::Producer> producer_;  // the last member: its thread calls deliveries_
};

}  // namespace

Result<std::unique_ptr<Sink>> make_kafka_sink(base::Clock& clock,
                                              const std::map<std::string, std::string>& values,
                                              KafkaProducerFactory open_producer) {
  WEIR_ASSIGN(auto options, parse_options(values));
  return std::unique_ptr<Sink>(
      std::make_unique<KafkaSink>(clock, std::move(options), std::move(open_producer)));
}

Result<std::unique_ptr<Sink>> make_kafka_sink(base::Clock& clock, base::Random& random,
                                              const std::map<std::string, std::string>& options) {
  return make_kafka_sink(
      clock, options,
      [&clock, &random](kafka::ProducerOptions producer, kafka::Producer::Callback callback) {
        return kafka::Producer::open(std::move(producer), clock, random, std::move(callback));
      });
}

}  // namespace weir::sink
