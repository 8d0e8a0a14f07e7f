// The Kafka sink: each row becomes a record of weir's own producer.
//
// Columns: value STRING or BINARY (has to be there), key STRING or BINARY, topic STRING (the option
// topic goes before it), partition INT, headers ARRAY<STRUCT<key STRING, value BINARY>>; others are
// left out. A batch is committed when the brokers have acknowledged all of its records. At least
// once: a batch that runs again after a failure is sent again. With the option exactlyOnce see
// sink/kafka_exact_sink.h.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "kafka/producer.h"
#include "sink/sink.h"

namespace weir::sink {

// Opens a producer; a test's gives a fake.
using KafkaProducerFactory = std::function<Result<std::unique_ptr<kafka::Producer>>(
    kafka::ProducerOptions options, kafka::Producer::Callback callback)>;

// Options (names in any case): kafka.bootstrap.servers and other kafka.* of the producer, topic,
// includeHeaders, exactlyOnce (with kafka.transaction.timeout.ms). Others are ignored with a
// warning. `clock` and `random` outlive the sink.
Result<std::unique_ptr<Sink>> make_kafka_sink(base::Clock& clock, base::Random& random,
                                              const std::map<std::string, std::string>& options);
// At least once only.
Result<std::unique_ptr<Sink>> make_kafka_sink(base::Clock& clock,
                                              const std::map<std::string, std::string>& options,
                                              KafkaProducerFactory open_producer);

}  // namespace weir::sink
