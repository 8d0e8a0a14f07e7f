// The metadata file of a store, and the manifest of a version.
#include <algorithm>
#include <bit>

#include "state/versioned_store.h"

namespace weir::state {

using base::error;
using base::ErrorKind;

namespace {

constexpr std::pair<Layout, std::string_view> kLayouts[] = {{Layout::kHash, "hash"},
                                                            {Layout::kOrdered, "ordered"}};
constexpr std::pair<TimeBuckets, std::string_view> kTimes[] = {
    {TimeBuckets::kNone, "none"}, {TimeBuckets::kOfKey, "ofKey"}, {TimeBuckets::kOfRow, "ofRow"}};
constexpr std::pair<Provider, std::string_view> kProviders[] = {{Provider::kMemory, "memory"},
                                                                {Provider::kRocksDb, "rocksdb"}};

template <typename T, size_t N>
std::string_view name_of(T value, const std::pair<T, std::string_view> (&names)[N]) {
  for (const auto& [each, name] : names)
    if (each == value) return name;
  return "";
}

template <typename T, size_t N>
std::optional<T> value_of(const std::optional<std::string>& name,
                          const std::pair<T, std::string_view> (&names)[N]) {
  for (const auto& [each, known] : names)
    if (name == known) return each;
  return std::nullopt;
}

}  // namespace

std::string store_folder(const std::string& folder, int64_t operator_id, std::string_view name) {
  return io::join_path(io::join_path(folder, std::to_string(operator_id)), name);
}

Result<void> check_spec(const StoreSpec& spec, int shards) {
  const bool good_name = !spec.name.empty() && spec.name.size() <= 200 &&
                         std::all_of(spec.name.begin(), spec.name.end(), [](char c) {
                           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                  (c >= '0' && c <= '9') || c == '_' || c == '-';
                         });
  if (!good_name)
    return error(ErrorKind::kInvalidArgument,
                 "\"{}\" is no name of a state store: letters, digits, _ and -", spec.name);
  if (shards < 1 || shards > 1024 || !std::has_single_bit(static_cast<unsigned>(shards)))
    return error(ErrorKind::kInvalidArgument,
                 "{} state shards: it has to be a power of two from 1 to 1024", shards);
  const auto columns = static_cast<int>(spec.key.fields().size());
  if (spec.prefix_columns < 0 || spec.prefix_columns > columns)
    return error(ErrorKind::kInvalidArgument, "a prefix of {} columns of a key with {}",
                 spec.prefix_columns, columns);
  if (spec.layout == Layout::kHash && spec.prefix_columns != 0)
    return error(ErrorKind::kInvalidArgument, "a state store that is scanned by prefix is ordered");
  if (spec.time != TimeBuckets::kNone && spec.bucket_width_us <= 0)
    return error(ErrorKind::kInvalidArgument, "time buckets of {} microseconds",
                 spec.bucket_width_us);
  return {};
}

std::string metadata_text(const StoreSpec& spec, int64_t operator_id, Provider provider,
                          int shards) {
  base::JsonObject json;
  json["format"] = 1;
  json["operator"] = operator_id;
  json["store"] = spec.name;
  json["operatorName"] = spec.operator_name;
  json["identity"] = spec.identity;
  json["kind"] = spec.kind;
  json["provider"] = name_of(provider, kProviders);
  json["shards"] = shards;
  json["layout"] = name_of(spec.layout, kLayouts);
  json["prefixColumns"] = spec.prefix_columns;
  json["time"] = name_of(spec.time, kTimes);
  json["bucketWidthUs"] = spec.bucket_width_us;
  json["key"] = spec.key.to_json();
  json["value"] = spec.value.to_json();
  return base::json_text(json);
}

Result<StoreInfo> parse_metadata(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(text, what));
  const auto bad = [&](std::string_view key) {
    return error(ErrorKind::kCorruption, "{}: no \"{}\" as the metadata of a state store has it",
                 what, key);
  };
  if (const auto format = base::json_int(json, "format"); format != 1) {
    if (!format) return bad("format");
    return error(ErrorKind::kUnsupported,
                 "{}: state of format {}; this version of weir reads and writes 1", what, *format);
  }
  StoreInfo info;
  const auto operator_id = base::json_int(json, "operator");
  const auto name = base::json_string(json, "store");
  const auto provider = value_of(base::json_string(json, "provider"), kProviders);
  const auto shards = base::json_int(json, "shards");
  const auto layout = value_of(base::json_string(json, "layout"), kLayouts);
  const auto prefix = base::json_int(json, "prefixColumns");
  const auto time = value_of(base::json_string(json, "time"), kTimes);
  const auto width = base::json_int(json, "bucketWidthUs");
  if (!operator_id) return bad("operator");
  if (!name) return bad("store");
  if (!provider) return bad("provider");
  if (!shards || *shards < 1 || *shards > 1024) return bad("shards");
  if (!layout) return bad("layout");
  if (!prefix || *prefix < 0 || *prefix > 1 << 20) return bad("prefixColumns");
  if (!time) return bad("time");
  if (!width) return bad("bucketWidthUs");
  info.operator_id = *operator_id;
  info.provider = *provider;
  info.shards = static_cast<int>(*shards);
  info.spec.name = *name;
  info.spec.identity = base::json_string(json, "identity").value_or("");
  info.spec.operator_name = base::json_string(json, "operatorName").value_or("");
  info.spec.kind = base::json_string(json, "kind").value_or("");
  info.spec.layout = *layout;
  info.spec.prefix_columns = static_cast<int>(*prefix);
  info.spec.time = *time;
  info.spec.bucket_width_us = *width;
  for (const auto& [key, schema] :
       {std::pair("key", &info.spec.key), std::pair("value", &info.spec.value)}) {
    const auto* value = json.if_contains(key);
    if (value == nullptr) return bad(key);
    auto type = columnar::parse_type_json(*value);
    if (!type.ok()) return std::move(type).error().with_context(what);
    if (!type->is(columnar::TypeKind::kStruct)) return bad(key);
    *schema = std::move(type).value();
  }
  WEIR_TRY(check_spec(info.spec, info.shards));
  return info;
}

