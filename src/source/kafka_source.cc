#include "source/kafka_source.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <arrow/record_batch.h>

#include "base/logging.h"
#include "kafka/client.h"
#include "source/kafka_offsets.h"
#include "source/kafka_partition_stream.h"
#include "source/kafka_rows.h"
#include "source/kafka_source_options.h"
#include "source/metadata_log.h"
#include "source/read_ahead_source.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kAskEndsEveryUs = 250'000;
constexpr int64_t kAskPartitionsEveryUs = 5'000'000;
constexpr int64_t kReadAheadBytesMin = 1 << 20;
constexpr int kLowerEndsTolerated =
    3;  // a broker that just took over may not know yet how far the log reaches

class KafkaPartitionReader final : public PartitionReader {
 public:
  KafkaPartitionReader(std::shared_ptr<KafkaPartitionStream> stream, int64_t until,
                       const std::vector<std::string>& columns)
      : stream_(std::move(stream)), until_(until), rows_(columns, stream_->partition()) {}

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) override {
    WEIR_TRY(stream_->read(until_, rows_, stop));
    if (rows_.rows() == 0) return std::shared_ptr<arrow::RecordBatch>();
    counters_.rows += rows_.rows();
    counters_.bytes += rows_.bytes();
    return rows_.finish();
  }
  const ReadCounters& counters() const override { return counters_; }

 private:
  std::shared_ptr<KafkaPartitionStream> stream_;
  int64_t until_;
  KafkaRowBuilder rows_;
  ReadCounters counters_;
};

class KafkaSource final : public Source, public ReadAheadSource {
 public:
  KafkaSource(KafkaSourceEnvironment environment, KafkaSourceOptions options,
              KafkaClientFactory open_client, std::unique_ptr<kafka::Client> client)
      : environment_(environment),
        options_(std::move(options)),
        schema_(kafka_schema(options_.include_headers)),
        open_client_(std::move(open_client)),
        client_(std::move(client)) {}

  const Schema& schema() const override { return schema_; }
  std::string description() const override {
    return fmt::format("KafkaV2[{}]", options_.strategy());
  }

  Result<void> open(const std::string& checkpoint_folder) override {
    folder_ = checkpoint_folder;
    return {};
  }
  Result<std::string> initial_offset() override;
  Result<void> prepare_available_now() override;
  Result<LatestOffset> latest_offset(const std::string& start, bool ignore_limits) override;
  Result<std::vector<std::unique_ptr<PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) override;
  Result<void> commit(const std::string&) override { return {}; }
  void interrupt() override { client_->stop(); }
  std::map<std::string, std::string> metrics(const std::string& end) const override;

 private:
  Result<std::vector<TopicPartition>> list_partitions();
  Result<KafkaOffsets> ask_offsets(const std::vector<TopicPartition>& partitions,
                                   int64_t timestamp_ms);
  Result<KafkaOffsets> decide_initial_offsets();
  Result<void> resolve_special_offsets(KafkaOffsets& offsets);
  Result<void> refresh_ends(const KafkaOffsets& from);
  Result<void> add_new_partitions(const KafkaOffsets& until, KafkaOffsets& from);
  Result<void> check_replay(const KafkaOffsets& until);
  Result<void> data_loss(const std::string& what) const;
  Result<void> log_ends_before(const KafkaOffsets::value_type& position,
                               const KafkaOffsets& ends) const;
  Result<void> check_frozen_ends(const KafkaOffsets& from);
  bool delays_batch(const KafkaOffsets& from, const KafkaOffsets& until);
  Result<std::shared_ptr<KafkaPartitionStream>> open_stream(const KafkaRange& range, bool keep);

  KafkaSourceEnvironment environment_;
  KafkaSourceOptions options_;
  Schema schema_;
  KafkaClientFactory open_client_;
  std::unique_ptr<kafka::Client> client_;        // asks
  std::unique_ptr<kafka::Client> fetch_client_;  // reads; its options share out the read-ahead
  std::string folder_;

  std::vector<TopicPartition> partitions_;
  int64_t partitions_asked_us_ = 0;
  KafkaOffsets ends_;  // as far as known
  int64_t ends_asked_us_ = 0;
  int lower_ends_seen_ = 0;
  bool available_now_ = false;
  KafkaOffsets new_starts_;  // beginnings of partitions that appeared
  std::string planned_end_;  // the newest answer of latest_offset
  int64_t last_trigger_us_ = 0;
  std::map<TopicPartition, std::shared_ptr<KafkaPartitionStream>> streams_;
};

