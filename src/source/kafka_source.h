// A Kafka topic (or several) as a source, on weir's own fetch client.
//
// Columns: key BINARY, value BINARY, topic STRING, partition INT, offset BIGINT, timestamp
// TIMESTAMP, timestampType INT, and with includeHeaders headers ARRAY<STRUCT<key STRING, value
// BINARY>>, as Spark's. Key and value come as binary_view over the fetched bytes, not copied.
//
// What is read first is decided once and kept in sources/0/0 of the checkpoint, as Spark does: a
// zero byte, "v1\n", the offsets' JSON; opened without a folder, nothing is kept. Partitions that
// appear later are read from their beginning.
//
// Each partition has a fetcher that lives from batch to batch and reads ahead within a bound, so
// that a new batch finds its rows here; what the brokers say of their high watermarks along with
// the rows tells that there is news. The exact ends are asked for at most every 250 ms, the list of
// partitions every 5 s.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "io/file_system.h"
#include "source/kafka_source_options.h"
#include "source/option_text.h"
#include "source/source.h"

namespace weir::kafka {
class Client;
}  // namespace weir::kafka

namespace weir::source {

struct KafkaSourceEnvironment {
  io::FileSystem& files;
  base::Clock& clock;
  base::Random& random;
};

// Opens a client; a test's gives a fake.
using KafkaClientFactory =
    std::function<Result<std::unique_ptr<kafka::Client>>(const kafka::ClientOptions& options)>;

// Options as Spark's Kafka source has them (names in any case): subscribe | subscribePattern |
// assign; startingOffsets, startingTimestamp, startingOffsetsByTimestamp,
// startingOffsetsByTimestampStrategy; failOnDataLoss; includeHeaders; minPartitions;
// maxOffsetsPerTrigger, minOffsetsPerTrigger, maxTriggerDelay; kafka.*. What it does not do is
// refused by name. readAheadBytes (weir's): fetched and not yet taken, all partitions together; 32
// MiB.
Result<std::unique_ptr<Source>> make_kafka_source(KafkaSourceEnvironment environment,
                                                  const std::map<std::string, std::string>& options,
                                                  UnknownOptions unknown = UnknownOptions::kRefuse);
Result<std::unique_ptr<Source>> make_kafka_source(KafkaSourceEnvironment environment,
                                                  const std::map<std::string, std::string>& options,
                                                  KafkaClientFactory open_client,
                                                  UnknownOptions unknown = UnknownOptions::kRefuse);
Result<std::unique_ptr<Source>> make_kafka_source(KafkaSourceEnvironment environment,
                                                  KafkaSourceOptions options,
                                                  KafkaClientFactory open_client);
KafkaClientFactory kafka_clients(KafkaSourceEnvironment environment);

}  // namespace weir::source
