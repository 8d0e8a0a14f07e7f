// A local checkpoint belongs to one running query: weir.lock in its folder is held by an advisory
// lock, in this process or another, and says who holds it:
// {"pid":4711,"query":"events","since":"2026-01-01T00:00:00.000Z"}. Spark does not look at
// it; the create-if-absent files of the logs still keep a Spark query apart.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "io/file_system.h"

namespace weir::stream {

// kConflict with the holder's words where somebody else has it. The lock ends with the returned
// object.
base::Result<std::unique_ptr<io::FileLock>> lock_checkpoint(io::FileSystem& files,
                                                            const base::Clock& clock,
                                                            const std::string& folder,
                                                            const std::string& query_name);

}  // namespace weir::stream
