#include "delta/action_parser.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using base::JsonArray;
using base::JsonObject;
using base::JsonValue;

// The members of one action's object; remembers the first that is missing or of another type.
class Members {
 public:
  Members(const JsonObject& object, std::string_view action) : object_(object), action_(action) {}

  std::string text(std::string_view key) {
    auto value = optional_text(key);
    if (!value) missing(key, "a string");
    return value.value_or("");
  }
  int64_t number(std::string_view key) {
    auto value = optional_number(key);
    if (!value) missing(key, "an integer");
    return value.value_or(0);
  }
  bool boolean(std::string_view key, bool otherwise) {
    const JsonValue* value = present(key);
    if (value == nullptr) return otherwise;
    if (!value->is_bool()) missing(key, "a boolean");
    return value->is_bool() && value->get_bool();
  }
  std::optional<std::string> optional_text(std::string_view key) {
    const JsonValue* value = present(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) return missing(key, "a string"), std::nullopt;
    return std::string(value->get_string());
  }
  std::optional<int64_t> optional_number(std::string_view key) {
    const JsonValue* value = present(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_int64()) return missing(key, "an integer"), std::nullopt;
    return value->get_int64();
  }
  std::optional<std::vector<std::string>> optional_list(std::string_view key) {
    const JsonValue* value = present(key);
    if (value == nullptr) return std::nullopt;
    std::vector<std::string> list;
    const JsonArray* array = value->if_array();
    if (array == nullptr) return missing(key, "an array of strings"), std::nullopt;
    for (const JsonValue& element : *array) {
      if (!element.is_string()) return missing(key, "an array of strings"), std::nullopt;
      list.emplace_back(element.get_string());
    }
    return list;
  }
  // Scalars other than strings are kept as their JSON text: some writers put numbers into
  // configurations.
  std::optional<StringMap> optional_map(std::string_view key) {
    const JsonValue* value = present(key);
    if (value == nullptr) return std::nullopt;
    const JsonObject* members = value->if_object();
    if (members == nullptr) return missing(key, "an object"), std::nullopt;
    StringMap map;
    for (const auto& member : *members) {
      if (member.value().is_null()) continue;
      map[std::string(member.key())] = member.value().is_string()
                                           ? std::string(member.value().get_string())
                                           : base::json_text(member.value());
    }
    return map;
  }
  std::optional<PartitionValues> optional_partition_values(std::string_view key) {
    const JsonValue* value = present(key);
    if (value == nullptr) return std::nullopt;
    const JsonObject* members = value->if_object();
    if (members == nullptr) return missing(key, "an object"), std::nullopt;
    PartitionValues values;
    for (const auto& member : *members) {
      auto& slot = values[std::string(member.key())];
      if (member.value().is_string()) {
        if (!member.value().get_string().empty()) slot = std::string(member.value().get_string());
      } else if (!member.value().is_null()) {
        slot = base::json_text(member.value());
      }
    }
    return values;
  }
  std::optional<DeletionVectorDescriptor> optional_deletion_vector(std::string_view key) {
    const JsonValue* value = present(key);
    if (value == nullptr) return std::nullopt;
    const JsonObject* object = value->if_object();
    if (object == nullptr) return missing(key, "an object"), std::nullopt;
    Members members(*object, "deletionVector");
    DeletionVectorDescriptor vector;
    vector.storage_type = members.text("storageType");
    vector.path_or_inline = members.text("pathOrInlineDv");
    if (auto offset = members.optional_number("offset"))
      vector.offset = static_cast<int32_t>(*offset);
    vector.size_in_bytes = static_cast<int32_t>(members.number("sizeInBytes"));
    vector.cardinality = members.number("cardinality");
    if (problem_.empty()) problem_ = members.problem_;
    return vector;
  }
  const JsonObject* object(std::string_view key) {
    const JsonValue* value = present(key);
    return value == nullptr ? nullptr : value->if_object();
  }
  const std::string& problem() const { return problem_; }

