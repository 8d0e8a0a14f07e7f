// Calls of the user's function with state by group, on their way from the operator that keeps the
// state to the session's workers: many groups at once.
#pragma once

#include "operators/group_state.h"
#include "session/session.h"
#include "state/group_variables.h"

namespace weir::streaming {

using base::Result;

// UNSUPPORTED_FEATURE where the session cannot run the function. The session outlives it.
Result<std::unique_ptr<operators::GroupFunction>> group_function(session::Session& session,
                                                                 const plan::op::GroupMap& map);

// The same for transformWithState.
Result<std::unique_ptr<state::TransformFunction>> transform_function(
    session::Session& session, const plan::PythonFunction& function,
    const state::TransformShape& shape);

}  // namespace weir::streaming
