// transformWithState: a function with variables and timers by group (state/group_variables.h).
//
// The node is that of plan/stateful_function.h; StateEnvironment::make_transform_function makes its
// function. A batch calls it with the rows
// of each group and then with the timers whose time has come; what has outlived its time to live
// leaves the state at the batch's end.
#pragma once

#include <memory>

#include "operators/operator_factory.h"

namespace weir::operators {

bool is_transform_with_state(const plan::Operator& node);

Result<std::unique_ptr<StatefulOperator>> make_transform_state(const plan::OperatorPtr& node,
                                                               OutputMode mode,
                                                               StateEnvironment environment);

}  // namespace weir::operators
