// FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, OffsetFetch.
#include "hub/broker.h"

namespace weir::hub {
namespace {

using kafka::ErrorCode;

// Not inline: g++ 12 takes the optional's storage for uninitialised otherwise.
[[gnu::noinline]] void set_text(std::optional<std::string>& target, std::string_view text) {
  target.emplace(text);
}

// Why this entry may not be committed, or kNone.
ErrorCode check_entry(Broker& broker, const std::string& group, const std::string& topic,
                      const kafka::OffsetCommitRequest::Partition& partition) {
  if (!broker.topics.partition(topic, partition.index)) return ErrorCode::kUnknownTopicOrPartition;
  if (partition.metadata &&
      partition.metadata->size() > static_cast<size_t>(broker.options.offset_metadata_bytes_max))
    return ErrorCode::kOffsetMetadataTooLarge;
  if (!broker.offsets.has_room_for(group, {topic, partition.index},
                                   partition.metadata ? partition.metadata->size() : 0,
                                   broker.options.offset_memory_bytes_max))
    return ErrorCode::kGroupMaxSizeReached;
  return ErrorCode::kNone;
}

}  // namespace

void handle_find_coordinator(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::FindCoordinatorRequest>();
  if (!message) return;
  kafka::FindCoordinatorResponse response;
  if (message->key_type != 0) {
    response.error = ErrorCode::kInvalidRequest;
    set_text(response.error_message, "transactions are not supported by this broker");
  } else if (broker.offsets.offline()) {
    response.error = ErrorCode::kCoordinatorNotAvailable;
    set_text(response.error_message, "the store of group offsets is offline");
  } else if (response.error = broker.groups.check_group_id(message->key);
             response.error == ErrorCode::kNone) {
    response.node_id = kBrokerId;
    response.host = request.advertised_host;
    response.port = request.advertised_port;
  }
  broker.refused(response.error);
  request.answer(response);
}

void handle_join_group(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::JoinGroupRequest>();
  if (!message) return;
  auto answer = [&broker, header = request.header,
                 reply = request.reply](const kafka::JoinGroupResponse& response) {
    if (response.error != ErrorCode::kMemberIdRequired) broker.refused(response.error);
    reply.send(Frame::of(
        kafka::encode_response_frame(header.api_version, header.correlation_id, response)));
  };
  broker.groups.join(*message, request.header.client_id.value_or("client"),
                     request.header.api_version >= 4, answer);
}

void handle_sync_group(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::SyncGroupRequest>();
  if (!message) return;
  broker.groups.sync(*message, [&broker, header = request.header,
                                reply = request.reply](const kafka::SyncGroupResponse& response) {
    broker.refused(response.error);
    reply.send(Frame::of(
        kafka::encode_response_frame(header.api_version, header.correlation_id, response)));
  });
}

void handle_heartbeat(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::HeartbeatRequest>();
  if (!message) return;
  kafka::HeartbeatResponse response;
  response.error = broker.groups.heartbeat(*message);
  if (response.error != ErrorCode::kRebalanceInProgress) broker.refused(response.error);
  request.answer(response);
}

void handle_leave_group(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::LeaveGroupRequest>();
  if (!message) return;
  kafka::LeaveGroupResponse response;
  response.error = broker.groups.leave(*message);
  broker.refused(response.error);
  request.answer(response);
}

void handle_offset_commit(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::OffsetCommitRequest>();
  if (!message) return;
  ErrorCode refused = broker.groups.check_group_id(message->group_id);
  if (refused == ErrorCode::kNone) refused = broker.groups.check_commit(*message);
  if (refused == ErrorCode::kNone &&
      !broker.offsets.has_room_for(message->group_id, broker.options.groups_max))
    refused = ErrorCode::kGroupMaxSizeReached;
  kafka::OffsetCommitResponse response;
  OffsetStore::Offsets offsets;
  for (const auto& topic : message->topics) {
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    for (const auto& partition : topic.partitions) {
      const ErrorCode error = refused != ErrorCode::kNone
                                  ? refused
                                  : check_entry(broker, message->group_id, topic.name, partition);
      answered.partitions.push_back({partition.index, error});
      broker.refused(error);
      if (error != ErrorCode::kNone) continue;
      offsets[{topic.name, partition.index}] = {partition.offset, partition.leader_epoch,
                                                partition.metadata.value_or(""),
                                                broker.clock.now_ms()};
    }
  }
  if (offsets.empty()) return request.answer(response);
  auto answer = [header = request.header, reply = request.reply,
                 response = std::move(response)](bool durable) mutable {
    if (!durable) {
      for (auto& topic : response.topics)
        for (auto& partition : topic.partitions)
          if (partition.error == ErrorCode::kNone)
            partition.error = ErrorCode::kCoordinatorNotAvailable;
    }
    reply.send(Frame::of(
        kafka::encode_response_frame(header.api_version, header.correlation_id, response)));
  };
  broker.offsets.commit(message->group_id, offsets, std::move(answer));
}

void handle_offset_fetch(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::OffsetFetchRequest>();
  if (!message) return;
  kafka::OffsetFetchResponse response;
  response.error = broker.groups.check_group_id(message->group_id);
  if (broker.offsets.offline()) response.error = ErrorCode::kCoordinatorNotAvailable;
  broker.refused(response.error);
  auto entry = [&](int32_t index, const std::optional<CommittedOffset>& committed) {
    kafka::OffsetFetchResponse::Partition partition;
    partition.index = index;
    partition.error = response.error;
    partition.metadata = "";
    if (committed && response.error == ErrorCode::kNone) {
      partition.offset = committed->offset;
      partition.leader_epoch = committed->leader_epoch;
      partition.metadata = committed->metadata;
    }
    return partition;
  };
  if (message->topics) {
    for (const auto& topic : *message->topics) {
      auto& answered = response.topics.emplace_back();
      answered.name = topic.name;
      for (const int32_t index : topic.partitions)
        answered.partitions.push_back(
            entry(index, broker.offsets.fetch(message->group_id, {topic.name, index})));
    }
  } else if (response.error == ErrorCode::kNone) {
    for (const auto& [partition, committed] : broker.offsets.fetch_all(message->group_id)) {
      if (response.topics.empty() || response.topics.back().name != partition.topic)
        response.topics.emplace_back().name = partition.topic;
      response.topics.back().partitions.push_back(entry(partition.partition, committed));
    }
  }
  request.answer(response);
}

}  // namespace weir::hub
