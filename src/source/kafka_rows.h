// Kafka records as rows of an Arrow batch, only the columns asked for. Key and value stay where
// they are: views into the fetched bytes, which the batch keeps alive.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "columnar/data_type.h"
#include "kafka/padded_buffer.h"
#include "kafka/record_batch.h"

namespace arrow {
class Array;
class Buffer;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace weir::source {

using base::Result;

// Spark's columns of a Kafka source.
columnar::Schema kafka_schema(bool include_headers);

class KafkaRowBuilder {
 public:
  // Columns out of kafka_schema. A batch is full at rows_max rows or about bytes_max bytes of keys
  // and values.
  KafkaRowBuilder(const std::vector<std::string>& columns, base::TopicPartition partition,
                  int64_t rows_max = 8192, int64_t bytes_max = 8 << 20);

  bool full() const { return rows_ >= rows_max_ || bytes_ >= bytes_max_; }
  int64_t rows() const { return rows_; }
  int64_t bytes() const { return bytes_; }
  // The arena that the following records are views into.
  void use_arena(std::shared_ptr<const kafka::PaddedBuffer> arena);
  void add(const kafka::Record& record, bool log_append_time);
  // The rows added, as a batch; the builder starts anew (an arena has to be given again).
  Result<std::shared_ptr<arrow::RecordBatch>> finish();

 private:
  struct View {  // arrow::BinaryViewType's 16 bytes
    int32_t size;
    char inlined_or_prefix[4];
    int32_t buffer_index;
    int32_t offset;
  };
  struct ViewColumn {
    std::vector<View> views;
    std::vector<bool> valid;
    int64_t nulls = 0;
  };
  struct HeaderRow {
    std::vector<std::pair<std::string, std::optional<std::string>>> headers;
    bool present = false;
  };

  void add_view(ViewColumn& column, std::string_view bytes, bool present);
  std::shared_ptr<arrow::Array> finish_views(ViewColumn& column);
  Result<std::shared_ptr<arrow::Array>> finish_column(const std::string& name);
  Result<std::shared_ptr<arrow::Array>> finish_topic() const;
  Result<std::shared_ptr<arrow::Array>> finish_headers();

  const std::vector<std::string> columns_;
  const base::TopicPartition partition_;
  const int64_t rows_max_;
  const int64_t bytes_max_;
  std::shared_ptr<arrow::Schema> schema_;
  bool want_key_ = false, want_value_ = false, want_offset_ = false, want_timestamp_ = false,
       want_type_ = false, want_headers_ = false;

  int64_t rows_ = 0;
  int64_t bytes_ = 0;
  std::vector<std::shared_ptr<arrow::Buffer>> arenas_;
  std::shared_ptr<const kafka::PaddedBuffer> arena_;
  ViewColumn keys_, values_;
  std::vector<int64_t> offsets_;
  std::vector<int64_t> timestamps_us_;
  std::vector<int32_t> timestamp_types_;
  std::vector<HeaderRow> headers_;
};

}  // namespace weir::source
