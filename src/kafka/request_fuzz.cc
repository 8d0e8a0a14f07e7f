// Whatever a client may send: header, then the body of a call that we know. What decodes must
// encode again to something that decodes to the same bytes.
#include <cstdlib>

#include "kafka/protocol.h"

namespace {

using namespace weir::kafka;

template <typename Message>
void check(Reader& reader, int16_t version) {
  auto message = Message::decode(reader, version);
  if (!message.ok()) return;
  Writer first;
  message->encode(first, version);
  Reader again(first.buffer());
  auto back = Message::decode(again, version);
  if (!back.ok()) std::abort();
  Writer second;
  back->encode(second, version);
  if (first.buffer() != second.buffer()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader reader(std::string_view(reinterpret_cast<const char*>(data), size));
  auto header = RequestHeader::decode(reader);
  if (!header.ok() || !supports(header->api_key, header->api_version)) return 0;
  int16_t version = header->api_version;
  switch (header->api_key) {
    case ApiKey::kProduce:
      check<ProduceRequest>(reader, version);
      break;
    case ApiKey::kFetch:
      check<FetchRequest>(reader, version);
      break;
    case ApiKey::kListOffsets:
      check<ListOffsetsRequest>(reader, version);
      break;
    case ApiKey::kMetadata:
      check<MetadataRequest>(reader, version);
      break;
    case ApiKey::kOffsetCommit:
      check<OffsetCommitRequest>(reader, version);
      break;
    case ApiKey::kOffsetFetch:
      check<OffsetFetchRequest>(reader, version);
      break;
    case ApiKey::kFindCoordinator:
      check<FindCoordinatorRequest>(reader, version);
      break;
    case ApiKey::kJoinGroup:
      check<JoinGroupRequest>(reader, version);
      break;
    case ApiKey::kHeartbeat:
      check<HeartbeatRequest>(reader, version);
      break;
    case ApiKey::kLeaveGroup:
      check<LeaveGroupRequest>(reader, version);
      break;
    case ApiKey::kSyncGroup:
      check<SyncGroupRequest>(reader, version);
      break;
    case ApiKey::kSaslHandshake:
      check<SaslHandshakeRequest>(reader, version);
      break;
    case ApiKey::kApiVersions:
      check<ApiVersionsRequest>(reader, version);
      break;
    case ApiKey::kCreateTopics:
      check<CreateTopicsRequest>(reader, version);
      break;
    case ApiKey::kInitProducerId:
      check<InitProducerIdRequest>(reader, version);
      break;
    case ApiKey::kAddPartitionsToTxn:
      check<AddPartitionsToTxnRequest>(reader, version);
      break;
    case ApiKey::kAddOffsetsToTxn:
      check<AddOffsetsToTxnRequest>(reader, version);
      break;
    case ApiKey::kEndTxn:
      check<EndTxnRequest>(reader, version);
      break;
    case ApiKey::kTxnOffsetCommit:
      check<TxnOffsetCommitRequest>(reader, version);
      break;
    case ApiKey::kSaslAuthenticate:
      check<SaslAuthenticateRequest>(reader, version);
      break;
  }
  return 0;
}
