// A table that queries can read: what plan::Table is to analysis, this is to execution.
//
// Implemented over Delta, files and rows in memory (room session). Immutable; scan() may be called
// from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plan/catalog.h"
#include "relational/batch_stream.h"

namespace weir::relational {

class ScanSource : public plan::Table {
 public:
  // The columns at these positions of schema(), in this order. `condition` (over those columns; may
  // be null) lets the source leave out rows that do not meet it, never others. One to `streams`
  // streams that together give every row once and may be pulled by one thread each.
  virtual Result<std::vector<std::unique_ptr<BatchStream>>> scan(const std::vector<int>& columns,
                                                                 const plan::TypedPtr& condition,
                                                                 int streams) const = 0;
  // For the join order; none where it is not known.
  virtual std::optional<int64_t> rows_estimate() const { return std::nullopt; }
};

}  // namespace weir::relational
