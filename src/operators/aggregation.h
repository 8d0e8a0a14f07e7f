// GROUP BY over a stream: update gives the groups that changed, complete all of them, append those
// that the event time has closed.
//
// Each worker thread groups its rows by packed keys and adds them to states of its own; finish()
// joins the threads' groups, merges them behind what the state holds, shard by shard, and gives the
// result. A group's time is that of its first key with event time (a window's end): so closed
// groups leave by whole buckets.
#pragma once

#include "operators/operator_factory.h"

namespace weir::operators {

Result<std::unique_ptr<StatefulOperator>> make_aggregation(const plan::OperatorPtr& node,
                                                           OutputMode mode,
                                                           StateEnvironment environment);

}  // namespace weir::operators
