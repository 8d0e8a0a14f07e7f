// What a hub can be told when it is made. Every limit bounds something that a client could make
// grow.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hub/topic_config.h"

namespace weir::hub {

// When appended batches are synced, and what may be seen before.
enum class FlushPolicy {
  kAlways,  // sync at once; an acks=all answer and consumers wait for it; concurrent requests share
            // one sync
  kInterval,  // as kAlways, but at most one sync in flush_interval_ms: fewer syncs, later answers
  kNever,  // left to the operating system: answers and consumers do not wait; a power loss may lose
           // answered data
};

struct TopicSpec {
  std::string name;
  int32_t partitions = 1;
  TopicConfig config;
};

struct HubOptions {
  std::string dir;
  std::vector<std::string> listen = {"127.0.0.1:9092"};  // host:port; port 0 takes a free one
  std::string
      advertise;  // host:port told to clients; empty: the address that the client came in by
  std::vector<TopicSpec> topics;  // made where absent
  bool auto_create_topics = false;
  int32_t auto_create_partitions = 4;
  TopicConfig topic_defaults;

  FlushPolicy flush = FlushPolicy::kAlways;
  int64_t flush_interval_ms = 50;  // kInterval only

  int threads = 1;                              // network threads
  int64_t frame_bytes_max = 64LL << 20;         // one request
  int64_t control_frame_bytes_max = 4LL << 20;  // one request other than Produce
  int64_t request_memory_bytes_max = 512LL
                                     << 20;  // requests being read or handled, all connections
  int64_t response_memory_bytes_max = 512LL << 20;  // fetched data not yet sent, all connections
  int64_t fetch_bytes_max = 16LL << 20;             // record data of one fetch answer
  int connections_max = 1000;
  int in_flight_max = 64;  // requests of one connection that are not answered yet
  int64_t idle_connection_ms = 600'000;
  int32_t topics_max = 1000;
  int32_t partitions_max = 10'000;  // all topics together
  int32_t producers_max =
      10'000;  // remembered per partition; the one not seen longest is forgotten
  int64_t producer_expiry_ms = 7LL * 24 * 60 * 60 * 1000;

  int32_t groups_max = 10'000;
  int32_t group_members_max = 1'000;
  int32_t group_id_chars_max = 256;
  int64_t group_memory_bytes_max = 64LL << 20;  // what members of all groups have told and are told
  int32_t offset_metadata_bytes_max = 1024;
  int64_t offset_memory_bytes_max = 256LL << 20;  // what all groups have committed, about
  int64_t session_timeout_min_ms = 1'000;
  int64_t session_timeout_max_ms = 1'800'000;
  int64_t group_initial_rebalance_delay_ms = 100;
  int64_t offsets_retention_ms = 7LL * 24 * 60 * 60 * 1000;  // of groups without members

  int64_t retention_check_ms = 30'000;
  bool repair = false;  // cut damaged partitions at the damage, keeping the damaged bytes aside
};

// "NAME:PARTITIONS" or "NAME" (one partition).
base::Result<TopicSpec> parse_topic_spec(std::string_view text, const TopicConfig& defaults);
// "always", "interval", "never".
base::Result<FlushPolicy> parse_flush_policy(std::string_view text);
std::string_view flush_policy_name(FlushPolicy policy);

}  // namespace weir::hub
