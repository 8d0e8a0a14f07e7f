#include "stream/offset_log.h"

#include "base/json.h"
#include "stream/batch_log.h"

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
  return add_entry(log_, batch, offset_log_text(entry));
}

Result<std::optional<OffsetLogEntry>> OffsetLog::get(BatchId batch) {
  return get_entry(log_, batch, parse_offset_log);
}

Result<std::optional<BatchId>> OffsetLog::latest() { return latest_entry(log_); }

}  // namespace weir::stream
