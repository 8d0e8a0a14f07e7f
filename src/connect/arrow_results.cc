#include "connect/arrow_results.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/compute/cast.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"

namespace weir::connect {

std::vector<BatchPtr> split_batch(const BatchPtr& batch, int64_t bytes_wanted) {
  const int64_t size = batch_bytes(*batch);
  if (size <= bytes_wanted || batch->num_rows() <= 1) return {batch};
  const int64_t parts = (size + bytes_wanted - 1) / bytes_wanted;
  const int64_t rows = std::max<int64_t>(1, (batch->num_rows() + parts - 1) / parts);
  std::vector<BatchPtr> out;
  for (int64_t at = 0; at < batch->num_rows(); at += rows)
    out.push_back(batch->Slice(at, rows));
  return out;
}

Result<BatchPtr> join_batches(const std::vector<BatchPtr>& batches) {
  WEIR_ARROW_ASSIGN(auto joined, arrow::ConcatenateRecordBatches(batches));
  return joined;
}

int64_t batch_bytes(const arrow::RecordBatch& batch) {
  const auto bytes = arrow::util::ReferencedBufferSize(batch);
  return bytes.ok() ? *bytes : 0;
}

Result<EncodedBatch> encode_batch(const BatchPtr& batch) {
  WEIR_ARROW_ASSIGN(const auto out, arrow::io::BufferOutputStream::Create(4096));
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  WEIR_ARROW_ASSIGN(const auto writer,
                    arrow::ipc::MakeStreamWriter(out.get(), batch->schema(), options));
  WEIR_ARROW_TRY(writer->WriteRecordBatch(*batch));
  WEIR_ARROW_TRY(writer->Close());
  EncodedBatch encoded{batch->num_rows(), nullptr};
  WEIR_ARROW_ASSIGN(encoded.bytes, out->Finish());
  return encoded;
}

Result<BatchPtr> empty_batch(const std::shared_ptr<arrow::Schema>& schema) {
  WEIR_ARROW_ASSIGN(auto batch, arrow::RecordBatch::MakeEmpty(schema));
  return batch;
}

}  // namespace weir::connect
