// Transactions: AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn. Asked of the
// coordinator of the transactional id, TxnOffsetCommit of the group's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "kafka/api_key.h"
#include "kafka/error_code.h"
#include "kafka/messages_group.h"

namespace weir::kafka {

class Reader;
class Writer;

struct AddPartitionsToTxnRequest {  // versions 0 to 2
  static constexpr ApiKey kApiKey = ApiKey::kAddPartitionsToTxn;
  using Topic = OffsetFetchRequest::Topic;
  std::string transactional_id;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  std::vector<Topic> topics;

  static base::Result<AddPartitionsToTxnRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct AddPartitionsToTxnResponse {
  static constexpr ApiKey kApiKey = ApiKey::kAddPartitionsToTxn;
  using Partition = OffsetCommitResponse::Partition;
  using Topic = OffsetCommitResponse::Topic;
  int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;

  static base::Result<AddPartitionsToTxnResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct AddOffsetsToTxnRequest {  // versions 0 to 2
  static constexpr ApiKey kApiKey = ApiKey::kAddOffsetsToTxn;
  std::string transactional_id;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  std::string group_id;

  static base::Result<AddOffsetsToTxnRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct AddOffsetsToTxnResponse {
  static constexpr ApiKey kApiKey = ApiKey::kAddOffsetsToTxn;
  int32_t throttle_time_ms = 0;
  ErrorCode error = ErrorCode::kNone;

  static base::Result<AddOffsetsToTxnResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct EndTxnRequest {  // versions 0 to 2
  static constexpr ApiKey kApiKey = ApiKey::kEndTxn;
  std::string transactional_id;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  bool committed = false;

  static base::Result<EndTxnRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct EndTxnResponse {
  static constexpr ApiKey kApiKey = ApiKey::kEndTxn;
  int32_t throttle_time_ms = 0;
  ErrorCode error = ErrorCode::kNone;

  static base::Result<EndTxnResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct TxnOffsetCommitRequest {  // versions 0 to 2
  static constexpr ApiKey kApiKey = ApiKey::kTxnOffsetCommit;
  using Partition = OffsetCommitRequest::Partition;  // its leader_epoch from v2 on
  using Topic = OffsetCommitRequest::Topic;
  std::string transactional_id;
  std::string group_id;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  std::vector<Topic> topics;

  static base::Result<TxnOffsetCommitRequest> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

struct TxnOffsetCommitResponse {
  static constexpr ApiKey kApiKey = ApiKey::kTxnOffsetCommit;
  using Partition = OffsetCommitResponse::Partition;
  using Topic = OffsetCommitResponse::Topic;
  int32_t throttle_time_ms = 0;
  std::vector<Topic> topics;

  static base::Result<TxnOffsetCommitResponse> decode(Reader& reader, int16_t version);
  void encode(Writer& writer, int16_t version) const;
};

}  // namespace weir::kafka
