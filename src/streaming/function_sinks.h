// Sinks that hand a batch's rows to the user's code: foreachBatch and foreach. At least once: a
// batch may come again under its id.
#pragma once

#include <memory>

#include "sink/sink.h"
#include "streaming/stream_queries.h"

namespace weir::streaming {

// `output`: the plan's root, for the columns of the rows handed over.
std::unique_ptr<sink::Sink> make_batch_function_sink(std::shared_ptr<BatchFunction> function,
                                                     const plan::Operator& output);
std::unique_ptr<sink::Sink> make_row_function_sink(std::shared_ptr<RowFunction> function);

}  // namespace weir::streaming
