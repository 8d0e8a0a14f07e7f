// The client's Python functions as sinks of streaming queries.
#pragma once

#include <memory>

#include "base/random.h"
#include "connect/client_session.h"
#include "python/batch_worker.h"

namespace weir::connect {

// Keeps each batch as a relation of the session while the function has it.
std::shared_ptr<streaming::BatchFunction> batch_function_of(
    session::Session& session, base::Random& random, std::unique_ptr<python::BatchWorker> worker);

std::shared_ptr<streaming::RowFunction> row_function_of(python::SessionFunctions& functions,
                                                        plan::PythonFunction function);

}  // namespace weir::connect