Result<std::vector<TopicPartition>> KafkaSource::list_partitions() {
  if (!options_.assign.empty()) return options_.assign;
  std::vector<kafka::TopicInfo> topics;
  if (!options_.subscribe.empty()) {
    WEIR_ASSIGN(topics, client_->describe_topics(options_.subscribe));
  } else {
    WEIR_ASSIGN(topics, client_->match_topics(options_.subscribe_pattern));
  }
  std::vector<TopicPartition> partitions;
  for (const kafka::TopicInfo& topic : topics)
    for (const int32_t number : topic.partitions)
      partitions.push_back({topic.name, number});
  return partitions;
}

Result<KafkaOffsets> KafkaSource::ask_offsets(const std::vector<TopicPartition>& partitions,
                                              int64_t timestamp_ms) {
  std::vector<kafka::OffsetQuery> queries;
  queries.reserve(partitions.size());
  for (const TopicPartition& partition : partitions)
    queries.push_back({partition, timestamp_ms});
  WEIR_ASSIGN(const auto answers, client_->list_offsets(queries));
  KafkaOffsets offsets;
  for (size_t i = 0; i < partitions.size(); ++i)
    offsets[partitions[i]] = answers[i];
  return offsets;
}

// -1 and -2 of startingOffsets become what they stand for.
Result<void> KafkaSource::resolve_special_offsets(KafkaOffsets& offsets) {
  for (const int64_t special : {kafka::kLatestTimestamp, kafka::kEarliestTimestamp}) {
    std::vector<TopicPartition> asked;
    for (const auto& [partition, offset] : offsets)
      if (offset == special) asked.push_back(partition);
    if (asked.empty()) continue;
    WEIR_ASSIGN(const KafkaOffsets found, ask_offsets(asked, special));
    for (const auto& [partition, offset] : found)
      offsets[partition] = offset;
  }
  return {};
}

Result<KafkaOffsets> KafkaSource::decide_initial_offsets() {
  WEIR_ASSIGN(const auto partitions, list_partitions());
  using Start = KafkaSourceOptions::Start;
  if (options_.start == Start::kEarliest) return ask_offsets(partitions, kafka::kEarliestTimestamp);
  if (options_.start == Start::kLatest) return ask_offsets(partitions, kafka::kLatestTimestamp);
  if (options_.start == Start::kTimestamp) {
    KafkaOffsets timestamps;
    for (const TopicPartition& partition : partitions)
      timestamps[partition] = options_.start_timestamp_ms;
    options_.start_timestamps_ms = std::move(timestamps);
  }
  KafkaOffsets wanted =
      options_.start == Start::kOffsets ? options_.start_offsets : options_.start_timestamps_ms;
  if (options_.start == Start::kOffsets && options_.start_rest)
    for (const TopicPartition& partition : partitions)
      wanted.try_emplace(partition, *options_.start_rest);
  std::set<TopicPartition> named;
  for (const auto& [partition, offset] : wanted)
    named.insert(partition);
  if (named != std::set<TopicPartition>(partitions.begin(), partitions.end()))
    return error(ErrorKind::kInvalidArgument,
                 "starting offsets have to name every partition, and no other (-1 latest, -2 "
                 "earliest): given {}, "
                 "there are {}",
                 kafka_offsets_json(wanted), [&] {
                   KafkaOffsets there;
                   for (const TopicPartition& partition : partitions)
                     there[partition] = 0;
                   return kafka_offsets_json(there);
                 }());
  if (options_.start != Start::kOffsets) {
    std::vector<kafka::OffsetQuery> queries;
    for (const auto& [partition, timestamp_ms] : wanted)
      queries.push_back({partition, timestamp_ms});
    WEIR_ASSIGN(const auto answers, client_->list_offsets(queries));
    for (size_t i = 0; i < queries.size(); ++i) {
      if (answers[i] < 0 && !options_.latest_where_no_match)
        return error(ErrorKind::kInvalidArgument,
                     "no record of {}-{} has the timestamp {} or a later one; set "
                     "startingOffsetsByTimestampStrategy to "
                     "latest to begin at the end then",
                     queries[i].partition.topic, queries[i].partition.partition,
                     queries[i].timestamp_ms);
      wanted[queries[i].partition] = answers[i] < 0 ? kafka::kLatestTimestamp : answers[i];
    }
  }
  WEIR_TRY(resolve_special_offsets(wanted));
  return wanted;
}

