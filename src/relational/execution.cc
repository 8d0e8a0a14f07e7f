#include "relational/execution.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "relational/statement_builder.h"
#include "relational/steps.h"

namespace weir::relational {

namespace {

struct Prepared {
  StreamPtr stream;
  std::string sql;
};

Result<StreamPtr> start(const plan::OperatorPtr& plan, const ExecutionContext& context,
                        bool exact) {
  auto query = context.engine.new_query();
  StatementBuilder builder(context, query, exact);
  WEIR_ASSIGN(const auto sql, builder.statement(plan));
  auto schema = plan::schema_of(*plan);
  if (schema.fields().empty()) {  // the statement's one column stands for the rows
    schema = columnar::Schema::structure(
        {columnar::make_field("nothing", plan::DataType::of(columnar::TypeKind::kInteger))});
    WEIR_ASSIGN(auto stream, context.engine.run(sql, std::move(query), schema));
    return take_columns_step(std::move(stream), columnar::Schema::structure({}));
  }
  return context.engine.run(sql, std::move(query), std::move(schema));
}

// Runs the quick statement; where DuckDB's own arithmetic fails, the exact one says what Spark
// says.
class Execution final : public BatchStream {
 public:
  Execution(plan::OperatorPtr plan, const ExecutionContext& context, StreamPtr quick)
      : plan_(std::move(plan)), context_(context), stream_(std::move(quick)) {}
  const columnar::Schema& schema() const override { return stream_->schema(); }

  Result<BatchPtr> next(std::stop_token stop) override {
    auto batch = stream_->next(stop);
    if (batch.ok()) {
      rows_ += *batch ? (*batch)->num_rows() : 0;
      return batch;
    }
    if (exact_ || !is_duck_value_error(batch.error())) return batch;
    exact_ = true;
    auto failure = std::move(batch).error();
    WEIR_ASSIGN(stream_, start(plan_, context_, true));
    // Rows that have been given away cannot be taken back: then only an error of the exact
    // statement will do.
    while (rows_ > 0) {
      WEIR_ASSIGN(const auto again, stream_->next(stop));
      if (!again) return failure;
    }
    return stream_->next(stop);
  }

 private:
  plan::OperatorPtr plan_;
  ExecutionContext context_;
  StreamPtr stream_;
  int64_t rows_ = 0;
  bool exact_ = false;
};

}  // namespace

Result<std::unique_ptr<BatchStream>> execute(const plan::OperatorPtr& plan,
                                             const ExecutionContext& context) {
  WEIR_ASSIGN(auto stream, start(plan, context, false));
  return StreamPtr(std::make_unique<Execution>(plan, context, std::move(stream)));
}

Result<plan::Value> fold(const plan::TypedPtr& expression, const eval::EvalContext& context) {
  return constant_value(expression, context);
}

Result<std::string> physical_text(const plan::OperatorPtr& plan, const ExecutionContext& context) {
  auto query = context.engine.new_query();
  StatementBuilder builder(context, query, false);
  WEIR_ASSIGN(const auto sql, builder.statement(plan));
  WEIR_ASSIGN(const auto shape, context.engine.explain(sql, std::move(query)));
  return sql + "\n\n" + shape;
}

}  // namespace weir::relational
