#include "eval/program.h"

#include <algorithm>

#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>

#include "columnar/arrow_types.h"
#include "eval/node.h"

namespace weir::eval {

Program::Program(plan::TypedPtr expression, std::shared_ptr<const Node> root,
                 std::vector<int> columns)
    : expression_(std::move(expression)), root_(std::move(root)), columns_(std::move(columns)) {}

Result<Program> Program::compile(const plan::TypedPtr& expression) {
  // Take, Filter and Cast live in Arrow's compute library, which registers its functions on
  // request.
  static const arrow::Status initialized = arrow::compute::Initialize();
  WEIR_ARROW_TRY(initialized);
  WEIR_ASSIGN(auto root, compile_node(expression));
  return Program(expression, std::move(root), plan::columns_needed({expression}));
}

Result<std::shared_ptr<arrow::Array>> Program::evaluate(const arrow::RecordBatch& batch,
                                                        const EvalContext& context) const {
  if (const auto* column = std::get_if<plan::TypedColumn>(&expression_->node);
      column && column->index < batch.num_columns()) {
    const auto& array = batch.column(column->index);
    if (array->type_id() != arrow::Type::DICTIONARY) return array;
  }
  if (batch.num_rows() == 0) {
    WEIR_ARROW_ASSIGN(auto empty, arrow::MakeEmptyArray(root_->arrow_type()));
    return empty;
  }
  WEIR_ASSIGN(auto zone, Zone::find(context.session_zone));
  Frame frame(batch, context, zone);
  WEIR_ASSIGN(auto result, root_->evaluate(frame));
  WEIR_ASSIGN(auto array, materialize(result, batch.num_rows()));
  return array;
}

Result<std::shared_ptr<arrow::RecordBatch>> filter_rows(
    const std::shared_ptr<arrow::RecordBatch>& batch, const arrow::Array& condition) {
  if (condition.type_id() != arrow::Type::BOOL) {
    return base::error(base::ErrorKind::kInternal, "a filter's condition is {}, not boolean",
                       condition.type()->ToString());
  }
  const auto& flags = static_cast<const arrow::BooleanArray&>(condition);
  if (flags.true_count() == batch->num_rows()) return batch;
  if (batch->num_columns() == 0) {
    return arrow::RecordBatch::Make(batch->schema(), flags.true_count(),
                                    std::vector<std::shared_ptr<arrow::Array>>{});
  }
  FixedWriter<int32_t> indices(flags.true_count());
  int64_t next = 0;
  for (int64_t row = 0; row < flags.length(); ++row) {
    if (flags.IsValid(row) && flags.Value(row)) indices.set(next++, static_cast<int32_t>(row));
  }
  const auto rows = indices.finish(arrow::int32());
  arrow::ArrayVector kept;
  arrow::FieldVector fields;
  for (int i = 0; i < batch->num_columns(); ++i) {
    WEIR_ASSIGN(auto column, take_rows(batch->column(i), *rows));
    fields.push_back(batch->schema()->field(i)->WithType(column->type()));
    kept.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows->length(),
                                  std::move(kept));
}

Result<std::shared_ptr<arrow::RecordBatch>> filter_rows(
    const std::shared_ptr<arrow::RecordBatch>& batch, const Program& condition,
    const EvalContext& context) {
  WEIR_ASSIGN(auto flags, condition.evaluate(*batch, context));
  return filter_rows(batch, *flags);
}

Projection::Projection(columnar::Schema schema, std::vector<Program> programs,
                       std::vector<int> columns)
    : schema_(std::move(schema)), programs_(std::move(programs)), columns_(std::move(columns)) {}

Result<Projection> Projection::compile(const std::vector<plan::NamedTyped>& list) {
  std::vector<Program> programs;
  std::vector<plan::TypedPtr> expressions;
  for (const auto& one : list) {
    WEIR_ASSIGN(auto program, Program::compile(one.expression));
    programs.push_back(std::move(program));
    expressions.push_back(one.expression);
  }
  return Projection(plan::schema_of(list), std::move(programs), plan::columns_needed(expressions));
}

Result<std::shared_ptr<arrow::RecordBatch>> Projection::evaluate(const arrow::RecordBatch& batch,
                                                                 const EvalContext& context) const {
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (size_t i = 0; i < programs_.size(); ++i) {
    WEIR_ASSIGN(auto array, programs_[i].evaluate(batch, context));
    const auto& field = schema_.fields()[i];
    fields.push_back(columnar::to_arrow(field)->WithType(array->type()));
    arrays.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch.num_rows(),
                                  std::move(arrays));
}

}  // namespace weir::eval
