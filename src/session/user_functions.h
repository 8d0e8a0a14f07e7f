// The user functions of a session, for who runs them outside of a plan: state by group of streams.
#pragma once

#include "relational/execution.h"

namespace weir::session {

class Session;

// Null: the session has none. They live as long as the session.
relational::UserFunctions* user_functions_of(Session& session);

}  // namespace weir::session
