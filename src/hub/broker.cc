#include "hub/broker.h"

#include <algorithm>
#include <cstdint>

namespace weir::hub {
namespace {

using kafka::ApiKey;
using Handler = void (*)(Broker&, const Request&);

struct Route {
  ApiKey key;
  Handler handler;
  int16_t newest = INT16_MAX;  // of what kafka::api_versions() has
};

constexpr Route kRoutes[] = {
    {ApiKey::kProduce, handle_produce},
    {ApiKey::kFetch, handle_fetch},
    {ApiKey::kListOffsets, handle_list_offsets},
    {ApiKey::kMetadata, handle_metadata},
    {ApiKey::kOffsetCommit, handle_offset_commit},
    {ApiKey::kOffsetFetch, handle_offset_fetch, 5},
    {ApiKey::kFindCoordinator, handle_find_coordinator},
    {ApiKey::kJoinGroup, handle_join_group},
    {ApiKey::kHeartbeat, handle_heartbeat},
    {ApiKey::kLeaveGroup, handle_leave_group},
    {ApiKey::kSyncGroup, handle_sync_group},
    {ApiKey::kApiVersions, handle_api_versions},
    {ApiKey::kCreateTopics, handle_create_topics},
    {ApiKey::kInitProducerId, handle_init_producer_id, 1},
};

const Route* find_route(ApiKey key) {
  for (const Route& route : kRoutes)
    if (route.key == key) return &route;
  return nullptr;
}

}  // namespace

void Broker::handle(const Request& request) {
  metrics.count_request();
  const Route* route = find_route(request.header.api_key);
  if (!route) return request.reply.drop("UNKNOWN_API");
  // ApiVersions answers for itself in any version; for the others there is no layout to answer in.
  if (request.header.api_key != ApiKey::kApiVersions &&
      (!kafka::supports(request.header.api_key, request.header.api_version) ||
       request.header.api_version > route->newest))
    return request.reply.drop("UNSUPPORTED_VERSION");
  route->handler(*this, request);
}

void handle_api_versions(Broker& broker, const Request& request) {
  kafka::ApiVersionsResponse response;
  for (const kafka::ApiVersionRange& range : kafka::api_versions())
    if (const Route* route = find_route(range.key))
      response.api_keys.push_back({range.key, range.min, std::min(range.max, route->newest)});
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