Result<std::string> KafkaSource::initial_offset() {
  if (folder_.empty()) {  // of a batch query
    WEIR_ASSIGN(const KafkaOffsets decided, decide_initial_offsets());
    return kafka_offsets_json(decided);
  }
  MetadataLog log(environment_.files, folder_);
  WEIR_TRY(log.open());
  WEIR_ASSIGN(const auto kept, log.get(0));
  if (kept) {
    std::string_view text = *kept;
    if (!text.empty() && text.front() == '\0') text.remove_prefix(1);
    if (text.starts_with("v")) {
      WEIR_ASSIGN(text, after_version_line(text, 1, log.path_of(0)));
    }
    WEIR_ASSIGN(const KafkaOffsets offsets, parse_kafka_offsets(text, log.path_of(0)));
    return kafka_offsets_json(offsets);
  }
  WEIR_ASSIGN(const KafkaOffsets offsets, decide_initial_offsets());
  std::string json = kafka_offsets_json(offsets);
  WEIR_ASSIGN(const auto outcome, log.add(0, std::string(1, '\0') + "v1\n" + json));
  if (outcome == io::CreateOutcome::kExists)
    return error(ErrorKind::kConflict,
                 "{} was just written by somebody else: another query uses this checkpoint",
                 log.path_of(0));
  return json;
}

Result<void> KafkaSource::prepare_available_now() {
  WEIR_ASSIGN(partitions_, list_partitions());
  WEIR_ASSIGN(ends_, ask_offsets(partitions_, kafka::kLatestTimestamp));
  available_now_ = true;
  return {};
}

Result<void> KafkaSource::data_loss(const std::string& what) const {
  if (options_.fail_on_data_loss)
    return error(ErrorKind::kDataLoss,
                 "{}. To go on with what is there, accepting the loss, set the option "
                 "failOnDataLoss to false",
                 what);
  base::log_warn("{}; failOnDataLoss is false, so the query goes on", what);
  return {};
}

// The query's position that the log does not reach; positions.end(): there is none.
KafkaOffsets::const_iterator lower_end(const KafkaOffsets& ends, const KafkaOffsets& positions) {
  return std::find_if(positions.begin(), positions.end(), [&](const auto& position) {
    const auto end = ends.find(position.first);
    return end != ends.end() && end->second < position.second;
  });
}

Result<void> KafkaSource::log_ends_before(const KafkaOffsets::value_type& position,
                                          const KafkaOffsets& ends) const {
  return data_loss(fmt::format(
      "the log of {}-{} ends at {} and the query has read up to {}: the topic was deleted and made "
      "anew, or its end was lost",
      position.first.topic, position.first.partition, ends.at(position.first), position.second));
}

// Ends that lie before the position are those of a topic made anew, or of a broker that took over
// just then: reading up to them would take the position back, and rows would come twice.
Result<void> KafkaSource::check_frozen_ends(const KafkaOffsets& from) {
  if (lower_end(ends_, from) == from.end()) return {};
  WEIR_ASSIGN(const KafkaOffsets now, ask_offsets(partitions_, kafka::kLatestTimestamp));
  for (const auto& [partition, offset] : from) {
    const auto end = ends_.find(partition);
    if (end != ends_.end() && end->second < offset && now.at(partition) >= offset)
      end->second = offset;  // nothing was there but what has been read
  }
  const auto lower = lower_end(ends_, from);
  if (lower == from.end()) return {};
  if (++lower_ends_seen_ < kLowerEndsTolerated)
    return error(ErrorKind::kTimeout,
                 "the log of {}-{} is said to end at {}, before {}, up to which the query has read",
                 lower->first.topic, lower->first.partition, ends_[lower->first], lower->second)
        .as_retryable();
  lower_ends_seen_ = 0;
  return log_ends_before(*lower, ends_);
}

// Brings ends_ up to date: from the brokers where that was not done just now, else from what came
// with the rows.
Result<void> KafkaSource::refresh_ends(const KafkaOffsets& from) {
  const int64_t now_us = environment_.clock.monotonic_us();
  if (partitions_.empty() || now_us - partitions_asked_us_ >= kAskPartitionsEveryUs) {
    WEIR_ASSIGN(partitions_, list_partitions());
    partitions_asked_us_ = now_us;
    ends_asked_us_ = now_us - kAskEndsEveryUs;
  }
  if (ends_.empty() || now_us - ends_asked_us_ >= kAskEndsEveryUs) {
    WEIR_ASSIGN(KafkaOffsets ends, ask_offsets(partitions_, kafka::kLatestTimestamp));
    ends_asked_us_ = now_us;
    if (const auto lower = lower_end(ends, from); lower != from.end()) {
      if (++lower_ends_seen_ < kLowerEndsTolerated) {
        ends_ = from;  // nothing new, until the brokers agree
        return {};
      }
      WEIR_TRY(log_ends_before(*lower, ends));
    }
    lower_ends_seen_ = 0;
    ends_ = std::move(ends);
  }
  for (const auto& [partition, stream] : streams_) {
    if (stream->broken() || !stream->poll().ok()) continue;  // opened anew by the next plan()
    if (const auto end = ends_.find(partition); end != ends_.end())
      end->second = std::max(end->second, stream->high_watermark());
  }
  return {};
}

