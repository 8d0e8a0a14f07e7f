// Rows made up at a steady rate: timestamp TIMESTAMP, value BIGINT counting from 0 (Spark's rate
// source).
//
// An offset is the number of whole seconds since the start, which sources/0/0 keeps, so a range
// gives the same rows after a restart. Options: rowsPerSecond (1), rampUpTime (0s), numPartitions
// (number of cores).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/file_system.h"
#include "source/option_text.h"
#include "source/source.h"

namespace weir::source {

// How many rows there are up to second `seconds`: rowsPerSecond each, less while it ramps up
// (Spark's formula).
int64_t rate_rows_until(int64_t seconds, int64_t rows_per_second, int64_t ramp_up_seconds);

// Rows of a rate source: timestamp, value.
std::shared_ptr<arrow::RecordBatch> rate_rows(std::vector<int64_t> timestamps_us,
                                              std::vector<int64_t> values);

Result<std::unique_ptr<Source>> make_rate_source(io::FileSystem& files, base::Clock& clock,
                                                 const std::map<std::string, std::string>& options,
                                                 UnknownOptions unknown = UnknownOptions::kRefuse);

}  // namespace weir::source
