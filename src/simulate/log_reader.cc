#include "simulate/log_reader.h"

#include "kafka/client.h"

namespace weir::simulate {

using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kWaitMs = 1000;
constexpr int64_t kSilenceUs = 60'000'000;  // without any answer

Result<void> take_batches(const kafka::FetchedBatches& fetched, const kafka::FetchRange& range,
                          const LogTaker& taker) {
  for (const kafka::BatchView& batch : fetched.batches) {
    WEIR_ASSIGN(const kafka::BatchRecords records,
                kafka::open_record_batch(batch.bytes, batch.header));
    kafka::RecordIterator iterator(records.header, records.records);
    kafka::Record record;
    while (iterator.next(record))
      if (record.offset >= range.start && record.offset < *range.end)
        taker.on_record(range.partition.partition, record.offset, record.value);
    WEIR_TRY(iterator.finish());
  }
  return {};
}

Result<std::vector<kafka::FetchRange>> whole_topic(kafka::Client& client,
                                                   const std::string& topic) {
  WEIR_ASSIGN(const auto topics, client.describe_topics({topic}));
  std::vector<kafka::OffsetQuery> earliest;
  std::vector<kafka::OffsetQuery> latest;
  for (const int32_t partition : topics.at(0).partitions) {
    earliest.push_back(
        {.partition = {topic, partition}, .timestamp_ms = kafka::kEarliestTimestamp});
    latest.push_back({.partition = {topic, partition}, .timestamp_ms = kafka::kLatestTimestamp});
  }
  WEIR_ASSIGN(const auto starts, client.list_offsets(earliest));
  WEIR_ASSIGN(const auto ends, client.list_offsets(latest));
  std::vector<kafka::FetchRange> ranges;
  for (size_t i = 0; i < earliest.size(); ++i)
    ranges.push_back({.partition = earliest[i].partition, .start = starts[i], .end = ends[i]});
  return ranges;
}

}  // namespace

Result<void> read_log(const kafka::ClientOptions& options, const std::string& topic,
                      base::Clock& clock, base::Random& random, const LogTaker& taker,
                      std::stop_token stop) {
  WEIR_ASSIGN(auto client, kafka::Client::open(options, clock, random));
  WEIR_ASSIGN(const std::vector<kafka::FetchRange> ranges, whole_topic(*client, topic));
  for (const kafka::FetchRange& range : ranges)
    taker.on_partition(range.partition.partition, range.start, *range.end);
  WEIR_ASSIGN(auto fetcher, client->fetch(ranges));
  int64_t heard_us = clock.monotonic_us();
  while (!stop.stop_requested()) {
    WEIR_ASSIGN(const kafka::FetchOutcome outcome, fetcher->next(kWaitMs));
    switch (outcome.status) {
      case kafka::FetchStatus::kFinished:
        return {};
      case kafka::FetchStatus::kBatches:
        heard_us = clock.monotonic_us();
        WEIR_TRY(take_batches(outcome.fetched, ranges[outcome.fetched.range], taker));
        break;
      case kafka::FetchStatus::kOffsetOutOfRange:
        return error(ErrorKind::kDataLoss,
                     "{} partition {}: offset {} is gone, the log begins at {} now", topic,
                     ranges[outcome.fetched.range].partition.partition, outcome.requested_offset,
                     outcome.log_start_offset);
      case kafka::FetchStatus::kTimeout:
        if (clock.monotonic_us() - heard_us > kSilenceUs)
          return error(ErrorKind::kTimeout, "{}: no records came for {} s", topic,
                       kSilenceUs / 1'000'000);
        break;
    }
  }
  return error(ErrorKind::kCancelled, "stopped while reading the log");
}

}  // namespace weir::simulate
