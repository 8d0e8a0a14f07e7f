// Aggregate functions over many groups at once, with Spark's semantics: what streams aggregate
// with.
//
// An AggregateProgram is a list of aggregate calls made ready; it is immutable. AggregateStates
// hold what the calls know of each group 0 … groups()-1: rows are added to them, the states of
// other groups merged into them (those of an earlier batch, of another thread), and either their
// states or their results taken out as Arrow columns. One thread at a time.
//
// first, last, collect_list and their kin depend on the order of the rows: a merged state stands
// behind what is there.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "eval/program.h"

namespace weir::eval {

class AggregateState;
struct AggregateCallPlan;

class AggregateStates {
 public:
  AggregateStates(AggregateStates&&) noexcept;
  ~AggregateStates();

  // New groups know nothing.
  void resize(int64_t groups);
  int64_t groups() const { return groups_; }
  // One group a row of the batch, each below groups().
  Result<void> update(const arrow::RecordBatch& batch, std::span<const uint32_t> groups);
  // Columns of the program's state_schema(), a group a row.
  Result<void> merge(std::span<const std::shared_ptr<arrow::Array>> states,
                     std::span<const uint32_t> groups);
  // A row a group.
  Result<std::vector<std::shared_ptr<arrow::Array>>> states();
  Result<std::vector<std::shared_ptr<arrow::Array>>> finish();
  // Roughly.
  int64_t memory() const;

 private:
  friend class AggregateProgram;
  AggregateStates(std::shared_ptr<const std::vector<AggregateCallPlan>> calls,
                  std::shared_ptr<const std::vector<Program>> programs, EvalContext context);
  std::shared_ptr<const std::vector<AggregateCallPlan>> calls_;
  std::shared_ptr<const std::vector<Program>> programs_;
  EvalContext context_;
  std::vector<std::unique_ptr<AggregateState>> aggregates_;
  int64_t groups_ = 0;
};

class AggregateProgram {
 public:
  // TypedCalls of aggregate functions over a batch's columns. UNSUPPORTED_FEATURE names a function
  // that is not built.
  static Result<AggregateProgram> compile(const std::vector<plan::TypedPtr>& calls,
                                          const EvalContext& context);

  // What is known of a group: the calls' fields one after the other, named by function and field.
  const columnar::Schema& state_schema() const { return state_schema_; }
  const std::vector<int>& columns() const { return columns_; }  // of the batch, ascending
  AggregateStates make(const EvalContext& context) const;

 private:
  AggregateProgram(columnar::Schema state_schema) : state_schema_(std::move(state_schema)) {}
  std::shared_ptr<const std::vector<AggregateCallPlan>> calls_;
  std::shared_ptr<const std::vector<Program>> programs_;
  columnar::Schema state_schema_;
  std::vector<int> columns_;
};

}  // namespace weir::eval
