// Offsets of a Kafka source: positions by topic and partition, their JSON, and Spark's arithmetic
// on them.
//
// The JSON is Spark's, as in its checkpoints: {"topic":{"0":23,"1":0}}, topics by name, partitions
// by number. An offset is the next one to read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace weir::source {

using base::Result;
using base::TopicPartition;

using KafkaOffsets = std::map<TopicPartition, int64_t>;

std::string kafka_offsets_json(const KafkaOffsets& offsets);
Result<KafkaOffsets> parse_kafka_offsets(std::string_view json, std::string_view what);

// `limit` records shared out in proportion to what each partition has (Spark's rateLimit): at least
// one where there is something, so that small partitions don't starve. `from` has to name every
// partition of `until`.
KafkaOffsets limit_kafka_offsets(int64_t limit, const KafkaOffsets& from,
                                 const KafkaOffsets& until);

struct KafkaRange {
  TopicPartition partition;
  int64_t from = 0;
  int64_t until = 0;
  int64_t size() const { return until - from; }
  bool operator==(const KafkaRange&) const = default;
};

// Drops empty ranges, and splits large ones until there are about `min_partitions` (Spark's
// KafkaOffsetRangeCalculator).
std::vector<KafkaRange> divide_kafka_ranges(const std::vector<KafkaRange>& ranges,
                                            std::optional<int64_t> min_partitions);

}  // namespace weir::source