// Partitions of `until` that `from` does not know are read from their beginning.
Result<void> KafkaSource::add_new_partitions(const KafkaOffsets& until, KafkaOffsets& from) {
  std::vector<TopicPartition> added;
  for (const auto& [partition, end] : until) {
    if (from.contains(partition)) continue;
    if (const auto known = new_starts_.find(partition); known != new_starts_.end())
      from[partition] = known->second;
    else
      added.push_back(partition);
  }
  if (added.empty()) return {};
  WEIR_ASSIGN(const KafkaOffsets starts, ask_offsets(added, kafka::kEarliestTimestamp));
  for (const auto& [partition, start] : starts) {
    if (start > 0)
      WEIR_TRY(data_loss(fmt::format("the new partition {}-{} begins at {} instead of 0",
                                     partition.topic, partition.partition, start)));
    from[partition] = start;
    new_starts_[partition] = start;
  }
  return {};
}

bool KafkaSource::delays_batch(const KafkaOffsets& from, const KafkaOffsets& until) {
  const int64_t now_us = environment_.clock.monotonic_us();
  int64_t waiting = 0;
  for (const auto& [partition, end] : until)
    if (const auto begin = from.find(partition); begin != from.end())
      waiting += end - begin->second;
  if (waiting < *options_.min_offsets && now_us - last_trigger_us_ < options_.max_trigger_delay_us)
    return true;
  last_trigger_us_ = now_us;
  return false;
}

Result<LatestOffset> KafkaSource::latest_offset(const std::string& start, bool ignore_limits) {
  WEIR_ASSIGN(const KafkaOffsets start_offsets, parse_kafka_offsets(start, "start offset"));
  if (!available_now_) {
    WEIR_TRY(refresh_ends(start_offsets));
  } else {
    WEIR_TRY(check_frozen_ends(start_offsets));
  }
  for (const auto& [partition, offset] : start_offsets)
    if (!ends_.contains(partition))
      WEIR_TRY(data_loss(fmt::format("{}-{} is gone; the query has read up to {}", partition.topic,
                                     partition.partition, offset)));
  LatestOffset latest{.end = start, .latest = kafka_offsets_json(ends_)};
  if (ends_.empty() || ends_ == start_offsets) return latest;
  KafkaOffsets from = start_offsets;
  WEIR_TRY(add_new_partitions(ends_, from));
  KafkaOffsets until = ends_;
  if (!ignore_limits) {
    if (options_.min_offsets && delays_batch(from, until)) return latest;
    if (options_.max_offsets) until = limit_kafka_offsets(*options_.max_offsets, from, until);
  }
  if (until == start_offsets) return latest;
  latest.end = kafka_offsets_json(until);
  planned_end_ = latest.end;
  return latest;
}

// An end that an earlier process wrote down: the log has to reach it still.
Result<void> KafkaSource::check_replay(const KafkaOffsets& until) {
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, end] : until)
    partitions.push_back(partition);
  WEIR_ASSIGN(const KafkaOffsets ends, ask_offsets(partitions, kafka::kLatestTimestamp));
  for (const auto& [partition, end] : until)
    if (const auto now = ends.find(partition); now->second < end)
      return error(ErrorKind::kDataLoss,
                   "the batch that was begun reads {}-{} up to {}, and its log ends at {}: the "
                   "topic was deleted and made "
                   "anew, or its end was lost. Start with a new checkpoint",
                   partition.topic, partition.partition, end, now->second);
  return {};
}

Result<std::shared_ptr<KafkaPartitionStream>> KafkaSource::open_stream(const KafkaRange& range,
                                                                       bool keep) {
  kafka::FetchRange wanted{.partition = range.partition, .start = range.from, .end = std::nullopt};
  if (!keep) wanted.end = range.until;
  if (keep && available_now_)
    if (const auto end = ends_.find(range.partition); end != ends_.end())
      wanted.end = std::max(end->second, range.until);
  if (fetch_client_ == nullptr) {
    kafka::ClientOptions options = options_.client;
    const auto partitions = static_cast<int64_t>(std::max<size_t>(1, partitions_.size()));
    options.read_ahead_bytes = std::max(kReadAheadBytesMin, options_.read_ahead_bytes / partitions);
    WEIR_ASSIGN(fetch_client_, open_client_(options));
  }
  WEIR_ASSIGN(auto fetcher, fetch_client_->fetch({wanted}));
  return std::make_shared<KafkaPartitionStream>(range.partition, std::move(fetcher), range.from,
                                                options_.fail_on_data_loss,
                                                options_.client.decompressed_limit);
}

