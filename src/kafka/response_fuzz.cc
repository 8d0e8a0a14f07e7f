// Whatever a broker may answer: two bytes choose call and version, the rest is header and body.
#include "kafka/protocol.h"
#include "kafka/record_batch.h"

namespace {

using namespace weir::kafka;

template <typename Message>
void check(Reader& reader, int16_t version) {
  auto message = Message::decode(reader, version);
  if (!message.ok()) return;
  Writer writer;
  message->encode(writer, version);
}

void check_fetch(Reader& reader, int16_t version) {
  auto message = FetchResponse::decode(reader, version);
  if (!message.ok()) return;
  for (const auto& topic : message->topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.records) (void)validate_record_batch(*partition.records);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  auto ranges = api_versions();
  const ApiVersionRange& range = ranges[data[0] % ranges.size()];
  int16_t version = static_cast<int16_t>(range.min + data[1] % (range.max - range.min + 1));
  Reader reader(std::string_view(reinterpret_cast<const char*>(data) + 2, size - 2));
  if (!decode_response_header(reader, range.key, version).ok()) return 0;
  switch (range.key) {
    case ApiKey::kProduce:
      check<ProduceResponse>(reader, version);
      break;
    case ApiKey::kFetch:
      check_fetch(reader, version);
      break;
    case ApiKey::kListOffsets:
      check<ListOffsetsResponse>(reader, version);
      break;
    case ApiKey::kMetadata:
      check<MetadataResponse>(reader, version);
      break;
    case ApiKey::kOffsetCommit:
      check<OffsetCommitResponse>(reader, version);
      break;
    case ApiKey::kOffsetFetch:
      check<OffsetFetchResponse>(reader, version);
      break;
    case ApiKey::kFindCoordinator:
      check<FindCoordinatorResponse>(reader, version);
      break;
    case ApiKey::kJoinGroup:
      check<JoinGroupResponse>(reader, version);
      break;
    case ApiKey::kHeartbeat:
      check<HeartbeatResponse>(reader, version);
      break;
    case ApiKey::kLeaveGroup:
      check<LeaveGroupResponse>(reader, version);
      break;
    case ApiKey::kSyncGroup:
      check<SyncGroupResponse>(reader, version);
      break;
    case ApiKey::kSaslHandshake:
      check<SaslHandshakeResponse>(reader, version);
      break;
    case ApiKey::kApiVersions:
      check<ApiVersionsResponse>(reader, version);
      break;
    case ApiKey::kCreateTopics:
      check<CreateTopicsResponse>(reader, version);
      break;
    case ApiKey::kInitProducerId:
      check<InitProducerIdResponse>(reader, version);
      break;
    case ApiKey::kAddPartitionsToTxn:
      check<AddPartitionsToTxnResponse>(reader, version);
      break;
    case ApiKey::kAddOffsetsToTxn:
      check<AddOffsetsToTxnResponse>(reader, version);
      break;
    case ApiKey::kEndTxn:
      check<EndTxnResponse>(reader, version);
      break;
    case ApiKey::kTxnOffsetCommit:
      check<TxnOffsetCommitResponse>(reader, version);
      break;
    case ApiKey::kSaslAuthenticate:
      check<SaslAuthenticateResponse>(reader, version);
      break;
  }
  return 0;
}
