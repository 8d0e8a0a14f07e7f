// ListOffsets, Metadata, CreateTopics, InitProducerId.
#include <set>

#include "base/logging.h"
#include "hub/broker.h"

namespace weir::hub {
namespace {

using kafka::ErrorCode;

kafka::ListOffsetsResponse::Partition list_offset(
    Broker& broker, const std::string& topic, const kafka::ListOffsetsRequest::Partition& asked) {
  kafka::ListOffsetsResponse::Partition answer;
  answer.index = asked.index;
  PartitionLog* const log = broker.topics.partition(topic, asked.index);
  if (!log) {
    answer.error = ErrorCode::kUnknownTopicOrPartition;
  } else if (log->offline()) {
    answer.error = ErrorCode::kKafkaStorageError;
  } else if (asked.current_leader_epoch > 0) {
    answer.error = ErrorCode::kUnknownLeaderEpoch;
  } else if (asked.timestamp == kafka::kLatestTimestamp) {
    answer.offset = log->high_watermark();
    answer.leader_epoch = 0;
  } else if (asked.timestamp == kafka::kEarliestTimestamp) {
    answer.offset = log->log_start_offset();
    answer.leader_epoch = 0;
  } else if (asked.timestamp < 0) {
    answer.error = ErrorCode::kUnsupportedVersion;  // kinds of later versions
  } else if (const auto found = log->offset_for_time(asked.timestamp); !found.ok()) {
    base::log_error("partition={} list_offsets=failed reason=\"{}\"", log->name(),
                    found.error().message());
    answer.error = ErrorCode::kKafkaStorageError;
  } else {
    answer.offset = found->offset;
    answer.timestamp = found->timestamp;
    answer.leader_epoch = found->offset >= 0 ? 0 : -1;
  }
  broker.refused(answer.error);
  return answer;
}

kafka::MetadataResponse::Topic describe(const Topic& topic) {
  kafka::MetadataResponse::Topic described;
  described.name = topic.name;
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    kafka::MetadataResponse::Partition& partition = described.partitions.emplace_back();
    partition.index = static_cast<int32_t>(i);
    partition.leader_id = kBrokerId;
    partition.leader_epoch = 0;
    partition.replica_nodes = {kBrokerId};
    partition.isr_nodes = {kBrokerId};
    if (topic.partitions[i]->offline()) partition.offline_replicas = {kBrokerId};
  }
  return described;
}

kafka::MetadataResponse::Topic describe_or_make(Broker& broker, const std::string& name,
                                                bool may_create) {
  std::shared_ptr<Topic> topic = broker.topics.find(name);
  ErrorCode error = ErrorCode::kUnknownTopicOrPartition;
  if (!valid_topic_name(name)) error = ErrorCode::kInvalidTopicException;
  if (!topic && may_create && broker.options.auto_create_topics) {
    const TopicStore::Outcome made = broker.topics.create(
        {name, broker.options.auto_create_partitions, broker.options.topic_defaults});
    if (made.error != ErrorCode::kNone && made.error != ErrorCode::kTopicAlreadyExists)
      error = made.error;
    topic = broker.topics.find(name);
  }
  if (topic) return describe(*topic);
  kafka::MetadataResponse::Topic missing;
  missing.name = name;
  missing.error = error;
  broker.refused(error);
  return missing;
}

TopicStore::Outcome create_topic(Broker& broker, const kafka::CreateTopicsRequest::Topic& asked,
                                 bool validate_only) {
  TopicSpec spec{asked.name, asked.num_partitions, broker.options.topic_defaults};
  if (!asked.assignments.empty()) {
    if (asked.num_partitions != -1 || asked.replication_factor != -1)
      return {ErrorCode::kInvalidRequest,
              "partition and replica counts may not be given beside assignments"};
    spec.partitions = static_cast<int32_t>(asked.assignments.size());
    std::vector<bool> seen(asked.assignments.size());
    for (const auto& assignment : asked.assignments) {
      const bool known = assignment.partition >= 0 && assignment.partition < spec.partitions &&
                         !seen[static_cast<size_t>(assignment.partition)];
      if (!known || assignment.broker_ids != std::vector<int32_t>{kBrokerId})
        return {
            ErrorCode::kInvalidReplicaAssignment,
            fmt::format("partitions are numbered from 0 and live on broker {} only", kBrokerId)};
      seen[static_cast<size_t>(assignment.partition)] = true;
    }
  } else {
    if (asked.num_partitions == -1) spec.partitions = broker.options.auto_create_partitions;
    if (asked.replication_factor != -1 && asked.replication_factor != 1)
      return {
          ErrorCode::kInvalidReplicationFactor,
          fmt::format("replication factor {}: the hub is one broker", asked.replication_factor)};
  }
  for (const auto& config : asked.configs) {
    if (!config.value) continue;  // the default
    if (const auto set = set_topic_config(spec.config, config.name, *config.value); !set.ok())
      return {ErrorCode::kInvalidConfig, set.error().message()};
  }
  return validate_only ? broker.topics.check(spec) : broker.topics.create(spec);
}

}  // namespace

void handle_list_offsets(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::ListOffsetsRequest>();
  if (!message) return;
  kafka::ListOffsetsResponse response;
  for (const auto& topic : message->topics) {
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    for (const auto& partition : topic.partitions)
      answered.partitions.push_back(list_offset(broker, topic.name, partition));
  }
  request.answer(response);
}

void handle_metadata(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::MetadataRequest>();
  if (!message) return;
  kafka::MetadataResponse response;
  response.brokers.push_back(
      {kBrokerId, request.advertised_host, request.advertised_port, std::nullopt});
  response.cluster_id = broker.cluster_id;
  response.controller_id = kBrokerId;
  if (message->topics) {
    // Each once, however often it was named: an answer is much longer than a name.
    std::set<std::string_view> named;
    for (const std::string& name : *message->topics) {
      if (!named.insert(name).second) continue;
      response.topics.push_back(describe_or_make(
          broker, name, request.header.api_version < 4 || message->allow_auto_topic_creation));
    }
  } else {
    for (const auto& topic : broker.topics.list())
      response.topics.push_back(describe(*topic));
  }
  request.answer(response);
}

void handle_create_topics(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::CreateTopicsRequest>();
  if (!message) return;
  kafka::CreateTopicsResponse response;
  for (const auto& topic : message->topics) {
    const TopicStore::Outcome outcome = create_topic(broker, topic, message->validate_only);
    broker.refused(outcome.error);
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    answered.error = outcome.error;
    if (!outcome.message.empty()) answered.error_message = outcome.message;
  }
  request.answer(response);
}

void handle_init_producer_id(Broker& broker, const Request& request) {
  const auto message = request.decode<kafka::InitProducerIdRequest>();
  if (!message) return;
  kafka::InitProducerIdResponse response;
  if (message->transactional_id) {
    response.error =
        ErrorCode::kInvalidRequest;  // transactions are not among the calls of this broker
  } else if (const auto id = broker.producer_ids.next(); id.ok()) {
    response.producer_id = *id;
    response.producer_epoch = 0;
  } else {
    base::log_error("producer_ids=failed reason=\"{}\"", id.error().message());
    response.error = ErrorCode::kKafkaStorageError;
  }
  broker.refused(response.error);
  request.answer(response);
}

}  // namespace weir::hub