Result<std::vector<std::unique_ptr<PartitionReader>>> KafkaSource::plan(
    const std::string& start, const std::string& end, const std::vector<std::string>& columns) {
  WEIR_ASSIGN(KafkaOffsets from, parse_kafka_offsets(start, "start offset"));
  WEIR_ASSIGN(const KafkaOffsets until, parse_kafka_offsets(end, "end offset"));
  if (end != planned_end_) WEIR_TRY(check_replay(until));
  WEIR_TRY(add_new_partitions(until, from));
  std::vector<KafkaRange> ranges;
  for (const auto& [partition, offset] : until)
    ranges.push_back({partition, from[partition], offset});
  ranges = divide_kafka_ranges(ranges, options_.min_partitions);

  std::map<TopicPartition, int> parts;
  for (const KafkaRange& range : ranges)
    ++parts[range.partition];
  std::erase_if(streams_, [&](const auto& entry) { return !until.contains(entry.first); });
  std::vector<std::unique_ptr<PartitionReader>> readers;
  for (const KafkaRange& range : ranges) {
    const bool keep = parts[range.partition] == 1;
    auto& kept = streams_[range.partition];
    std::shared_ptr<KafkaPartitionStream> stream;
    if (keep && kept != nullptr && !kept->broken() && kept->position() == range.from) {
      stream = kept;
    } else {
      kept.reset();  // frees its read-ahead first
      WEIR_ASSIGN(stream, open_stream(range, keep));
      if (keep) kept = stream;
    }
    readers.push_back(
        std::make_unique<KafkaPartitionReader>(std::move(stream), range.until, columns));
  }
  std::erase_if(streams_, [](const auto& entry) { return entry.second == nullptr; });
  return readers;
}

std::map<std::string, std::string> KafkaSource::metrics(const std::string& end) const {
  const auto consumed = parse_kafka_offsets(end, "end offset");
  if (!consumed.ok() || ends_.empty()) return {};
  int64_t smallest = INT64_MAX;
  int64_t largest = 0;
  double total = 0;
  for (const auto& [partition, latest] : ends_) {
    const auto read = consumed->find(partition);
    const int64_t behind = latest - (read == consumed->end() ? 0 : read->second);
    smallest = std::min(smallest, behind);
    largest = std::max(largest, behind);
    total += static_cast<double>(behind);
  }
  const double average = std::round(total / static_cast<double>(ends_.size()) * 10) / 10;
  return {{"minOffsetsBehindLatest", std::to_string(smallest)},
          {"maxOffsetsBehindLatest", std::to_string(largest)},
          {"avgOffsetsBehindLatest", fmt::format("{:.1f}", average)}};
}

}  // namespace

Result<std::unique_ptr<Source>> make_kafka_source(KafkaSourceEnvironment environment,
                                                  const std::map<std::string, std::string>& options,
                                                  KafkaClientFactory open_client,
                                                  UnknownOptions unknown) {
  WEIR_ASSIGN(KafkaSourceOptions parsed, parse_kafka_source_options(options, unknown));
  return make_kafka_source(environment, std::move(parsed), std::move(open_client));
}

Result<std::unique_ptr<Source>> make_kafka_source(KafkaSourceEnvironment environment,
                                                  KafkaSourceOptions parsed,
                                                  KafkaClientFactory open_client) {
  WEIR_ASSIGN(auto client, open_client(parsed.client));
  return std::unique_ptr<Source>(std::make_unique<KafkaSource>(
      environment, std::move(parsed), std::move(open_client), std::move(client)));
}

KafkaClientFactory kafka_clients(KafkaSourceEnvironment environment) {
  return [environment](const kafka::ClientOptions& client) {
    return kafka::Client::open(client, environment.clock, environment.random);
  };
}

Result<std::unique_ptr<Source>> make_kafka_source(KafkaSourceEnvironment environment,
                                                  const std::map<std::string, std::string>& options,
                                                  UnknownOptions unknown) {
  return make_kafka_source(environment, options, kafka_clients(environment), unknown);
}

}  // namespace weir::source
