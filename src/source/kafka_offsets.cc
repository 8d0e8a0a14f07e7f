#include "source/kafka_offsets.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "base/json.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

std::string kafka_offsets_json(const KafkaOffsets& offsets) {
  base::JsonObject topics;
  for (const auto& [partition, offset] : offsets) {  // sorted by topic, then number
    base::JsonValue& topic = topics[partition.topic];
    if (!topic.is_object()) topic.emplace_object();
    topic.get_object()[std::to_string(partition.partition)] = offset;
  }
  return base::json_text(topics);
}

Result<KafkaOffsets> parse_kafka_offsets(std::string_view json, std::string_view what) {
  WEIR_ASSIGN(const base::JsonObject topics, base::parse_json_object(json, what));
  KafkaOffsets offsets;
  for (const auto& [topic, value] : topics) {
    const base::JsonObject* partitions = value.if_object();
    if (partitions == nullptr)
      return error(ErrorKind::kCorruption,
                   "{}: topic '{}' needs an object of partitions such as {{\"0\":23}}", what,
                   std::string(topic));
    for (const auto& [number, offset] : *partitions) {
      int32_t partition = -1;
      const std::string_view text(number);
      const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), partition);
      if (code != std::errc() || end != text.data() + text.size() || partition < 0 ||
          !offset.is_int64())
        return error(ErrorKind::kCorruption,
                     "{}: '{}' of topic '{}' is not a partition with an offset", what, text,
                     std::string(topic));
      offsets[{std::string(topic), partition}] = offset.get_int64();
    }
  }
  return offsets;
}

KafkaOffsets limit_kafka_offsets(int64_t limit, const KafkaOffsets& from,
                                 const KafkaOffsets& until) {
  const auto begin_of = [&](const TopicPartition& partition, int64_t end) {
    const auto found = from.find(partition);
    return found == from.end() ? end : found->second;
  };
  double total = 0;
  for (const auto& [partition, end] : until)
    total += static_cast<double>(std::max<int64_t>(0, end - begin_of(partition, end)));
  if (total < 1) return until;
  KafkaOffsets limited;
  for (const auto& [partition, end] : until) {
    const int64_t begin = begin_of(partition, end);
    if (end <= begin) {
      limited[partition] = end;
      continue;
    }
    const double share = static_cast<double>(limit) * (static_cast<double>(end - begin) / total);
    const double whole = share < 1 ? std::ceil(share) : std::floor(share);
    limited[partition] =
        whole >= static_cast<double>(end - begin) ? end : begin + static_cast<int64_t>(whole);
  }
  return limited;
}

namespace {

int64_t part_count(int64_t size, int64_t total, int64_t wanted) {
  return std::max<int64_t>(1, std::llround(static_cast<double>(size) / static_cast<double>(total) *
                                           static_cast<double>(wanted)));
}

}  // namespace

std::vector<KafkaRange> divide_kafka_ranges(const std::vector<KafkaRange>& ranges,
                                            std::optional<int64_t> min_partitions) {
  std::vector<KafkaRange> filled;
  for (const KafkaRange& range : ranges)
    if (range.size() > 0) filled.push_back(range);
  if (!min_partitions || static_cast<int64_t>(filled.size()) >= *min_partitions) return filled;

  int64_t total = 0;
  for (const KafkaRange& range : filled)
    total += range.size();
  // Ranges too small to be split stay out of the proportion for those that are.
  int64_t whole_count = 0;
  int64_t split_total = total;
  const auto stays_whole = [&](const KafkaRange& range) {
    return part_count(range.size(), total, *min_partitions) == 1;
  };
  for (const KafkaRange& range : filled) {
    if (!stays_whole(range)) continue;
    ++whole_count;
    split_total -= range.size();
  }
  const int64_t split_wanted = std::max<int64_t>(*min_partitions - whole_count, 1);
  std::vector<KafkaRange> divided;
  for (const KafkaRange& range : filled) {
    const int64_t parts =
        stays_whole(range) ? 1 : part_count(range.size(), split_total, split_wanted);
    int64_t remaining = range.size();
    int64_t start = range.from;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t size = remaining / (parts - part);
      remaining -= size;
      if (size > 0) divided.push_back({range.partition, start, start + size});
      start += size;
    }
  }
  return divided;
}

}  // namespace weir::source
