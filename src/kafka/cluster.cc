#include "kafka/cluster.h"

#include <algorithm>

namespace weir::kafka {

namespace {

using base::ErrorKind;
using base::Result;

}  // namespace

int64_t Backoff::delay_us(int failures) const {
  int64_t most = std::max(options_.retry_backoff_ms, options_.retry_backoff_max_ms);
  int64_t delay = options_.retry_backoff_ms;
  for (int i = 1; i < failures && delay < most; ++i)
    delay *= 2;
  return static_cast<int64_t>(static_cast<double>(std::min(delay, most)) * 1000 *
                              (0.8 + 0.4 * random_.unit()));
}

std::vector<HostPort> Cluster::candidates() {
  std::vector<HostPort> found;
  for (const auto& [node, broker] : brokers_)
    found.push_back(broker);
  found.insert(found.end(), options().bootstrap_servers.begin(), options().bootstrap_servers.end());
  // Any start will do, so that many clients don't all ask the same broker.
  std::rotate(found.begin(), found.begin() + static_cast<ptrdiff_t>(random_.below(found.size())),
              found.end());
  return found;
}

Result<MetadataResponse> Cluster::ask(const HostPort& broker, const MetadataRequest& request) {
  if (!any_) {
    WEIR_ASSIGN(any_, Connection::open(broker, settings_));
  }
  auto response = any_->call<MetadataResponse>(request, options().request_timeout_ms);
  if (!response.ok()) any_.reset();
  return response;
}

Result<MetadataResponse> Cluster::metadata_once(const MetadataRequest& request) {
  // The connection at hand first; an old one may turn out to be closed.
  if (any_) {
    auto response = ask({}, request);
    if (response.ok()) learn(*response);
    if (response.ok() || !response.error().retryable()) return response;
  }
  base::Error last(ErrorKind::kUnavailable, "no broker");
  for (const HostPort& broker : candidates()) {
    auto response = ask(broker, request);
    if (response.ok()) learn(*response);
    if (response.ok() || !response.error().retryable()) return response;
    last = std::move(response).error();
  }
  return last;
}

Result<MetadataResponse> Cluster::metadata(const MetadataRequest& request, int64_t deadline_us,
                                           std::stop_token stop) {
  for (int failures = 1;; ++failures) {
    auto response = metadata_once(request);
    if (response.ok() || !response.error().retryable()) return response;
    int64_t wake = clock_.monotonic_us() + backoff_.delay_us(failures);
    if (wake >= deadline_us)
      return std::move(response).error().with_context("no broker of the Kafka cluster answered");
    if (!clock_.sleep_until_us(wake, stop)) return base::error(ErrorKind::kCancelled, "stopped");
  }
}

void Cluster::learn(const MetadataResponse& response) {
  controller_ = response.controller_id;
  std::map<int32_t, HostPort> brokers;
  for (const auto& broker : response.brokers)
    brokers[broker.node_id] = {broker.host, broker.port};
  // A broker that came back elsewhere: its old connection is of no use.
  for (const auto& [node, address] : brokers_) {
    auto now = brokers.find(node);
    if (now == brokers.end() || now->second != address) connections_.erase(node);
  }
  brokers_ = std::move(brokers);
  for (const auto& topic : response.topics) {
    topic_errors_[topic.name] = topic.error;
    if (topic.error == ErrorCode::kNone)
      partition_counts_[topic.name] = static_cast<int32_t>(topic.partitions.size());
    for (const auto& partition : topic.partitions) {
      base::TopicPartition key{topic.name, partition.index};
      if (partition.leader_id >= 0 && brokers_.contains(partition.leader_id)) {
        leaders_[key] = partition.leader_id;
      } else {
        leaders_.erase(key);
      }
    }
  }
}

Result<void> Cluster::refresh(const std::set<std::string>& topics, bool allow_creation) {
  MetadataRequest request;
  request.topics.emplace(topics.begin(), topics.end());
  request.allow_auto_topic_creation = allow_creation;
  auto response = metadata_once(request);
  if (!response.ok()) return std::move(response).error();
  return base::ok();
}

ErrorCode Cluster::topic_error(const std::string& topic) const {
  auto found = topic_errors_.find(topic);
  return found == topic_errors_.end() ? ErrorCode::kUnknownTopicOrPartition : found->second;
}

std::optional<int32_t> Cluster::leader(const base::TopicPartition& partition) const {
  auto found = leaders_.find(partition);
  return found == leaders_.end() ? std::nullopt : std::optional(found->second);
}

int32_t Cluster::partition_count(const std::string& topic) const {
  auto found = partition_counts_.find(topic);
  return found == partition_counts_.end() ? 0 : found->second;
}

Connection* Cluster::open_connection(int32_t node) {
  auto found = connections_.find(node);
  return found == connections_.end() ? nullptr : found->second.get();
}

Result<Connection*> Cluster::connection(int32_t node) {
  if (Connection* open = open_connection(node)) return open;
  auto broker = brokers_.find(node);
  if (broker == brokers_.end()) {
    return base::error(ErrorKind::kUnavailable, "broker {} is not in the cluster's metadata", node)
        .as_retryable();
  }
  WEIR_ASSIGN(std::unique_ptr<Connection> opened, Connection::open(broker->second, settings_));
  Connection* raw = opened.get();
  connections_[node] = std::move(opened);
  return raw;
}

}  // namespace weir::kafka
