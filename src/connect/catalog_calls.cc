// spark.catalog: calls that look like relations, made at once.
#include <set>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <fmt/ranges.h>
#include <spark/connect/catalog.pb.h>
#include <spark/connect/relations.pb.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "connect/data_types.h"
#include "connect/execution.h"
#include "connect/plan_decoder.h"
#include "connect/requests.h"
#include "plan/function_catalog.h"
#include "plan/operator.h"
#include "session/warehouse.h"

namespace weir::connect {

namespace {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using spark::connect::Catalog;

using Cell = std::variant<std::monostate, std::string, bool, std::vector<std::string>>;

Result<void> append(const Cell& cell, arrow::ArrayBuilder& builder) {
  if (const auto* text = std::get_if<std::string>(&cell))
    return columnar::from_arrow(static_cast<arrow::StringBuilder&>(builder).Append(*text));
  if (const auto* flag = std::get_if<bool>(&cell))
    return columnar::from_arrow(static_cast<arrow::BooleanBuilder&>(builder).Append(*flag));
  if (const auto* list = std::get_if<std::vector<std::string>>(&cell)) {
    auto& lists = static_cast<arrow::ListBuilder&>(builder);
    WEIR_ARROW_TRY(lists.Append());
    return columnar::from_arrow(
        static_cast<arrow::StringBuilder&>(*lists.value_builder()).AppendValues(*list));
  }
  return columnar::from_arrow(builder.AppendNull());
}

Result<plan::LocalRows> make_rows(const char* ddl, const std::vector<std::vector<Cell>>& rows) {
  WEIR_ASSIGN(auto schema, columnar::parse_ddl_schema(ddl));
  const auto arrow_schema = columnar::to_arrow_schema(schema);
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (int i = 0; i < arrow_schema->num_fields(); ++i) {
    std::unique_ptr<arrow::ArrayBuilder> builder;
    WEIR_ARROW_TRY(
        arrow::MakeBuilder(arrow::default_memory_pool(), arrow_schema->field(i)->type(), &builder));
    for (const auto& row : rows)
      WEIR_TRY(append(row[static_cast<size_t>(i)], *builder));
    std::shared_ptr<arrow::Array> column;
    WEIR_ARROW_TRY(builder->Finish(&column));
    columns.push_back(std::move(column));
  }
  auto batch =
      arrow::RecordBatch::Make(arrow_schema, static_cast<int64_t>(rows.size()), std::move(columns));
  return plan::LocalRows{std::move(schema), {std::move(batch)}};
}

Result<plan::LocalRows> one_value(std::string value) {
  return make_rows("value STRING", {{std::move(value)}});
}
Result<plan::LocalRows> one_flag(bool value) {
  return make_rows("value BOOLEAN NOT NULL", {{value}});
}
Result<plan::LocalRows> nothing() { return plan::LocalRows{Schema::structure({}), {}}; }

// Hive's patterns: * for anything, | for alternatives, any case.
bool matches_one(std::string_view pattern, std::string_view name) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  size_t p = 0, n = 0, star = std::string_view::npos, mark = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = n;
    } else if (p < pattern.size() && (pattern[p] == '.' || same(pattern[p], name[n]))) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

bool matches(std::string_view pattern, std::string_view name) {
  for (size_t bar = pattern.find('|'); bar != std::string_view::npos; bar = pattern.find('|')) {
    if (matches_one(pattern.substr(0, bar), name)) return true;
    pattern.remove_prefix(bar + 1);
  }
  return matches_one(pattern, name);
}

// One call; its parts are named as in the protocol.
class CatalogCall {
 public:
  CatalogCall(ClientSession& session, std::stop_token stop)
      : session_(session), engine_(session.engine()), stop_(std::move(stop)) {}

  Result<plan::LocalRows> run(const Catalog& call);

