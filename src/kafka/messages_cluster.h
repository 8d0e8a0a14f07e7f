// ApiVersions, Metadata, CreateTopics, InitProducerId, SaslHandshake, SaslAuthenticate.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kafka/api_key.h"
#include "kafka/error_code.h"

namespace weir::kafka {

class Reader;
class Writer;

// What "authorized operations" fields hold where they were not asked for.
inline constexpr int32_t kNoAuthorizedOperations = std::numeric_limits<int32_t>::min();

struct ApiVersionsRequest {  // versions 0 to 3
  static constexpr ApiKey kApiKey = ApiKey::kApiVersions;
  std::string client_software_name;     // v3
  std::string client_software_version;  // v3

  static base::Result<ApiVersionsRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct ApiVersionsResponse {
  static constexpr ApiKey kApiKey = ApiKey::kApiVersions;
  ErrorCode error = ErrorCode::kNone;
  std::vector<ApiVersionRange> api_keys;
  int32_t throttle_time_ms = 0;  // v1

  static base::Result<ApiVersionsResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct MetadataRequest {  // versions 0 to 8
  static constexpr ApiKey kApiKey = ApiKey::kMetadata;
  // Null: all topics. (On the wire of v0 an empty list says that; decode and encode translate.)
  std::optional<std::vector<std::string>> topics;
  bool allow_auto_topic_creation = true;               // v4
  bool include_cluster_authorized_operations = false;  // v8
  bool include_topic_authorized_operations = false;    // v8

  static base::Result<MetadataRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct MetadataResponse {
  static constexpr ApiKey kApiKey = ApiKey::kMetadata;
  struct Broker {
    int32_t node_id = 0;
    std::string host;
    int32_t port = 0;
    std::optional<std::string> rack;  // v1
  };
  struct Partition {
    ErrorCode error = ErrorCode::kNone;
    int32_t index = 0;
    int32_t leader_id = -1;
    int32_t leader_epoch = -1;  // v7
    std::vector<int32_t> replica_nodes;
    std::vector<int32_t> isr_nodes;
    std::vector<int32_t> offline_replicas;  // v5
  };
  struct Topic {
    ErrorCode error = ErrorCode::kNone;
    std::string name;
    bool is_internal = false;  // v1
    std::vector<Partition> partitions;
    int32_t authorized_operations = kNoAuthorizedOperations;  // v8
  };
  int32_t throttle_time_ms = 0;  // v3
  std::vector<Broker> brokers;
  std::optional<std::string> cluster_id;  // v2
  int32_t controller_id = -1;             // v1
  std::vector<Topic> topics;
  int32_t cluster_authorized_operations = kNoAuthorizedOperations;  // v8

  static base::Result<MetadataResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct CreateTopicsRequest {  // versions 2 to 4
  static constexpr ApiKey kApiKey = ApiKey::kCreateTopics;
  struct Assignment {
    int32_t partition = 0;
    std::vector<int32_t> broker_ids;
  };
  struct Config {
    std::string name;
    std::optional<std::string> value;
  };
  struct Topic {
    std::string name;
    int32_t num_partitions = -1;      // -1 with assignments, or (v4) for the broker's default
    int16_t replication_factor = -1;  // likewise
    std::vector<Assignment> assignments;
    std::vector<Config> configs;
  };
  std::vector<Topic> topics;
  int32_t timeout_ms = 60000;
  bool validate_only = false;

  static base::Result<CreateTopicsRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct CreateTopicsResponse {
  static constexpr ApiKey kApiKey = ApiKey::kCreateTopics;
  struct Topic {
    std::string name;
    ErrorCode error = ErrorCode::kNone;
    std::optional<std::string> error_message;
  };
  int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;

  static base::Result<CreateTopicsResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct InitProducerIdRequest {  // versions 0 to 4
  static constexpr ApiKey kApiKey = ApiKey::kInitProducerId;
  std::optional<std::string> transactional_id;
  int32_t transaction_timeout_ms = 0;
  int64_t producer_id = -1;     // v3: who asks, where it has an id
  int16_t producer_epoch = -1;  // v3

  static base::Result<InitProducerIdRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct InitProducerIdResponse {
  static constexpr ApiKey kApiKey = ApiKey::kInitProducerId;
  int32_t throttle_time_ms = 0;
  ErrorCode error = ErrorCode::kNone;
  int64_t producer_id = -1;
  int16_t producer_epoch = 0;

  static base::Result<InitProducerIdResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct SaslHandshakeRequest {  // versions 0 to 1
  static constexpr ApiKey kApiKey = ApiKey::kSaslHandshake;
  std::string mechanism;

  static base::Result<SaslHandshakeRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct SaslHandshakeResponse {
  static constexpr ApiKey kApiKey = ApiKey::kSaslHandshake;
  ErrorCode error = ErrorCode::kNone;
  std::vector<std::string> mechanisms;

  static base::Result<SaslHandshakeResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct SaslAuthenticateRequest {  // versions 0 to 1
  static constexpr ApiKey kApiKey = ApiKey::kSaslAuthenticate;
  std::string auth_bytes;  // PLAIN: authorization id NUL user NUL password

  static base::Result<SaslAuthenticateRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct SaslAuthenticateResponse {
  static constexpr ApiKey kApiKey = ApiKey::kSaslAuthenticate;
  ErrorCode error = ErrorCode::kNone;
  std::optional<std::string> error_message;
  std::string auth_bytes;
  int64_t session_lifetime_ms = 0;  // v1

  static base::Result<SaslAuthenticateResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

}  // namespace weir::kafka
