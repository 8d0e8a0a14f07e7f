// What observe() sees of its rows while a query runs.
//
// Rows pass a tap on their way and are added up at the same time by a statement of their own, which
// waits for them in a short queue on a thread of its own: nothing is read twice, and memory stays
// bounded by the queue. Rows that the query does not take (LIMIT) are not counted, as in Spark.
// One object a query; any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "plan/operator.h"
#include "relational/batch_stream.h"

namespace weir::relational {

struct ExecutionContext;

class Observations {
 public:
  Observations();
  ~Observations();

  // The rows of `input`, which are the columns of node's child.
  Result<std::unique_ptr<BatchStream>> watch(const plan::op::Observe& node,
                                             std::unique_ptr<BatchStream> input,
                                             const ExecutionContext& context);
  // Ends the taps and gives their rows of metrics; those of `plan` that no row could reach are
  // metrics of nothing.
  Result<std::vector<std::pair<std::string, BatchPtr>>> finish(const plan::Operator& plan,
                                                               const ExecutionContext& context);
  void clear();  // the query starts again

 private:
  class Tap;
  class TapStream;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Tap>> taps_;
};

}  // namespace weir::relational