namespace {

// Names may change, as Spark lets them.
bool same_types(const columnar::DataType& a, const columnar::DataType& b) {
  using columnar::TypeKind;
  if (a.kind() != b.kind()) return false;
  if (a.is(TypeKind::kArray)) return same_types(a.element(), b.element());
  if (a.is(TypeKind::kMap)) return same_types(a.key(), b.key()) && same_types(a.value(), b.value());
  if (!a.is(TypeKind::kStruct)) return a.same_type(b);
  const auto& left = a.fields();
  const auto& right = b.fields();
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const auto& x, const auto& y) { return same_types(x.type(), y.type()); });
}

}  // namespace

Result<void> check_same_store(const StoreInfo& existing, const StoreSpec& wanted, Provider provider,
                              std::string_view what) {
  const StoreSpec& was = existing.spec;
  std::string differences;
  const auto differs = [&](std::string_view of, std::string_view before, std::string_view now) {
    differences += fmt::format("\n  {}: the checkpoint has {}, the query has {}", of, before, now);
  };
  const bool named = !was.operator_name.empty();  // not in the first of format 1
  const bool another = named ? was.operator_name != wanted.operator_name || was.kind != wanted.kind
                             : was.identity != wanted.identity;
  const bool key = !same_types(was.key, wanted.key);
  const bool value = !same_types(was.value, wanted.value);
  if (named && was.operator_name != wanted.operator_name)
    differs("operator", was.operator_name, wanted.operator_name);
  if (another || key || value) differs("in words", was.identity, wanted.identity);
  if (named && was.kind != wanted.kind) differs("kind", was.kind, wanted.kind);
  if (key) differs("key", was.key.simple_string(), wanted.key.simple_string());
  if (value) differs("value", was.value.simple_string(), wanted.value.simple_string());
  if (was.layout != wanted.layout)
    differs("layout", name_of(was.layout, kLayouts), name_of(wanted.layout, kLayouts));
  if (was.prefix_columns != wanted.prefix_columns)
    differs("prefix columns", std::to_string(was.prefix_columns),
            std::to_string(wanted.prefix_columns));
  if (was.time != wanted.time)
    differs("event time", name_of(was.time, kTimes), name_of(wanted.time, kTimes));
  if (was.bucket_width_us != wanted.bucket_width_us)
    differs("time bucket in microseconds", std::to_string(was.bucket_width_us),
            std::to_string(wanted.bucket_width_us));
  if (existing.provider != provider)
    differs("provider", name_of(existing.provider, kProviders), name_of(provider, kProviders));
  if (differences.empty()) return {};
  const std::string detail = fmt::format(
      "\nThe state of operator {}, store {} in {} belongs to another query or an older form of "
      "this one:{}\nUndo the change of the query, or start it with a new checkpoint",
      existing.operator_id, was.name, what, differences);
  const auto schema_error = [&](std::string_view part, const columnar::Schema& before,
                                const columnar::Schema& now) {
    return error(ErrorKind::kConflict,
                 "Provided {0} schema does not match existing state {0} schema. Please check "
                 "number and type of fields. Existing {0}_schema={1} and new {0}_schema={2}.{3}",
                 part, before.simple_string(), now.simple_string(), detail)
        .with_class(part == "key" ? "STATE_STORE_KEY_SCHEMA_NOT_COMPATIBLE"
                                  : "STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE")
        .with_sql_state("XXKST");
  };
  if (named && was.operator_name == wanted.operator_name) {
    if (key)
      return schema_error("key", was.key, wanted.key)
          .with_parameter("storedKeySchema", was.key.simple_string())
          .with_parameter("newKeySchema", wanted.key.simple_string());
    if (value)
      return schema_error("value", was.value, wanted.value)
          .with_parameter("storedValueSchema", was.value.simple_string())
          .with_parameter("newValueSchema", wanted.value.simple_string());
  }
  return error(ErrorKind::kConflict,
               "Streaming stateful operator name does not match with the operator in state "
               "metadata. This likely to happen when user adds/removes/changes stateful operator "
               "of existing streaming query.{}",
               detail)
      .with_class("STREAMING_STATEFUL_OPERATOR_NOT_MATCH_IN_STATE_METADATA")
      .with_sql_state("42K03");
}

