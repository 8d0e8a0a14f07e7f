#include "session/queries.h"

#include <cstring>
#include <functional>
#include <set>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "plan/operator_rewrites.h"
#include "plan/streaming_check.h"
#include "plan/written_plan_text.h"
#include "sql/parser.h"

namespace weir::session {

using columnar::TypeKind;
using plan::OperatorPtr;

sql::ParseOptions parse_options(const SessionState& state) {
  sql::ParseOptions options;
  options.double_quoted_names =
      state.flag("spark.sql.ansi.enabled") && state.flag("spark.sql.ansi.doubleQuotedIdentifiers");
  options.legacy_identifier_clause = state.flag("spark.sql.legacy.identifierClause");
  options.bang_is_not = state.flag("spark.sql.legacy.bangEqualsNot");
  return options;
}

namespace {

// All rows of a plan that says itself how many those may be.
Result<std::vector<std::vector<plan::Value>>> small_rows(SessionState& state,
                                                         const OperatorPtr& plan) {
  WEIR_ASSIGN(const auto stream, run_plan(state, plan));
  const auto& fields = stream->schema().fields();
  std::vector<std::vector<plan::Value>> rows;
  while (true) {
    WEIR_ASSIGN(const auto batch, stream->next({}));
    if (!batch) return rows;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      std::vector<plan::Value> values;
      for (size_t i = 0; i < fields.size(); ++i)
        values.push_back(value_of(fields[i].type(), *batch->column(static_cast<int>(i)), row));
      rows.push_back(std::move(values));
    }
  }
}

}  // namespace

Result<OperatorPtr> analyze_plan(SessionState& state, const plan::PlanPtr& plan,
                                 const SqlParameters& parameters) {
  SessionCatalog catalog(state);
  plan::AnalyzerSettings settings = state.analyzer_settings();
  settings.named_parameters = parameters.named;
  settings.positional_parameters = parameters.positional;
  const auto small_query = [&state](const OperatorPtr& rows) { return small_rows(state, rows); };
  plan::Analyzer analyzer(catalog, std::move(settings), state.folder(), small_query);
  return analyzer.analyze(plan);
}

namespace {

RelationCache::Run uncached_run(SessionState& state) {
  return [&state](const OperatorPtr& plan) -> Result<std::unique_ptr<BatchStream>> {
    WEIR_ASSIGN(const auto optimized, plan::optimize(plan, state.folder()));
    return relational::execute(optimized, state.execution_context());
  };
}

}  // namespace

relational::ChosenFiles files_of_plan(SessionState& state, const OperatorPtr& plan) {
  relational::ChosenFiles all;
  const auto optimized = plan::optimize(plan, state.folder());
  if (!optimized.ok()) return all;
  std::set<const plan::Operator*> seen;
  const std::function<void(const OperatorPtr&)> walk = [&](const OperatorPtr& node) {
    if (!seen.insert(node.get()).second) return;
    if (const auto* scan = std::get_if<plan::op::Scan>(&node->node)) {
      const auto* source = dynamic_cast<const relational::ScanSource*>(scan->table.get());
      const auto files =
          source ? source->chosen_files(scan->columns, scan->condition) : std::nullopt;
      if (files) {
        all.read += files->read;
        all.skipped += files->skipped;
      }
    }
    for (const auto& child : plan::children_of(*node))
      walk(child);
  };
  walk(*optimized);
  return all;
}

Result<void> cache_plan(SessionState& state, const OperatorPtr& plan, bool now,
                        std::stop_token stop) {
  state.cache.add(plan);
  if (!now) return {};
  return state.cache.fill(plan, uncached_run(state), std::move(stop));
}

namespace {

// Ends with a stop that whoever pulls it does not know of.
class StoppedStream final : public BatchStream {
 public:
  StoppedStream(std::unique_ptr<BatchStream> input, std::stop_token stop)
      : input_(std::move(input)), stop_(std::move(stop)) {}
  const Schema& schema() const override { return input_->schema(); }
  Result<relational::BatchPtr> next(std::stop_token) override { return input_->next(stop_); }

 private:
  std::unique_ptr<BatchStream> input_;
  std::stop_token stop_;
};

Result<std::unique_ptr<BatchStream>> start_plan(SessionState& state, const OperatorPtr& plan,
                                                Session::Observed observed) {
  WEIR_ASSIGN(const auto optimized, plan::optimize(plan, state.folder()));
  auto context = state.execution_context();
  context.observed = std::move(observed);
  return relational::execute(optimized, context);
}

// A plan with results to be held that have to be calculated first, which a stop ends too.
class CachedPlanStream final : public BatchStream {
 public:
  CachedPlanStream(SessionState& state, OperatorPtr plan, Session::Observed observed)
      : state_(state),
        plan_(std::move(plan)),
        schema_(plan::schema_of(*plan_)),
        observed_(std::move(observed)) {}
  const Schema& schema() const override { return schema_; }
  Result<relational::BatchPtr> next(std::stop_token stop) override {
    if (!started_) {
      const auto run = [&](const OperatorPtr& held) -> Result<std::unique_ptr<BatchStream>> {
        WEIR_ASSIGN(auto stream, uncached_run(state_)(held));
        return std::unique_ptr<BatchStream>(
            std::make_unique<StoppedStream>(std::move(stream), stop));
      };
      WEIR_ASSIGN(const auto plan, state_.cache.applied(plan_, run));
      WEIR_ASSIGN(started_, start_plan(state_, plan, std::move(observed_)));
    }
    return started_->next(std::move(stop));
  }

