#include "relational/steps.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_types.h"
#include "eval/node.h"

namespace weir::relational {

namespace {

using columnar::Schema;
using columnar::TypeKind;

BatchPtr row_without_columns() {
  return arrow::RecordBatch::Make(arrow::schema({}), 1,
                                  std::vector<std::shared_ptr<arrow::Array>>{});
}

class OneRow final : public BatchStream {
 public:
  const Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token) override { return std::exchange(batch_, nullptr); }

 private:
  Schema schema_ = Schema::structure({});
  BatchPtr batch_ = row_without_columns();
};

class TakeColumnsStep final : public BatchStream {
 public:
  TakeColumnsStep(StreamPtr input, Schema schema)
      : input_(std::move(input)), schema_(std::move(schema)) {}
  const Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token stop) override {
    WEIR_ASSIGN(auto batch, input_->next(stop));
    if (!batch) return batch;
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < schema_.fields().size(); ++i) {
      arrays.push_back(batch->column(static_cast<int>(i)));
      fields.push_back(columnar::to_arrow(schema_.fields()[i])->WithType(arrays.back()->type()));
    }
    return arrow::RecordBatch::Make(arrow::schema(fields), batch->num_rows(), arrays);
  }

 private:
  StreamPtr input_;
  Schema schema_;
};

class PickColumns final : public BatchStream {
 public:
  PickColumns(StreamPtr input, std::vector<int> columns)
      : input_(std::move(input)), columns_(std::move(columns)) {
    std::vector<columnar::Field> fields;
    for (const int column : columns_)
      fields.push_back(input_->schema().fields()[static_cast<size_t>(column)]);
    schema_ = Schema::structure(std::move(fields));
  }
  const Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token stop) override {
    WEIR_ASSIGN(auto batch, input_->next(stop));
    if (!batch) return batch;
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (const int column : columns_) {
      fields.push_back(batch->schema()->field(column));
      arrays.push_back(batch->column(column));
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch->num_rows(),
                                    std::move(arrays));
  }

 private:
  StreamPtr input_;
  std::vector<int> columns_;
  Schema schema_ = Schema::structure({});
};

class GivenBatches final : public BatchStream {
 public:
  GivenBatches(Schema schema, std::vector<BatchPtr> batches)
      : schema_(std::move(schema)), batches_(std::move(batches)) {}
  const Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token stop) override {
    if (stop.stop_requested())
      return base::error(base::ErrorKind::kCancelled, "the query was cancelled");
    return at_ < batches_.size() ? batches_[at_++] : BatchPtr();
  }

 private:
  Schema schema_;
  std::vector<BatchPtr> batches_;
  size_t at_ = 0;
};

}  // namespace

StreamPtr one_row() { return std::make_unique<OneRow>(); }

StreamPtr take_columns_step(StreamPtr input, Schema schema) {
  return std::make_unique<TakeColumnsStep>(std::move(input), std::move(schema));
}

StreamPtr pick_columns(StreamPtr input, std::vector<int> columns) {
  return std::make_unique<PickColumns>(std::move(input), std::move(columns));
}

StreamPtr given_batches(columnar::Schema schema, std::vector<BatchPtr> batches) {
  return std::make_unique<GivenBatches>(std::move(schema), std::move(batches));
}

Result<plan::Value> constant_value(const plan::TypedPtr& expression,
                                   const eval::EvalContext& context) {
  if (const auto* literal = std::get_if<plan::TypedLiteral>(&expression->node))
    return literal->value;
  if (!plan::columns_needed({expression}).empty()) {
    return eval::kernel_error("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
                              "Cannot resolve an argument due to data type mismatch: the input has "
                              "to be a foldable expression, but it reads columns.",
                              expression->origin);
  }
  WEIR_ASSIGN(const auto program, eval::compile(expression));
  WEIR_ASSIGN(const auto array, program.evaluate(*row_without_columns(), context));
  if (array->IsNull(0)) return plan::Value{};
  const auto fixed = [&]<typename T>(T) {
    T value;
    std::memcpy(
        &value,
        array->data()->buffers[1]->data() + array->offset() * static_cast<int64_t>(sizeof(T)),
        sizeof(T));
    return value;
  };
  switch (expression->type.kind()) {
    case TypeKind::kBoolean:
      return plan::Value{static_cast<const arrow::BooleanArray&>(*array).Value(0)};
    case TypeKind::kByte:
      return plan::Value{int64_t{fixed(int8_t{})}};
    case TypeKind::kShort:
      return plan::Value{int64_t{fixed(int16_t{})}};
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return plan::Value{int64_t{fixed(int32_t{})}};
    case TypeKind::kFloat:
      return plan::Value{static_cast<double>(fixed(float{}))};
    case TypeKind::kDouble:
      return plan::Value{fixed(double{})};
    case TypeKind::kDecimal:
      return plan::Value{fixed(plan::Int128{})};
    case TypeKind::kString:
    case TypeKind::kBinary:
      return plan::Value{std::string(static_cast<const arrow::BinaryArray&>(*array).GetView(0))};
    case TypeKind::kLong:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
    case TypeKind::kDayTimeInterval:
      return plan::Value{fixed(int64_t{})};
    default:
      return base::error(base::ErrorKind::kUnsupported, "a constant of type {}",
                         expression->type.simple_string());
  }
}

}  // namespace weir::relational
