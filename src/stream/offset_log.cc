#include "stream/offset_log.h"

#include "base/json.h"

namespace weir::stream {

using base::error;
using base::ErrorKind;

namespace {

Result<void> read_metadata(std::string_view line, std::string_view what, OffsetLogEntry& entry) {
  WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(line, what));
  entry.batch_watermark_ms = base::json_int(json, "batchWatermarkMs").value_or(0);
  entry.batch_timestamp_ms = base::json_int(json, "batchTimestampMs").value_or(0);
  const base::JsonObject* conf = base::json_object(json, "conf");
  if (conf == nullptr) return {};
  for (const auto& [key, value] : *conf) {
    if (!value.is_string())
      return error(ErrorKind::kCorruption, "{}: conf '{}' is not a text", what, std::string(key));
    entry.conf.emplace(std::string(key), std::string(value.get_string()));
  }
  return {};
}

}  // namespace

std::string offset_log_text(const OffsetLogEntry& entry) {
  base::JsonObject conf;
  for (const auto& [key, value] : entry.conf)
    conf[key] = value;
  std::string text = "v1\n";
  text += base::json_text(base::JsonObject{{"batchWatermarkMs", entry.batch_watermark_ms},
                                           {"batchTimestampMs", entry.batch_timestamp_ms},
                                           {"conf", std::move(conf)}});
  for (const auto& offset : entry.offsets) {
    text += '\n';
    text += offset.value_or("-");
  }
  return text;
}

Result<OffsetLogEntry> parse_offset_log(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(std::string_view rest, source::after_version_line(text, 1, what));
  OffsetLogEntry entry;
  bool first = true;
  while (!rest.empty() || first) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest = end == rest.size() ? std::string_view() : rest.substr(end + 1);
    if (first) {
      first = false;
      if (!line.empty()) WEIR_TRY(read_metadata(line, what, entry));
      continue;
    }
    if (line.empty()) continue;  // a newline at the end
    if (line == "-")
      entry.offsets.emplace_back();
    else
      entry.offsets.emplace_back(std::string(line));
  }
  if (entry.offsets.empty())
    return error(ErrorKind::kCorruption, "{}: no source's offset in it", what);
  return entry;
}

Result<void> OffsetLog::add(BatchId batch, const OffsetLogEntry& entry) {
  WEIR_ASSIGN(const auto outcome, log_.add(batch.value(), offset_log_text(entry)));
  if (outcome == io::CreateOutcome::kCreated) return {};
  return error(ErrorKind::kConflict,
               "{} exists already: another query uses this checkpoint. Stop one of the two, or "
               "give each a checkpoint "
               "of its own",
               log_.path_of(batch.value()));
}

Result<std::optional<OffsetLogEntry>> OffsetLog::get(BatchId batch) {
  WEIR_ASSIGN(const auto text, log_.get(batch.value()));
  if (!text) return std::optional<OffsetLogEntry>();
  WEIR_ASSIGN(OffsetLogEntry entry, parse_offset_log(*text, log_.path_of(batch.value())));
  return std::optional<OffsetLogEntry>(std::move(entry));
}

Result<std::optional<BatchId>> OffsetLog::latest() {
  WEIR_ASSIGN(const auto id, log_.latest());
  return id ? std::optional<BatchId>(BatchId(*id)) : std::optional<BatchId>();
}

}  // namespace weir::stream
