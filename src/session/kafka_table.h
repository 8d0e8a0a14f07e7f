// A Kafka topic (or several) read by a batch query: spark.read.format("kafka").
//
// Options as those of the stream (source/kafka_source.h), but startingOffsets are "earliest" where
// not given, and endingOffsets ("latest" where not given, or {"topic":{"0":50,"1":-1}}) say where
// it ends. What is there is found out by each scan. An event hub is read the same way, from its
// start where no position is given, up to what is there.
#pragma once

#include <memory>

#include "relational/scan_source.h"
#include "session/errors.h"
#include "session/warehouse.h"

namespace weir::session {

Result<std::shared_ptr<const relational::ScanSource>> open_kafka_table(const Services& services,
                                                                       TextMap options,
                                                                       const Origin& origin = {});
Result<std::shared_ptr<const relational::ScanSource>> open_event_hub_table(
    const Services& services, TextMap options, const Origin& origin = {});

}  // namespace weir::session
