#include "relational/steps.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_types.h"
#include "plan/function_catalog.h"

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

class FilterStep final : public BatchStream {
 public:
  FilterStep(StreamPtr input, eval::Program condition, eval::EvalContext context)
      : input_(std::move(input)), condition_(std::move(condition)), context_(std::move(context)) {}
  const Schema& schema() const override { return input_->schema(); }
  Result<BatchPtr> next(std::stop_token stop) override {
    WEIR_ASSIGN(auto batch, input_->next(stop));
    if (!batch) return batch;
    return eval::filter_rows(batch, condition_, context_);
  }

 private:
  StreamPtr input_;
  eval::Program condition_;
  eval::EvalContext context_;
};

class ProjectionStep final : public BatchStream {
 public:
  ProjectionStep(StreamPtr input, eval::Projection projection, eval::EvalContext context)
      : input_(std::move(input)),
        projection_(std::move(projection)),
        context_(std::move(context)) {}
  const Schema& schema() const override { return projection_.schema(); }
  Result<BatchPtr> next(std::stop_token stop) override {
    WEIR_ASSIGN(auto batch, input_->next(stop));
    if (!batch) return batch;
    return projection_.evaluate(*batch, context_);
  }

 private:
  StreamPtr input_;
  eval::Projection projection_;
  eval::EvalContext context_;
};

class LimitStep final : public BatchStream {
 public:
  LimitStep(StreamPtr input, int64_t offset, int64_t limit)
      : input_(std::move(input)), skip_(offset), left_(limit) {}
  const Schema& schema() const override { return input_->schema(); }
  Result<BatchPtr> next(std::stop_token stop) override {
    while (left_ != 0) {
      WEIR_ASSIGN(auto batch, input_->next(stop));
      if (!batch) return batch;
      const int64_t skipped = std::min(skip_, batch->num_rows());
      skip_ -= skipped;
      if (skipped == batch->num_rows()) continue;
      int64_t rows = batch->num_rows() - skipped;
      if (left_ > 0) rows = std::min(rows, left_);
      if (left_ > 0) left_ -= rows;
      return rows == batch->num_rows() ? batch : batch->Slice(skipped, rows);
    }
    return BatchPtr();
  }

 private:
  StreamPtr input_;
  int64_t skip_;
  int64_t left_;
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

// The path of a column or struct field, empty where the expression is neither.
std::vector<std::string> column_path(const plan::Typed& expression) {
  if (const auto* column = std::get_if<plan::TypedColumn>(&expression.node)) return {column->name};
  if (const auto* field = std::get_if<plan::TypedField>(&expression.node)) {
    auto path = column_path(*field->child);
    if (!path.empty())
      path.push_back(field->child->type.fields()[static_cast<size_t>(field->index)].name);
    return path;
  }
  return {};
}

delta::Literal to_delta(const plan::Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return std::monostate{};
}

void collect_conditions(const plan::Typed& condition, const eval::EvalContext& context,
                        delta::Predicate& predicate) {
  const auto* call = std::get_if<plan::TypedCall>(&condition.node);
  if (!call) return;
  const auto name = call->function->name;
  if (name == "and") {
    for (const auto& side : call->arguments)
      collect_conditions(*side, context, predicate);
    return;
  }
  if (name == "isnull" || name == "isnotnull") {
    auto path = column_path(*call->arguments[0]);
    if (path.empty()) return;
    predicate.push_back(
        {std::move(path),
         name == "isnull" ? delta::ComparisonOp::kIsNull : delta::ComparisonOp::kIsNotNull,
         {}});
    return;
  }
  struct Operator {
    std::string_view name;
    delta::ComparisonOp as_written, turned;
  };
  using Op = delta::ComparisonOp;
  static constexpr Operator kOperators[] = {{"=", Op::kEqual, Op::kEqual},
                                            {"<", Op::kLess, Op::kGreater},
                                            {"<=", Op::kLessOrEqual, Op::kGreaterOrEqual},
                                            {">", Op::kGreater, Op::kLess},
                                            {">=", Op::kGreaterOrEqual, Op::kLessOrEqual}};
  for (const auto& op : kOperators) {
    if (op.name != name) continue;
    for (const bool turned : {false, true}) {
      const auto& column = call->arguments[turned ? 1 : 0];
      const auto& constant = call->arguments[turned ? 0 : 1];
      auto path = column_path(*column);
      if (path.empty() || !plan::columns_needed({constant}).empty()) continue;
      const auto value =
          constant_value(constant, context);  // a failing constant fails when rows are filtered
      if (!value.ok() || std::holds_alternative<plan::Int128>(*value) ||
          std::holds_alternative<std::monostate>(*value))
        continue;
      predicate.push_back({std::move(path), turned ? op.turned : op.as_written, to_delta(*value)});
      return;
    }
  }
}

}  // namespace

StreamPtr one_row() { return std::make_unique<OneRow>(); }

Result<StreamPtr> filter_step(StreamPtr input, const plan::TypedPtr& condition,
                              const eval::EvalContext& context) {
  WEIR_ASSIGN(auto program, eval::compile(condition));
  return StreamPtr(std::make_unique<FilterStep>(std::move(input), std::move(program), context));
}

Result<StreamPtr> projection_step(StreamPtr input, const std::vector<plan::NamedTyped>& list,
                                  const eval::EvalContext& context) {
  WEIR_ASSIGN(auto projection, eval::Projection::compile(list));
  return StreamPtr(
      std::make_unique<ProjectionStep>(std::move(input), std::move(projection), context));
}

StreamPtr limit_step(StreamPtr input, int64_t offset, int64_t limit) {
  return std::make_unique<LimitStep>(std::move(input), offset, limit);
}

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

delta::Predicate simple_conditions(const plan::TypedPtr& condition,
                                   const eval::EvalContext& context) {
  delta::Predicate predicate;
  if (condition) collect_conditions(*condition, context, predicate);
  return predicate;
}

}  // namespace weir::relational
