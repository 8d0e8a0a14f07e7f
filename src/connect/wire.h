// Joining a response and an Arrow batch without copying the batch.
#pragma once

#include <memory>
#include <string>

#include "connect/rpc_server.h"

namespace weir::connect {

// `response`: a serialized ExecutePlanResponse. Where `body` is there, the message gets as its last
// field arrow_batch (2), with the fields in `batch` and as last of them data (2), whose bytes
// follow the head.
Message join_batch(std::string response, const std::string& batch,
                   std::shared_ptr<arrow::Buffer> body);

}  // namespace weir::connect