 private:
  SessionState& state_;
  const OperatorPtr plan_;
  const Schema schema_;
  Session::Observed observed_;
  std::unique_ptr<BatchStream> started_;
};

}  // namespace

Result<std::unique_ptr<BatchStream>> run_plan(SessionState& state, const OperatorPtr& given,
                                              Session::Observed observed) {
  WEIR_TRY(plan::check_batch(given));
  bool calculates = false;
  const auto look = [&](const OperatorPtr&) -> Result<std::unique_ptr<BatchStream>> {
    calculates = true;
    return base::error(base::ErrorKind::kCancelled, "not now");
  };
  const auto plan = state.cache.applied(given, look);
  if (calculates)
    return std::unique_ptr<BatchStream>(
        std::make_unique<CachedPlanStream>(state, given, std::move(observed)));
  if (!plan.ok()) return plan.error();
  return start_plan(state, *plan, std::move(observed));
}

plan::Value value_of(const columnar::DataType& type, const arrow::Array& array, int64_t row) {
  if (array.IsNull(row) || array.type_id() == arrow::Type::NA) return {};
  const auto fixed = [&]<typename T>(T) {
    T value;
    std::memcpy(
        &value,
        array.data()->buffers[1]->data() + (array.offset() + row) * static_cast<int64_t>(sizeof(T)),
        sizeof(T));
    return value;
  };
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return static_cast<const arrow::BooleanArray&>(array).Value(row);
    case TypeKind::kByte:
      return int64_t{fixed(int8_t{})};
    case TypeKind::kShort:
      return int64_t{fixed(int16_t{})};
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return int64_t{fixed(int32_t{})};
    case TypeKind::kFloat:
      return static_cast<double>(fixed(float{}));
    case TypeKind::kDouble:
      return fixed(double{});
    case TypeKind::kDecimal:
      return fixed(plan::Int128{});
    case TypeKind::kLong:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
    case TypeKind::kDayTimeInterval:
      return fixed(int64_t{});
    default:
      break;
  }
  if (array.type_id() == arrow::Type::STRING || array.type_id() == arrow::Type::BINARY)
    return std::string(static_cast<const arrow::BinaryArray&>(array).GetView(row));
  if (array.type_id() == arrow::Type::STRING_VIEW || array.type_id() == arrow::Type::BINARY_VIEW)
    return std::string(static_cast<const arrow::BinaryViewArray&>(array).GetView(row));
  return {};
}

Result<plan::Value> constant_of(SessionState& state, const plan::ExpressionPtr& expression,
                                const columnar::DataType& type) {
  WEIR_ASSIGN(auto typed, plan::analyze_expression(*expression, plan::Scope{},
                                                   state.analyzer_settings().expressions));
  if (!typed->type.same_type(type))
    typed = plan::make_typed(type, true, plan::TypedCast{typed, false, true}, expression->origin);
  return state.folder()(typed);
}

Result<std::string> explain_plan(SessionState& state, const plan::PlanPtr& plan,
                                 plan::Explain::Mode mode) {
  WEIR_ASSIGN(const auto analyzed, analyze_plan(state, plan));
  WEIR_ASSIGN(const auto optimized, plan::optimize(analyzed, state.folder()));
  std::string physical;  // of a stream there is one for each batch
  if (!analyzed->streaming) {
    WEIR_ASSIGN(physical, relational::physical_text(optimized, state.execution_context()));
  }
  std::string text;
  if (mode == plan::Explain::Mode::kExtended || mode == plan::Explain::Mode::kCost) {
    const auto schema = plan::schema_of(*analyzed);
    std::string columns;
    for (const auto& field : schema.fields())
      columns += (columns.empty() ? "" : ", ") + field.name + ": " + field.type().simple_string();
    text += "== Parsed Logical Plan ==\n" + plan::written_plan_text(*plan) + "\n";
    text += "== Analyzed Logical Plan ==\n" + columns + "\n" + plan::plan_text(*analyzed) + "\n";
    text += "== Optimized Logical Plan ==\n" + plan::plan_text(*optimized) + "\n";
  }
  text += "== Physical Plan ==\n";
  if (mode != plan::Explain::Mode::kExtended || analyzed->streaming)
    text += plan::plan_text(*optimized) + "\n";
  return text + physical + "\n";
}

}  // namespace weir::session
