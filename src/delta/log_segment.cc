#include "delta/log_segment.h"

#include <algorithm>
#include <map>

#include "base/parse_integer.h"

namespace weir::delta {
namespace {

using base::ErrorKind;

constexpr size_t kVersionDigits = 20;

std::optional<int64_t> parse_digits(std::string_view text, size_t digits) {
  if (text.size() != digits) return std::nullopt;
  const auto value = base::parse_integer(text);
  return value && *value >= 0 ? value : std::nullopt;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// The newest checkpoint of which all parts are there.
class CheckpointChooser {
 public:
  void offer(const LogFileName& name, const io::FileInfo& file) {
    auto& parts = found_[{name.version, name.parts, name.uuid_named ? file.name : std::string()}];
    parts[name.part] = file;
  }
  std::optional<CheckpointFiles> newest() const {
    for (auto candidate = found_.rbegin(); candidate != found_.rend(); ++candidate) {
      const auto& [version, parts, uuid_name] = candidate->first;
      if (candidate->second.size() != static_cast<size_t>(parts)) continue;
      CheckpointFiles files{version, {}};
      for (const auto& [part, file] : candidate->second)
        files.parts.push_back(file);
      return files;
    }
    return std::nullopt;
  }

 private:
  std::map<std::tuple<TableVersion, int, std::string>, std::map<int, io::FileInfo>> found_;
};

}  // namespace

std::string log_path(const std::string& table_path) {
  return io::join_path(table_path, "_delta_log");
}

std::string commit_path(const std::string& table_path, TableVersion version) {
  return io::join_path(log_path(table_path), fmt::format("{:020d}.json", version.value()));
}

int64_t CheckpointFiles::bytes() const {
  int64_t bytes = 0;
  for (const io::FileInfo& part : parts)
    bytes += part.size;
  return bytes;
}

LogFileName parse_log_file_name(const std::string& name) {
  LogFileName result;
  const std::vector<std::string_view> parts = split(name, '.');
  const auto version = parse_digits(parts[0], kVersionDigits);
  if (!version || parts.size() < 2) return result;
  result.version = TableVersion(*version);
  if (parts.size() == 2 && parts[1] == "json") {
    result.kind = LogFileKind::kCommit;
  } else if (parts.size() == 3 && parts[1] == "checkpoint" && parts[2] == "parquet") {
    result.kind = LogFileKind::kCheckpoint;
  } else if (parts.size() == 5 && parts[1] == "checkpoint" && parts[4] == "parquet") {
    const auto part = parse_digits(parts[2], 10);
    const auto count = parse_digits(parts[3], 10);
    if (!part || !count || *part < 1 || *part > *count || *count > 1'000'000) return result;
    result.kind = LogFileKind::kCheckpoint;
    result.part = static_cast<int>(*part);
    result.parts = static_cast<int>(*count);
  } else if (parts.size() == 4 && parts[1] == "checkpoint" && parts[2].size() == 36 &&
             (parts[3] == "parquet" || parts[3] == "json")) {
    result.kind = LogFileKind::kCheckpoint;
    result.uuid_named = true;
  }
  return result;
}

Result<std::optional<LogSegment>> list_log_segment(io::FileSystem& fs,
                                                   const std::string& table_path,
                                                   std::optional<TableVersion> at) {
  auto listing = fs.list(log_path(table_path));
  if (!listing.ok()) {
    if (listing.error().kind() == ErrorKind::kNotFound) return std::optional<LogSegment>();
    return std::move(listing).error();
  }
  std::map<TableVersion, io::FileInfo> commits;
  CheckpointChooser checkpoints;
  std::optional<TableVersion> newest;
  for (const io::FileInfo& file : *listing) {
    if (file.is_directory) continue;
    const LogFileName name = parse_log_file_name(file.name);
    if (name.kind == LogFileKind::kOther) continue;
    newest = std::max(newest.value_or(name.version), name.version);
    if (at && name.version > *at) continue;
    if (name.kind == LogFileKind::kCommit) commits.emplace(name.version, file);
    if (name.kind == LogFileKind::kCheckpoint && file.size > 0) checkpoints.offer(name, file);
  }
  if (!newest) return std::optional<LogSegment>();
  if (at && *newest < *at) {
    const auto begin = checkpoints.newest();  // whatever is older may be gone
    const bool whole = !commits.empty() && commits.begin()->first.value() == 0;
    const int64_t oldest = whole || !begin ? 0 : begin->version.value();
    return base::error(
               ErrorKind::kNotFound,
               "Cannot time travel Delta table to version {}. Available versions: [{}, {}].",
               at->value(), oldest, newest->value())
        .with_class("DELTA_VERSION_NOT_FOUND")
        .with_sql_state("22003")
        .with_parameter("userVersion", std::to_string(at->value()))
        .with_parameter("earliest", std::to_string(oldest))
        .with_parameter("latest", std::to_string(newest->value()));
  }

  LogSegment segment;
  segment.checkpoint = checkpoints.newest();
  int64_t expected = segment.checkpoint ? segment.checkpoint->version.value() + 1 : 0;
  for (auto commit = commits.lower_bound(TableVersion(expected)); commit != commits.end();
       ++commit) {
    if (commit->first.value() != expected) {
      return base::error(ErrorKind::kCorruption,
                         "table {}: the log has commit {} but not {}, which it builds on (versions "
                         "are not contiguous)",
                         table_path, commit->first.value(), expected);
    }
    segment.commits.push_back(commit->second);
    ++expected;
  }
  segment.version = TableVersion(expected - 1);
  if (expected == 0 || (at && segment.version != *at)) {
    return base::error(ErrorKind::kNotFound,
                       "table {}: version {} cannot be rebuilt: its commits were cleaned up",
                       table_path, at ? at->value() : newest->value());
  }
  return std::optional<LogSegment>(std::move(segment));
}

}  // namespace weir::delta
