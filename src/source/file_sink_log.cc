#include "source/file_sink_log.h"

#include <algorithm>
#include <map>

#include "base/json.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kBlockBytes = 33554432;  // what Hadoop's local file system says
constexpr const char* kQueryFile = ".query";

}  // namespace

FileSinkLog::FileSinkLog(io::FileSystem& files, const std::string& folder, int64_t interval)
    : files_(files),
      folder_(io::join_path(folder, kSinkLogFolder)),
      log_(files, folder_, interval) {}

Result<void> FileSinkLog::open(const std::string& query_id) {
  query_id_ = query_id;
  WEIR_ASSIGN(const bool there, files_.exists(folder_));
  if (!there) return {};
  WEIR_TRY(log_.open(true));
  if (log_.latest() < 0) return {};
  const std::string path = io::join_path(folder_, kQueryFile);
  auto owner = files_.read_all(path);
  if (!owner.ok())  // begun by Spark, which keeps no record of it
    return owner.error().kind() == ErrorKind::kNotFound ? base::ok()
                                                        : Result<void>(std::move(owner).error());
  if (*owner == query_id) return {};
  return error(ErrorKind::kConflict,
               "{} is the log of query {}, and this is query {}: a folder takes the files of one "
               "query only. Give another path, or the checkpoint that the folder was begun with",
               folder_, *owner, query_id);
}

Result<void> FileSinkLog::add(const std::vector<io::FileInfo>& written) {
  if (log_.latest() < 0) {
    WEIR_TRY(log_.open(true));
    WEIR_TRY(files_.replace(io::join_path(folder_, kQueryFile), query_id_));
  }
  std::vector<std::string> lines;
  for (const io::FileInfo& file : written)
    lines.push_back(base::json_text(base::JsonObject{{"path", path_to_uri(file.path)},
                                                     {"size", file.size},
                                                     {"isDir", false},
                                                     {"modificationTime", file.modified_us / 1000},
                                                     {"blockReplication", 1},
                                                     {"blockSize", kBlockBytes},
                                                     {"action", "add"}}));
  return log_.add(lines);
}

Result<std::optional<std::vector<io::FileInfo>>> files_by_sink_log(io::FileSystem& files,
                                                                   const std::string& folder) {
  const std::string log_folder = io::join_path(folder, kSinkLogFolder);
  WEIR_ASSIGN(const bool there, files.exists(log_folder));
  if (!there) return std::optional<std::vector<io::FileInfo>>();
  CompactLog log(files, log_folder);
  WEIR_TRY(log.open(false));
  WEIR_ASSIGN(const auto lines, log.all());
  std::map<std::string, io::FileInfo> found;
  for (const std::string& line : lines) {
    WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(line, log_folder));
    const auto uri = base::json_string(json, "path");
    const auto size = base::json_int(json, "size");
    const auto action = base::json_string(json, "action");
    if (!uri || !size || !action)
      return error(ErrorKind::kCorruption, "{}: a line without path, size or action", log_folder);
    std::string path = path_of_uri(*uri);
    if (*action == "delete") {
      found.erase(path);
      continue;
    }
    io::FileInfo info;
    info.name = io::file_name(path);
    info.path = path;
    info.size = *size;
    info.modified_us = base::json_int(json, "modificationTime").value_or(0) * 1000;
    found[path] = std::move(info);
  }
  std::vector<io::FileInfo> listed;
  for (auto& [path, info] : found)
    listed.push_back(std::move(info));
  return std::optional(std::move(listed));
}

}  // namespace weir::source
