// dropDuplicates, DISTINCT and dropDuplicatesWithinWatermark: the first row of each key passes.
//
// With event time among the keys a key leaves the state when the event time has passed it, and late
// rows are dropped. Within a watermark a key stays for the watermark's delay after its row's event
// time, whatever the keys.
#pragma once

#include "operators/operator_factory.h"

namespace weir::operators {

Result<std::unique_ptr<StatefulOperator>> make_deduplication(const plan::OperatorPtr& node,
                                                             OutputMode mode,
                                                             StateEnvironment environment);

}  // namespace weir::operators
