#include "eval/aggregates.h"

#include <algorithm>

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/aggregate_state.h"
#include "eval/list_rows.h"
#include "eval/node.h"
#include "eval/sketch_aggregates.h"

namespace weir::eval {

struct AggregateCallPlan {
  AggregateMaker maker;
  std::vector<size_t> arguments;  // programs
  int filter = -1;                // program
  size_t state_begin = 0;         // columns of the state
};

bool is_true_literal(const plan::Typed& expression) {
  const auto* literal = std::get_if<plan::TypedLiteral>(&expression.node);
  const auto* flag = literal ? std::get_if<bool>(&literal->value) : nullptr;
  return flag && *flag;
}

Result<AggregateMaker> any_aggregate(const plan::TypedPtr& expression, const EvalContext& context) {
  WEIR_ASSIGN(auto made, number_aggregate(expression));
  if (made.make) return made;
  WEIR_ASSIGN(made, value_aggregate(expression, context));
  if (made.make) return made;
  WEIR_ASSIGN(made, sketch_maker(expression, context));
  if (made.make) return made;
  const auto* call = std::get_if<plan::TypedCall>(&expression->node);
  return base::error(base::ErrorKind::kUnsupported, "the aggregate function {} in a stream",
                     call ? call->function->name : "of the user")
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

AggregateStates::AggregateStates(std::shared_ptr<const std::vector<AggregateCallPlan>> calls,
                                 std::shared_ptr<const std::vector<Program>> programs,
                                 EvalContext context)
    : calls_(std::move(calls)), programs_(std::move(programs)), context_(std::move(context)) {
  for (const auto& call : *calls_)
    aggregates_.push_back(call.maker.make(context_));
}

AggregateStates::AggregateStates(AggregateStates&&) noexcept = default;
AggregateStates::~AggregateStates() = default;

void AggregateStates::resize(int64_t groups) {
  groups_ = groups;
  for (auto& aggregate : aggregates_)
    aggregate->resize(static_cast<size_t>(groups));
}

Result<void> AggregateStates::update(const arrow::RecordBatch& batch,
                                     std::span<const uint32_t> groups) {
  std::vector<ArrayPtr> values(programs_->size());
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& program = (*programs_)[i];
    WEIR_ASSIGN(auto array, program.evaluate(batch, context_));
    WEIR_ASSIGN(values[i], canonical(array, columnar::to_arrow(program.type())));
  }
  std::vector<ArrayPtr> arguments;
  std::vector<uint32_t> chosen;
  for (size_t c = 0; c < calls_->size(); ++c) {
    const auto& call = (*calls_)[c];
    arguments.clear();
    for (const auto at : call.arguments)
      arguments.push_back(values[at]);
    if (call.filter < 0) {
      WEIR_TRY(aggregates_[c]->update(arguments, groups));
      continue;
    }
    const Vector filter{values[static_cast<size_t>(call.filter)], false};
    const BoolReader keep(filter);
    std::vector<int64_t> positions;
    chosen.clear();
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (!keep.valid[row] || !keep[row]) continue;
      positions.push_back(row);
      chosen.push_back(groups[static_cast<size_t>(row)]);
    }
    for (auto& argument : arguments) {
      WEIR_ASSIGN(argument, pick(argument, positions));
    }
    WEIR_TRY(aggregates_[c]->update(arguments, chosen));
  }
  return {};
}

Result<void> AggregateStates::merge(std::span<const ArrayPtr> states,
                                    std::span<const uint32_t> groups) {
  for (size_t c = 0; c < calls_->size(); ++c) {
    const auto& call = (*calls_)[c];
    WEIR_TRY(aggregates_[c]->merge(states.subspan(call.state_begin, call.maker.state_fields.size()),
                                   groups));
  }
  return {};
}

Result<std::vector<ArrayPtr>> AggregateStates::states() {
  std::vector<ArrayPtr> made;
  for (auto& aggregate : aggregates_)
    WEIR_TRY(aggregate->store(made));
  return made;
}

Result<std::vector<ArrayPtr>> AggregateStates::finish() {
  std::vector<ArrayPtr> made;
  for (auto& aggregate : aggregates_) {
    WEIR_ASSIGN(auto column, aggregate->finish());
    made.push_back(std::move(column));
  }
  return made;
}

int64_t AggregateStates::memory() const {
  int64_t bytes = 0;
  for (const auto& aggregate : aggregates_)
    bytes += aggregate->memory();
  return bytes;
}

Result<AggregateProgram> AggregateProgram::compile(const std::vector<plan::TypedPtr>& calls,
                                                   const EvalContext& context) {
  auto plans = std::make_shared<std::vector<AggregateCallPlan>>();
  auto programs = std::make_shared<std::vector<Program>>();
  const auto program_of = [&](const plan::TypedPtr& expression) -> Result<size_t> {
    for (size_t i = 0; i < programs->size(); ++i) {
      if (plan::same_expression(*(*programs)[i].expression(), *expression)) return i;
    }
    WEIR_ASSIGN(auto program, Program::compile(expression));
    programs->push_back(std::move(program));
    return programs->size() - 1;
  };
  std::vector<columnar::Field> fields;
  for (size_t c = 0; c < calls.size(); ++c) {
    const auto* call = std::get_if<plan::TypedCall>(&calls[c]->node);
    if (!call || call->function->kind != plan::FunctionKind::kAggregate) {
      return base::error(base::ErrorKind::kInvalidArgument,
                         "Streaming aggregation doesn't support group aggregate pandas UDF")
          .with_class("_LEGACY_ERROR_TEMP_3067");
    }
    AggregateCallPlan plan;
    auto maker = any_aggregate(calls[c], context);
    if (!maker.ok()) return std::move(maker).error().with_context(call->function->name);
    plan.maker = std::move(maker).value();
    if (call->distinct) {
      WEIR_ASSIGN(plan.maker, distinct_aggregate(std::move(plan.maker)));
    }
    for (const auto& argument : plan.maker.arguments) {
      WEIR_ASSIGN(const auto at, program_of(argument));
      plan.arguments.push_back(at);
    }
    if (call->filter) {
      WEIR_ASSIGN(const auto at, program_of(call->filter));
      plan.filter = static_cast<int>(at);
    }
    plan.state_begin = fields.size();
    for (const auto& field : plan.maker.state_fields) {
      fields.push_back(columnar::make_field(
          fmt::format("{}_{}_{}", call->function->name, c, field.name), field.type()));
    }
    plans->push_back(std::move(plan));
  }
  AggregateProgram made(columnar::Schema::structure(std::move(fields)));
  for (const auto& program : *programs)
    made.columns_.insert(made.columns_.end(), program.columns().begin(), program.columns().end());
  std::sort(made.columns_.begin(), made.columns_.end());
  made.columns_.erase(std::unique(made.columns_.begin(), made.columns_.end()), made.columns_.end());
  made.calls_ = std::move(plans);
  made.programs_ = std::move(programs);
  return made;
}

AggregateStates AggregateProgram::make(const EvalContext& context) const {
  return {calls_, programs_, context};
}

}  // namespace weir::eval
