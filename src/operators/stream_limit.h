// LIMIT over a stream in append mode: so many rows over all batches, and not one more.
#pragma once

#include "operators/operator_factory.h"

namespace weir::operators {

Result<std::unique_ptr<StatefulOperator>> make_stream_limit(const plan::OperatorPtr& node,
                                                            OutputMode mode,
                                                            StateEnvironment environment);

}  // namespace weir::operators
