#include "source/file_source_log.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/json.h"
#include "source/metadata_log.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kEntriesRetained = 100;
constexpr int64_t kInterval = 10;
constexpr std::string_view kCompact = ".compact";

// The length of the UTF-8 character at `at`, 0 where there is none.
size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(at);
  const size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (length == 0 || lead > 0xF4 || at + length > text.size()) return 0;
  unsigned code = length == 1 ? lead : lead & (0x7Fu >> length);
  for (size_t i = at + 1; i < at + length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  return overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0 : length;
}

// As java.net.URI leaves a path: letters, digits and a few marks stay, and what is beyond ASCII;
// the rest is %XX, also bytes that are no UTF-8 (a file's name may have any), as JSON holds none.
std::string encode_path(std::string_view path) {
  static constexpr std::string_view kPlain = "-_.!~*'(),;:$&+=@/";
  std::string out = "file://";
  for (size_t at = 0; at < path.size();) {
    const char c = path[at];
    const size_t length = utf8_length(path, at);
    if (length > 1 || (length == 1 && (std::isalnum(static_cast<unsigned char>(c)) ||
                                       kPlain.find(c) != std::string_view::npos))) {
      out += path.substr(at, length);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    at += std::max<size_t>(length, 1);
  }
  return out;
}

// "file:/a", "file:///a", "/a" → "/a"
std::string decode_path(std::string_view uri) {
  if (uri.starts_with("file:")) {
    uri.remove_prefix(5);
    if (uri.starts_with("//")) uri.remove_prefix(2);
  }
  std::string out;
  for (size_t i = 0; i < uri.size(); ++i) {
    unsigned value = 0;
    if (uri[i] == '%' && i + 2 < uri.size() &&
        std::from_chars(uri.data() + i + 1, uri.data() + i + 3, value, 16).ptr ==
            uri.data() + i + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += uri[i];
    }
  }
  return out;
}

struct LogFile {
  int64_t id = 0;
  bool compact = false;
};

std::optional<LogFile> parse_name(std::string_view name) {
  LogFile file;
  file.compact = name.ends_with(kCompact);
  if (file.compact) name.remove_suffix(kCompact.size());
  const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), file.id);
  if (code != std::errc() || end != name.data() + name.size() || file.id < 0) return std::nullopt;
  if (name != std::to_string(file.id)) return std::nullopt;  // 09 beside 9: not one of the log's
  return file;
}

// Spark's rule for the interval of a log that has compactions already.
int64_t interval_of(const std::vector<int64_t>& compacted) {
  if (compacted.empty()) return kInterval;
  if (compacted.size() >= 2)
    return compacted[compacted.size() - 1] - compacted[compacted.size() - 2];
  const int64_t count = compacted[0] + 1;
  if (count <= kInterval || kInterval >= count / 2) return count == kInterval ? kInterval : count;
  for (int64_t divisor = kInterval; divisor <= count / 2; ++divisor)
    if (count % divisor == 0) return divisor;
  return count;
}

}  // namespace

std::string file_entries_text(const std::vector<FileEntry>& entries) {
  std::string text = "v1";
  for (const FileEntry& entry : entries) {
    text += '\n';
    text += base::json_text(base::JsonObject{{"path", encode_path(entry.path)},
                                             {"timestamp", entry.timestamp_ms},
                                             {"batchId", entry.batch}});
  }
  return text;
}

Result<std::vector<FileEntry>> parse_file_entries(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(std::string_view rest, after_version_line(text, 1, what));
  std::vector<FileEntry> entries;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest = end == rest.size() ? std::string_view() : rest.substr(end + 1);
    if (line.empty()) continue;
    WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(line, what));
    const auto path = base::json_string(json, "path");
    if (!path) return error(ErrorKind::kCorruption, "{}: a line without path", what);
    entries.push_back({decode_path(*path), base::json_int(json, "timestamp").value_or(0),
                       base::json_int(json, "batchId").value_or(0)});
  }
  return entries;
}

