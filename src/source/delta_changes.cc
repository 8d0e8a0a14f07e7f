#include "source/delta_changes.h"

#include <algorithm>

#include "delta/actions.h"
#include "delta/civil_time.h"
#include "delta/log_segment.h"
#include "delta/table_features.h"

namespace weir::source {

using base::error;
using base::ErrorKind;
using base::TableVersion;

namespace {

base::Error ignore_delete(const std::string& path, int64_t version, const std::string& file) {
  return error(ErrorKind::kUnsupported,
               "Detected deleted data (for example {}) from streaming source at version {}. This "
               "is currently not supported. If you'd like to ignore deletes, set the option "
               "'ignoreDeletes' to 'true'. The source table can be found at path {}.",
               file, version, path)
      .with_class("DELTA_SOURCE_IGNORE_DELETE")
      .with_sql_state("0A000")
      .with_parameter("removedFile", file)
      .with_parameter("version", std::to_string(version))
      .with_parameter("dataPath", path);
}

base::Error ignore_changes(const std::string& path, int64_t version, const std::string& file) {
  return error(ErrorKind::kUnsupported,
               "Detected a data update (for example {}) in the source table at version {}. This is "
               "currently not supported. If this is going to happen regularly and you are okay to "
               "skip changes, set the option 'skipChangeCommits' to 'true'. If you would like the "
               "data update to be reflected, please restart this query with a fresh checkpoint "
               "directory. The source table can be found at path {}.",
               file, version, path)
      .with_class("DELTA_SOURCE_TABLE_IGNORE_CHANGES")
      .with_sql_state("0A000")
      .with_parameter("changeInfo", file)
      .with_parameter("version", std::to_string(version))
      .with_parameter("dataPath", path);
}

// Columns that the files of a commit may have: all of them known to the query, in the same types.
Result<void> check_schema(const delta::Metadata& metadata, const Schema& read_schema,
                          int64_t version) {
  WEIR_ASSIGN(const Schema data, columnar::parse_type_json_text(metadata.schema_string));
  for (const columnar::Field& field : data.fields()) {
    const int index = read_schema.field_index_ignoring_case(field.name);
    if (index >= 0 &&
        read_schema.fields()[static_cast<size_t>(index)].type().as_nullable().same_type(
            field.type().as_nullable()))
      continue;
    const std::string read = columnar::schema_to_ddl(read_schema);
    const std::string found = columnar::schema_to_ddl(data);
    return error(ErrorKind::kInvalidArgument,
                 "Detected schema change in version {}:\nstreaming source schema: {}\n\ndata file "
                 "schema: {}\n\nPlease try restarting the query. If this issue repeats across "
                 "query restarts without making progress, you have made an incompatible schema "
                 "change and need to start your query from scratch using a new checkpoint "
                 "directory.",
                 version, read, found)
        .with_class("DELTA_SCHEMA_CHANGED_WITH_VERSION")
        .with_sql_state("KD007")
        .with_parameter("version", std::to_string(version))
        .with_parameter("readSchema", read)
        .with_parameter("dataSchema", found);
  }
  return {};
}

}  // namespace

Result<std::optional<delta::FileList>> read_delta_changes(io::FileSystem& files,
                                                          const delta::TableSnapshot& table,
                                                          int64_t version,
                                                          const DeltaChangeRules& rules) {
  const std::string path = delta::commit_path(table.path(), TableVersion(version));
  auto text = files.read_all(path);
  if (!text.ok()) {
    if (text.error().kind() == ErrorKind::kNotFound) return std::optional<delta::FileList>();
    return std::move(text).error();
  }
  WEIR_ASSIGN(auto actions, delta::parse_actions(*text, path));
  delta::FileList added;
  std::optional<std::string> removed;
  for (delta::Action& action : actions) {
    if (auto* add = std::get_if<delta::AddFile>(&action)) {
      if (add->data_change)
        added.push_back(std::make_shared<const delta::AddFile>(std::move(*add)));
    } else if (const auto* remove = std::get_if<delta::RemoveFile>(&action)) {
      if (remove->data_change && !removed) removed = remove->path;
    } else if (const auto* metadata = std::get_if<delta::Metadata>(&action)) {
      WEIR_TRY(check_schema(*metadata, table.schema(), version));
    } else if (const auto* protocol = std::get_if<delta::Protocol>(&action)) {
      WEIR_TRY(delta::check_readable(table.path(), *protocol, table.metadata()));
    }
  }
  if (!removed) return std::optional(std::move(added));
  if (rules.skip_change_commits) return std::optional(delta::FileList());
  if (!added.empty() && !rules.ignore_changes)
    return ignore_changes(table.path(), version, added.front()->path);
  if (added.empty() && !rules.ignore_changes && !rules.ignore_deletes)
    return ignore_delete(table.path(), version, *removed);
  return std::optional(std::move(added));
}

Result<int64_t> first_delta_version_at(io::FileSystem& files, const std::string& table_path,
                                       int64_t timestamp_us) {
  WEIR_ASSIGN(const auto entries, files.list(delta::log_path(table_path)));
  std::optional<int64_t> last_ms;
  for (const auto& entry : entries) {
    const auto name = delta::parse_log_file_name(entry.name);
    if (name.kind != delta::LogFileKind::kCommit) continue;
    last_ms = last_ms ? std::max(entry.modified_us / 1000, *last_ms + 1) : entry.modified_us / 1000;
    if (*last_ms * 1000 + 999 >= timestamp_us) return name.version.value();
  }
  const std::string given = delta::timestamp_text(timestamp_us, ' ', 3);
  const std::string newest = delta::timestamp_text(last_ms.value_or(0) * 1000, ' ', 3);
  return error(ErrorKind::kNotFound,
               "The provided timestamp ({}) is after the latest version available to this table "
               "({}). Please use a timestamp before or at {}.",
               given, newest, newest)
      .with_class("DELTA_TIMESTAMP_GREATER_THAN_COMMIT")
      .with_sql_state("42816")
      .with_parameter("providedTimestamp", given)
      .with_parameter("tableName", newest)
      .with_parameter("maximumTimestamp", newest);
}

Result<int64_t> oldest_delta_commit(io::FileSystem& files, const std::string& table_path) {
  WEIR_ASSIGN(const auto entries, files.list(delta::log_path(table_path)));
  for (const auto& entry : entries) {
    const auto name = delta::parse_log_file_name(entry.name);
    if (name.kind == delta::LogFileKind::kCommit) return name.version.value();
  }
  return error(ErrorKind::kNotFound, "{} has no commits", delta::log_path(table_path));
}

}  // namespace weir::source
