// Where the rows of a streaming query into a table of the catalog go.
#pragma once

#include "session/session_state.h"

namespace weir::session {

Result<StreamTarget> find_stream_target(SessionState& state, const StreamTargetRequest& request,
                                        std::stop_token stop);

}  // namespace weir::session
