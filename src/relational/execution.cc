#include "relational/execution.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "relational/statement_builder.h"
#include "relational/steps.h"

namespace weir::relational {

Result<std::unique_ptr<BatchStream>> UserFunctions::cogroup_map(const plan::PythonFunction&, int,
                                                                std::unique_ptr<BatchStream>,
                                                                std::unique_ptr<BatchStream>) {
  return base::error(base::ErrorKind::kUnsupported, "cogroup().applyInPandas is not supported yet")
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

namespace {

Result<StreamPtr> start(const plan::OperatorPtr& plan, const ExecutionContext& context,
                        bool exact) {
  auto query = context.engine.new_query();
  auto own = context;
  own.eval.volatile_state = std::make_shared<eval::VolatileState>();
  StatementBuilder builder(own, query, exact);
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

// An error of DuckDB's own that reaches the user is an internal one.
Result<BatchPtr> without_mark(Result<BatchPtr> batch) {
  if (batch.ok() || !is_duck_value_error(batch.error())) return batch;
  return base::error(base::ErrorKind::kInternal, "{}", batch.error().message())
      .with_class("INTERNAL_ERROR")
      .with_sql_state("XX000");
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
      if (!*batch && !std::exchange(observed_, true)) WEIR_TRY(observe(*plan_, stop));
      return batch;
    }
    if (exact_ || !is_duck_value_error(batch.error())) return without_mark(std::move(batch));
    exact_ = true;
    auto failure = without_mark(std::move(batch)).error();
    WEIR_ASSIGN(stream_, start(plan_, context_, true));
    // Rows that have been given away cannot be taken back: then only an error of the exact
    // statement will do.
    while (rows_ > 0) {
      WEIR_ASSIGN(const auto again, without_mark(stream_->next(stop)));
      if (!again) return failure;
    }
    return without_mark(stream_->next(stop));
  }

 private:
  // The metrics of observe(), each by a query of its own over the same rows.
  Result<void> observe(const plan::Operator& plan, std::stop_token stop) {
    if (!context_.observed) return {};
    if (const auto* node = std::get_if<plan::op::Observe>(&plan.node)) {
      WEIR_ASSIGN(auto row, metrics_row(*node, stop));
      if (row) context_.observed(node->name, std::move(row));
    }
    for (const auto& child : plan::children_of(plan))
      WEIR_TRY(observe(*child, stop));
    return {};
  }

  Result<BatchPtr> metrics_row(const plan::op::Observe& node, std::stop_token stop) {
    plan::op::Aggregate aggregate;
    aggregate.child = node.child;
    aggregate.aggregates = node.aggregates;
    std::vector<plan::Column> columns;
    const auto add = [&](const plan::Typed& expression, std::string name) {
      plan::Column column;
      column.name = std::move(name);
      column.type = expression.type;
      column.nullable = expression.nullable;
      columns.push_back(std::move(column));
    };
    for (const auto& one : node.aggregates)
      add(*one, "a" + std::to_string(columns.size()));
    plan::op::Project project;
    project.child = plan::make_operator(std::move(aggregate), std::exchange(columns, {}));
    for (const auto& metric : node.metrics) {
      project.list.push_back(metric.expression);
      add(*metric.expression, metric.name);
    }
    auto quiet = context_;
    quiet.observed = nullptr;
    WEIR_ASSIGN(auto stream,
                execute(plan::make_operator(std::move(project), std::move(columns)), quiet));
    return stream->next(stop);
  }

  plan::OperatorPtr plan_;
  ExecutionContext context_;
  StreamPtr stream_;
  int64_t rows_ = 0;
  bool exact_ = false;
  bool observed_ = false;
};

}  // namespace

Result<std::unique_ptr<BatchStream>> execute(const plan::OperatorPtr& plan,
                                             const ExecutionContext& context) {
  auto stream = start(plan, context, false);
  // DuckDB calculates with constants as soon as it sees them.
  if (!stream.ok() && stream.error().kind() == base::ErrorKind::kInternal)
    stream = start(plan, context, true);
  if (!stream.ok()) return stream;
  return StreamPtr(std::make_unique<Execution>(plan, context, *std::move(stream)));
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
