#include "source/kafka_source_options.h"

#include "base/json.h"
#include "base/logging.h"
#include "base/text.h"
#include "source/option_text.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

std::string trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return std::string(text);
}

std::vector<std::string> split_topics(std::string_view text) {
  std::vector<std::string> topics;
  while (true) {
    const size_t comma = text.find(',');
    if (std::string topic = trimmed(text.substr(0, comma)); !topic.empty())
      topics.push_back(std::move(topic));
    if (comma == std::string_view::npos) return topics;
    text.remove_prefix(comma + 1);
  }
}

// {"topic":[0,1]}
Result<std::vector<TopicPartition>> parse_assign(std::string_view text) {
  WEIR_ASSIGN(const base::JsonObject topics, base::parse_json_object(text, "option assign"));
  std::vector<TopicPartition> partitions;
  for (const auto& [topic, numbers] : topics) {
    if (!numbers.is_array())
      return error(ErrorKind::kInvalidArgument,
                   "option assign: topic '{}' needs a list of partitions such as [0,1]",
                   std::string(topic));
    for (const base::JsonValue& number : numbers.get_array()) {
      if (!number.is_int64() || number.get_int64() < 0)
        return error(ErrorKind::kInvalidArgument, "option assign: {} is not a partition",
                     base::json_text(number));
      partitions.push_back({std::string(topic), static_cast<int32_t>(number.get_int64())});
    }
  }
  if (partitions.empty())
    return error(ErrorKind::kInvalidArgument, "option assign names no partition");
  return partitions;
}

Result<void> take_strategy(Options& options, KafkaSourceOptions& parsed) {
  const auto subscribe = options.take("subscribe");
  const auto pattern = options.take("subscribePattern");
  const auto assign = options.take("assign");
  if (subscribe.has_value() + pattern.has_value() + assign.has_value() != 1)
    return error(
        ErrorKind::kInvalidArgument,
        "a Kafka source needs exactly one of the options subscribe, subscribePattern and assign");
  if (subscribe) {
    parsed.subscribe = split_topics(*subscribe);
    if (parsed.subscribe.empty())
      return error(ErrorKind::kInvalidArgument, "option subscribe names no topic");
  }
  if (pattern) {
    parsed.subscribe_pattern = trimmed(*pattern);
    if (parsed.subscribe_pattern.empty())
      return error(ErrorKind::kInvalidArgument, "option subscribePattern is empty");
  }
  if (assign) {
    WEIR_ASSIGN(parsed.assign, parse_assign(*assign));
  }
  return {};
}

Result<KafkaOffsets> as_option(Result<KafkaOffsets> offsets) {
  if (offsets.ok()) return offsets;
  return error(ErrorKind::kInvalidArgument, "{}", offsets.error().message());
}

// Precedence as in Spark: startingTimestamp, startingOffsetsByTimestamp, startingOffsets.
Result<void> take_start(Options& options, KafkaSourceOptions& parsed) {
  WEIR_ASSIGN(const auto timestamp, options.take_integer("startingTimestamp", 0));
  const auto by_timestamp = options.take("startingOffsetsByTimestamp");
  const auto offsets = options.take("startingOffsets");
  const std::string word = base::lower_case(trimmed(offsets.value_or("latest")));
  const auto strategy = options.take("startingOffsetsByTimestampStrategy");
  if (strategy && *strategy != "error" && *strategy != "latest")
    return error(ErrorKind::kInvalidArgument,
                 "option startingOffsetsByTimestampStrategy: '{}' is neither error nor latest",
                 *strategy);
  parsed.latest_where_no_match = strategy == "latest";
  using Start = KafkaSourceOptions::Start;
  if (timestamp) {
    parsed.start = Start::kTimestamp;
    parsed.start_timestamp_ms = *timestamp;
  } else if (by_timestamp) {
    parsed.start = Start::kTimestamps;
    WEIR_ASSIGN(parsed.start_timestamps_ms,
                as_option(parse_kafka_offsets(*by_timestamp, "option startingOffsetsByTimestamp")));
  } else if (word == "earliest") {
    parsed.start = Start::kEarliest;
  } else if (word != "latest") {
    if (!word.starts_with('{'))
      return error(ErrorKind::kInvalidArgument,
                   "option startingOffsets: '{}' is neither earliest nor latest nor JSON such as "
                   "{{\"topic\":{{\"0\":23,\"1\":-2}}}}",
                   *offsets);
    parsed.start = Start::kOffsets;
    WEIR_ASSIGN(parsed.start_offsets,
                as_option(parse_kafka_offsets(*offsets, "option startingOffsets")));
  }
  return {};
}

