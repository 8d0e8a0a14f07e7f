#include "relational/execution.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "relational/observation.h"
#include "relational/python_plan.h"
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

Result<StreamPtr> start(const plan::OperatorPtr& given, const ExecutionContext& context,
                        bool exact) {
  WEIR_ASSIGN(const auto plan, place_user_functions(given, context));
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

// What DuckDB would not take, by name; anything else that it says is a bug of ours.
base::Error settled(base::Error failure) {
  if (failure.kind() != base::ErrorKind::kInternal || !failure.error_class().empty())
    return failure;
  constexpr std::string_view kNotBuilt = "Not implemented Error: ";
  const auto& text = failure.message();
  const auto at = text.find(kNotBuilt);
  if (at == std::string::npos)
    return std::move(failure).with_class("INTERNAL_ERROR").with_sql_state("XX000");
  const auto what = text.substr(at + kNotBuilt.size());
  return base::error(base::ErrorKind::kUnsupported, "The feature is not supported: {}",
                     what.substr(0, what.find('\n')))
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

// Runs the quick statement; where DuckDB's own arithmetic fails, the exact one says what Spark
// says.
class Execution final : public BatchStream {
 public:
  // `observations`: of this query, where it is not a part of another one.
  Execution(plan::OperatorPtr plan, const ExecutionContext& context,
            std::shared_ptr<Observations> observations, StreamPtr quick)
      : plan_(std::move(plan)),
        context_(context),
        observations_(std::move(observations)),
        stream_(std::move(quick)) {}
  const columnar::Schema& schema() const override { return stream_->schema(); }

  Result<BatchPtr> next(std::stop_token stop) override {
    auto batch = stream_->next(stop);
    if (batch.ok()) {
      rows_ += *batch ? (*batch)->num_rows() : 0;
      if (!*batch) WEIR_TRY(observe());
      return batch;
    }
    if (exact_ || !is_duck_value_error(batch.error())) return without_mark(std::move(batch));
    exact_ = true;
    auto failure = without_mark(std::move(batch)).error();
    stream_.reset();
    if (observations_) observations_->clear();
    WEIR_ASSIGN(stream_, start(plan_, context_, true));
    // Rows that have been given away cannot be taken back: then only an error of the exact
    // statement will do.
    while (rows_ > 0) {
      WEIR_ASSIGN(const auto again, without_mark(stream_->next(stop)));
      if (!again) return failure;
    }
    auto first = without_mark(stream_->next(stop));
    if (first.ok() && !*first) WEIR_TRY(observe());
    return first;
  }

 private:
  Result<void> observe() {
    if (!observations_ || std::exchange(observed_, true)) return {};
    WEIR_ASSIGN(const auto rows, observations_->finish(*plan_, context_));
    for (const auto& [name, row] : rows)
      if (row) context_.observed(name, row);
    return {};
  }

  plan::OperatorPtr plan_;
  ExecutionContext context_;
  std::shared_ptr<Observations> observations_;
  StreamPtr stream_;
  int64_t rows_ = 0;
  bool exact_ = false;
  bool observed_ = false;
};

}  // namespace

Result<std::unique_ptr<BatchStream>> execute(const plan::OperatorPtr& plan,
                                             const ExecutionContext& given) {
  auto context = given;
  std::shared_ptr<Observations> observations;
  if (given.observed && !given.observations)
    context.observations = observations = std::make_shared<Observations>();
  auto stream = start(plan, context, false);
  // DuckDB calculates with constants as soon as it sees them.
  if (!stream.ok() && stream.error().kind() == base::ErrorKind::kInternal)
    stream = start(plan, context, true);
  if (!stream.ok()) return settled(std::move(stream).error());
  return StreamPtr(
      std::make_unique<Execution>(plan, context, std::move(observations), *std::move(stream)));
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
