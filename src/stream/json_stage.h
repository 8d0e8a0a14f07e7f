// Decodes messages: column `value` of the source's rows as JSON, with the fields that are needed,
// beside the source's other columns that are needed. One a worker thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "columnar/data_type.h"
#include "stream/pipeline.h"

namespace arrow {
class Array;
class RecordBatch;
}  // namespace arrow

namespace weir::codec {
class JsonDecoder;
struct JsonOptions;
}  // namespace weir::codec

namespace weir::stream {

// Spark's JSON options by name (any case); what is unknown is refused by name.
Result<codec::JsonOptions> parse_json_options(const std::map<std::string, std::string>& options);

class JsonStage {
 public:
  // The rows given to decode() have the messages in column 0 and then `carried` more columns, which
  // go through.
  static Result<std::unique_ptr<JsonStage>> create(const columnar::Schema& fields,
                                                   const codec::JsonOptions& options, int carried);
  ~JsonStage();

  // The JSON's fields, then the carried columns; rows that the decoder left out are left out of
  // those too.
  Result<std::shared_ptr<arrow::RecordBatch>> decode(const arrow::RecordBatch& rows,
                                                     TransformCounters& counters);

 private:
  JsonStage(std::unique_ptr<codec::JsonDecoder> decoder, int carried);
  Result<std::shared_ptr<arrow::Array>> rows_kept() const;  // null where all are

  std::unique_ptr<codec::JsonDecoder> decoder_;
  int carried_;
  int64_t corrupt_before_ = 0;
  int64_t dropped_before_ = 0;
};

}  // namespace weir::stream
