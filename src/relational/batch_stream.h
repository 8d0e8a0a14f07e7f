// Rows on their way through a query: pulled batch by batch, so that memory stays bounded by a
// batch.
//
// One thread pulls at a time. Columns come in order, in the types that columnar::to_arrow names
// (text may come in any of Arrow's layouts until it crosses into DuckDB).
#pragma once

#include <memory>
#include <stop_token>

#include "base/result.h"
#include "columnar/data_type.h"

namespace arrow {
class RecordBatch;
}

namespace weir::relational {

using base::Result;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

class BatchStream {
 public:
  virtual ~BatchStream() = default;
  virtual const columnar::Schema& schema() const = 0;
  // nullptr at the end; kCancelled where stop is requested. Batches may be empty.
  virtual Result<BatchPtr> next(std::stop_token stop) = 0;
};

}  // namespace weir::relational
