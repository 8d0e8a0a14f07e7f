// `metadata` of a query's checkpoint: {"id":"<uuid>"}, written once. The id is the query's name for
// its life; a Delta sink commits under it.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "io/file_system.h"

namespace weir::stream {

using base::Result;

Result<std::string> parse_query_metadata(std::string_view text, std::string_view what);

// The id in the file at `path`; where there is none, a new one is written.
Result<std::string> load_or_create_query_id(io::FileSystem& files, base::Random& random,
                                            const std::string& path);

}  // namespace weir::stream
