#include "python/arrow_rows.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "columnar/client_arrow.h"

namespace weir::python {

namespace {

class Rebatched final : public relational::BatchStream {
 public:
  Rebatched(StreamPtr input, int64_t rows) : input_(std::move(input)), rows_(rows) {}
  const columnar::Schema& schema() const override { return input_->schema(); }
  Result<BatchPtr> next(std::stop_token stop) override {
    while (have_ < rows_ && !ended_) {
      WEIR_ASSIGN(auto batch, input_->next(stop));
      if (!batch) {
        ended_ = true;
      } else if (batch->num_rows() > 0) {
        have_ += batch->num_rows();
        held_.push_back(std::move(batch));
      }
    }
    if (have_ == 0) return BatchPtr();
    auto all = held_.front();
    if (held_.size() > 1) {
      WEIR_ARROW_ASSIGN(all, arrow::ConcatenateRecordBatches(held_));
    }
    const int64_t take = std::min(rows_, have_);
    held_.clear();
    have_ -= take;
    if (have_ > 0) held_.push_back(all->Slice(take));
    return all->Slice(0, take);
  }

 private:
  StreamPtr input_;
  const int64_t rows_;
  std::vector<BatchPtr> held_;
  int64_t have_ = 0;
  bool ended_ = false;
};

// The columns' names do not count.
bool same_columns(const columnar::Schema& a, const columnar::Schema& b) {
  if (a.fields().size() != b.fields().size()) return false;
  for (size_t i = 0; i < a.fields().size(); ++i) {
    const auto& left = a.fields()[i].type();
    const auto& right = b.fields()[i].type();
    // varchar is text to Arrow
    if (!left.same_type(right) && !columnar::to_arrow(left)->Equals(columnar::to_arrow(right)))
      return false;
  }
  return true;
}

}  // namespace

Result<std::shared_ptr<arrow::Buffer>> ArrowOut::begin() const {
  WEIR_ARROW_ASSIGN(auto bytes, arrow::ipc::SerializeSchema(*schema_));
  return bytes;
}

Result<std::shared_ptr<arrow::Buffer>> ArrowOut::rows(const BatchPtr& batch) const {
  WEIR_ASSIGN(const auto conformed, columnar::conform(batch, schema_));
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  WEIR_ARROW_ASSIGN(auto bytes, arrow::ipc::SerializeRecordBatch(*conformed, options));
  return bytes;
}

std::string ArrowOut::end() { return {"\xFF\xFF\xFF\xFF\0\0\0\0", 8}; }

BatchPtr in_one_struct(const BatchPtr& batch) {
  const auto schema = in_one_struct(batch->schema());
  const auto column = std::make_shared<arrow::StructArray>(schema->field(0)->type(),
                                                           batch->num_rows(), batch->columns());
  return arrow::RecordBatch::Make(schema, batch->num_rows(), arrow::ArrayVector{column});
}

std::shared_ptr<arrow::Schema> in_one_struct(const std::shared_ptr<arrow::Schema>& schema) {
  return arrow::schema({arrow::field("struct", arrow::struct_(schema->fields()), false)});
}

Result<BatchPtr> out_of_struct(const BatchPtr& batch) {
  if (batch->num_columns() != 1 || batch->column(0)->type_id() != arrow::Type::STRUCT)
    return base::error(base::ErrorKind::kCorruption,
                       "the Python worker gave {} instead of one struct",
                       batch->schema()->ToString());
  const auto& column = static_cast<const arrow::StructArray&>(*batch->column(0));
  return arrow::RecordBatch::Make(arrow::schema(column.type()->fields()), batch->num_rows(),
                                  column.fields());
}

Result<BatchPtr> checked_rows(const BatchPtr& given, const columnar::Schema& wanted,
                              std::string_view operation) {
  const auto read = columnar::from_arrow(*given->schema());
  if (!read.ok() || !same_columns(*read, wanted)) {
    const auto names = [](const columnar::Schema& schema) {
      std::string text;
      for (const auto& field : schema.fields())
        text += (text.empty() ? "" : ", ") + field.type().simple_string();
      return text;
    };
    const auto actual = read.ok() ? names(*read) : given->schema()->ToString();
    return base::error(base::ErrorKind::kInvalidArgument,
                       "Invalid schema from {}: expected {}, got {}.", operation, names(wanted),
                       actual)
        .with_class("ARROW_TYPE_MISMATCH")
        .with_sql_state("42K0G")
        .with_parameter("operation", std::string(operation))
        .with_parameter("outputTypes", names(wanted))
        .with_parameter("actualDataTypes", actual);
  }
  return columnar::conform(given, columnar::to_arrow_schema(wanted));
}

StreamPtr in_batches_of(StreamPtr input, int64_t rows) {
  return std::make_unique<Rebatched>(std::move(input), rows);
}

}  // namespace weir::python
