// The state of a streaming query read by a batch query: spark.read.format("statestore") and
// format("state-metadata"), of a checkpoint folder (operators/state_tables.h).
#pragma once

#include <memory>

#include "relational/scan_source.h"
#include "session/errors.h"
#include "session/warehouse.h"

namespace weir::session {

bool is_state_format(std::string_view format);

// `paths`: of load(path) or the option path, which has to be there.
Result<std::shared_ptr<const relational::ScanSource>> open_state_table(
    const Services& services, const std::string& format, const std::vector<std::string>& paths,
    const TextMap& options, const Origin& origin = {});

}  // namespace weir::session
