// UserFunctions that work on whole streams: several calls at a time, several batches on their way.
#pragma once

#include <memory>
#include <vector>

#include "relational/execution.h"

namespace weir::relational {

// A call of user functions on columns of its input; all of `functions` are of one evaluation type.
struct UserCall {
  std::vector<std::shared_ptr<const plan::PythonFunction>> functions;  // f, g: g(f(arguments))
  std::vector<int> arguments;
  std::vector<std::string> names;  // of keyword arguments, "" by position; empty: all by position
};

// May be used by several threads. Streams are stopped by the token of next().
class StreamFunctions : public UserFunctions {
 public:
  // The first `kept` columns of the input, then one of each call's result type: a row for each row,
  // in the input's order. All calls are of one evaluation type.
  virtual Result<std::unique_ptr<BatchStream>> scalars(std::vector<UserCall> calls, int kept,
                                                       std::unique_ptr<BatchStream> input) = 0;
  // Grouped aggregates: input as for group_map; the keys and one column a call, a row a group.
  virtual Result<std::unique_ptr<BatchStream>> aggregates(std::vector<UserCall> calls, int keys,
                                                          std::unique_ptr<BatchStream> input) = 0;
};

}  // namespace weir::relational
