#include "kafka/messages_group.h"

#include "kafka/message_walk.h"
#include "kafka/offset_walk.h"

namespace weir::kafka {

namespace {

template <typename Io>
void walk(Io& io, typename Io::template Ref<OffsetCommitRequest> m, int16_t version) {
  io(m.group_id);
  io(m.generation_id);
  io(m.member_id);
  if (version >= 7) io(m.group_instance_id);
  if (version <= 4) io(m.retention_time_ms);
  walk_offsets(io, m.topics, version >= 6);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<OffsetCommitResponse> m, int16_t version) {
  if (version >= 3) io(m.throttle_time_ms);
  walk_errors(io, m.topics);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<OffsetFetchRequest> m, int16_t version) {
  io(m.group_id);
  io.nullable_array(m.topics, [&](auto& topic) {
    io(topic.name);
    io(topic.partitions);
    io.tags();
  });
  if (version >= 7) io(m.require_stable);
  io.tags();
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<OffsetFetchResponse> m, int16_t version) {
  if (version >= 3) io(m.throttle_time_ms);
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      io(partition.offset);
      if (version >= 5) io(partition.leader_epoch);
      io(partition.metadata);
      io(partition.error);
      io.tags();
    });
    io.tags();
  });
  if (version >= 2) io(m.error);
  io.tags();
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<FindCoordinatorRequest> m, int16_t version) {
  io(m.key);
  if (version >= 1) io(m.key_type);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<FindCoordinatorResponse> m, int16_t version) {
  if (version >= 1) io(m.throttle_time_ms);
  io(m.error);
  if (version >= 1) io(m.error_message);
  io(m.node_id);
  io(m.host);
  io(m.port);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<JoinGroupRequest> m, int16_t version) {
  io(m.group_id);
  io(m.session_timeout_ms);
  if (version >= 1) io(m.rebalance_timeout_ms);
  io(m.member_id);
  if (version >= 5) io(m.group_instance_id);
  io(m.protocol_type);
  io.array(m.protocols, [&](auto& protocol) {
    io(protocol.name);
    io.bytes(protocol.metadata);
  });
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<JoinGroupResponse> m, int16_t version) {
  if (version >= 2) io(m.throttle_time_ms);
  io(m.error);
  io(m.generation_id);
  io(m.protocol_name);
  io(m.leader);
  io(m.member_id);
  io.array(m.members, [&](auto& member) {
    io(member.member_id);
    if (version >= 5) io(member.group_instance_id);
    io.bytes(member.metadata);
  });
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<HeartbeatRequest> m, int16_t version) {
  io(m.group_id);
  io(m.generation_id);
  io(m.member_id);
  if (version >= 3) io(m.group_instance_id);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<HeartbeatResponse> m, int16_t version) {
  if (version >= 1) io(m.throttle_time_ms);
  io(m.error);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<LeaveGroupRequest> m, int16_t) {
  io(m.group_id);
  io(m.member_id);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<LeaveGroupResponse> m, int16_t version) {
  if (version >= 1) io(m.throttle_time_ms);
  io(m.error);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<SyncGroupRequest> m, int16_t version) {
  io(m.group_id);
  io(m.generation_id);
  io(m.member_id);
  if (version >= 3) io(m.group_instance_id);
  io.array(m.assignments, [&](auto& assignment) {
    io(assignment.member_id);
    io.bytes(assignment.assignment);
  });
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<SyncGroupResponse> m, int16_t version) {
  if (version >= 1) io(m.throttle_time_ms);
  io(m.error);
  io.bytes(m.assignment);
}

}  // namespace

WEIR_KAFKA_MESSAGE(OffsetCommitRequest, "request")
WEIR_KAFKA_MESSAGE(OffsetCommitResponse, "response")
WEIR_KAFKA_MESSAGE(OffsetFetchRequest, "request")
WEIR_KAFKA_MESSAGE(OffsetFetchResponse, "response")
WEIR_KAFKA_MESSAGE(FindCoordinatorRequest, "request")
WEIR_KAFKA_MESSAGE(FindCoordinatorResponse, "response")
WEIR_KAFKA_MESSAGE(JoinGroupRequest, "request")
WEIR_KAFKA_MESSAGE(JoinGroupResponse, "response")
WEIR_KAFKA_MESSAGE(HeartbeatRequest, "request")
WEIR_KAFKA_MESSAGE(HeartbeatResponse, "response")
WEIR_KAFKA_MESSAGE(LeaveGroupRequest, "request")
WEIR_KAFKA_MESSAGE(LeaveGroupResponse, "response")
WEIR_KAFKA_MESSAGE(SyncGroupRequest, "request")
WEIR_KAFKA_MESSAGE(SyncGroupResponse, "response")

}  // namespace weir::kafka
