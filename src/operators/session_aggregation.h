// Aggregation by sessions: groups by keys and session_window(), which grow together where they
// overlap or touch. State: a session a row under its keys and start, with its end; it leaves when
// the event time has reached its end.
#pragma once

#include "operators/operator_factory.h"

namespace weir::operators {

// An Aggregate with a session among its keys (plan/session_windows.h).
Result<std::unique_ptr<StatefulOperator>> make_session_aggregation(const plan::OperatorPtr& node,
                                                                   OutputMode mode,
                                                                   StateEnvironment environment);

}  // namespace weir::operators
