#include "session/catalog_json.h"

namespace weir::session {

using base::error;
using base::ErrorKind;
using base::JsonArray;
using base::JsonObject;

namespace {

constexpr int64_t kVersion = 1;

JsonObject map_json(const TextMap& map) {
  JsonObject object;
  for (const auto& [key, value] : map)
    object[key] = value;
  return object;
}

TextMap map_of(const JsonObject& parent, std::string_view key) {
  TextMap map;
  const JsonObject* object = base::json_object(parent, key);
  if (object == nullptr) return map;
  for (const auto& member : *object) {
    if (const auto* text = member.value().if_string())
      map.emplace(std::string(member.key()), std::string(*text));
  }
  return map;
}

JsonArray list_json(const std::vector<std::string>& list) {
  JsonArray array;
  for (const auto& text : list)
    array.emplace_back(text);
  return array;
}

std::vector<std::string> list_of(const JsonObject& parent, std::string_view key) {
  std::vector<std::string> list;
  const JsonArray* array = base::json_array(parent, key);
  if (array == nullptr) return list;
  for (const auto& value : *array)
    if (const auto* text = value.if_string()) list.emplace_back(*text);
  return list;
}

Result<JsonObject> checked_object(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(JsonObject object, base::parse_json_object(text, what));
  const auto version = base::json_int(object, "version");
  if (!version) return error(ErrorKind::kCorruption, "{}: it has no version", what);
  if (*version > kVersion) {
    return error(ErrorKind::kUnsupported,
                 "{}: version {} of the catalog's format; this weir reads up to {}", what, *version,
                 kVersion);
  }
  return object;
}

Result<std::string> needed(const JsonObject& object, std::string_view key, std::string_view what) {
  auto text = base::json_string(object, key);
  if (!text) return error(ErrorKind::kCorruption, "{}: '{}' is missing", what, key);
  return std::move(*text);
}

std::string_view kind_name(TableKind kind) {
  switch (kind) {
    case TableKind::kManaged:
      return "managed";
    case TableKind::kExternal:
      return "external";
    case TableKind::kView:
      return "view";
  }
  return "view";
}

}  // namespace

std::string database_json(const DatabaseEntry& entry) {
  JsonObject object;
  object["version"] = kVersion;
  object["name"] = entry.name;
  object["comment"] = entry.comment;
  object["location"] = entry.location;
  object["properties"] = map_json(entry.properties);
  object["created_ms"] = entry.created_ms;
  return base::json_text_pretty(object);
}

Result<DatabaseEntry> parse_database_json(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(const JsonObject object, checked_object(text, what));
  DatabaseEntry entry;
  WEIR_ASSIGN(entry.name, needed(object, "name", what));
  WEIR_ASSIGN(entry.location, needed(object, "location", what));
  entry.comment = base::json_string(object, "comment").value_or("");
  entry.properties = map_of(object, "properties");
  entry.created_ms = base::json_int(object, "created_ms").value_or(0);
  return entry;
}

std::string table_json(const TableEntry& entry) {
  JsonObject object;
  object["version"] = kVersion;
  object["database"] = entry.database;
  object["name"] = entry.name;
  const auto kind = kind_name(entry.kind);
  object["kind"] = boost::json::string_view(kind.data(), kind.size());
  if (!entry.provider.empty()) object["provider"] = entry.provider;
  if (!entry.location.empty()) object["location"] = entry.location;
  object["schema"] = entry.schema.to_json();
  if (!entry.partition_columns.empty())
    object["partition_columns"] = list_json(entry.partition_columns);
  object["options"] = map_json(entry.options);
  object["properties"] = map_json(entry.properties);
  if (entry.comment) object["comment"] = *entry.comment;
  object["created_ms"] = entry.created_ms;
  if (entry.is_view()) {
    object["view_text"] = entry.view_text;
    object["view_columns_named"] = entry.view_columns_named;
    object["view_database"] = entry.view_database;
    object["view_conf"] = map_json(entry.view_conf);
    if (!entry.view_mode.empty()) object["view_mode"] = entry.view_mode;
    if (!entry.view_query_columns.empty())
      object["view_query_columns"] = list_json(entry.view_query_columns);
  }
  return base::json_text_pretty(object);
}

Result<TableEntry> parse_table_json(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(const JsonObject object, checked_object(text, what));
  TableEntry entry;
  WEIR_ASSIGN(entry.database, needed(object, "database", what));
  WEIR_ASSIGN(entry.name, needed(object, "name", what));
  WEIR_ASSIGN(const std::string kind, needed(object, "kind", what));
  if (kind == kind_name(TableKind::kManaged)) {
    entry.kind = TableKind::kManaged;
  } else if (kind == kind_name(TableKind::kExternal)) {
    entry.kind = TableKind::kExternal;
  } else if (kind == kind_name(TableKind::kView)) {
    entry.kind = TableKind::kView;
  } else {
    return error(ErrorKind::kCorruption, "{}: kind '{}' is none", what, kind);
  }
  if (entry.is_view()) {
    WEIR_ASSIGN(entry.view_text, needed(object, "view_text", what));
  } else {
    WEIR_ASSIGN(entry.provider, needed(object, "provider", what));
    WEIR_ASSIGN(entry.location, needed(object, "location", what));
  }
  const auto* schema = object.if_contains("schema");
  if (schema == nullptr) return error(ErrorKind::kCorruption, "{}: 'schema' is missing", what);
  auto parsed = columnar::parse_type_json(*schema);
  if (!parsed.ok()) return std::move(parsed).error().with_context(what);
  entry.schema = std::move(parsed).value();
  entry.partition_columns = list_of(object, "partition_columns");
  entry.options = map_of(object, "options");
  entry.properties = map_of(object, "properties");
  entry.comment = base::json_string(object, "comment");
  entry.created_ms = base::json_int(object, "created_ms").value_or(0);
  entry.view_columns_named = base::json_bool(object, "view_columns_named").value_or(false);
  entry.view_database = base::json_string(object, "view_database").value_or("");
  entry.view_conf = map_of(object, "view_conf");
  entry.view_mode = base::json_string(object, "view_mode").value_or("");
  entry.view_query_columns = list_of(object, "view_query_columns");
  return entry;
}

std::string change_note_json(const ChangeNote& note) {
  JsonObject object;
  object["version"] = kVersion;
  JsonArray puts;
  for (const auto& put : note.puts) {
    JsonObject one;
    one["path"] = put.path;
    one["bytes"] = put.bytes;
    puts.emplace_back(std::move(one));
  }
  object["put"] = std::move(puts);
  object["remove_files"] = list_json(note.files);
  object["remove_folders"] = list_json(note.folders);
  return base::json_text_pretty(object);
}

Result<ChangeNote> parse_change_note_json(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(const JsonObject object, checked_object(text, what));
  ChangeNote note;
  if (const JsonArray* puts = base::json_array(object, "put")) {
    for (const auto& value : *puts) {
      const JsonObject* put = value.if_object();
      if (put == nullptr) return error(ErrorKind::kCorruption, "{}: 'put' is no object", what);
      ChangeNote::Put one;
      WEIR_ASSIGN(one.path, needed(*put, "path", what));
      WEIR_ASSIGN(one.bytes, needed(*put, "bytes", what));
      note.puts.push_back(std::move(one));
    }
  }
  note.files = list_of(object, "remove_files");
  note.folders = list_of(object, "remove_folders");
  return note;
}

}  // namespace weir::session
