#include "stream/commit_log.h"

#include "base/json.h"

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
  WEIR_ASSIGN(const auto outcome, log_.add(batch.value(), commit_log_text(entry)));
  if (outcome == io::CreateOutcome::kCreated) return {};
  return error(ErrorKind::kConflict,
               "{} exists already: another query uses this checkpoint. Stop one of the two, or "
               "give each a checkpoint "
               "of its own",
               log_.path_of(batch.value()));
}

Result<std::optional<CommitLogEntry>> CommitLog::get(BatchId batch) {
  WEIR_ASSIGN(const auto text, log_.get(batch.value()));
  if (!text) return std::optional<CommitLogEntry>();
  WEIR_ASSIGN(CommitLogEntry entry, parse_commit_log(*text, log_.path_of(batch.value())));
  return std::optional<CommitLogEntry>(std::move(entry));
}

Result<std::optional<BatchId>> CommitLog::latest() {
  WEIR_ASSIGN(const auto id, log_.latest());
  return id ? std::optional<BatchId>(BatchId(*id)) : std::optional<BatchId>();
}

}  // namespace weir::stream
