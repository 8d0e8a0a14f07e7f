// The memory sink: the rows of a query are a temporary view of its session while the process lives.
//
// A batch that is delivered again is taken once. Complete mode: the newest batch's rows are all.
#pragma once

#include <memory>

#include "plan/operator.h"
#include "sink/sink.h"

namespace weir::streaming {

struct MemorySinkParts {
  std::unique_ptr<sink::Sink> sink;
  plan::OperatorPtr view;  // scans what the sink has at that time
};
MemorySinkParts make_memory_rows(const plan::Operator& output, bool complete,
                                 int64_t rows_max = 10'000'000);

}  // namespace weir::streaming
