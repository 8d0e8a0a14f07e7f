// What a client knows of a cluster: its brokers, who leads which partition, and one connection a
// broker.
//
// A building block of Client, Fetcher and Producer; each has its own. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "kafka/connection.h"

namespace weir::kafka {

// Doubles from retry.backoff.ms to retry.backoff.max.ms, 20 % of chance either way (KIP-580).
class Backoff {
 public:
  Backoff(const ConnectionOptions& options, base::Random& random)
      : options_(options), random_(random) {}
  int64_t delay_us(int failures) const;

 private:
  const ConnectionOptions& options_;
  base::Random& random_;
};

class Cluster {
 public:
  Cluster(ConnectionSettings settings, base::Clock& clock, base::Random& random)
      : settings_(std::move(settings)),
        clock_(clock),
        random_(random),
        backoff_(settings_.options, random) {}

  const ConnectionOptions& options() const { return settings_.options; }
  const Backoff& backoff() const { return backoff_; }
  // When a call that starts now has to be over.
  int64_t deadline_us() const {
    return clock_.monotonic_us() + int64_t{options().api_timeout_ms} * 1000;
  }

  // Asks any broker, the known ones and those of bootstrap.servers in turn, until the deadline.
  base::Result<MetadataResponse> metadata(const MetadataRequest& request, int64_t deadline_us,
                                          std::stop_token stop);
  // One round: asks each broker at most once.
  base::Result<MetadataResponse> metadata_once(const MetadataRequest& request);
  // Looks up who leads the partitions of these topics; one round. What is wrong with a topic is in
  // topic_error.
  base::Result<void> refresh(const std::set<std::string>& topics, bool allow_creation = false);

  ErrorCode topic_error(const std::string& topic) const;  // as of the last refresh
  // As of the last refresh; nullopt where there is none now or the partition isn't known.
  std::optional<int32_t> leader(const base::TopicPartition& partition) const;
  int32_t partition_count(const std::string& topic) const;  // 0 where unknown
  void forget_leader(const base::TopicPartition& partition) { leaders_.erase(partition); }
  int32_t controller() const { return controller_; }
  // Any broker of the last metadata; -1 where there is none.
  int32_t any_broker() const { return brokers_.empty() ? -1 : brokers_.begin()->first; }

  // The connection to a broker, opened where there is none.
  base::Result<Connection*> connection(int32_t node);
  Connection* open_connection(int32_t node);  // null where none is open
  void drop(int32_t node) { connections_.erase(node); }

  // Question and answer with one broker; an error closes the connection.
  template <typename Response, typename Request>
  base::Result<Response> call(int32_t node, const Request& request) {
    WEIR_ASSIGN(Connection * to, connection(node));
    auto response = to->call<Response>(request, options().request_timeout_ms);
    if (!response.ok()) drop(node);
    return response;
  }

 private:
  std::vector<HostPort> candidates();
  base::Result<MetadataResponse> ask(const HostPort& broker, const MetadataRequest& request);
  void learn(const MetadataResponse& response);

  ConnectionSettings settings_;
  base::Clock& clock_;
  base::Random& random_;
  Backoff backoff_;
  std::map<int32_t, HostPort> brokers_;
  int32_t controller_ = -1;
  std::map<base::TopicPartition, int32_t> leaders_;
  std::map<std::string, ErrorCode> topic_errors_;
  std::map<std::string, int32_t> partition_counts_;
  std::map<int32_t, std::unique_ptr<Connection>> connections_;
  std::unique_ptr<Connection> any_;  // for metadata
};

}  // namespace weir::kafka
