// Runs a typed plan: DuckDB SQL over scans, with our kernels as DuckDB functions.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "eval/program.h"
#include "plan/operator.h"
#include "relational/batch_stream.h"
#include "relational/duck_engine.h"

namespace weir::relational {

// Runs the user's functions (room python, wired above). Each call gets the columns that the
// function is applied to.
class UserFunctions {
 public:
  virtual ~UserFunctions() = default;
  // Ends what works for them, for running queries too; nothing can be run any more.
  virtual void close() {}
  // A scalar function: a batch of its arguments in, one column of function.result out, as many
  // rows.
  virtual Result<std::shared_ptr<arrow::Array>> scalar(const plan::PythonFunction& function,
                                                       const BatchPtr& arguments) = 0;
  // mapInPandas, mapInArrow.
  virtual Result<std::unique_ptr<BatchStream>> map(const plan::PythonFunction& function,
                                                   std::unique_ptr<BatchStream> input) = 0;
  // applyInPandas, grouped aggregates: input sorted by its first `keys` columns, a group being a
  // run of equal keys.
  virtual Result<std::unique_ptr<BatchStream>> group_map(const plan::PythonFunction& function,
                                                         int keys,
                                                         std::unique_ptr<BatchStream> input) = 0;
  // cogroup().applyInPandas: both sorted by their first `keys` columns.
  virtual Result<std::unique_ptr<BatchStream>> cogroup_map(const plan::PythonFunction& function,
                                                           int keys,
                                                           std::unique_ptr<BatchStream> left,
                                                           std::unique_ptr<BatchStream> right);
};

class Observations;

struct ExecutionContext {
  DuckEngine& engine;
  eval::EvalContext eval;              // ansi, zone, the statement's timestamp
  UserFunctions* functions = nullptr;  // null: user functions are UNSUPPORTED_FEATURE
  // Rows of observe(), once the stream has ended: name and one row. May be null.
  std::function<void(const std::string& name, BatchPtr row)> observed;
  // Of the query around, where this one is a part of it.
  std::shared_ptr<Observations> observations = nullptr;
};

// The rows of plan's visible columns. Errors of kernels carry Spark's class. The context's members
// outlive the stream.
Result<std::unique_ptr<BatchStream>> execute(const plan::OperatorPtr& plan,
                                             const ExecutionContext& context);
// The value of an expression without columns: plan::Folder.
Result<plan::Value> fold(const plan::TypedPtr& expression, const eval::EvalContext& context);
// DuckDB's SQL of the plan, for EXPLAIN FORMATTED.
Result<std::string> physical_text(const plan::OperatorPtr& plan, const ExecutionContext& context);

}  // namespace weir::relational
