// A session and the Python functions' workers that belong to it.
#pragma once

#include <memory>

#include "python/session_functions.h"
#include "session/session.h"

namespace weir::app {

struct SessionWithPython {
  std::unique_ptr<session::Session> session;
  python::ClosableFunctions* functions;  // the session's
};

// The session given, which runs user functions by `host` until it is closed.
SessionWithPython with_python(std::unique_ptr<session::Session> session,
                              std::shared_ptr<python::WorkerHost> host, int slot,
                              const python::FunctionOptions& options, base::Clock& clock);

}  // namespace weir::app