 private:
  Result<plan::LocalRows> run_more(const Catalog& call);
  Result<plan::LocalRows> command(plan::StatementKind kind) {
    WEIR_TRY(engine_.execute(plan::Statement{std::move(kind), {}}, stop_));
    return nothing();
  }
  plan::Name table_name(const std::string& table, const std::string& database) {
    auto name = sql::parse_table_name(table);
    plan::Name parts = name.ok() ? *name : plan::Name{table};
    if (!database.empty() && parts.size() == 1) parts.insert(parts.begin(), database);
    return parts;
  }
  Result<std::string> existing_database(const std::string& name);
  Result<std::vector<Cell>> table_row(const std::string& database, const std::string& name,
                                      bool temporary);
  Result<plan::LocalRows> list_tables(const std::string& database, const std::string& pattern,
                                      bool views_only);
  Result<plan::LocalRows> list_columns(const plan::Name& name);
  Result<bool> table_exists(const plan::Name& name);
  Result<plan::LocalRows> create_table(const std::string& table, const std::string& path,
                                       const std::string& source, const std::string& description,
                                       const spark::connect::DataType* schema,
                                       plan::Options options);

  ClientSession& session_;
  session::Session& engine_;
  const std::stop_token stop_;
};

constexpr const char* kCatalog = "spark_catalog";
constexpr const char* kTableColumns =
    "name STRING, catalog STRING, namespace ARRAY<STRING>, description STRING, tableType STRING, "
    "isTemporary BOOLEAN NOT NULL";
constexpr const char* kFunctionColumns =
    "name STRING, catalog STRING, namespace ARRAY<STRING>, description STRING, className STRING, "
    "isTemporary BOOLEAN NOT NULL";
constexpr const char* kDatabaseColumns =
    "name STRING, catalog STRING, description STRING, locationUri STRING";

Result<std::string> CatalogCall::existing_database(const std::string& name) {
  plan::Name parts{engine_.catalog().current_database()};
  if (!name.empty()) {
    WEIR_ASSIGN(parts, sql::parse_table_name(name));
  }
  WEIR_ASSIGN(const auto entry, engine_.warehouse().database(parts.back()));
  if (entry) return entry->name;
  return base::Error(
             base::ErrorKind::kNotFound,
             fmt::format("The schema `{}` cannot be found. Verify the spelling and "
                         "correctness of the schema and catalog.\nIf you did not qualify "
                         "the name with a catalog, verify the current_schema() output, or "
                         "qualify the name with the correct catalog.\nTo tolerate the error "
                         "on drop use DROP SCHEMA IF EXISTS.",
                         parts.back()))
      .with_class("SCHEMA_NOT_FOUND")
      .with_sql_state("42704")
      .with_parameter("schemaName", fmt::format("`{}`.`{}`", kCatalog, parts.back()));
}

Result<std::vector<Cell>> CatalogCall::table_row(const std::string& database,
                                                 const std::string& name, bool temporary) {
  if (temporary) {
    return std::vector<Cell>{
        name, Cell(), std::vector<std::string>(), Cell(), std::string("TEMPORARY"), true};
  }
  WEIR_ASSIGN(const auto entry, engine_.warehouse().table(database, name));
  Cell comment;
  std::string kind = "MANAGED";
  if (entry) {
    if (entry->comment) comment = *entry->comment;
    if (entry->kind == session::TableKind::kExternal) kind = "EXTERNAL";
    if (entry->kind == session::TableKind::kView) kind = "VIEW";
  }
  return std::vector<Cell>{
      name, std::string(kCatalog), std::vector<std::string>{database}, comment, kind, false};
}

Result<plan::LocalRows> CatalogCall::list_tables(const std::string& wanted,
                                                 const std::string& pattern, bool views_only) {
  WEIR_ASSIGN(const auto database, existing_database(wanted));
  plan::Show show;
  show.kind = views_only ? plan::Show::Kind::kViews : plan::Show::Kind::kTables;
  show.name = {database};
  if (!pattern.empty()) show.pattern = pattern;
  WEIR_ASSIGN(const auto listed, engine_.execute(plan::Statement{show, {}}, stop_));
  std::vector<std::vector<Cell>> rows;
  for (const auto& batch : listed.rows) {
    const auto names = std::static_pointer_cast<arrow::StringArray>(batch->column(1));
    const auto flags = std::static_pointer_cast<arrow::BooleanArray>(batch->column(2));
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      WEIR_ASSIGN(auto row, table_row(database, names->GetString(i), flags->Value(i)));
      rows.push_back(std::move(row));
    }
  }
  return make_rows(kTableColumns, rows);
}

