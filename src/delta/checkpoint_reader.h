// Reads a checkpoint's actions: classic and multi-part (spec v1), and spec v2 with its sidecar
// files.
#pragma once

#include <functional>
#include <vector>

#include "delta/actions.h"
#include "delta/log_segment.h"
#include "io/file_system.h"

namespace weir::delta {

enum class CheckpointActions { kAll, kRemoves };

// Hands on the actions batch by batch (a row group at a time). Parsed statistics (stats_parsed) are
// left aside: files then have no statistics, unless `stats` is there too.
Result<void> read_checkpoint(io::FileSystem& fs, const std::string& table_path,
                             const CheckpointFiles& checkpoint,
                             const std::function<void(std::vector<Action>)>& take,
                             CheckpointActions wanted = CheckpointActions::kAll);

}  // namespace weir::delta
