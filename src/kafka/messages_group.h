// Consumer groups: FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit,
// OffsetFetch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kafka/api_key.h"
#include "kafka/error_code.h"

namespace weir::kafka {

class Reader;
class Writer;

struct OffsetCommitRequest {  // versions 2 to 7
  static constexpr ApiKey kApiKey = ApiKey::kOffsetCommit;
  struct Partition {
    int32_t index = 0;
    int64_t offset = 0;
    int32_t leader_epoch = -1;  // v6
    std::optional<std::string> metadata;
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;
  };
  std::string group_id;
  int32_t generation_id = -1;
  std::string member_id;
  std::optional<std::string> group_instance_id;  // v7
  int64_t retention_time_ms = -1;                // v2 to v4
  std::vector<Topic> topics;

  static base::Result<OffsetCommitRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct OffsetCommitResponse {
  static constexpr ApiKey kApiKey = ApiKey::kOffsetCommit;
  struct Partition {
    int32_t index = 0;
    ErrorCode error = ErrorCode::kNone;
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;
  };
  int32_t throttle_time_ms = 0;  // v3
  std::vector<Topic> topics;

  static base::Result<OffsetCommitResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct OffsetFetchRequest {  // versions 1 to 7
  static constexpr ApiKey kApiKey = ApiKey::kOffsetFetch;
  struct Topic {
    std::string name;
    std::vector<int32_t> partitions;
  };
  std::string group_id;
  std::optional<std::vector<Topic>> topics;  // null (v2 and later): all of the group's
  bool require_stable = false;               // v7: not those of a transaction under way

  static base::Result<OffsetFetchRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct OffsetFetchResponse {
  static constexpr ApiKey kApiKey = ApiKey::kOffsetFetch;
  struct Partition {
    int32_t index = 0;
    int64_t offset = -1;
    int32_t leader_epoch = -1;  // v5
    std::optional<std::string> metadata;
    ErrorCode error = ErrorCode::kNone;
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;
  };
  int32_t throttle_time_ms = 0;  // v3
  std::vector<Topic> topics;
  ErrorCode error = ErrorCode::kNone;  // v2

  static base::Result<OffsetFetchResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct FindCoordinatorRequest {  // versions 0 to 2
  static constexpr ApiKey kApiKey = ApiKey::kFindCoordinator;
  std::string key;
  int8_t key_type = 0;  // v1; 0 group, 1 transaction

  static base::Result<FindCoordinatorRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct FindCoordinatorResponse {
  static constexpr ApiKey kApiKey = ApiKey::kFindCoordinator;
  int32_t throttle_time_ms = 0;  // v1
  ErrorCode error = ErrorCode::kNone;
  std::optional<std::string> error_message;  // v1
  int32_t node_id = -1;
  std::string host;
  int32_t port = -1;

  static base::Result<FindCoordinatorResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct JoinGroupRequest {  // versions 0 to 5
  static constexpr ApiKey kApiKey = ApiKey::kJoinGroup;
  struct Protocol {
    std::string name;
    std::string metadata;
  };
  std::string group_id;
  int32_t session_timeout_ms = 0;
  int32_t rebalance_timeout_ms = -1;  // v1
  std::string member_id;
  std::optional<std::string> group_instance_id;  // v5
  std::string protocol_type;
  std::vector<Protocol> protocols;

  static base::Result<JoinGroupRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct JoinGroupResponse {
  static constexpr ApiKey kApiKey = ApiKey::kJoinGroup;
  struct Member {
    std::string member_id;
    std::optional<std::string> group_instance_id;  // v5
    std::string metadata;
  };
  int32_t throttle_time_ms = 0;  // v2
  ErrorCode error = ErrorCode::kNone;
  int32_t generation_id = -1;
  std::string protocol_name;
  std::string leader;
  std::string member_id;
  std::vector<Member> members;

  static base::Result<JoinGroupResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct HeartbeatRequest {  // versions 0 to 3
  static constexpr ApiKey kApiKey = ApiKey::kHeartbeat;
  std::string group_id;
  int32_t generation_id = 0;
  std::string member_id;
  std::optional<std::string> group_instance_id;  // v3

  static base::Result<HeartbeatRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct HeartbeatResponse {
  static constexpr ApiKey kApiKey = ApiKey::kHeartbeat;
  int32_t throttle_time_ms = 0;  // v1
  ErrorCode error = ErrorCode::kNone;

  static base::Result<HeartbeatResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct LeaveGroupRequest {  // versions 0 to 2
  static constexpr ApiKey kApiKey = ApiKey::kLeaveGroup;
  std::string group_id;
  std::string member_id;

  static base::Result<LeaveGroupRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct LeaveGroupResponse {
  static constexpr ApiKey kApiKey = ApiKey::kLeaveGroup;
  int32_t throttle_time_ms = 0;  // v1
  ErrorCode error = ErrorCode::kNone;

  static base::Result<LeaveGroupResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct SyncGroupRequest {  // versions 0 to 3
  static constexpr ApiKey kApiKey = ApiKey::kSyncGroup;
  struct Assignment {
    std::string member_id;
    std::string assignment;
  };
  std::string group_id;
  int32_t generation_id = 0;
  std::string member_id;
  std::optional<std::string> group_instance_id;  // v3
  std::vector<Assignment> assignments;

  static base::Result<SyncGroupRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct SyncGroupResponse {
  static constexpr ApiKey kApiKey = ApiKey::kSyncGroup;
  int32_t throttle_time_ms = 0;  // v1
  ErrorCode error = ErrorCode::kNone;
  std::string assignment;

  static base::Result<SyncGroupResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

}  // namespace weir::kafka
