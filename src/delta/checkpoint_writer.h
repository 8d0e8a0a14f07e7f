// Writes a classic checkpoint (spec v1) of one version, then `_last_checkpoint`.
//
// `N.checkpoint.parquet` has a row an action: txn, add (with its statistics as JSON text), remove
// (tombstones that have not expired), metaData, protocol, domainMetadata. It appears under its name
// whole and durable. Several writers may do the same version: the content is the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "delta/table.h"

namespace weir::delta {

struct CheckpointWritten {
  TableVersion version;
  int64_t actions = 0;
  int64_t bytes = 0;
};

// kUnsupported where the table asks for a form that we don't write (delta.checkpointPolicy=v2,
// statistics as struct only).
Result<CheckpointWritten> write_checkpoint(const Environment& environment,
                                           const std::string& table_path,
                                           const CheckpointContent& content);

// Removes commits and checkpoints that are older than delta.logRetentionDuration (30 days) and that
// no version younger than that needs. Returns how many files went. Does nothing where
// delta.enableExpiredLogCleanup is false.
Result<int64_t> clean_up_log(const Environment& environment, const std::string& table_path,
                             const Metadata& metadata);

// "interval 1 week", "interval 36 hours 5 minutes" in milliseconds; nullopt for what is not of that
// form.
std::optional<int64_t> parse_interval_ms(std::string_view text);

}  // namespace weir::delta
