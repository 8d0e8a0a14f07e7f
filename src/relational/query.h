// Runs a query: scan, filter and projections by our kernels; grouping, DISTINCT and sorting in
// DuckDB.
//
// Steps are streams that pull from one another, so a LIMIT without ORDER BY stops the scan early.
// The scan reads only the columns that the query needs, and skips files by the simple conditions of
// WHERE.
#pragma once

#include <memory>

#include "eval/program.h"
#include "io/file_system.h"
#include "plan/logical_plan.h"
#include "relational/batch_stream.h"
#include "relational/duck_engine.h"

namespace weir::relational {

struct QueryEnvironment {
  io::FileSystem& fs;
  DuckEngine& engine;
  eval::EvalContext context;  // ansi and zone hold for analysis too
};

struct ScanReport {
  int64_t files = 0;
  int64_t files_skipped = 0;
  std::optional<int64_t> table_version;
};

// The environment's members outlive the stream.
Result<std::unique_ptr<BatchStream>> run_query(const plan::Query& query,
                                               const QueryEnvironment& environment,
                                               ScanReport* report = nullptr);

}  // namespace weir::relational
