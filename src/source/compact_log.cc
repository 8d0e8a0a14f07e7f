#include "source/compact_log.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/parse_integer.h"
#include "base/result.h"
#include "source/durable_folder.h"
#include "source/metadata_log.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kEntriesRetained = 100;
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

struct LogFile {
  int64_t id = 0;
  bool compact = false;
};

std::optional<LogFile> parse_name(std::string_view name) {
  LogFile file;
  file.compact = name.ends_with(kCompact);
  if (file.compact) name.remove_suffix(kCompact.size());
  const auto id = base::parse_integer(name);
  if (!id || *id < 0) return std::nullopt;
  file.id = *id;
  if (name != std::to_string(file.id)) return std::nullopt;  // 09 beside 9: not one of the log's
  return file;
}

// Spark's rule for the interval of a log that has compactions already.
int64_t interval_of(const std::vector<int64_t>& compacted, int64_t wanted) {
  if (compacted.empty()) return wanted;
  if (compacted.size() >= 2)
    return compacted[compacted.size() - 1] - compacted[compacted.size() - 2];
  const int64_t count = compacted[0] + 1;
  if (count <= wanted || wanted >= count / 2) return count;
  for (int64_t divisor = wanted; divisor <= count / 2; ++divisor)
    if (count % divisor == 0) return divisor;
  return count;
}

}  // namespace

std::string path_to_uri(std::string_view path) {
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

std::string path_of_uri(std::string_view uri) {
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

std::string log_lines_text(const std::vector<std::string>& lines) {
  std::string text = "v1";
  for (const std::string& line : lines) {
    text += '\n';
    text += line;
  }
  return text;
}

Result<std::vector<std::string>> parse_log_lines(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(std::string_view rest, after_version_line(text, 1, what));
  std::vector<std::string> lines;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) lines.emplace_back(rest.substr(0, end));
    rest = end == rest.size() ? std::string_view() : rest.substr(end + 1);
  }
  return lines;
}

std::string CompactLog::path_of(int64_t id) const {
  return io::join_path(folder_,
                       std::to_string(id) + (compacts(id) ? std::string(kCompact) : std::string()));
}

Result<std::vector<std::string>> CompactLog::read(int64_t id) {
  const std::string path = path_of(id);
  WEIR_ASSIGN(const std::string text, files_.read_all(path));
  return parse_log_lines(text, path);
}

Result<std::vector<std::string>> CompactLog::all() {
  std::vector<std::string> lines;
  if (latest_ < 0) return lines;
  for (int64_t entry = std::max<int64_t>(0, (latest_ + 1) / interval_ * interval_ - 1);
       entry <= latest_; ++entry) {
    WEIR_ASSIGN(auto some, read(entry));
    lines.insert(lines.end(), std::make_move_iterator(some.begin()),
                 std::make_move_iterator(some.end()));
  }
  return lines;
}

Result<void> CompactLog::open(bool for_writing) {
  if (for_writing) WEIR_TRY(make_durable_folder(files_, folder_));
  WEIR_ASSIGN(const auto listed, files_.list(folder_));
  std::vector<int64_t> compacted;
  for (const io::FileInfo& info : listed) {
    if (info.name.starts_with(io::kTemporaryPrefix)) {
      if (for_writing) WEIR_TRY(files_.remove(info.path));
      continue;
    }
    const auto file = parse_name(info.name);
    if (!file) continue;
    latest_ = std::max(latest_, file->id);
    if (file->compact) compacted.push_back(file->id);
  }
  std::sort(compacted.begin(), compacted.end());
  interval_ = interval_of(compacted, interval_);
  return {};
}

Result<void> CompactLog::add(const std::vector<std::string>& lines) {
  const int64_t id = latest_ + 1;
  std::vector<std::string> written;
  if (compacts(id)) {
    WEIR_ASSIGN(written, all());
  }
  written.insert(written.end(), lines.begin(), lines.end());
  auto no_checksum =
      files_.remove(io::join_path(folder_, fmt::format(".{}.crc", io::file_name(path_of(id)))));
  if (!no_checksum.ok() && no_checksum.error().kind() != ErrorKind::kNotFound) return no_checksum;
  WEIR_ASSIGN(const auto outcome, files_.create_if_absent(path_of(id), log_lines_text(written)));
  if (outcome == io::CreateOutcome::kExists)
    return error(ErrorKind::kConflict, "{} exists already: another query writes this log",
                 path_of(id));
  latest_ = id;
  return compacts(id) ? remove_expired() : base::ok();
}

// Keeps the compaction that lets at least kEntriesRetained entries be read, and all after it.
Result<void> CompactLog::remove_expired() {
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

}  // namespace weir::source
