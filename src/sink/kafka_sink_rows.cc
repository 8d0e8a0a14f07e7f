#include "sink/kafka_sink_rows.h"

#include <algorithm>
#include <charconv>

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

Result<bool> flag_of(const std::string& name, const std::string& value) {
  const std::string text = base::lower_case(value);
  if (text == "true" || text == "false") return text == "true";
  return error(ErrorKind::kInvalidArgument, "option {}: '{}' is neither true nor false", name,
               value);
}

Result<void> take_transaction_options(kafka::Properties& properties, KafkaSinkOptions& options) {
  if (properties.contains("transactional.id"))
    return error(ErrorKind::kInvalidArgument,
                 "option kafka.transactional.id: with exactlyOnce it is made of the query's id");
  const auto timeout = properties.find("transaction.timeout.ms");
  if (timeout == properties.end()) return {};
  const std::string& text = timeout->second;
  const auto [end, code] =
      std::from_chars(text.data(), text.data() + text.size(), options.transaction_timeout_ms);
  if (code != std::errc() || end != text.data() + text.size() || options.transaction_timeout_ms < 1)
    return error(ErrorKind::kInvalidArgument,
                 "option kafka.transaction.timeout.ms: '{}' is no number of milliseconds", text);
  properties.erase(timeout);
  return {};
}

}  // namespace

Result<KafkaSinkOptions> parse_kafka_sink_options(
    const std::map<std::string, std::string>& values) {
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
      WEIR_ASSIGN(options.exactly_once, flag_of(name, value));
    } else {
      base::log_warn("a Kafka sink has no option '{}': it is ignored", name);
    }
  }
  if (!properties.contains("bootstrap.servers"))
    return error(ErrorKind::kInvalidArgument,
                 "Option 'kafka.bootstrap.servers' must be specified for configuring Kafka "
                 "producer");
  if (options.exactly_once) WEIR_TRY(take_transaction_options(properties, options));
  WEIR_ASSIGN(options.producer, kafka::ProducerOptions::from_properties(properties));
  if (options.exactly_once && (options.producer.acks != -1 || !options.producer.idempotence))
    return error(ErrorKind::kInvalidArgument,
                 "option exactlyOnce needs kafka.acks=all, kafka.enable.idempotence=true and at "
                 "most 5 kafka.max.in.flight.requests.per.connection");
  return options;
}

namespace {

DataType headers_type() {
  return DataType::array(
      DataType::structure({columnar::make_field("key", DataType::of(TypeKind::kString)),
                           columnar::make_field("value", DataType::of(TypeKind::kBinary))}));
}

base::Error wrong_type(const columnar::Field& field, std::string_view expected) {
  return error(ErrorKind::kInvalidArgument, "{} attribute type must be a {}. Found: {}", field.name,
               expected, field.type().simple_string());
}

}  // namespace

Result<KafkaColumns> kafka_columns(const Schema& schema, const KafkaSinkOptions& options) {
  KafkaColumns columns;
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

namespace {

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

}  // namespace

Result<void> KafkaRowSender::send(int part, const arrow::RecordBatch& rows) {
  const auto column = [&](int index) { return index < 0 ? nullptr : rows.column(index); };
  const auto topics = topic_.empty() ? column(columns_.topic) : nullptr;
  const auto keys = column(columns_.key);
  const auto values = column(columns_.value);
  const auto partitions = column(columns_.partition);
  const auto headers = column(columns_.headers);
  Sent& sent = sent_[static_cast<size_t>(part)];
  std::vector<kafka::RecordHeader> row_headers;
  const int64_t now_ms = clock_.now_ms();
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
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
    if (sent.topic.empty()) sent.topic = *topic;
    ++sent.rows;
    sent.bytes +=
        static_cast<int64_t>(record.key.value_or("").size() + record.value.value_or("").size());
  }
  return {};
}

SinkCommit KafkaRowSender::counts() const {
  SinkCommit done;
  for (const Sent& sent : sent_) {
    done.rows += sent.rows;
    done.bytes += sent.bytes;
  }
  return done;
}

std::string KafkaRowSender::some_topic() const {
  for (const Sent& sent : sent_)
    if (!sent.topic.empty()) return sent.topic;
  return {};
}

}  // namespace weir::sink
