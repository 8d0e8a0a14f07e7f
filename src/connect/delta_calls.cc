#include "connect/delta_calls.h"

#include <algorithm>

#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "connect/requests.h"
#include "delta/log_segment.h"
#include "delta/table.h"
#include "session/delta_source.h"
#include "session/warehouse.h"
#include "sql/parser.h"

namespace weir::connect {

namespace {

using base::JsonArray;
using base::JsonObject;
using base::JsonValue;
using columnar::DataType;
using columnar::TypeKind;
using google::protobuf::UnknownFieldSet;

constexpr std::string_view kRelationType = "/delta.connect.DeltaRelation";
constexpr std::string_view kCommandType = "/delta.connect.DeltaCommand";
// By field number, as users name the calls; 0 is nothing.
constexpr std::array<std::string_view, 11> kRelations = {
    "",       "toDF",   "history", "detail",  "convertToDelta", "restore", "isDeltaTable",
    "delete", "update", "merge",   "optimize"};
constexpr std::array<std::string_view, 8> kCommands = {"",
                                                       "clone",
                                                       "vacuum",
                                                       "upgradeTableProtocol",
                                                       "generate",
                                                       "create",
                                                       "addFeatureSupport",
                                                       "dropFeatureSupport"};
enum Relation : int { kScan = 1, kHistory = 2, kDetail = 3, kIsDeltaTable = 6 };

constexpr const char* kHistoryColumns =
    "version BIGINT, timestamp TIMESTAMP, userId STRING, userName STRING, operation STRING, "
    "operationParameters MAP<STRING, STRING>, job STRUCT<jobId: STRING, jobName: STRING, jobRunId: "
    "STRING, runId: STRING, jobOwnerId: STRING, triggerType: STRING>, notebook STRUCT<notebookId: "
    "STRING>, clusterId STRING, readVersion BIGINT, isolationLevel STRING, isBlindAppend BOOLEAN, "
    "operationMetrics MAP<STRING, STRING>, userMetadata STRING, engineInfo STRING";
constexpr const char* kDetailColumns =
    "format STRING, id STRING, name STRING, description STRING, location STRING, createdAt "
    "TIMESTAMP, lastModified TIMESTAMP, partitionColumns ARRAY<STRING>, clusteringColumns "
    "ARRAY<STRING>, numFiles BIGINT, sizeInBytes BIGINT, properties MAP<STRING, STRING>, "
    "minReaderVersion INT, minWriterVersion INT, tableFeatures ARRAY<STRING>";

// The message's one field that holds bytes, of a oneof.
struct Member {
  int number = 0;
  std::string bytes;
};
Result<std::vector<Member>> members(const std::string& bytes) {
  UnknownFieldSet set;
  if (!set.ParseFromString(bytes)) return invalid_plan("a message of DeltaTable cannot be read");
  std::vector<Member> found;
  for (int i = 0; i < set.field_count(); ++i) {
    const auto& field = set.field(i);
    if (field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED)
      found.push_back({field.number(), field.length_delimited()});
  }
  return found;
}
Result<std::string> member(const std::string& bytes, int number) {
  WEIR_ASSIGN(auto all, members(bytes));
  for (auto& one : all)
    if (one.number == number) return std::move(one.bytes);
  return invalid_plan("a message of DeltaTable has no field {}", number);
}

template <size_t N>
std::string name_of(const std::array<std::string_view, N>& names, int number) {
  if (number > 0 && number < static_cast<int>(N))
    return fmt::format("DeltaTable.{}", names[static_cast<size_t>(number)]);
  return fmt::format("the call number {} of DeltaTable", number);
}

// A table by its path or name.
struct Target {
  std::string path;  // one of both
  plan::Name name;
};

Result<Target> read_target(const std::string& table) {
  WEIR_ASSIGN(const auto fields, members(table));
  for (const auto& field : fields) {
    if (field.number == 1) {
      WEIR_ASSIGN(const auto parts, members(field.bytes));
      if (std::any_of(parts.begin(), parts.end(), [](const auto& one) { return one.number == 2; }))
        return unsupported("hadoopConf of DeltaTable.forPath");
      WEIR_ASSIGN(auto path, member(field.bytes, 1));
      return Target{std::move(path), {}};
    }
    if (field.number == 2) {
      WEIR_ASSIGN(auto name, sql::parse_table_name(field.bytes));
      if (name.size() == 2 && name[0] == "delta") return Target{std::move(name[1]), {}};
      return Target{"", std::move(name)};
    }
  }
  return invalid_plan("DeltaTable names no table");
}

plan::PlanPtr scan(Target target) {
  if (target.path.empty()) {
    plan::NamedTable table;
    table.name = std::move(target.name);
    return plan::make_plan(std::move(table));
  }
  plan::DataSource source;
  source.format = "delta";
  source.paths = {std::move(target.path)};
  return plan::make_plan(std::move(source));
}

// --- rows of JSON values

Result<void> append(const DataType& type, const JsonValue* value, arrow::ArrayBuilder& builder);

Result<void> append_struct(const DataType& type, const JsonObject& value,
                           arrow::StructBuilder& builder) {
  WEIR_ARROW_TRY(builder.Append());
  int i = 0;
  for (const auto& field : type.fields())
    WEIR_TRY(append(field.type(), value.if_contains(field.name), *builder.field_builder(i++)));
  return {};
}

Result<void> append(const DataType& type, const JsonValue* value, arrow::ArrayBuilder& builder) {
  if (value == nullptr || value->is_null()) return columnar::from_arrow(builder.AppendNull());
  switch (type.kind()) {
    case TypeKind::kString: {
      const std::string text =
          value->is_string() ? std::string(value->get_string()) : base::json_text(*value);
      return columnar::from_arrow(static_cast<arrow::StringBuilder&>(builder).Append(text));
    }
    case TypeKind::kBoolean:
      if (!value->is_bool()) break;
      return columnar::from_arrow(
          static_cast<arrow::BooleanBuilder&>(builder).Append(value->get_bool()));
    case TypeKind::kInteger:
      if (!value->is_int64()) break;
      return columnar::from_arrow(static_cast<arrow::Int32Builder&>(builder).Append(
          static_cast<int32_t>(value->get_int64())));
    case TypeKind::kLong:
      if (!value->is_int64()) break;
      return columnar::from_arrow(
          static_cast<arrow::Int64Builder&>(builder).Append(value->get_int64()));
    case TypeKind::kTimestamp:  // microseconds
      if (!value->is_int64()) break;
      return columnar::from_arrow(
          static_cast<arrow::TimestampBuilder&>(builder).Append(value->get_int64()));
    case TypeKind::kArray: {
      if (!value->is_array()) break;
      auto& list = static_cast<arrow::ListBuilder&>(builder);
      WEIR_ARROW_TRY(list.Append());
      for (const auto& one : value->get_array())
        WEIR_TRY(append(type.element(), &one, *list.value_builder()));
      return {};
    }
    case TypeKind::kMap: {
      if (!value->is_object()) break;
      auto& map = static_cast<arrow::MapBuilder&>(builder);
      WEIR_ARROW_TRY(map.Append());
      for (const auto& [key, one] : value->get_object()) {
        WEIR_ARROW_TRY(
            static_cast<arrow::StringBuilder&>(*map.key_builder()).Append(std::string(key)));
        WEIR_TRY(append(type.value(), &one, *map.item_builder()));
      }
      return {};
    }
    case TypeKind::kStruct:
      if (!value->is_object()) break;
      return append_struct(type, value->get_object(), static_cast<arrow::StructBuilder&>(builder));
    default:
      break;
  }
  return columnar::from_arrow(builder.AppendNull());
}

Result<plan::PlanPtr> make_rows(const char* ddl, const std::vector<JsonObject>& rows) {
  WEIR_ASSIGN(auto schema, columnar::parse_ddl_schema(ddl));
  const auto arrow_schema = columnar::to_arrow_schema(schema);
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (int i = 0; i < arrow_schema->num_fields(); ++i) {
    const auto& field = schema.fields()[static_cast<size_t>(i)];
    std::unique_ptr<arrow::ArrayBuilder> builder;
    WEIR_ARROW_TRY(
        arrow::MakeBuilder(arrow::default_memory_pool(), arrow_schema->field(i)->type(), &builder));
    for (const auto& row : rows)
      WEIR_TRY(append(field.type(), row.if_contains(field.name), *builder));
    std::shared_ptr<arrow::Array> column;
    WEIR_ARROW_TRY(builder->Finish(&column));
    columns.push_back(std::move(column));
  }
  auto batch =
      arrow::RecordBatch::Make(arrow_schema, static_cast<int64_t>(rows.size()), std::move(columns));
  return plan::make_plan(plan::LocalRows{std::move(schema), {std::move(batch)}});
}

// --- the calls

struct Located {
  std::string path;
  std::optional<session::TableEntry> entry;
};

class DeltaReader {
 public:
  explicit DeltaReader(ClientSession& session)
      : engine_(session.engine()), services_(engine_.warehouse().services()) {}

