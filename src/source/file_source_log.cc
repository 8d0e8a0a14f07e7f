#include "source/file_source_log.h"

#include <algorithm>

#include "base/json.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

std::vector<std::string> entry_lines(const std::vector<FileEntry>& entries) {
  std::vector<std::string> lines;
  for (const FileEntry& entry : entries)
    lines.push_back(base::json_text(base::JsonObject{{"path", path_to_uri(entry.path)},
                                                     {"timestamp", entry.timestamp_ms},
                                                     {"batchId", entry.batch}}));
  return lines;
}

Result<std::vector<FileEntry>> parse_lines(const std::vector<std::string>& lines,
                                           std::string_view what) {
  std::vector<FileEntry> entries;
  for (const std::string& line : lines) {
    WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(line, what));
    const auto path = base::json_string(json, "path");
    if (!path) return error(ErrorKind::kCorruption, "{}: a line without path", what);
    entries.push_back({path_of_uri(*path), base::json_int(json, "timestamp").value_or(0),
                       base::json_int(json, "batchId").value_or(0)});
  }
  return entries;
}

}  // namespace

std::string file_entries_text(const std::vector<FileEntry>& entries) {
  return log_lines_text(entry_lines(entries));
}

Result<std::vector<FileEntry>> parse_file_entries(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(const auto lines, parse_log_lines(text, what));
  return parse_lines(lines, what);
}

Result<std::vector<FileEntry>> FileSourceLog::open() {
  WEIR_TRY(log_.open(true));
  WEIR_ASSIGN(const auto lines, log_.all());
  WEIR_ASSIGN(auto all, parse_lines(lines, folder_));
  std::copy_if(all.begin(), all.end(), std::back_inserter(newest_),
               [&](const FileEntry& entry) { return entry.batch == latest(); });
  return all;
}

Result<void> FileSourceLog::add(const std::vector<FileEntry>& entries) {
  WEIR_TRY(log_.add(entry_lines(entries)));
  newest_ = entries;
  return {};
}

Result<std::vector<FileEntry>> FileSourceLog::get(int64_t from, int64_t to) {
  std::vector<FileEntry> found;
  for (int64_t id = from; id <= to; ++id) {
    if (id == latest()) {
      found.insert(found.end(), newest_.begin(), newest_.end());
      continue;
    }
    WEIR_ASSIGN(const auto lines, log_.read(id));
    WEIR_ASSIGN(auto entries, parse_lines(lines, log_.path_of(id)));
    for (FileEntry& entry : entries)
      if (entry.batch == id) found.push_back(std::move(entry));
  }
  return found;
}

}  // namespace weir::source
