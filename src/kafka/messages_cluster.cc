#include "kafka/messages_cluster.h"

#include "kafka/message_walk.h"

namespace weir::kafka {

namespace {

template <typename Io>
void walk(Io& io, typename Io::template Ref<MetadataResponse> m, int16_t version) {
  if (version >= 3) io(m.throttle_time_ms);
  io.array(m.brokers, [&](auto& broker) {
    io(broker.node_id);
    io(broker.host);
    io(broker.port);
    if (version >= 1) io(broker.rack);
  });
  if (version >= 2) io(m.cluster_id);
  if (version >= 1) io(m.controller_id);
  io.array(m.topics, [&](auto& topic) {
    io(topic.error);
    io(topic.name);
    if (version >= 1) io(topic.is_internal);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.error);
      io(partition.index);
      io(partition.leader_id);
      if (version >= 7) io(partition.leader_epoch);
      io(partition.replica_nodes);
      io(partition.isr_nodes);
      if (version >= 5) io(partition.offline_replicas);
    });
    if (version >= 8) io(topic.authorized_operations);
  });
  if (version >= 8) io(m.cluster_authorized_operations);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<CreateTopicsRequest> m, int16_t) {
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io(topic.num_partitions);
    io(topic.replication_factor);
    io.array(topic.assignments, [&](auto& assignment) {
      io(assignment.partition);
      io(assignment.broker_ids);
    });
    io.array(topic.configs, [&](auto& config) {
      io(config.name);
      io(config.value);
    });
  });
  io(m.timeout_ms);
  io(m.validate_only);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<CreateTopicsResponse> m, int16_t) {
  io(m.throttle_time_ms);
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io(topic.error);
    io(topic.error_message);
  });
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<InitProducerIdRequest> m, int16_t version) {
  io(m.transactional_id);
  io(m.transaction_timeout_ms);
  if (version >= 3) {
    io(m.producer_id);
    io(m.producer_epoch);
  }
  io.tags();
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<InitProducerIdResponse> m, int16_t) {
  io(m.throttle_time_ms);
  io(m.error);
  io(m.producer_id);
  io(m.producer_epoch);
  io.tags();
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<SaslHandshakeRequest> m, int16_t) {
  io(m.mechanism);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<SaslHandshakeResponse> m, int16_t) {
  io(m.error);
  io(m.mechanisms);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<SaslAuthenticateRequest> m, int16_t) {
  io.bytes(m.auth_bytes);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<SaslAuthenticateResponse> m, int16_t version) {
  io(m.error);
  io(m.error_message);
  io.bytes(m.auth_bytes);
  if (version >= 1) io(m.session_lifetime_ms);
}

}  // namespace

WEIR_KAFKA_MESSAGE(MetadataResponse, "response")
WEIR_KAFKA_MESSAGE(CreateTopicsRequest, "request")
WEIR_KAFKA_MESSAGE(CreateTopicsResponse, "response")
WEIR_KAFKA_MESSAGE(InitProducerIdRequest, "request")
WEIR_KAFKA_MESSAGE(InitProducerIdResponse, "response")
WEIR_KAFKA_MESSAGE(SaslHandshakeRequest, "request")
WEIR_KAFKA_MESSAGE(SaslHandshakeResponse, "response")
WEIR_KAFKA_MESSAGE(SaslAuthenticateRequest, "request")
WEIR_KAFKA_MESSAGE(SaslAuthenticateResponse, "response")

// An empty list of topics means all of them in v0, and none of them later, where null means all.
base::Result<MetadataRequest> MetadataRequest::decode(Reader& reader, int16_t version) {
  return decode_message<MetadataRequest>(
      reader, version, "request", [&](FieldDecoder& io, MetadataRequest& m) {
        io.nullable_array(m.topics, [&](std::string& name) { io(name); });
        if (version == 0) {
          if (!m.topics) reader.fail("an array that may not be null is null");
          if (m.topics && m.topics->empty()) m.topics.reset();
        }
        if (version >= 4) io(m.allow_auto_topic_creation);
        if (version >= 8) {
          io(m.include_cluster_authorized_operations);
          io(m.include_topic_authorized_operations);
        }
      });
}

void MetadataRequest::encode(Writer& writer, int16_t version) const {
  FieldEncoder io(writer);
  if (version == 0 && !topics) {
    writer.array_length(0);
  } else {
    io.nullable_array(topics, [&](const std::string& name) { io(name); });
  }
  if (version >= 4) io(allow_auto_topic_creation);
  if (version >= 8) {
    io(include_cluster_authorized_operations);
    io(include_topic_authorized_operations);
  }
}

// The one flexible call: compact strings and arrays, and tagged fields, in v3.
base::Result<ApiVersionsRequest> ApiVersionsRequest::decode(Reader& reader, int16_t version) {
  return decode_message<ApiVersionsRequest>(reader, version, "request",
                                            [&](FieldDecoder&, ApiVersionsRequest& m) {
                                              if (version < 3) return;
                                              m.client_software_name = reader.compact_string();
                                              m.client_software_version = reader.compact_string();
                                              reader.skip_tagged_fields();
                                            });
}

void ApiVersionsRequest::encode(Writer& writer, int16_t version) const {
  if (version < 3) return;
  writer.compact_string(client_software_name);
  writer.compact_string(client_software_version);
  writer.no_tagged_fields();
}

base::Result<ApiVersionsResponse> ApiVersionsResponse::decode(Reader& reader, int16_t version) {
  return decode_message<ApiVersionsResponse>(
      reader, version, "response", [&](FieldDecoder& io, ApiVersionsResponse& m) {
        bool flexible = version >= 3;
        io(m.error);
        int32_t count = flexible ? reader.compact_array_length() : reader.array_length();
        if (count < 0) reader.fail("an array that may not be null is null");
        for (int32_t i = 0; i < count && reader.ok(); ++i) {
          ApiVersionRange& range = m.api_keys.emplace_back();
          range.key = static_cast<ApiKey>(reader.int16());
          range.min = reader.int16();
          range.max = reader.int16();
          if (flexible) reader.skip_tagged_fields();
        }
        if (version >= 1) io(m.throttle_time_ms);
        if (flexible) reader.skip_tagged_fields();
      });
}

void ApiVersionsResponse::encode(Writer& writer, int16_t version) const {
  bool flexible = version >= 3;
  writer.int16(static_cast<int16_t>(error));
  int32_t count = static_cast<int32_t>(api_keys.size());
  flexible ? writer.compact_array_length(count) : writer.array_length(count);
  for (const ApiVersionRange& range : api_keys) {
    writer.int16(static_cast<int16_t>(range.key));
    writer.int16(range.min);
    writer.int16(range.max);
    if (flexible) writer.no_tagged_fields();
  }
  if (version >= 1) writer.int32(throttle_time_ms);
  if (flexible) writer.no_tagged_fields();
}

}  // namespace weir::kafka
