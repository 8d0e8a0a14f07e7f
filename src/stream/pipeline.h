// What happens to rows between source and sink: decode, filter, project.
//
// A Pipeline is immutable and shared by a query's tasks; each worker thread has a BatchTransform of
// its own, which may keep scratch memory from batch to batch. Only the source columns and the JSON
// fields that are needed are read.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "columnar/data_type.h"

namespace arrow {
class RecordBatch;
}

namespace weir::stream {

using base::Result;
using columnar::Schema;

// The same for all rows of a batch, and in a replay of it.
struct BatchContext {
  base::BatchId batch;
  int64_t timestamp_us = 0;  // current_timestamp()
};

// Added to by a transform; nothing is lost unseen.
struct TransformCounters {
  int64_t corrupt_rows = 0;  // did not parse: NULLs or the corrupt-record column
  int64_t dropped_rows = 0;  // left out by mode DROPMALFORMED
};

class BatchTransform {
 public:
  virtual ~BatchTransform() = default;
  // Null or empty where no row is left. The result may refer to memory of `rows`, never to the
  // transform's.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> apply(
      std::shared_ptr<arrow::RecordBatch> rows, const BatchContext& context,
      TransformCounters& counters) = 0;
};

class Pipeline {
 public:
  virtual ~Pipeline() = default;
  virtual const Schema& output_schema() const = 0;
  // Columns of the source that are read, in the order in which apply() expects them.
  virtual const std::vector<std::string>& source_columns() const = 0;
  virtual Result<std::unique_ptr<BatchTransform>> make_transform() const = 0;
};

// The source's columns as they are.
std::unique_ptr<Pipeline> identity_pipeline(const Schema& source_schema);

// Columns that a message has beside its JSON's, under the names of --select: _key, _topic,
// _partition, _offset, _timestamp, _timestampType, _headers; each also without the underscore where
// the JSON has no such field.
struct JsonMessages {
  Schema schema;  // of the JSON in column `value`
  std::map<std::string, std::string>
      options;  // mode, columnNameOfCorruptRecord, timestampFormat … (codec's names)
};

struct PipelineSpec {
  Schema source_schema;
  std::optional<JsonMessages> json;  // the source's rows are messages
  std::string select;                // "" or a select list
  std::string where;                 // "" or a condition over the same names
  std::string session_zone = "UTC";
  bool ansi = true;
};

// Analysis errors carry Spark's error class.
Result<std::unique_ptr<Pipeline>> compile_pipeline(const PipelineSpec& spec);

}  // namespace weir::stream
