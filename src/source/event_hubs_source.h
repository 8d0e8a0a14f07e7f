// An event hub as a source, over the Kafka protocol that event hubs speak (Azure's, and weir's own
// hub), with the options and columns of Spark's Event Hubs connector.
//
// Columns: body BINARY, partition STRING, offset STRING, sequenceNumber BIGINT, enqueuedTime
// TIMESTAMP, publisher STRING, partitionKey STRING, properties and systemProperties
// MAP<STRING, STRING>. Over this protocol the offset is the sequence number, the partition key is
// the record's key, properties are the record's headers as text; publisher is NULL and
// systemProperties are empty.
//
// Options: eventhubs.connectionString (plain, with EntityPath; a loopback endpoint or
// UseDevelopmentEmulator=true is spoken to in the clear, default port 9092, others by SASL_SSL on
// port 9093 with the connection string as password), eventhubs.consumerGroup (changes nothing: no
// group is joined), eventhubs.startingPosition, eventhubs.startingPositions,
// eventhubs.maxEventsPerTrigger or maxEventsPerTrigger (no limit where not given), failOnDataLoss,
// and kafka.* for the client. The offsets are as Kafka's: {"hub":{"0":23}}.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "source/kafka_source.h"

namespace weir::source {

columnar::Schema event_hubs_schema();

// The options as those of a Kafka source.
Result<KafkaSourceOptions> parse_event_hubs_options(
    const std::map<std::string, std::string>& options,
    UnknownOptions unknown = UnknownOptions::kRefuse);

Result<std::unique_ptr<Source>> make_event_hubs_source(KafkaSourceEnvironment environment,
                                                       KafkaSourceOptions options,
                                                       KafkaClientFactory open_client);

}  // namespace weir::source
