// Actions of the Delta log as values, and their JSON (PROTOCOL.md, "Actions").
//
// One line of a commit file holds one action: {"add":{…}}. Fields and actions that we don't know
// are ignored, as the protocol demands (what a reader must understand is announced by a table
// feature). Values are as in the log: `path` is URI-encoded, partition values are texts, `stats` is
// JSON text.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/result.h"

namespace weir::delta {

using base::Result;
using base::TableVersion;

using StringMap = std::map<std::string, std::string>;
// nullopt is the NULL partition (an empty text in a log means the same).
using PartitionValues = std::map<std::string, std::optional<std::string>>;

struct Protocol {
  int min_reader_version = 1;
  int min_writer_version = 2;
  std::optional<std::vector<std::string>> reader_features;  // present where min_reader_version is 3
  std::optional<std::vector<std::string>> writer_features;  // present where min_writer_version is 7
  bool operator==(const Protocol&) const = default;
};

struct Metadata {
  std::string id;  // uuid, fixed for the table's life
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::string format_provider = "parquet";
  StringMap format_options;
  std::string schema_string;  // Spark's schema JSON
  std::vector<std::string> partition_columns;
  std::optional<int64_t> created_time_ms;
  StringMap configuration;
  bool operator==(const Metadata&) const = default;
};

struct DeletionVectorDescriptor {
  std::string storage_type;  // "u" relative by uuid, "p" absolute path, "i" inline
  std::string path_or_inline;
  std::optional<int32_t> offset;
  int32_t size_in_bytes = 0;
  int64_t cardinality = 0;
  // storage type, path or bytes, "@" and offset: names the vector within a table.
  std::string unique_id() const;
  bool operator==(const DeletionVectorDescriptor&) const = default;
};

struct AddFile {
  std::string path;
  PartitionValues partition_values;
  int64_t size = 0;
  int64_t modification_time_ms = 0;
  bool data_change = true;
  std::string stats;  // JSON text, empty where absent
  std::optional<StringMap> tags;
  std::optional<DeletionVectorDescriptor> deletion_vector;
  std::optional<int64_t> base_row_id;
  std::optional<int64_t> default_row_commit_version;
  std::optional<std::string> clustering_provider;
};

struct RemoveFile {
  std::string path;
  std::optional<int64_t> deletion_timestamp_ms;
  bool data_change = true;
  std::optional<bool> extended_file_metadata;  // true: partition_values and size are there
  std::optional<PartitionValues> partition_values;
  std::optional<int64_t> size;
  std::optional<StringMap> tags;
  std::optional<DeletionVectorDescriptor> deletion_vector;
  std::optional<int64_t> base_row_id;
  std::optional<int64_t> default_row_commit_version;
};

struct SetTransaction {
  std::string app_id;
  int64_t version = 0;
  std::optional<int64_t> last_updated_ms;
};

struct CommitInfo {
  base::JsonObject fields;  // free form; delta-spark's names where we write it
};

struct DomainMetadata {
  std::string domain;
  std::string configuration;
  bool removed = false;
};

struct CdcFile {
  std::string path;
  PartitionValues partition_values;
  int64_t size = 0;
};

struct Sidecar {  // checkpoints of spec v2 only
  std::string path;
  int64_t size_in_bytes = 0;
};

struct CheckpointMetadata {  // checkpoints of spec v2 only
  int64_t version = 0;
};

using Action = std::variant<Protocol, Metadata, AddFile, RemoveFile, SetTransaction, CommitInfo,
                            DomainMetadata, CdcFile, Sidecar, CheckpointMetadata>;

// The action of one line; nullopt for an unknown one. kCorruption where a required field is missing
// or of another type.
Result<std::optional<Action>> parse_action(std::string_view line, std::string_view what);
// All actions of a commit file or of a checkpoint in JSON.
Result<std::vector<Action>> parse_actions(std::string_view text, std::string_view what);

// {"add":{…}} without the line's end.
std::string action_text(const Action& action);
// One line an action.
std::string actions_text(const std::vector<Action>& actions);

// Identity of a logical file: its path and the deletion vector's unique id.
struct FileKey {
  std::string path;
  std::string deletion_vector_id;  // empty where there is none
  auto operator<=>(const FileKey&) const = default;
};
FileKey file_key(const AddFile& add);
FileKey file_key(const RemoveFile& remove);

// The tombstone of a file that is in the table.
RemoveFile remove_of(const AddFile& add, int64_t deletion_timestamp_ms, bool data_change);

}  // namespace weir::delta

template <>
struct std::hash<weir::delta::FileKey> {
  size_t operator()(const weir::delta::FileKey& key) const {
    return std::hash<std::string>{}(key.path) ^
           (std::hash<std::string>{}(key.deletion_vector_id) * 1099511628211U);
  }
};
