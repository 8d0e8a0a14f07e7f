#include "kafka/client.h"

#include <algorithm>
#include <mutex>

#include "kafka/cluster.h"
#include "kafka/fetcher.h"
#include "kafka/topic_pattern.h"

namespace weir::kafka {

namespace {

using base::ErrorKind;
using base::Result;

// How often a topic that isn't there is looked for: one just made may not have reached every
// broker.
constexpr int kMissingTopicAttempts = 3;

TopicInfo topic_info(const MetadataResponse::Topic& topic) {
  TopicInfo info{topic.name, topic.is_internal, {}};
  for (const auto& partition : topic.partitions)
    info.partitions.push_back(partition.index);
  std::sort(info.partitions.begin(), info.partitions.end());
  return info;
}

ConnectionSettings with_cancel(ConnectionSettings settings) {
  settings.cancel = std::make_shared<io::WakeEvent>();
  return settings;
}

class KafkaClient final : public Client {
 public:
  KafkaClient(ConnectionSettings settings, ClientOptions options, base::Clock& clock,
              base::Random& random)
      : settings_(with_cancel(std::move(settings))),
        options_(std::move(options)),
        clock_(clock),
        random_(random),
        cluster_(settings_, clock, random) {}

  Result<std::vector<TopicInfo>> list_topics() override;
  Result<std::vector<TopicInfo>> describe_topics(const std::vector<std::string>& names) override;
  Result<std::vector<TopicInfo>> match_topics(const std::string& pattern) override;
  Result<std::vector<int64_t>> list_offsets(std::span<const OffsetQuery> queries) override;
  Result<void> create_topic(const std::string& name, int32_t partitions,
                            int16_t replication) override;
  Result<std::unique_ptr<Fetcher>> fetch(std::vector<FetchRange> ranges) override;
  void stop() override {
    stop_.request_stop();
    settings_.cancel->set();
  }

 private:
  Result<void> check_ranges(const std::vector<FetchRange>& ranges);
  Result<void> find_leaders(std::span<const OffsetQuery> queries,
                            const std::vector<size_t>& pending, int attempt);
  Result<void> ask_offsets(int32_t node, std::span<const OffsetQuery> queries,
                           const std::vector<size_t>& wanted, std::vector<int64_t>& offsets,
                           std::vector<size_t>& pending, base::Error& last);
  Result<void> pause(int failures, int64_t deadline_us, const base::Error& why);