Result<bool> CatalogCall::table_exists(const plan::Name& name) {
  plan::NamedTable table;
  table.name = name;
  const auto found = engine_.catalog().find(table, {});
  if (found.ok()) return true;
  if (found.error().kind() == base::ErrorKind::kNotFound ||
      found.error().error_class() == "TABLE_OR_VIEW_NOT_FOUND")
    return false;
  return found.error();
}

Result<plan::LocalRows> CatalogCall::list_columns(const plan::Name& name) {
  plan::NamedTable table;
  table.name = name;
  WEIR_ASSIGN(const auto analyzed, engine_.analyze(plan::make_plan(std::move(table))));
  std::vector<std::string> partitions;
  if (name.size() >= 1) {
    const std::string database =
        name.size() > 1 ? name[name.size() - 2] : engine_.catalog().current_database();
    WEIR_ASSIGN(const auto entry, engine_.warehouse().table(database, name.back()));
    if (entry) partitions = entry->partition_columns;
  }
  std::vector<std::vector<Cell>> rows;
  for (const auto& column : analyzed->columns) {
    if (column.hidden) continue;
    const auto comment = base::json_string(column.metadata, "comment");
    const bool partition =
        std::find(partitions.begin(), partitions.end(), column.name) != partitions.end();
    rows.push_back({column.name, comment ? Cell(*comment) : Cell(), column.type.simple_string(),
                    column.nullable, partition, false, false});
  }
  return make_rows(
      "name STRING, description STRING, dataType STRING, nullable BOOLEAN NOT NULL, "
      "isPartition BOOLEAN NOT NULL, isBucket BOOLEAN NOT NULL, isCluster BOOLEAN NOT NULL",
      rows);
}

Result<plan::LocalRows> CatalogCall::create_table(const std::string& table, const std::string& path,
                                                  const std::string& source,
                                                  const std::string& description,
                                                  const spark::connect::DataType* schema,
                                                  plan::Options options) {
  plan::CreateTable create;
  create.name = table_name(table, "");
  create.provider = source;
  if (!path.empty()) create.location = path;
  if (const auto given = options.find("path"); given != options.end()) {
    create.location = given->second;
    options.erase(given);
  }
  if (!description.empty()) create.comment = description;
  create.options = std::move(options);
  if (schema != nullptr) {
    WEIR_ASSIGN(const auto type, read_type(*schema));
    if (!type.is(TypeKind::kStruct)) return invalid_plan("a table's schema is no struct");
    for (const auto& field : type.fields())
      create.columns.push_back({field, nullptr, nullptr});
  }
  WEIR_TRY(engine_.execute(plan::Statement{std::move(create), {}}, stop_));
  return nothing();
}

