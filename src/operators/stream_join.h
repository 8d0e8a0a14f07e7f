// A join of two streams: each side's rows are kept until the event time says that no row of the
// other side can meet them.
//
// A batch: the left's new rows meet the right's state and go to the left's; then the right's new
// rows meet the left's state, the new ones included. Then what the event time has passed leaves; an
// outer side's row that never met one is given with NULLs as it leaves. A row that its own side's
// part of the condition rules out is never kept, and an outer side gives it at once.
//
// A side's store: key = the join keys and a number (batch, then the row's place in it); value = the
// side's columns and whether it has met a row; scanned by the join keys.
#pragma once

#include "operators/operator_factory.h"

namespace weir::operators {

Result<std::unique_ptr<StatefulOperator>> make_stream_join(const plan::OperatorPtr& node,
                                                           OutputMode mode,
                                                           StateEnvironment environment);

}  // namespace weir::operators