  Result<plan::PlanPtr> history(const Target& target) {
    WEIR_ASSIGN(const auto found, locate(target, "DESCRIBE HISTORY"));
    WEIR_ASSIGN(const auto files, services_.fs.list(delta::log_path(found.path)));
    std::vector<std::pair<int64_t, io::FileInfo>> commits;
    for (const auto& file : files) {
      const auto name = delta::parse_log_file_name(file.name);
      if (name.kind == delta::LogFileKind::kCommit)
        commits.emplace_back(name.version.value(), file);
    }
    std::sort(commits.begin(), commits.end(),
              [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<JsonObject> rows;
    for (const auto& [version, file] : commits) {
      WEIR_ASSIGN(auto row, commit_row(version, file));
      rows.push_back(std::move(row));
    }
    return make_rows(kHistoryColumns, rows);
  }

  Result<plan::PlanPtr> detail(const Target& target) {
    WEIR_ASSIGN(const auto found, locate(target, "DESCRIBE DETAIL"));
    WEIR_ASSIGN(const auto source, session::open_delta(services_, found.path, {}));
    const auto& snapshot = source->snapshot();
    const auto& metadata = snapshot.metadata();
    JsonObject row;
    row["format"] = "delta";
    row["id"] = metadata.id;
    if (found.entry)
      row["name"] = fmt::format("spark_catalog.{}.{}", found.entry->database, found.entry->name);
    if (metadata.description) row["description"] = *metadata.description;
    row["location"] = "file:" + found.path;
    if (metadata.created_time_ms) row["createdAt"] = *metadata.created_time_ms * 1000;
    WEIR_ASSIGN(const auto files, services_.fs.list(delta::log_path(found.path)));
    for (const auto& file : files) {
      const auto name = delta::parse_log_file_name(file.name);
      if (name.kind == delta::LogFileKind::kCommit && name.version == snapshot.version())
        row["lastModified"] = file.modified_us / 1000 * 1000;
    }
    row["partitionColumns"] = texts(snapshot.partition_columns());
    row["clusteringColumns"] = JsonArray();
    row["numFiles"] = static_cast<int64_t>(snapshot.files().size());
    row["sizeInBytes"] = snapshot.total_bytes();
    JsonObject properties;
    for (const auto& [key, value] : metadata.configuration)
      properties[key] = value;
    row["properties"] = std::move(properties);
    const auto& protocol = snapshot.protocol();
    row["minReaderVersion"] = protocol.min_reader_version;
    row["minWriterVersion"] = protocol.min_writer_version;
    row["tableFeatures"] = texts(features(protocol));
    return make_rows(kDetailColumns, {row});
  }

  Result<plan::PlanPtr> is_delta_table(const std::string& path) {
    WEIR_ASSIGN(const auto folder, delta::table_path(path));
    WEIR_ASSIGN(const bool there, session::is_delta_table(services_.fs, folder));
    JsonObject row;
    row["value"] = there;
    return make_rows("value BOOLEAN", {row});
  }

 private:
  static JsonArray texts(const std::vector<std::string>& list) {
    JsonArray out;
    for (const auto& one : list)
      out.emplace_back(boost::json::string_view(one.data(), one.size()));
    return out;
  }

  // As delta-spark: those that the versions stand for, or those that are listed; in order.
  static std::vector<std::string> features(const delta::Protocol& protocol) {
    std::vector<std::string> found;
    const int writer = protocol.min_writer_version;
    if (writer < 7) {
      if (writer >= 2) found = {"appendOnly", "invariants"};
      if (writer >= 3) found.emplace_back("checkConstraints");
      if (writer >= 4) found.insert(found.end(), {"changeDataFeed", "generatedColumns"});
      if (writer >= 5) found.emplace_back("columnMapping");
      if (writer >= 6) found.emplace_back("identityColumns");
    }
    for (const auto* list : {&protocol.reader_features, &protocol.writer_features})
      if (*list) found.insert(found.end(), (*list)->begin(), (*list)->end());
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
  }

  base::Error no_delta(const std::string& what, std::string_view operation) const {
    return base::Error(base::ErrorKind::kInvalidArgument,
                       fmt::format("{} is not a Delta table. {} is only supported for Delta "
                                   "tables.",
                                   what, operation))
        .with_class("DELTA_TABLE_ONLY_OPERATION")
        .with_sql_state("0AKDD")
        .with_parameter("tableName", what)
        .with_parameter("operation", std::string(operation));
  }

  Result<Located> locate(const Target& target, std::string_view operation) {
    Located found;
    std::string shown;
    if (!target.path.empty()) {
      WEIR_ASSIGN(found.path, delta::table_path(target.path));
      shown = fmt::format("`{}`", found.path);
    } else {
      plan::NamedTable table;
      table.name = target.name;
      WEIR_TRY(engine_.catalog().find(table, {}));  // its error where it is not there
      const std::string database = target.name.size() > 1 ? target.name[target.name.size() - 2]
                                                          : engine_.catalog().current_database();
      WEIR_ASSIGN(found.entry, engine_.warehouse().table(database, target.name.back()));
      shown = fmt::format("`{}`", target.name.back());
      if (!found.entry || found.entry->provider != "delta") return no_delta(shown, operation);
      found.path = found.entry->location;
    }
    WEIR_ASSIGN(const bool there, session::is_delta_table(services_.fs, found.path));
    if (!there) return no_delta(shown, operation);
    return found;
  }

  Result<JsonObject> commit_row(int64_t version, const io::FileInfo& file) {
    WEIR_ASSIGN(const auto text, services_.fs.read_all(file.path));
    WEIR_ASSIGN(const auto actions, delta::parse_actions(text, file.path));
    JsonObject row;
    row["version"] = version;
    int64_t time_us = file.modified_us / 1000 * 1000;
    for (const auto& action : actions) {
      const auto* info = std::get_if<delta::CommitInfo>(&action);
      if (info == nullptr) continue;
      for (const auto name : {"userId", "userName", "operation", "operationParameters", "job",
                              "notebook", "clusterId", "readVersion", "isolationLevel",
                              "isBlindAppend", "operationMetrics", "userMetadata", "engineInfo"}) {
        if (const auto* value = info->fields.if_contains(name)) row[name] = *value;
      }
      if (const auto at = base::json_int(info->fields, "inCommitTimestamp")) time_us = *at * 1000;
    }
    row["timestamp"] = time_us;
    return row;
  }

  session::Session& engine_;
  const session::Services& services_;
};

}  // namespace

Result<plan::PlanPtr> delta_relation(ClientSession& session, const google::protobuf::Any& message) {
  if (!message.type_url().ends_with(kRelationType))
    return unsupported("the extension {}", message.type_url());
  WEIR_ASSIGN(const auto fields, members(message.value()));
  if (fields.empty()) return invalid_plan("a DeltaRelation is empty");
  const auto& [number, bytes] = fields.front();
  DeltaReader reader(session);
  if (number == kIsDeltaTable) {
    WEIR_ASSIGN(const auto path, member(bytes, 1));
    return reader.is_delta_table(path);
  }
  if (number != kScan && number != kHistory && number != kDetail)
    return unsupported("{}", name_of(kRelations, number));
  WEIR_ASSIGN(const auto table, member(bytes, 1));
  WEIR_ASSIGN(auto target, read_target(table));
  if (number == kHistory) return reader.history(target);
  if (number == kDetail) return reader.detail(target);
  return scan(std::move(target));
}

base::Error delta_command(const google::protobuf::Any& message) {
  if (!message.type_url().ends_with(kCommandType))
    return unsupported("the extension {}", message.type_url());
  const auto fields = members(message.value());
  if (!fields.ok()) return fields.error();
  return unsupported("{}", name_of(kCommands, fields->empty() ? 0 : fields->front().number));
}

}  // namespace weir::connect
