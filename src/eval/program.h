// A typed expression made ready to run over Arrow batches, with Spark's semantics.
//
// A Program is immutable and may be evaluated by several threads at once. Guards are kept: AND, OR,
// CASE, IF, COALESCE evaluate an operand that may fail only on the rows for which Spark would. A
// failing value gives Spark's error class with the position in the text (ANSI) or NULL /
// wrap-around (not ANSI). String and binary inputs may come as utf8, large_utf8, utf8_view, binary,
// large_binary, binary_view or as dictionaries of them; a bare column reference hands its array
// through without a copy.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "plan/expression.h"

namespace arrow {
class Array;
class RecordBatch;
}  // namespace arrow

namespace weir::eval {

using base::Result;

// Spark's XORShiftRandom (java.util.Random over another step).
class XorShiftRandom {
 public:
  explicit XorShiftRandom(int64_t seed);
  uint32_t bits(int count);  // up to 32
  double next_double();
  double next_gaussian();

 private:
  uint64_t state_ = 0;
  double gaussian_ = 0;
  bool has_gaussian_ = false;
};

// What functions such as rand() and monotonically_increasing_id() remember from batch to batch, by
// expression. One a query and partition; used by one thread at a time, or in no special order.
class VolatileState {
 public:
  // Numbers for `rows` rows: the first of them.
  int64_t take_rows(const void* expression, int64_t rows);
  void with_random(const void* expression, int64_t seed,
                   const std::function<void(XorShiftRandom&)>& use);

 private:
  std::mutex mutex_;
  std::map<const void*, int64_t> rows_;
  std::map<const void*, XorShiftRandom> random_;
};

// What functions met in the rows that they were given, summed by all threads.
struct RowsMet {
  std::atomic<int64_t> corrupt = 0;  // texts that from_json, from_csv or from_xml could not parse
};

// What is the same for all rows of a batch.
struct EvalContext {
  int64_t batch_timestamp_us = 0;    // current_timestamp(), current_date() …
  std::string session_zone = "UTC";  // IANA name or ±hh:mm
  bool ansi = true;                  // has to be what the expression was analysed with
  std::shared_ptr<VolatileState> volatile_state = {};  // null: every batch begins anew
  std::shared_ptr<RowsMet> rows_met = {};              // null: nobody asks
};

class Node;  // node.h

class Program {
 public:
  // kUnsupported by name for a function without kernel (aggregates included).
  static Result<Program> compile(const plan::TypedPtr& expression);

  // One value a row, of columnar::to_arrow(type()). The batch has the columns of the schema that
  // analysis was given, in that order; only those in columns() are looked at (the others may be
  // null pointers' stand-ins).
  Result<std::shared_ptr<arrow::Array>> evaluate(const arrow::RecordBatch& batch,
                                                 const EvalContext& context) const;

  const columnar::DataType& type() const { return expression_->type; }
  const std::vector<int>& columns() const { return columns_; }
  const plan::TypedPtr& expression() const { return expression_; }

 private:
  Program(plan::TypedPtr expression, std::shared_ptr<const Node> root, std::vector<int> columns);
  plan::TypedPtr expression_;
  std::shared_ptr<const Node> root_;
  std::vector<int> columns_;
};

inline Result<Program> compile(const plan::TypedPtr& expression) {
  return Program::compile(expression);
}

// The rows where the condition (boolean, one a row) is true; NULL counts as false. All rows: the
// batch itself.
Result<std::shared_ptr<arrow::RecordBatch>> filter_rows(
    const std::shared_ptr<arrow::RecordBatch>& batch, const arrow::Array& condition);
// Evaluates `condition` and keeps the rows where it is true.
Result<std::shared_ptr<arrow::RecordBatch>> filter_rows(
    const std::shared_ptr<arrow::RecordBatch>& batch, const Program& condition,
    const EvalContext& context);

// Several expressions to one batch: a select list.
class Projection {
 public:
  static Result<Projection> compile(const std::vector<plan::NamedTyped>& list);
  Result<std::shared_ptr<arrow::RecordBatch>> evaluate(const arrow::RecordBatch& batch,
                                                       const EvalContext& context) const;
  const columnar::Schema& schema() const { return schema_; }
  const std::vector<int>& columns() const { return columns_; }

 private:
  Projection(columnar::Schema schema, std::vector<Program> programs, std::vector<int> columns);
  columnar::Schema schema_;
  std::vector<Program> programs_;
  std::vector<int> columns_;
};

}  // namespace weir::eval
