// What readStream.format(…).load() and readStream.table() resolve to: the streaming tables of a
// session.
//
// Options are checked when the table is opened, as Spark does; the source itself, and with it any
// connection, is made by make_source(). Options that nobody knows are ignored with a warning, those
// that Spark knows and weir does not are refused by name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "session/errors.h"
#include "session/stream_table.h"
#include "session/warehouse.h"

namespace weir::session {

struct StreamRequest {
  std::string format;  // lower case
  std::vector<std::string> paths;
  TextMap options;               // names in any case
  std::optional<Schema> schema;  // given by the user or the catalog
  bool infer_schema = false;     // spark.sql.streaming.schemaInference
  bool case_sensitive = false;
  bool infer_partition_types = true;
  bool ntz = false;
  int64_t log_interval = 10;  // spark.sql.streaming.fileSource.log.compactInterval
  std::optional<int64_t> starting_timestamp_us;  // delta's startingTimestamp
};

// Every so many entries the log of a file source or sink is compacted: what the configuration `key`
// says, 10 where it says nothing.
Result<int64_t> log_interval(const std::optional<std::string>& value, const std::string& key);

// Formats: json, csv, text, parquet, delta, rate, rate-micro-batch, socket, kafka, eventhubs.
// DATA_SOURCE_NOT_FOUND or UNSUPPORTED_FEATURE for another.
Result<std::shared_ptr<const StreamTable>> open_stream(const Services& services,
                                                       StreamRequest request,
                                                       const Origin& origin = {});

}  // namespace weir::session
