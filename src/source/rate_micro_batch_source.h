// The same number of made-up rows in every batch: timestamp TIMESTAMP, value BIGINT counting from 0
// (Spark's rate-micro-batch).
//
// An offset is {"offset":20,"timestamp":2000}: rows so far, and the time, in milliseconds, that all
// rows of the next batch carry. Options: rowsPerBatch (has to be given), numPartitions (number of
// cores), startTimestamp (0), advanceMillisPerBatch (1000). A run with trigger availableNow or once
// is one batch.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "source/option_text.h"
#include "source/source.h"

namespace weir::source {

Result<std::unique_ptr<Source>> make_rate_micro_batch_source(
    const std::map<std::string, std::string>& options,
    UnknownOptions unknown = UnknownOptions::kRefuse);

}  // namespace weir::source
