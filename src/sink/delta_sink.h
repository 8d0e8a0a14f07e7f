// The Delta sink: one table, one commit a batch, exactly once.
//
// The commit carries txn(appId = query id, version = batch id). begin() looks whether the table has
// that already (then nothing is written), and so does every retry after a lost race. Parts may be
// written at once: rows are gathered first and small batches become one file; large ones are
// encoded by as many writers as threads write. Files of an attempt that failed are removed as far
// as that works; no reader sees them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "delta/compaction.h"
#include "delta/data_file_writer.h"
#include "delta/table.h"
#include "sink/sink.h"

namespace weir::sink {

// Merging of the small files that the query writes (sink/compaction_worker.h).
struct DeltaCompactionOptions {
  std::optional<bool> enabled = {};  // nullopt: as delta.autoOptimize.autoCompact says, else on
  int64_t files_min = 50;            // so many small files of a partition are merged
  std::optional<int64_t> target_file_bytes = {};  // nullopt: delta.targetFileSize, else 128 MiB
};

struct DeltaSinkOptions {
  std::string path;
  enum class OutputMode {
    kAppend,
    kComplete
  } output_mode = OutputMode::kAppend;  // complete: each batch replaces the rows
  bool merge_schema = false;
  std::vector<std::string>
      partition_by;  // of a new table; must be an existing table's own where given
  delta::DataFileOptions files;
  int64_t small_batch_bytes = 4LL << 20;  // a batch below this (Arrow bytes) becomes one file
  // Checkpoint after so many commits …
  int64_t checkpoint_commits = 10;
  // … or so many bytes of log …
  int64_t checkpoint_log_bytes = 16LL << 20;
  // … but not sooner than this after the last one. 0 commits: no checkpoints.
  int64_t checkpoint_interval_us_min = 60'000'000;
  DeltaCompactionOptions compaction;  // of output mode append
};

// path, outputMode (append|complete), mergeSchema, partitionBy (comma-separated), targetFileSize
// ("128mb", bytes), compression, checkpointInterval (commits), autoCompact (true|false|auto),
// autoCompactMinFiles, autoCompactMaxFileSize. An unknown option is refused by name.
base::Result<DeltaSinkOptions> parse_delta_sink_options(
    const std::vector<std::pair<std::string, std::string>>& options);

// Values of options: "true", "auto", "legacy" or "false", "off"; "134217728", "128mb", "1g".
base::Result<bool> parse_auto_compact(std::string_view option, const std::string& value);
base::Result<int64_t> parse_size(std::string_view option, const std::string& value);

// What the option says, else the table; nullopt: no compaction.
base::Result<std::optional<delta::CompactionPolicy>> compaction_policy(
    const DeltaCompactionOptions& options, const delta::Metadata& metadata);

base::Result<std::unique_ptr<Sink>> make_delta_sink(delta::Environment environment,
                                                    DeltaSinkOptions options);

}  // namespace weir::sink
