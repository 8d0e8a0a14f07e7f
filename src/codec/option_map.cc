#include "codec/option_map.h"

#include <algorithm>
#include <cctype>

#include "base/parse_integer.h"
#include "base/text.h"

namespace weir::codec {

using base::error;
using base::ErrorKind;

namespace {}  // namespace

OptionMap::OptionMap(const std::map<std::string, std::string>& options) {
  for (const auto& [name, value] : options)
    entries_[base::lower_case(name)] = {name, value, false};
}

OptionMap::Entry* OptionMap::find(std::string_view name) {
  const auto found = entries_.find(base::lower_case(name));
  if (found == entries_.end()) return nullptr;
  found->second.known = true;
  return &found->second;
}

std::optional<std::string> OptionMap::text(std::string_view name) {
  const Entry* entry = find(name);
  if (!entry) return std::nullopt;
  return entry->value;
}

Result<bool> OptionMap::boolean(std::string_view name, bool otherwise) {
  const Entry* entry = find(name);
  if (!entry) return otherwise;
  const std::string value = base::lower_case(entry->value);
  if (value == "true") return true;
  if (value == "false") return false;
  return error(ErrorKind::kInvalidArgument, "option {} has to be true or false, not '{}'", name,
               entry->value);
}

Result<int64_t> OptionMap::integer(std::string_view name, int64_t otherwise) {
  const Entry* entry = find(name);
  if (!entry) return otherwise;
  const auto value = base::parse_integer(entry->value);
  if (!value)
    return error(ErrorKind::kInvalidArgument, "option {} has to be an integer, not '{}'", name,
                 entry->value);
  return *value;
}

Result<ParseMode> OptionMap::mode() {
  const Entry* entry = find("mode");
  const std::string mode = entry ? base::lower_case(entry->value) : "permissive";
  if (mode == "permissive") return ParseMode::kPermissive;
  if (mode == "dropmalformed") return ParseMode::kDropMalformed;
  if (mode == "failfast") return ParseMode::kFailFast;
  return error(ErrorKind::kInvalidArgument,
               "option mode has to be PERMISSIVE, DROPMALFORMED or FAILFAST, not '{}'",
               entry->value);
}

void OptionMap::ignore(std::initializer_list<std::string_view> names) {
  for (std::string_view name : names)
    find(name);
}

Result<void> OptionMap::refuse(std::string_view name,
                               std::initializer_list<std::string_view> harmless) {
  const Entry* entry = find(name);
  if (!entry) return {};
  for (std::string_view value : harmless) {
    if (base::lower_case(entry->value) == base::lower_case(value)) return {};
  }
  return error(ErrorKind::kUnsupported, "option {} = '{}'", name, entry->value);
}

Result<void> OptionMap::check_encoding() {
  for (std::string_view name : {"encoding", "charset"})
    WEIR_TRY(refuse(name, {"UTF-8", "utf8"}));
  return {};
}

std::vector<std::string> OptionMap::unknown() const {
  std::vector<std::string> names;
  for (const auto& [key, entry] : entries_) {
    if (!entry.known) names.push_back(entry.name);
  }
  return names;
}

void ignore_file_source_options(OptionMap& options) {
  options.ignore({"path",
                  "paths",
                  "recursiveFileLookup",
                  "pathGlobFilter",
                  "modifiedBefore",
                  "modifiedAfter",
                  "maxFilesPerTrigger",
                  "maxBytesPerTrigger",
                  "latestFirst",
                  "maxFileAge",
                  "fileNameOnly",
                  "cleanSource",
                  "sourceArchiveDir",
                  "ignoreMissingFiles",
                  "ignoreCorruptFiles",
                  "basePath",
                  "maxCachedFiles",
                  "discardCachedInputRatio",
                  "compression",
                  "codec",
                  "inferSchema",
                  "samplingRatio",
                  "timeZone"});
}

}  // namespace weir::codec