// --- manifest

base::JsonObject Manifest::to_json() const {
  base::JsonObject json;
  json["format"] = 1;
  json["version"] = version;
  json["rows"] = rows;
  if (snapshot) json["snapshot"] = *snapshot;
  base::JsonArray entries;
  for (const BlockFileEntry& entry : changelogs)
    entries.push_back(state::to_json(entry));
  json["changelogs"] = std::move(entries);
  return json;
}

Result<Manifest> Manifest::parse(const base::JsonObject& json, std::string_view what) {
  const auto bad = [&](std::string_view reason) {
    return error(ErrorKind::kCorruption, "{}: {}", what, reason);
  };
  if (const auto format = base::json_int(json, "format"); format != 1)
    return format
               ? error(ErrorKind::kUnsupported,
                       "{}: a commit that names state of format {}; this version of weir reads 1",
                       what, *format)
               : bad("what a commit says of a state store has no format");
  Manifest manifest;
  const auto version = base::json_int(json, "version");
  const auto rows = base::json_int(json, "rows");
  const auto* entries = base::json_array(json, "changelogs");
  if (!version || *version < 0 || !rows || *rows < 0 || entries == nullptr)
    return bad("what a commit says of a state store lacks version, rows or changelogs");
  manifest.version = *version;
  manifest.rows = *rows;
  int64_t last = -1;
  if (const auto* snapshot = base::json_object(json, "snapshot"); snapshot != nullptr) {
    manifest.snapshot = *snapshot;
    const auto of = base::json_int(*snapshot, "version");
    if (!of || *of < 0) return bad("the snapshot has no version");
    last = *of;
  }
  for (const auto& each : *entries) {
    WEIR_ASSIGN(BlockFileEntry entry, block_file_entry(each, what));
    if (entry.version <= last) return bad("its changelogs are not in order");
    last = entry.version;
    manifest.changelogs.push_back(std::move(entry));
  }
  if (last > manifest.version) return bad("it names changes of later versions");
  return manifest;
}

int64_t Manifest::base_version() const {
  if (snapshot) return base::json_int(*snapshot, "version").value_or(0);
  return changelogs.empty() ? INT64_MAX : changelogs.front().version;
}

}  // namespace weir::state
