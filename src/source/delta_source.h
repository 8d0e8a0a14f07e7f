// A Delta table as a stream: its rows as the query begins, then those of every commit's new files,
// as delta-spark's DeltaSource reads them.
//
// Options: startingVersion (a number or "latest"), startingTimestamp, maxFilesPerTrigger (1000
// where neither limit is given), maxBytesPerTrigger, ignoreDeletes, ignoreChanges,
// skipChangeCommits, failOnDataLoss. Commits that remove rows are refused with Delta's classes
// unless the options say otherwise, and so is a schema that the query has not been made with.
// Where startingVersion "latest" or a time led is kept in sources/N/0 of the checkpoint ("v1", then
// the offset), so that a first batch that runs again reads the same.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "delta/table.h"
#include "source/option_text.h"
#include "source/source.h"

namespace weir::source {

struct DeltaSourceSpec {
  std::string path;  // absolute
  std::map<std::string, std::string> options;
  std::optional<int64_t> starting_timestamp_us;  // of startingTimestamp, which is not in `options`
  UnknownOptions unknown = UnknownOptions::kRefuse;
};

// kNotFound where there is no table.
Result<std::unique_ptr<Source>> make_delta_source(delta::Environment environment,
                                                  DeltaSourceSpec spec);

}  // namespace weir::source