  ConnectionSettings settings_;
  ClientOptions options_;
  base::Clock& clock_;
  base::Random& random_;
  std::stop_source stop_;
  std::mutex mutex_;
  Cluster cluster_;
};

// Waits before another attempt; `why` where the deadline would pass.
Result<void> KafkaClient::pause(int failures, int64_t deadline_us, const base::Error& why) {
  int64_t wake = clock_.monotonic_us() + cluster_.backoff().delay_us(failures);
  if (wake >= deadline_us) return why;
  if (!clock_.sleep_until_us(wake, stop_.get_token()))
    return base::error(ErrorKind::kCancelled, "stopped");
  return base::ok();
}

Result<std::vector<TopicInfo>> KafkaClient::list_topics() {
  std::lock_guard lock(mutex_);
  MetadataRequest request;
  request.allow_auto_topic_creation = false;
  WEIR_ASSIGN(MetadataResponse response,
              cluster_.metadata(request, cluster_.deadline_us(), stop_.get_token()));
  std::vector<TopicInfo> topics;
  for (const auto& topic : response.topics) {
    if (!topic.is_internal && topic.error == ErrorCode::kNone) topics.push_back(topic_info(topic));
  }
  std::sort(topics.begin(), topics.end(),
            [](const TopicInfo& a, const TopicInfo& b) { return a.name < b.name; });
  return topics;
}

Result<std::vector<TopicInfo>> KafkaClient::describe_topics(const std::vector<std::string>& names) {
  std::lock_guard lock(mutex_);
  MetadataRequest request;
  request.topics = names;
  request.allow_auto_topic_creation = false;
  int64_t deadline = cluster_.deadline_us();
  for (int attempt = 1;; ++attempt) {
    WEIR_ASSIGN(MetadataResponse response, cluster_.metadata(request, deadline, stop_.get_token()));
    std::optional<base::Error> problem;
    std::vector<TopicInfo> topics;
    for (const auto& topic : response.topics) {
      if (topic.error == ErrorCode::kNone) {
        topics.push_back(topic_info(topic));
      } else {
        problem = error_of(topic.error, fmt::format("topic \"{}\"", topic.name));
        if (!problem->retryable()) return *problem;
        if (topic.error == ErrorCode::kUnknownTopicOrPartition && attempt >= kMissingTopicAttempts)
          return *problem;
      }
    }
    if (!problem) return topics;
    WEIR_TRY(pause(attempt, deadline, *problem));
  }
}

Result<std::vector<TopicInfo>> KafkaClient::match_topics(const std::string& pattern) {
  WEIR_ASSIGN(const TopicPattern expression, TopicPattern::compile(pattern));
  WEIR_ASSIGN(std::vector<TopicInfo> topics, list_topics());
  std::vector<TopicInfo> matching;
  for (TopicInfo& topic : topics) {
    WEIR_ASSIGN(const bool matches, expression.matches(topic.name));
    if (matches) matching.push_back(std::move(topic));
  }
  return matching;
}

Result<void> KafkaClient::find_leaders(std::span<const OffsetQuery> queries,
                                       const std::vector<size_t>& pending, int attempt) {
  std::set<std::string> topics;
  for (size_t at : pending) {
    if (!cluster_.leader(queries[at].partition)) topics.insert(queries[at].partition.topic);
  }
  if (topics.empty()) return base::ok();
  WEIR_TRY(cluster_.refresh(topics));
  for (size_t at : pending) {
    const base::TopicPartition& partition = queries[at].partition;
    ErrorCode code = cluster_.topic_error(partition.topic);
    bool beyond = code == ErrorCode::kNone &&
                  partition.partition >= cluster_.partition_count(partition.topic);
    if (beyond) code = ErrorCode::kUnknownTopicOrPartition;
    if (code == ErrorCode::kNone) continue;
    base::Error problem =
        error_of(code, fmt::format("{}-{}", partition.topic, partition.partition));
    if (!problem.retryable() ||
        (code == ErrorCode::kUnknownTopicOrPartition && attempt >= kMissingTopicAttempts))
      return problem;
  }
  return base::ok();
}

Result<void> KafkaClient::ask_offsets(int32_t node, std::span<const OffsetQuery> queries,
                                      const std::vector<size_t>& wanted,
                                      std::vector<int64_t>& offsets, std::vector<size_t>& pending,
                                      base::Error& last) {
  // Answers come by partition: one partition asked for two times goes into two requests.
  std::map<base::TopicPartition, size_t> by_partition;
  ListOffsetsRequest request;
  request.isolation_level = options_.read_committed ? 1 : 0;
  for (size_t at : wanted) {
    const OffsetQuery& query = queries[at];
    if (!by_partition.emplace(query.partition, at).second) {
      pending.push_back(at);
      continue;
    }
    if (request.topics.empty() || request.topics.back().name != query.partition.topic)
      request.topics.push_back({query.partition.topic, {}});
    request.topics.back().partitions.push_back({query.partition.partition, -1, query.timestamp_ms});
  }
  auto response = cluster_.call<ListOffsetsResponse>(node, request);
  if (!response.ok()) {
    if (!response.error().retryable()) return std::move(response).error();
    last = response.error();
    for (const auto& [partition, at] : by_partition) {
      cluster_.forget_leader(partition);
      pending.push_back(at);
    }
    return base::ok();
  }
  for (const auto& topic : response->topics) {
    for (const auto& partition : topic.partitions) {
      auto found = by_partition.find({topic.name, partition.index});
      if (found == by_partition.end()) continue;
      if (partition.error == ErrorCode::kNone) {
        offsets[found->second] = partition.offset;
      } else {
        last =
            error_of(partition.error, fmt::format("offsets of {}-{}", topic.name, partition.index));
        if (!last.retryable()) return last;
        cluster_.forget_leader(found->first);
        pending.push_back(found->second);
      }
      by_partition.erase(found);
    }
  }
  for (const auto& [partition, at] : by_partition)
    pending.push_back(at);  // not answered: once more
  return base::ok();
}

Result<std::vector<int64_t>> KafkaClient::list_offsets(std::span<const OffsetQuery> queries) {
  std::lock_guard lock(mutex_);
  std::vector<int64_t> offsets(queries.size(), -1);
  std::vector<size_t> pending(queries.size());
  for (size_t i = 0; i < pending.size(); ++i)
    pending[i] = i;
  int64_t deadline = cluster_.deadline_us();
  base::Error last(ErrorKind::kUnavailable, "no leader for a partition");
  for (int attempt = 1; !pending.empty(); ++attempt) {
    auto found = find_leaders(queries, pending, attempt);
    if (!found.ok()) {
      if (!found.error().retryable() || found.error().kind() == ErrorKind::kNotFound)
        return std::move(found).error();
      WEIR_TRY(pause(attempt, deadline, found.error()));
      continue;
    }
    std::map<int32_t, std::vector<size_t>> by_node;
    std::vector<size_t> left;
    for (size_t at : pending) {
      if (auto leader = cluster_.leader(queries[at].partition)) {
        by_node[*leader].push_back(at);
      } else {
        left.push_back(at);
      }
    }
    size_t before = pending.size();
    for (const auto& [node, wanted] : by_node)
      WEIR_TRY(ask_offsets(node, queries, wanted, offsets, left, last));
    pending = std::move(left);
    if (!pending.empty() && pending.size() == before) WEIR_TRY(pause(attempt, deadline, last));
  }
  return offsets;
}

Result<void> KafkaClient::create_topic(const std::string& name, int32_t partitions,
                                       int16_t replication) {
  std::lock_guard lock(mutex_);
  int64_t deadline = cluster_.deadline_us();
  CreateTopicsRequest request;
  CreateTopicsRequest::Topic topic;
  topic.name = name;
  topic.num_partitions = partitions;
  topic.replication_factor = replication;
  request.topics.push_back(std::move(topic));
  request.timeout_ms = options_.connection.request_timeout_ms;
  for (int attempt = 1;; ++attempt) {
    MetadataRequest look;
    look.topics.emplace();
    look.allow_auto_topic_creation = false;
    WEIR_ASSIGN(MetadataResponse metadata, cluster_.metadata(look, deadline, stop_.get_token()));
    auto response = cluster_.call<CreateTopicsResponse>(metadata.controller_id, request);
    base::Error problem(ErrorKind::kUnavailable, "no answer");
    if (response.ok() && response->topics.size() == 1) {
      const auto& made = response->topics[0];
      if (made.error == ErrorCode::kNone) return base::ok();
      problem = error_of(made.error, fmt::format("create topic \"{}\"", name),
                         made.error_message.value_or(""));
    } else if (!response.ok()) {
      problem = response.error();
    }
    if (!problem.retryable()) return problem;
    WEIR_TRY(pause(attempt, deadline, problem));
  }
}

Result<void> KafkaClient::check_ranges(const std::vector<FetchRange>& ranges) {
  std::set<base::TopicPartition> seen;
  for (const FetchRange& range : ranges) {
    if (!seen.insert(range.partition).second) {
      return base::error(ErrorKind::kInvalidArgument, "{}-{} is to be fetched twice",
                         range.partition.topic, range.partition.partition);
    }
    if (range.start < 0) {
      return base::error(
          ErrorKind::kInvalidArgument,
          "{}-{} is to be fetched from offset {}; resolve it with list_offsets first",
          range.partition.topic, range.partition.partition, range.start);
    }
  }
  return base::ok();
}

Result<std::unique_ptr<Fetcher>> KafkaClient::fetch(std::vector<FetchRange> ranges) {
  WEIR_TRY(check_ranges(ranges));
  return make_fetcher(settings_, options_, std::move(ranges), clock_, random_);
}

}  // namespace

Result<std::unique_ptr<Client>> Client::open(ClientOptions options, base::Clock& clock,
                                             base::Random& random) {
  WEIR_ASSIGN(ConnectionSettings settings, ConnectionSettings::make(options.connection));
  return std::unique_ptr<Client>(
      std::make_unique<KafkaClient>(std::move(settings), std::move(options), clock, random));
}

}  // namespace weir::kafka
