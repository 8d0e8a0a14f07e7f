// One aggregate function over many groups. Made by AggregateProgram (aggregates.h).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "eval/kernel.h"

namespace weir::eval {

class AggregateState {
 public:
  virtual ~AggregateState() = default;
  virtual void resize(size_t groups) = 0;
  // Arguments in the layout of to_arrow(), a group a row.
  virtual Result<void> update(std::span<const ArrayPtr> arguments,
                              std::span<const uint32_t> groups) = 0;
  virtual Result<void> merge(std::span<const ArrayPtr> states,
                             std::span<const uint32_t> groups) = 0;
  // Appends the columns of the state, a row a group.
  virtual Result<void> store(std::vector<ArrayPtr>& out) = 0;
  virtual Result<ArrayPtr> finish() = 0;
  virtual int64_t memory() const = 0;
};

// What a call needs to make its states.
struct AggregateMaker {
  std::vector<plan::TypedPtr> arguments;      // what update() is given
  std::vector<columnar::Field> state_fields;  // what store() gives
  std::function<std::unique_ptr<AggregateState>(const EvalContext&)> make;
};

// The call of an aggregate function, its DISTINCT and FILTER left out. A maker without `make`:
// another list's function.
Result<AggregateMaker> number_aggregate(const plan::TypedPtr& expression);
Result<AggregateMaker> value_aggregate(const plan::TypedPtr& expression,
                                       const EvalContext& context);
// Of any kind; UNSUPPORTED_FEATURE where there is none.
Result<AggregateMaker> any_aggregate(const plan::TypedPtr& expression, const EvalContext& context);
// The same over the distinct values of its arguments.
Result<AggregateMaker> distinct_aggregate(AggregateMaker inner);

bool is_true_literal(const plan::Typed& expression);

}  // namespace weir::eval
