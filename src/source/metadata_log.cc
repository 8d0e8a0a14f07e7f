#include "source/metadata_log.h"

#include <algorithm>
#include <charconv>

#include "base/parse_integer.h"
#include "source/durable_folder.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

std::optional<int64_t> number_of(std::string_view name) {
  const auto id = base::parse_integer(name);
  return id && *id >= 0 ? id : std::nullopt;
}

}  // namespace

std::string MetadataLog::path_of(int64_t id) const {
  return io::join_path(folder_, std::to_string(id));
}

Result<void> MetadataLog::open() {
  WEIR_TRY(make_durable_folder(files_, folder_));
  WEIR_ASSIGN(const auto entries, files_.list(folder_));
  may_have_checksums_ = false;
  std::optional<int64_t> first;
  for (const io::FileInfo& entry : entries) {
    if (entry.name.starts_with(io::kTemporaryPrefix)) {
      WEIR_TRY(files_.remove(entry.path));
      continue;
    }
    if (entry.name.ends_with(".crc")) may_have_checksums_ = true;
    if (const auto id = number_of(entry.name); id && (!first || *id < *first)) first = id;
  }
  purged_before_ = first.value_or(0);
  return {};
}

Result<io::CreateOutcome> MetadataLog::add(int64_t id, std::string_view text) {
  if (may_have_checksums_) {
    WEIR_ASSIGN(const bool there, files_.exists(path_of(id)));
    if (there) return io::CreateOutcome::kExists;
    auto removed = files_.remove(io::join_path(folder_, fmt::format(".{}.crc", id)));
    if (!removed.ok() && removed.error().kind() != ErrorKind::kNotFound)
      return std::move(removed).error();
  }
  return files_.create_if_absent(path_of(id), text);
}

Result<std::optional<std::string>> MetadataLog::get(int64_t id) {
  auto text = files_.read_all(path_of(id));
  if (text.ok()) return std::optional<std::string>(std::move(text).value());
  if (text.error().kind() == ErrorKind::kNotFound) return std::optional<std::string>();
  return std::move(text).error();
}

Result<std::vector<int64_t>> MetadataLog::ids() {
  WEIR_ASSIGN(const auto entries, files_.list(folder_));
  std::vector<int64_t> found;
  for (const io::FileInfo& entry : entries)
    if (const auto id = number_of(entry.name)) found.push_back(*id);
  std::sort(found.begin(), found.end());
  return found;
}

Result<std::optional<int64_t>> MetadataLog::latest() {
  WEIR_ASSIGN(const auto found, ids());
  return found.empty() ? std::optional<int64_t>() : std::optional<int64_t>(found.back());
}

Result<void> MetadataLog::remove(int64_t id) {
  auto removed = files_.remove(path_of(id));
  if (!removed.ok() && removed.error().kind() != ErrorKind::kNotFound) return removed;
  if (!may_have_checksums_) return {};
  removed = files_.remove(io::join_path(folder_, fmt::format(".{}.crc", id)));
  if (!removed.ok() && removed.error().kind() != ErrorKind::kNotFound) return removed;
  return {};
}

Result<void> MetadataLog::purge_before(int64_t id) {
  for (; purged_before_ < id; ++purged_before_)
    WEIR_TRY(remove(purged_before_));
  return {};
}

Result<std::string_view> after_version_line(std::string_view text, int newest,
                                            std::string_view what, int* version) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  int found = 0;
  if (line.size() < 2 || line[0] != 'v' ||
      std::from_chars(line.data() + 1, line.data() + line.size(), found).ptr !=
          line.data() + line.size() ||
      found < 1)
    return error(ErrorKind::kCorruption,
                 "{}: the first line has to be a version such as v1, and is '{}'", what,
                 line.substr(0, 40));
  if (found > newest)
    return error(ErrorKind::kUnsupported,
                 "{}: version v{} is newer than v{}, the newest that is understood here", what,
                 found, newest);
  if (version != nullptr) *version = found;
  return end == text.size() ? std::string_view() : text.substr(end + 1);
}

}  // namespace weir::source
