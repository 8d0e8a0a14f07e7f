// Calls of the user's function with state by group, on their way from the operator that keeps the
// state to the session's workers: many groups at once.
#pragma once

#include "operators/group_state.h"
#include "session/session.h"

namespace weir::streaming {

using base::Result;

// UNSUPPORTED_FEATURE where the session cannot run the function. The session outlives it.
Result<std::unique_ptr<operators::GroupFunction>> group_function(session::Session& session,
                                                                 const plan::op::GroupMap& map);

}  // namespace weir::streaming
