#include "hub/broker.h"

namespace weir::hub {
namespace {

using kafka::ApiKey;
using Handler = void (*)(Broker&, const Request&);

struct Route {
  ApiKey key;
  Handler handler;
};

constexpr Route kRoutes[] = {
    {ApiKey::kProduce, handle_produce},
    {ApiKey::kFetch, handle_fetch},
    {ApiKey::kListOffsets, handle_list_offsets},
    {ApiKey::kMetadata, handle_metadata},
    {ApiKey::kOffsetCommit, handle_offset_commit},
    {ApiKey::kOffsetFetch, handle_offset_fetch},
    {ApiKey::kFindCoordinator, handle_find_coordinator},
    {ApiKey::kJoinGroup, handle_join_group},
    {ApiKey::kHeartbeat, handle_heartbeat},
    {ApiKey::kLeaveGroup, handle_leave_group},
    {ApiKey::kSyncGroup, handle_sync_group},
    {ApiKey::kApiVersions, handle_api_versions},
    {ApiKey::kCreateTopics, handle_create_topics},
    {ApiKey::kInitProducerId, handle_init_producer_id},
};

Handler find_handler(ApiKey key) {
  for (const Route& route : kRoutes)
    if (route.key == key) return route.handler;
  return nullptr;
}

}  // namespace

void Broker::handle(const Request& request) {
  metrics.count_request();
  const Handler handler = find_handler(request.header.api_key);
  if (!handler) return request.reply.drop("UNKNOWN_API");
  // ApiVersions answers for itself in any version; for the others there is no layout to answer in.
  if (request.header.api_key != ApiKey::kApiVersions &&
      !kafka::supports(request.header.api_key, request.header.api_version))
    return request.reply.drop("UNSUPPORTED_VERSION");
  handler(*this, request);
}

void handle_api_versions(Broker& broker, const Request& request) {
  kafka::ApiVersionsResponse response;
  for (const kafka::ApiVersionRange& range : kafka::api_versions())
    if (find_handler(range.key)) response.api_keys.push_back(range);
  if (!kafka::supports(ApiKey::kApiVersions, request.header.api_version)) {
    response.error = kafka::ErrorCode::kUnsupportedVersion;
    return request.reply.send(
        Frame::of(kafka::encode_response_frame(0, request.header.correlation_id, response)));
  }
  const auto message = request.decode<kafka::ApiVersionsRequest>();
  if (!message) return;
  broker.refused(response.error);
  request.answer(response);
}

}  // namespace weir::hub
