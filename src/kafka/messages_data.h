// Produce, Fetch, ListOffsets: the calls that move records. See protocol.h for the rules of all
// messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kafka/api_key.h"
#include "kafka/error_code.h"

namespace weir::kafka {

class Reader;
class Writer;

struct ProduceRequest {  // versions 3 to 8
  static constexpr ApiKey kApiKey = ApiKey::kProduce;
  struct Partition {
    int32_t index = 0;
    std::optional<std::string_view> records;  // one or more record batches; a view
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;
  };
  std::optional<std::string> transactional_id;
  int16_t acks = 0;  // -1 all, 0 none (no response is sent), 1 leader
  int32_t timeout_ms = 0;
  std::vector<Topic> topics;

  static base::Result<ProduceRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct ProduceResponse {
  static constexpr ApiKey kApiKey = ApiKey::kProduce;
  struct RecordError {
    int32_t batch_index = 0;
    std::optional<std::string> message;
  };
  struct Partition {
    int32_t index = 0;
    ErrorCode error = ErrorCode::kNone;
    int64_t base_offset = -1;
    int64_t log_append_time_ms = -1;
    int64_t log_start_offset = -1;             // v5
    std::vector<RecordError> record_errors;    // v8
    std::optional<std::string> error_message;  // v8
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;
  };
  std::vector<Topic> topics;
  int32_t throttle_time_ms = 0;

  static base::Result<ProduceResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct FetchRequest {  // versions 4 to 11
  static constexpr ApiKey kApiKey = ApiKey::kFetch;
  struct Partition {
    int32_t index = 0;
    int32_t current_leader_epoch = -1;  // v9
    int64_t fetch_offset = 0;
    int64_t log_start_offset = -1;  // v5; followers only
    int32_t max_bytes = 0;
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;
  };
  struct ForgottenTopic {
    std::string name;
    std::vector<int32_t> partitions;
  };
  int32_t replica_id = -1;
  int32_t max_wait_ms = 0;
  int32_t min_bytes = 0;
  int32_t max_bytes = 0x7fffffff;
  int8_t isolation_level = 0;  // 0 read_uncommitted, 1 read_committed
  int32_t session_id = 0;      // v7
  int32_t session_epoch = -1;  // v7; -1: no session
  std::vector<Topic> topics;
  std::vector<ForgottenTopic> forgotten_topics;  // v7
  std::string rack_id;                           // v11

  static base::Result<FetchRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct FetchResponse {
  static constexpr ApiKey kApiKey = ApiKey::kFetch;
  struct AbortedTransaction {
    int64_t producer_id = 0;
    int64_t first_offset = 0;
  };
  struct Partition {
    int32_t index = 0;
    ErrorCode error = ErrorCode::kNone;
    int64_t high_watermark = -1;
    int64_t last_stable_offset = -1;
    int64_t log_start_offset = -1;  // v5
    std::optional<std::vector<AbortedTransaction>> aborted_transactions;
    int32_t preferred_read_replica = -1;      // v11
    std::optional<std::string_view> records;  // a view; the last batch may be cut off
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;
  };
  int32_t throttle_time_ms = 0;
  ErrorCode error = ErrorCode::kNone;  // v7
  int32_t session_id = 0;              // v7
  std::vector<Topic> topics;

  static base::Result<FetchResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

inline constexpr int64_t kLatestTimestamp = -1;
inline constexpr int64_t kEarliestTimestamp = -2;

struct ListOffsetsRequest {  // versions 1 to 5
  static constexpr ApiKey kApiKey = ApiKey::kListOffsets;
  struct Partition {
    int32_t index = 0;
    int32_t current_leader_epoch = -1;  // v4
    int64_t timestamp = 0;              // milliseconds, or kLatestTimestamp, kEarliestTimestamp
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;
  };
  int32_t replica_id = -1;
  int8_t isolation_level = 0;  // v2
  std::vector<Topic> topics;

  static base::Result<ListOffsetsRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct ListOffsetsResponse {
  static constexpr ApiKey kApiKey = ApiKey::kListOffsets;
  struct Partition {
    int32_t index = 0;
    ErrorCode error = ErrorCode::kNone;
    int64_t timestamp = -1;
    int64_t offset = -1;        // -1 where no record has that timestamp or a later one
    int32_t leader_epoch = -1;  // v4
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;
  };
  int32_t throttle_time_ms = 0;  // v2
  std::vector<Topic> topics;

  static base::Result<ListOffsetsResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

}  // namespace weir::kafka
