// Rows on their way to a client: Spark's Arrow types, one IPC stream a batch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "columnar/client_arrow.h"
#include "columnar/data_type.h"

namespace arrow {
class Buffer;
class DataType;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace weir::connect {

using base::Result;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

using columnar::client_schema;
using columnar::conform;

struct EncodedBatch {
  int64_t rows = 0;
  std::shared_ptr<arrow::Buffer> bytes;  // an IPC stream: schema, one batch, end
};
// Cuts a batch so that a part has about `bytes_wanted` (one row at least).
std::vector<BatchPtr> split_batch(const BatchPtr& batch, int64_t bytes_wanted);
Result<EncodedBatch> encode_batch(const BatchPtr& batch);
Result<BatchPtr> join_batches(const std::vector<BatchPtr>& batches);  // one at least
int64_t batch_bytes(const arrow::RecordBatch& batch);
Result<BatchPtr> empty_batch(const std::shared_ptr<arrow::Schema>& schema);

}  // namespace weir::connect