std::string FileSourceLog::path_of(int64_t id) const {
  return io::join_path(folder_,
                       std::to_string(id) + (compacts(id) ? std::string(kCompact) : std::string()));
}

Result<std::vector<FileEntry>> FileSourceLog::read(int64_t id) {
  const std::string path = path_of(id);
  WEIR_ASSIGN(const std::string text, files_.read_all(path));
  return parse_file_entries(text, path);
}

Result<std::vector<FileEntry>> FileSourceLog::all_up_to(int64_t id) {
  std::vector<FileEntry> all;
  for (int64_t entry = std::max<int64_t>(0, (id + 1) / interval_ * interval_ - 1); entry <= id;
       ++entry) {
    WEIR_ASSIGN(auto some, read(entry));
    all.insert(all.end(), std::make_move_iterator(some.begin()),
               std::make_move_iterator(some.end()));
  }
  return all;
}

Result<std::vector<FileEntry>> FileSourceLog::open() {
  WEIR_TRY(files_.make_dirs(folder_));
  WEIR_ASSIGN(const auto listed, files_.list(folder_));
  std::vector<int64_t> compacted;
  for (const io::FileInfo& info : listed) {
    if (info.name.starts_with(io::kTemporaryPrefix)) {
      WEIR_TRY(files_.remove(info.path));
      continue;
    }
    const auto file = parse_name(info.name);
    if (!file) continue;
    latest_ = std::max(latest_, file->id);
    if (file->compact) compacted.push_back(file->id);
  }
  std::sort(compacted.begin(), compacted.end());
  interval_ = interval_of(compacted);
  if (latest_ < 0) return std::vector<FileEntry>();
  WEIR_ASSIGN(auto all, all_up_to(latest_));
  std::copy_if(all.begin(), all.end(), std::back_inserter(newest_),
               [&](const FileEntry& entry) { return entry.batch == latest_; });
  return all;
}

Result<void> FileSourceLog::add(const std::vector<FileEntry>& entries) {
  const int64_t id = latest_ + 1;
  std::vector<FileEntry> all;
  if (compacts(id) && latest_ >= 0) {
    WEIR_ASSIGN(all, all_up_to(latest_));
  }
  all.insert(all.end(), entries.begin(), entries.end());
  auto no_checksum =
      files_.remove(io::join_path(folder_, fmt::format(".{}.crc", io::file_name(path_of(id)))));
  if (!no_checksum.ok() && no_checksum.error().kind() != ErrorKind::kNotFound) return no_checksum;
  WEIR_ASSIGN(const auto outcome, files_.create_if_absent(path_of(id), file_entries_text(all)));
  if (outcome == io::CreateOutcome::kExists)
    return error(ErrorKind::kConflict, "{} exists already: another query uses this checkpoint",
                 path_of(id));
  latest_ = id;
  newest_ = entries;
  return compacts(id) ? remove_expired() : base::ok();
}

// Keeps the compaction that lets at least kEntriesRetained entries be read, and all after it.
Result<void> FileSourceLog::remove_expired() {
  const int64_t oldest = latest_ + 1 - kEntriesRetained;
  if (oldest < interval_) return {};
  const int64_t keep = oldest - oldest % interval_ - 1;
  WEIR_ASSIGN(const auto listed, files_.list(folder_));
  for (const io::FileInfo& info : listed) {
    std::string_view name = info.name;
    if (name.starts_with('.') && name.ends_with(".crc")) name = name.substr(1, name.size() - 5);
    if (const auto file = parse_name(name); file && file->id < keep)
      WEIR_TRY(files_.remove(info.path));
  }
  return {};
}

Result<std::vector<FileEntry>> FileSourceLog::get(int64_t from, int64_t to) {
  std::vector<FileEntry> found;
  for (int64_t id = from; id <= to; ++id) {
    if (id == latest_) {
      found.insert(found.end(), newest_.begin(), newest_.end());
      continue;
    }
    WEIR_ASSIGN(auto entries, read(id));
    for (FileEntry& entry : entries)
      if (entry.batch == id) found.push_back(std::move(entry));
  }
  return found;
}

}  // namespace weir::source
