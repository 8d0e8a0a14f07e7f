#include "kafka/protocol.h"

#include "kafka/message_walk.h"

namespace weir::kafka {

namespace {

constexpr ApiVersionRange kApiVersionRanges[] = {
    {ApiKey::kProduce, 3, 8},         {ApiKey::kFetch, 4, 11},
    {ApiKey::kListOffsets, 1, 5},     {ApiKey::kMetadata, 0, 8},
    {ApiKey::kOffsetCommit, 2, 7},    {ApiKey::kOffsetFetch, 1, 7},
    {ApiKey::kFindCoordinator, 0, 2}, {ApiKey::kJoinGroup, 0, 5},
    {ApiKey::kHeartbeat, 0, 3},       {ApiKey::kLeaveGroup, 0, 2},
    {ApiKey::kSyncGroup, 0, 3},       {ApiKey::kSaslHandshake, 0, 1},
    {ApiKey::kApiVersions, 0, 3},     {ApiKey::kCreateTopics, 2, 4},
    {ApiKey::kInitProducerId, 0, 4},  {ApiKey::kAddPartitionsToTxn, 0, 2},
    {ApiKey::kAddOffsetsToTxn, 0, 2}, {ApiKey::kEndTxn, 0, 2},
    {ApiKey::kTxnOffsetCommit, 0, 2}, {ApiKey::kSaslAuthenticate, 0, 1},
};

}  // namespace

std::span<const ApiVersionRange> api_versions() { return kApiVersionRanges; }

bool supports(ApiKey key, int16_t version) {
  for (const ApiVersionRange& range : kApiVersionRanges) {
    if (range.key == key) return range.min <= version && version <= range.max;
  }
  return false;
}

bool is_flexible(ApiKey key, int16_t version) {
  switch (key) {
    case ApiKey::kApiVersions:
      return version >= 3;
    case ApiKey::kOffsetFetch:
      return version >= 6;
    case ApiKey::kInitProducerId:
      return version >= 2;
    default:
      return false;  // in our range
  }
}

std::string_view api_key_name(ApiKey key) {
  switch (key) {
    case ApiKey::kProduce:
      return "Produce";
    case ApiKey::kFetch:
      return "Fetch";
    case ApiKey::kListOffsets:
      return "ListOffsets";
    case ApiKey::kMetadata:
      return "Metadata";
    case ApiKey::kOffsetCommit:
      return "OffsetCommit";
    case ApiKey::kOffsetFetch:
      return "OffsetFetch";
    case ApiKey::kFindCoordinator:
      return "FindCoordinator";
    case ApiKey::kJoinGroup:
      return "JoinGroup";
    case ApiKey::kHeartbeat:
      return "Heartbeat";
    case ApiKey::kLeaveGroup:
      return "LeaveGroup";
    case ApiKey::kSyncGroup:
      return "SyncGroup";
    case ApiKey::kSaslHandshake:
      return "SaslHandshake";
    case ApiKey::kApiVersions:
      return "ApiVersions";
    case ApiKey::kCreateTopics:
      return "CreateTopics";
    case ApiKey::kInitProducerId:
      return "InitProducerId";
    case ApiKey::kAddPartitionsToTxn:
      return "AddPartitionsToTxn";
    case ApiKey::kAddOffsetsToTxn:
      return "AddOffsetsToTxn";
    case ApiKey::kEndTxn:
      return "EndTxn";
    case ApiKey::kTxnOffsetCommit:
      return "TxnOffsetCommit";
    case ApiKey::kSaslAuthenticate:
      return "SaslAuthenticate";
  }
  return "ApiKey";
}

base::Error malformed_message(ApiKey key, const char* side, int16_t version, const char* problem) {
  return base::error(base::ErrorKind::kCorruption, "malformed {} {} version {}: {}",
                     api_key_name(key), side, version, problem);
}

base::Result<RequestHeader> RequestHeader::decode(Reader& reader) {
  RequestHeader header;
  header.api_key = static_cast<ApiKey>(reader.int16());
  header.api_version = reader.int16();
  header.correlation_id = reader.int32();
  header.client_id = reader.nullable_string();
  if (is_flexible(header.api_key, header.api_version)) reader.skip_tagged_fields();
  if (!reader.ok())
    return base::error(base::ErrorKind::kCorruption, "malformed request header: {}",
                       reader.problem());
  return header;
}

void RequestHeader::encode(Writer& writer) const {
  writer.int16(static_cast<int16_t>(api_key));
  writer.int16(api_version);
  writer.int32(correlation_id);
  writer.nullable_string(client_id);
  if (is_flexible(api_key, api_version)) writer.no_tagged_fields();
}

void encode_response_header(Writer& writer, ApiKey key, int16_t version, int32_t correlation_id) {
  writer.int32(correlation_id);
  if (is_flexible(key, version) && key != ApiKey::kApiVersions) writer.no_tagged_fields();
}

base::Result<int32_t> decode_response_header(Reader& reader, ApiKey key, int16_t version) {
  int32_t correlation_id = reader.int32();
  if (is_flexible(key, version) && key != ApiKey::kApiVersions) reader.skip_tagged_fields();
  if (!reader.ok())
    return base::error(base::ErrorKind::kCorruption, "malformed response header: {}",
                       reader.problem());
  return correlation_id;
}

}  // namespace weir::kafka
