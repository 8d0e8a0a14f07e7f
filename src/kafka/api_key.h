// The calls of the Kafka protocol that weir speaks, and their versions.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace weir::kafka {

enum class ApiKey : int16_t {
  kProduce = 0,
  kFetch = 1,
  kListOffsets = 2,
  kMetadata = 3,
  kOffsetCommit = 8,
  kOffsetFetch = 9,
  kFindCoordinator = 10,
  kJoinGroup = 11,
  kHeartbeat = 12,
  kLeaveGroup = 13,
  kSyncGroup = 14,
  kSaslHandshake = 17,
  kApiVersions = 18,
  kCreateTopics = 19,
  kInitProducerId = 22,
  kAddPartitionsToTxn = 24,
  kAddOffsetsToTxn = 25,
  kEndTxn = 26,
  kTxnOffsetCommit = 28,
  kSaslAuthenticate = 36,
};

struct ApiVersionRange {
  ApiKey key;
  int16_t min;
  int16_t max;
};

// Everything that has messages here, ascending by key; a broker answers ApiVersions with (a part
// of) it.
std::span<const ApiVersionRange> api_versions();
bool supports(ApiKey key, int16_t version);
// True where headers and bodies carry tagged fields, and strings and arrays are compact.
bool is_flexible(ApiKey key, int16_t version);
// "Produce"; "ApiKey" where unknown.
std::string_view api_key_name(ApiKey key);

}  // namespace weir::kafka
