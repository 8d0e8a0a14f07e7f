#include "delta/actions.h"

#include "delta/json_writer.h"

namespace weir::delta {
namespace {

void append_map(std::string& out, const StringMap& map) {
  JsonObjectWriter object(out);
  for (const auto& [key, value] : map)
    object.text(key, value);
  object.end();
}

void append_partition_values(std::string& out, const PartitionValues& values) {
  JsonObjectWriter object(out);
  for (const auto& [key, value] : values) {
    if (value) {
      object.text(key, *value);
    } else {
      object.member(key) += "null";
    }
  }
  object.end();
}

void append_list(std::string& out, const std::vector<std::string>& list) {
  out += '[';
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, list[i]);
  }
  out += ']';
}

void append_deletion_vector(std::string& out, const DeletionVectorDescriptor& vector) {
  JsonObjectWriter object(out);
  object.text("storageType", vector.storage_type);
  object.text("pathOrInlineDv", vector.path_or_inline);
  if (vector.offset) object.number("offset", *vector.offset);
  object.number("sizeInBytes", vector.size_in_bytes);
  object.number("cardinality", vector.cardinality);
  object.end();
}

struct ActionWriter {
  std::string& out;

  template <typename Body>
  void action(std::string_view name, Body body) {
    JsonObjectWriter outer(out);
    outer.member(name);
    JsonObjectWriter inner(out);
    body(inner);
    inner.end();
    outer.end();
  }

  void operator()(const Protocol& protocol) {
    action("protocol", [&](JsonObjectWriter& object) {
      object.number("minReaderVersion", protocol.min_reader_version);
      object.number("minWriterVersion", protocol.min_writer_version);
      if (protocol.reader_features)
        append_list(object.member("readerFeatures"), *protocol.reader_features);
      if (protocol.writer_features)
        append_list(object.member("writerFeatures"), *protocol.writer_features);
    });
  }
  void operator()(const Metadata& metadata) {
    action("metaData", [&](JsonObjectWriter& object) {
      object.text("id", metadata.id);
      if (metadata.name) object.text("name", *metadata.name);
      if (metadata.description) object.text("description", *metadata.description);
      object.member("format");
      JsonObjectWriter format(out);
      format.text("provider", metadata.format_provider);
      append_map(format.member("options"), metadata.format_options);
      format.end();
      object.text("schemaString", metadata.schema_string);
      append_list(object.member("partitionColumns"), metadata.partition_columns);
      append_map(object.member("configuration"), metadata.configuration);
      if (metadata.created_time_ms) object.number("createdTime", *metadata.created_time_ms);
    });
  }
  void operator()(const AddFile& add) {
    action("add", [&](JsonObjectWriter& object) {
      object.text("path", add.path);
      append_partition_values(object.member("partitionValues"), add.partition_values);
      object.number("size", add.size);
      object.number("modificationTime", add.modification_time_ms);
      object.boolean("dataChange", add.data_change);
      if (!add.stats.empty()) object.text("stats", add.stats);
      if (add.tags) append_map(object.member("tags"), *add.tags);
      if (add.deletion_vector)
        append_deletion_vector(object.member("deletionVector"), *add.deletion_vector);
      if (add.base_row_id) object.number("baseRowId", *add.base_row_id);
      if (add.default_row_commit_version)
        object.number("defaultRowCommitVersion", *add.default_row_commit_version);
      if (add.clustering_provider) object.text("clusteringProvider", *add.clustering_provider);
    });
  }
  void operator()(const RemoveFile& remove) {
    action("remove", [&](JsonObjectWriter& object) {
      object.text("path", remove.path);
      if (remove.deletion_timestamp_ms)
        object.number("deletionTimestamp", *remove.deletion_timestamp_ms);
      object.boolean("dataChange", remove.data_change);
      if (remove.extended_file_metadata)
        object.boolean("extendedFileMetadata", *remove.extended_file_metadata);
      if (remove.partition_values)
        append_partition_values(object.member("partitionValues"), *remove.partition_values);
      if (remove.size) object.number("size", *remove.size);
      if (remove.tags) append_map(object.member("tags"), *remove.tags);
      if (remove.deletion_vector)
        append_deletion_vector(object.member("deletionVector"), *remove.deletion_vector);
      if (remove.base_row_id) object.number("baseRowId", *remove.base_row_id);
      if (remove.default_row_commit_version)
        object.number("defaultRowCommitVersion", *remove.default_row_commit_version);
    });
  }
  void operator()(const SetTransaction& transaction) {
    action("txn", [&](JsonObjectWriter& object) {
      object.text("appId", transaction.app_id);
      object.number("version", transaction.version);
      if (transaction.last_updated_ms) object.number("lastUpdated", *transaction.last_updated_ms);
    });
  }
  void operator()(const CommitInfo& info) {
    JsonObjectWriter outer(out);
    outer.member("commitInfo") += base::json_text(info.fields);
    outer.end();
  }
  void operator()(const DomainMetadata& domain) {
    action("domainMetadata", [&](JsonObjectWriter& object) {
      object.text("domain", domain.domain);
      object.text("configuration", domain.configuration);
      object.boolean("removed", domain.removed);
    });
  }
  void operator()(const CdcFile& cdc) {
    action("cdc", [&](JsonObjectWriter& object) {
      object.text("path", cdc.path);
      append_partition_values(object.member("partitionValues"), cdc.partition_values);
      object.number("size", cdc.size);
      object.boolean("dataChange", false);
    });
  }
  void operator()(const Sidecar& sidecar) {
    action("sidecar", [&](JsonObjectWriter& object) {
      object.text("path", sidecar.path);
      object.number("sizeInBytes", sidecar.size_in_bytes);
    });
  }
  void operator()(const CheckpointMetadata& metadata) {
    action("checkpointMetadata",
           [&](JsonObjectWriter& object) { object.number("version", metadata.version); });
  }
};

}  // namespace

std::string DeletionVectorDescriptor::unique_id() const {
  std::string id = storage_type + path_or_inline;
  if (offset) id += "@" + std::to_string(*offset);
  return id;
}

std::string action_text(const Action& action) {
  std::string out;
  std::visit(ActionWriter{out}, action);
  return out;
}

std::string actions_text(const std::vector<Action>& actions) {
  std::string out;
  for (const Action& action : actions) {
    std::visit(ActionWriter{out}, action);
    out += '\n';
  }
  return out;
}

FileKey file_key(const AddFile& add) {
  return {add.path, add.deletion_vector ? add.deletion_vector->unique_id() : std::string()};
}

FileKey file_key(const RemoveFile& remove) {
  return {remove.path,
          remove.deletion_vector ? remove.deletion_vector->unique_id() : std::string()};
}

RemoveFile remove_of(const AddFile& add, int64_t deletion_timestamp_ms, bool data_change) {
  RemoveFile remove;
  remove.path = add.path;
  remove.deletion_timestamp_ms = deletion_timestamp_ms;
  remove.data_change = data_change;
  remove.extended_file_metadata = true;
  remove.partition_values = add.partition_values;
  remove.size = add.size;
  remove.tags = add.tags;
  remove.deletion_vector = add.deletion_vector;
  remove.base_row_id = add.base_row_id;
  remove.default_row_commit_version = add.default_row_commit_version;
  return remove;
}

}  // namespace weir::delta