Result<void> refuse_what_is_not_there(Options& options) {
  for (const char* name : {"endingOffsets", "endingOffsetsByTimestamp", "endingTimestamp"})
    if (options.take(name))
      return error(ErrorKind::kInvalidArgument,
                   "option {} is not valid in a streaming query, which has no end; trigger "
                   "availableNow ends at what is "
                   "there",
                   name);
  WEIR_TRY(options.refuse("kafkaConsumer.pollTimeoutMs", "use kafka.default.api.timeout.ms"));
  WEIR_TRY(options.refuse("fetchOffset.numRetries", "use kafka.default.api.timeout.ms"));
  WEIR_TRY(options.refuse("fetchOffset.retryIntervalMs", "use kafka.retry.backoff.ms"));
  WEIR_TRY(options.refuse("maxRecordsPerPartition", "use minPartitions"));
  return {};
}

// weir reads without joining a consumer group, so there is nothing that these could change.
void tell_without_effect(std::string_view name) {
  base::log_warn(
      "option {} has no effect: no consumer group is joined, and offsets are kept in the "
      "checkpoint "
      "only",
      name);
}

Result<void> take_client(Options& options, KafkaSourceOptions& parsed) {
  auto properties = options.take_prefixed("kafka.");
  for (const char* name : {"auto.offset.reset", "key.deserializer", "value.deserializer",
                           "enable.auto.commit", "interceptor.classes"})
    if (properties.contains(name))
      return error(ErrorKind::kInvalidArgument, "option kafka.{} is not supported, as in Spark: {}",
                   name,
                   std::string_view(name) == "auto.offset.reset"
                       ? "set startingOffsets to earliest or latest; the checkpoint knows the rest"
                       : "keys and values come as bytes and the checkpoint keeps the offsets");
  if (!properties.contains("bootstrap.servers"))
    return error(ErrorKind::kInvalidArgument, "option kafka.bootstrap.servers is missing");
  // A query that waits for a broker looks up in between, so that it can be stopped; it comes back
  // by its retries.
  properties.try_emplace("default.api.timeout.ms", "5000");
  WEIR_ASSIGN(parsed.client, kafka::ClientOptions::from_properties(properties));
  if (options.take("groupIdPrefix")) tell_without_effect("groupIdPrefix");
  for (const std::string& name : parsed.client.without_effect)
    tell_without_effect("kafka." + name);
  return {};
}

}  // namespace

std::string KafkaSourceOptions::strategy() const {
  const auto joined = [](const auto& parts) {
    std::string text;
    for (const auto& part : parts)
      text += (text.empty() ? "" : ", ") + part;
    return text;
  };
  if (!subscribe.empty()) return fmt::format("Subscribe[{}]", joined(subscribe));
  if (!subscribe_pattern.empty()) return fmt::format("SubscribePattern[{}]", subscribe_pattern);
  std::vector<std::string> names;
  for (const TopicPartition& partition : assign)
    names.push_back(fmt::format("{}-{}", partition.topic, partition.partition));
  return fmt::format("Assign[{}]", joined(names));
}

Result<KafkaSourceOptions> parse_kafka_source_options(
    const std::map<std::string, std::string>& values, UnknownOptions unknown) {
  Options options(values, unknown);
  KafkaSourceOptions parsed;
  WEIR_TRY(take_strategy(options, parsed));
  WEIR_TRY(take_start(options, parsed));
  WEIR_TRY(refuse_what_is_not_there(options));
  WEIR_ASSIGN(const auto fail_on_data_loss, options.take_boolean("failOnDataLoss"));
  parsed.fail_on_data_loss = fail_on_data_loss.value_or(true);
  WEIR_ASSIGN(const auto include_headers, options.take_boolean("includeHeaders"));
  parsed.include_headers = include_headers.value_or(false);
  WEIR_ASSIGN(parsed.min_partitions, options.take_integer("minPartitions", 1));
  WEIR_ASSIGN(parsed.max_offsets, options.take_integer("maxOffsetsPerTrigger", 1));
  WEIR_ASSIGN(parsed.min_offsets, options.take_integer("minOffsetsPerTrigger", 1));
  WEIR_ASSIGN(const auto delay, options.take_duration_us("maxTriggerDelay"));
  parsed.max_trigger_delay_us = delay.value_or(parsed.max_trigger_delay_us);
  WEIR_ASSIGN(const auto read_ahead, options.take_byte_size("readAheadBytes"));
  parsed.read_ahead_bytes = read_ahead.value_or(parsed.read_ahead_bytes);
  if (parsed.min_offsets && parsed.max_offsets && *parsed.min_offsets > *parsed.max_offsets)
    return error(ErrorKind::kInvalidArgument,
                 "minOffsetsPerTrigger ({}) is higher than maxOffsetsPerTrigger ({})",
                 *parsed.min_offsets, *parsed.max_offsets);
  WEIR_TRY(take_client(options, parsed));
  WEIR_TRY(options.require_all_taken("a Kafka source"));
  return parsed;
}

}  // namespace weir::source