 private:
  const JsonValue* present(std::string_view key) const {
    const JsonValue* value = object_.if_contains(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  void missing(std::string_view key, std::string_view expected) {
    if (problem_.empty())
      problem_ = fmt::format("action {}: field {} is not {}", action_, key, expected);
  }

  const JsonObject& object_;
  std::string_view action_;
  std::string problem_;
};

Protocol read_protocol(Members& members) {
  Protocol protocol;
  protocol.min_reader_version = static_cast<int>(members.number("minReaderVersion"));
  protocol.min_writer_version = static_cast<int>(members.number("minWriterVersion"));
  protocol.reader_features = members.optional_list("readerFeatures");
  protocol.writer_features = members.optional_list("writerFeatures");
  return protocol;
}

Metadata read_metadata(Members& members) {
  Metadata metadata;
  metadata.id = members.text("id");
  metadata.name = members.optional_text("name");
  metadata.description = members.optional_text("description");
  if (const JsonObject* format = members.object("format")) {
    Members format_members(*format, "metaData.format");
    metadata.format_provider = format_members.optional_text("provider").value_or("parquet");
    metadata.format_options = format_members.optional_map("options").value_or(StringMap{});
  }
  metadata.schema_string = members.text("schemaString");
  metadata.partition_columns =
      members.optional_list("partitionColumns").value_or(std::vector<std::string>{});
  metadata.configuration = members.optional_map("configuration").value_or(StringMap{});
  metadata.created_time_ms = members.optional_number("createdTime");
  return metadata;
}

AddFile read_add(Members& members) {
  AddFile add;
  add.path = members.text("path");
  add.partition_values =
      members.optional_partition_values("partitionValues").value_or(PartitionValues{});
  add.size = members.number("size");
  add.modification_time_ms = members.optional_number("modificationTime").value_or(0);
  add.data_change = members.boolean("dataChange", true);
  add.stats = members.optional_text("stats").value_or("");
  add.tags = members.optional_map("tags");
  add.deletion_vector = members.optional_deletion_vector("deletionVector");
  add.base_row_id = members.optional_number("baseRowId");
  add.default_row_commit_version = members.optional_number("defaultRowCommitVersion");
  add.clustering_provider = members.optional_text("clusteringProvider");
  return add;
}

RemoveFile read_remove(Members& members) {
  RemoveFile remove;
  remove.path = members.text("path");
  remove.deletion_timestamp_ms = members.optional_number("deletionTimestamp");
  remove.data_change = members.boolean("dataChange", true);
  if (members.boolean("extendedFileMetadata", false)) remove.extended_file_metadata = true;
  remove.partition_values = members.optional_partition_values("partitionValues");
  remove.size = members.optional_number("size");
  remove.tags = members.optional_map("tags");
  remove.deletion_vector = members.optional_deletion_vector("deletionVector");
  remove.base_row_id = members.optional_number("baseRowId");
  remove.default_row_commit_version = members.optional_number("defaultRowCommitVersion");
  return remove;
}

std::optional<Action> read_action(std::string_view name, const JsonObject& body, Members& members) {
  if (name == "protocol") return read_protocol(members);
  if (name == "metaData") return read_metadata(members);
  if (name == "add") return read_add(members);
  if (name == "remove") return read_remove(members);
  if (name == "commitInfo") return CommitInfo{body};
  if (name == "txn") {
    return SetTransaction{members.text("appId"), members.number("version"),
                          members.optional_number("lastUpdated")};
  }
  if (name == "domainMetadata") {
    return DomainMetadata{members.text("domain"),
                          members.optional_text("configuration").value_or(""),
                          members.boolean("removed", false)};
  }
  if (name == "cdc") {
    return CdcFile{members.text("path"),
                   members.optional_partition_values("partitionValues").value_or(PartitionValues{}),
                   members.number("size")};
  }
  if (name == "sidecar")
    return Sidecar{members.text("path"), members.optional_number("sizeInBytes").value_or(0)};
  if (name == "checkpointMetadata") return CheckpointMetadata{members.number("version")};
  return std::nullopt;
}

}  // namespace

Result<std::optional<Action>> action_from_json(std::string_view name, const JsonObject& body,
                                               std::string_view what) {
  Members members(body, name);
  std::optional<Action> action = read_action(name, body, members);
  if (!members.problem().empty())
    return base::error(ErrorKind::kCorruption, "{}: {}", what, members.problem());
  return action;
}

Result<std::optional<Action>> parse_action(std::string_view line, std::string_view what) {
  WEIR_ASSIGN(const JsonObject outer, base::parse_json_object(line, what));
  for (const auto& member : outer) {
    const JsonObject* body = member.value().if_object();
    if (body == nullptr)
      continue;  // {"add":{…},"remove":null}: nulls are allowed beside the one action
    WEIR_ASSIGN(std::optional<Action> action, action_from_json(member.key(), *body, what));
    if (action) return action;
  }
  return std::optional<Action>();
}

Result<std::vector<Action>> parse_actions(std::string_view text, std::string_view what) {
  std::vector<Action> actions;
  int line_number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto action = parse_action(line, what);
    if (!action.ok())
      return std::move(action).error().with_context(fmt::format("line {}", line_number));
    if (action->has_value()) actions.push_back(std::move(**action));
  }
  return actions;
}

}  // namespace weir::delta
