// The file sink of streaming queries: json, csv, text and parquet files, exactly once by the log in
// _spark_metadata (source/file_sink_log.h).
//
// The files of a batch get their names in the folder at once; they count when the log has the
// batch's entry, which is made durable after them. Readers that know the log (Spark's, and weir's)
// see whole batches. Those of a failed attempt are removed as far as that works.
#pragma once

#include <memory>

#include "session/writers.h"
#include "sink/sink.h"

namespace weir::session {

// path, format, partition_by, options, zone and ansi of `write` are used.
Result<std::unique_ptr<sink::Sink>> make_file_sink(const Services& services, FileWrite write,
                                                   int64_t log_interval = 10);

}  // namespace weir::session
