// The options of a Kafka source, checked. See kafka_source.h for their names.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kafka/client_options.h"
#include "source/kafka_offsets.h"
#include "source/option_text.h"

namespace weir::source {

struct KafkaSourceOptions {
  // One of the three.
  std::vector<std::string> subscribe;
  std::string subscribe_pattern;
  std::vector<TopicPartition> assign;

  enum class Start { kEarliest, kLatest, kOffsets, kTimestamps, kTimestamp };
  Start start = Start::kLatest;
  KafkaOffsets start_offsets;          // kOffsets: -1 latest, -2 earliest
  std::optional<int64_t> start_rest;   // kOffsets: of partitions that are not named; none: refused
  KafkaOffsets start_timestamps_ms;    // kTimestamps
  int64_t start_timestamp_ms = 0;      // kTimestamp
  bool latest_where_no_match = false;  // startingOffsetsByTimestampStrategy: latest, else error

  bool fail_on_data_loss = true;
  bool include_headers = false;
  std::optional<int64_t> min_partitions;
  std::optional<int64_t> max_offsets;
  std::optional<int64_t> min_offsets;
  int64_t max_trigger_delay_us = 15LL * 60 * 1'000'000;
  int64_t read_ahead_bytes = 32LL << 20;
  kafka::ClientOptions client;

  // "Subscribe[a, b]", as in Spark's description of the source.
  std::string strategy() const;
};

Result<KafkaSourceOptions> parse_kafka_source_options(
    const std::map<std::string, std::string>& options,
    UnknownOptions unknown = UnknownOptions::kRefuse);

}  // namespace weir::source