Result<plan::LocalRows> CatalogCall::run(const Catalog& call) {
  switch (call.cat_type_case()) {
    case Catalog::kCurrentDatabase:
      return one_value(engine_.catalog().current_database());
    case Catalog::kCurrentCatalog:
      return one_value(engine_.catalog().current_catalog());
    case Catalog::kSetCurrentDatabase: {
      WEIR_ASSIGN(auto name, sql::parse_table_name(call.set_current_database().db_name()));
      return command(plan::Use{std::move(name), false});
    }
    case Catalog::kSetCurrentCatalog:
      return command(plan::Use{{call.set_current_catalog().catalog_name()}, true});
    case Catalog::kListCatalogs: {
      std::vector<std::vector<Cell>> rows;
      const auto& pattern = call.list_catalogs().pattern();
      if (pattern.empty() || matches(pattern, kCatalog))
        rows.push_back({std::string(kCatalog), Cell()});
      return make_rows("name STRING, description STRING", rows);
    }
    case Catalog::kListDatabases: {
      WEIR_ASSIGN(const auto names, engine_.warehouse().databases());
      std::vector<std::vector<Cell>> rows;
      for (const std::string& name : names) {
        const auto& pattern = call.list_databases().pattern();
        if (!pattern.empty() && !matches(pattern, name)) continue;
        WEIR_ASSIGN(const auto entry, engine_.warehouse().database(name));
        if (entry)
          rows.push_back({entry->name, std::string(kCatalog), entry->comment, entry->location});
      }
      return make_rows(kDatabaseColumns, rows);
    }
    case Catalog::kGetDatabase: {
      WEIR_ASSIGN(const auto name, existing_database(call.get_database().db_name()));
      WEIR_ASSIGN(const auto entry, engine_.warehouse().database(name));
      return make_rows(kDatabaseColumns,
                       {{entry->name, std::string(kCatalog), entry->comment, entry->location}});
    }
    case Catalog::kDatabaseExists: {
      WEIR_ASSIGN(const auto name, sql::parse_table_name(call.database_exists().db_name()));
      WEIR_ASSIGN(const auto entry, engine_.warehouse().database(name.back()));
      return one_flag(entry.has_value());
    }
    case Catalog::kListTables:
      return list_tables(call.list_tables().db_name(), call.list_tables().pattern(), false);
    case Catalog::kListViews:
      return list_tables(call.list_views().db_name(), call.list_views().pattern(), true);
    case Catalog::kListColumns:
      return list_columns(
          table_name(call.list_columns().table_name(), call.list_columns().db_name()));
    case Catalog::kTableExists: {
      WEIR_ASSIGN(const bool there, table_exists(table_name(call.table_exists().table_name(),
                                                            call.table_exists().db_name())));
      return one_flag(there);
    }
    case Catalog::kGetTable: {
      const auto name = table_name(call.get_table().table_name(), call.get_table().db_name());
      plan::NamedTable table;
      table.name = name;
      WEIR_ASSIGN(const auto found, engine_.catalog().find(table, {}));
      const bool temporary = found.qualifier.size() < 3;
      const std::string database = temporary ? "" : found.qualifier[found.qualifier.size() - 2];
      WEIR_ASSIGN(auto row, table_row(database, name.back(), temporary));
      return make_rows(kTableColumns, {row});
    }
    default:
      return run_more(call);
  }
}

