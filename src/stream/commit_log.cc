#include "stream/commit_log.h"

#include "base/json.h"
#include "stream/batch_log.h"

namespace weir::stream {

using base::error;
using base::ErrorKind;

std::string commit_log_text(const CommitLogEntry& entry) {
  if (!entry.state)
    return fmt::format("v1\n{{\"nextBatchWatermarkMs\":{}}}", entry.next_batch_watermark_ms);
  return fmt::format("v1\n{{\"nextBatchWatermarkMs\":{},\"weirState\":{}}}",
                     entry.next_batch_watermark_ms, base::json_text(*entry.state));
}

Result<CommitLogEntry> parse_commit_log(std::string_view text, std::string_view what) {
  int version = 0;
  WEIR_ASSIGN(const std::string_view rest, source::after_version_line(text, 2, what, &version));
  CommitLogEntry entry;
  if (rest.empty()) return entry;
  WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(rest, what));
  entry.next_batch_watermark_ms = base::json_int(json, "nextBatchWatermarkMs").value_or(0);
  if (const auto* own = base::json_object(json, "weirState")) entry.state = *own;
  const base::JsonObject* state = base::json_object(json, "stateUniqueIds");
  if (version == 2 && state != nullptr && !state->empty())
    return error(ErrorKind::kUnsupported,
                 "{}: it names state files of Spark, which weir cannot read", what);
  return entry;
}

Result<void> CommitLog::add(BatchId batch, const CommitLogEntry& entry) {
  return add_entry(log_, batch, commit_log_text(entry));
}

Result<std::optional<CommitLogEntry>> CommitLog::get(BatchId batch) {
  return get_entry(log_, batch, parse_commit_log);
}

Result<std::optional<BatchId>> CommitLog::latest() { return latest_entry(log_); }

}  // namespace weir::stream