Result<plan::LocalRows> CatalogCall::run_more(const Catalog& call) {
  const auto function_row = [](const std::string& name) {
    return std::vector<Cell>{name, Cell(), Cell(), std::string(), std::string(), true};
  };
  switch (call.cat_type_case()) {
    case Catalog::kFunctionExists:
    case Catalog::kGetFunction: {
      const bool exists_call = call.cat_type_case() == Catalog::kFunctionExists;
      const std::string& name = exists_call ? call.function_exists().function_name()
                                            : call.get_function().function_name();
      const bool there = plan::find_function(name) != nullptr ||
                         engine_.catalog().python_function(name) != nullptr;
      if (exists_call) return one_flag(there);
      if (there) return make_rows(kFunctionColumns, {function_row(name)});
      return base::Error(
                 base::ErrorKind::kNotFound,
                 fmt::format("Cannot resolve routine `{}` on search path [`system`.`builtin`, "
                             "`system`.`session`, `spark_catalog`.`default`].",
                             name))
          .with_class("UNRESOLVED_ROUTINE")
          .with_sql_state("42883")
          .with_parameter("routineName", fmt::format("`{}`", name));
    }
    case Catalog::kListFunctions: {
      const auto& pattern = call.list_functions().pattern();
      std::set<std::string_view> names;
      for (const auto& function : plan::all_functions()) {
        names.insert(function.name);
        names.insert(function.aliases.begin(), function.aliases.end());
      }
      std::vector<std::vector<Cell>> rows;
      for (const auto name : names)
        if (pattern.empty() || matches(pattern, name))
          rows.push_back(function_row(std::string(name)));
      return make_rows(kFunctionColumns, rows);
    }
    case Catalog::kDropTempView:
      return one_flag(engine_.drop_temp_view(call.drop_temp_view().view_name(), false));
    case Catalog::kDropGlobalTempView:
      return one_flag(engine_.drop_temp_view(call.drop_global_temp_view().view_name(), true));
    case Catalog::kCreateTable: {
      const auto& given = call.create_table();
      return create_table(given.table_name(), given.path(), given.source(), given.description(),
                          given.has_schema() ? &given.schema() : nullptr,
                          read_options(given.options()));
    }
    case Catalog::kCreateExternalTable: {
      const auto& given = call.create_external_table();
      return create_table(given.table_name(), given.path(), given.source(), "",
                          given.has_schema() ? &given.schema() : nullptr,
                          read_options(given.options()));
    }
    case Catalog::kDropTable: {
      plan::DropTable drop;
      drop.name = table_name(call.drop_table().table_name(), "");
      drop.if_exists = call.drop_table().if_exists();
      drop.purge = call.drop_table().purge();
      return command(std::move(drop));
    }
    case Catalog::kDropView: {
      plan::DropTable drop;
      drop.name = table_name(call.drop_view().view_name(), "");
      drop.if_exists = call.drop_view().if_exists();
      drop.view = true;
      return command(std::move(drop));
    }
    case Catalog::kCreateDatabase: {
      plan::CreateDatabase create;
      create.name = table_name(call.create_database().db_name(), "");
      create.if_not_exists = call.create_database().if_not_exists();
      for (const auto& [key, value] : call.create_database().properties())
        create.properties[key] = value;
      return command(std::move(create));
    }
    case Catalog::kDropDatabase: {
      plan::DropDatabase drop;
      drop.name = table_name(call.drop_database().db_name(), "");
      drop.if_exists = call.drop_database().if_exists();
      drop.cascade = call.drop_database().cascade();
      return command(std::move(drop));
    }
    case Catalog::kTruncateTable:
      return command(plan::Truncate{table_name(call.truncate_table().table_name(), "")});
    case Catalog::kRefreshTable:
      return command(plan::Refresh{table_name(call.refresh_table().table_name(), "")});
    case Catalog::kRefreshByPath:
      return nothing();  // files are listed anew for every query
    case Catalog::kCacheTable: {
      const auto name = table_name(call.cache_table().table_name(), "");
      WEIR_ASSIGN(const bool there, table_exists(name));
      plan::CacheTable cache;
      cache.name = name;
      if (there) session_.set_storage_level(fmt::format("table {}", fmt::join(name, ".")), {});
      return command(std::move(cache));
    }
    case Catalog::kUncacheTable: {
      const auto name = table_name(call.uncache_table().table_name(), "");
      session_.forget_storage_level(fmt::format("table {}", fmt::join(name, ".")));
      plan::UncacheTable uncache;
      uncache.name = name;
      return command(std::move(uncache));
    }
    case Catalog::kIsCached: {
      const auto name = table_name(call.is_cached().table_name(), "");
      return one_flag(session_.storage_level(fmt::format("table {}", fmt::join(name, "."))).memory);
    }
    case Catalog::kClearCache: {
      plan::UncacheTable uncache;
      uncache.all = true;
      return command(std::move(uncache));
    }
    default:
      return unsupported("the catalog call {}", case_name(call, "cat_type"));
  }
}

}  // namespace

Result<plan::PlanPtr> catalog_answer(ClientSession& session,
                                     const spark::connect::Relation& relation,
                                     std::stop_token stop) {
  const Catalog& call = relation.catalog();
  CatalogCall caller(session, std::move(stop));
  if (!call.has_create_table() && !call.has_create_external_table()) {
    WEIR_ASSIGN(auto rows, caller.run(call));
    return plan::make_plan(std::move(rows));
  }
  // The client goes on to ask for the columns and rows of the same relation: it is the table then.
  const std::string key = relation.SerializeAsString();
  if (!session.has_made(key)) {
    WEIR_TRY(caller.run(call));
    if (relation.common().has_plan_id()) session.set_made(key);
  }
  plan::NamedTable table;
  WEIR_ASSIGN(table.name, sql::parse_table_name(call.has_create_table()
                                                    ? call.create_table().table_name()
                                                    : call.create_external_table().table_name()));
  return plan::make_plan(std::move(table));
}

}  // namespace weir::connect
