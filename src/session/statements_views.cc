// CREATE VIEW, CREATE and DROP DATABASE.
#include "session/command_rows.h"
#include "session/file_table.h"
#include "session/statements.h"
#include "sql/parser.h"

namespace weir::session {

using Done = StatementRunner::Done;
using columnar::Field;

Result<DatabaseEntry> StatementRunner::database_entry(const Name& name) {
  size_t first = 0;
  if (name.size() > 1 && lower_case(name[0]) == kCatalogName) first = 1;
  if (name.size() - first > 1) {
    return sql_error("REQUIRES_SINGLE_PART_NAMESPACE", "42K05",
                     fmt::format("spark_catalog requires a single-part namespace, but got "
                                 "identifier {}.",
                                 quoted_name(name)))
        .with_parameter("sessionCatalog", "spark_catalog")
        .with_parameter("identifier", quoted_name(name));
  }
  WEIR_ASSIGN(auto entry, state_.warehouse().database(name.back()));
  if (!entry) return schema_not_found(lower_case(name.back()));
  return std::move(*entry);
}

Done StatementRunner::on(const plan::CreateDatabase& statement) {
  DatabaseEntry entry;
  entry.name = lower_case(statement.name.back());
  entry.comment = statement.comment.value_or("");
  if (statement.location) {
    WEIR_ASSIGN(entry.location, local_path(*statement.location));
  }
  entry.properties = statement.properties;
  const std::string shown = entry.name;
  bool created = false;
  if (shown != kGlobalTemp) {
    WEIR_ASSIGN(created, state_.warehouse().create_database(std::move(entry)));
  }
  if (!created && !statement.if_not_exists) {
    return sql_error("SCHEMA_ALREADY_EXISTS", "42P06",
                     fmt::format("Cannot create schema {} because it already exists.\nChoose a "
                                 "different name, drop the existing schema, or add the IF NOT "
                                 "EXISTS clause to tolerate pre-existing schema.",
                                 quoted_word(shown)))
        .with_parameter("schemaName", quoted_word(shown));
  }
  return no_rows();
}

Done StatementRunner::on(const plan::DropDatabase& statement) {
  const std::string name = lower_case(statement.name.back());
  if (name == "default") {
    return sql_error("UNSUPPORTED_FEATURE.DROP_DATABASE", "0A000",
                     "The feature is not supported: Drop the default schema `default`.")
        .with_parameter("database", "`spark_catalog`.`default`");
  }
  const auto entry = database_entry(statement.name);
  if (!entry.ok()) {
    if (statement.if_exists && entry.error().error_class() == "SCHEMA_NOT_FOUND") return no_rows();
    return entry.error();
  }
  if (!statement.cascade) {
    WEIR_ASSIGN(const auto tables, state_.warehouse().tables(name));
    if (!tables.empty()) {
      return sql_error("SCHEMA_NOT_EMPTY", "2BP01",
                       fmt::format("Cannot drop a schema {} because it contains objects.\nUse DROP "
                                   "SCHEMA ... CASCADE to drop the schema and all its objects.",
                                   quoted_word(name)))
          .with_parameter("schemaName", quoted_word(name));
    }
  }
  WEIR_TRY(state_.warehouse().drop_database(name));
  if (state_.database() == name) state_.use_database("default");
  return no_rows();
}

Done StatementRunner::on(const plan::AlterDatabase& statement) {
  WEIR_ASSIGN(auto entry, database_entry(statement.name));
  if (statement.location) {
    if (statement.location->empty())
      return sql_error("INVALID_EMPTY_LOCATION", "42K05",
                       "The location name cannot be empty string, but `` was given.")
          .with_parameter("location", "");
    WEIR_ASSIGN(entry.location, local_path(*statement.location));
  }
  if (statement.comment) entry.comment = *statement.comment;
  for (const auto& [key, value] : statement.properties)
    entry.properties[key] = value;
  WEIR_ASSIGN(const bool there, state_.warehouse().replace_database(entry));
  if (!there) return schema_not_found(entry.name);
  return no_rows();
}

namespace {

// The plan under other column names; the comments go into the metadata.
Result<plan::OperatorPtr> renamed_columns(
    plan::OperatorPtr plan, const std::vector<std::pair<std::string, std::string>>& names,
    const Name& view) {
  if (names.empty()) return plan;
  std::vector<plan::Column> columns = plan->columns;
  size_t at = 0;
  for (auto& column : columns) {
    if (column.hidden) continue;
    if (at < names.size()) {
      column.name = names[at].first;
      if (!names[at].second.empty()) column.metadata["comment"] = names[at].second;
    }
    column.qualifier.clear();
    ++at;
  }
  if (at != names.size()) {
    std::string view_columns;
    std::string data_columns;
    for (const auto& name : names)
      view_columns += (view_columns.empty() ? "" : ", ") + quoted_word(name.first);
    for (const auto& column : plan->columns)
      if (!column.hidden)
        data_columns += (data_columns.empty() ? "" : ", ") + quoted_word(column.name);
    const bool many = at > names.size();
    return sql_error(many ? "CREATE_VIEW_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS"
                          : "CREATE_VIEW_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS",
                     "21S01",
                     fmt::format("Cannot create view {}, the reason is {} data columns:\nView "
                                 "columns: {}.\nData columns: {}.",
                                 quoted_name(view), many ? "too many" : "not enough", view_columns,
                                 data_columns))
        .with_parameter("viewName", quoted_name(view))
        .with_parameter("viewColumns", view_columns)
        .with_parameter("dataColumns", data_columns);
  }
  std::vector<plan::TypedPtr> list;
  std::vector<plan::Column> visible;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].hidden) continue;
    auto reference = std::make_shared<plan::Typed>(
        plan::Typed{columns[i].type,
                    columns[i].nullable,
                    plan::TypedColumn{static_cast<int>(i), plan->columns[i].name},
                    {}});
    list.push_back(std::move(reference));
    visible.push_back(columns[i]);
  }
  return plan::make_operator(plan::op::Project{std::move(plan), std::move(list)},
                             std::move(visible));
}

Result<void> check_distinct_names(const Schema& schema) {
  std::vector<std::string> seen;
  for (const Field& field : schema.fields()) {
    const std::string name = lower_case(field.name);
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return sql_error("COLUMN_ALREADY_EXISTS", "42711",
                       fmt::format("The column {} already exists. Choose another name or rename "
                                   "the existing column.",
                                   quoted_word(name)))
          .with_parameter("columnName", quoted_word(name));
    }
    seen.push_back(name);
  }
  return {};
}

}  // namespace

Done StatementRunner::on(const plan::CreateView& statement) {
  plan::OperatorPtr analyzed;
  if (statement.plan) {
    WEIR_ASSIGN(analyzed, analyze_plan(state_, statement.plan, parameters_));
  } else {
    plan::DataSource source;
    source.format = statement.provider;
    source.options = statement.options;
    source.schema = statement.schema;
    WEIR_ASSIGN(analyzed, analyze_plan(state_, plan::make_plan(std::move(source)), parameters_));
  }
  std::vector<std::string> query_columns;
  const auto query_schema = plan::schema_of(*analyzed);
  for (const Field& field : query_schema.fields())
    query_columns.push_back(field.name);
  WEIR_ASSIGN(analyzed, renamed_columns(std::move(analyzed), statement.columns, statement.name));
  const auto schema = plan::schema_of(*analyzed);
  WEIR_TRY(check_distinct_names(schema));
  const bool alters_temporary =
      statement.alter && statement.name.size() == 1 && state_.temp_view(statement.name[0]);
  if (statement.temporary || statement.global || alters_temporary) {
    if (statement.temporary && !statement.global && statement.name.size() > 1) {
      return sql_error("TEMP_VIEW_NAME_TOO_MANY_NAME_PARTS", "428EK",
                       fmt::format("CREATE TEMPORARY VIEW or the corresponding Dataset APIs only "
                                   "accept single-part view names, but got: {}.",
                                   quoted_name(statement.name)))
          .with_parameter("actualName", quoted_name(statement.name));
    }
    const std::string& name = statement.name.back();
    TempView view{analyzed, statement.text, statement.comment.value_or(""), statement.properties};
    const bool created =
        statement.global
            ? state_.warehouse().put_global_view(name, analyzed, statement.or_replace)
            : state_.put_temp_view(name, std::move(view), statement.or_replace || alters_temporary);
    if (!created && !statement.if_not_exists) {
      const std::string shown = statement.global
                                    ? quoted_name({std::string(kGlobalTemp), lower_case(name)})
                                    : quoted_word(name);
      return sql_error(
                 "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", "42P07",
                 fmt::format("Cannot create the temporary view {} because it already "
                             "exists.\nChoose a different name, drop or replace the existing view, "
                             " or add the IF NOT EXISTS clause to tolerate pre-existing views.",
                             shown))
          .with_parameter("relationName", shown);
    }
    return no_rows();
  }

  SessionCatalog catalog(state_);
  WEIR_ASSIGN(const auto name, catalog.resolve(statement.name));
  WEIR_TRY(database_entry({name.database}));
  WEIR_ASSIGN(const auto present, state_.warehouse().table(name.database, name.table));
  const Name shown{std::string(kCatalogName), name.database, name.table};
  if (!present && statement.alter) return table_not_found(statement.name);
  if (present && statement.if_not_exists) return no_rows();
  const bool replaces = statement.or_replace || statement.alter;
  if (present && (!replaces || !present->is_view())) {
    if (replaces) {
      return sql_error("EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE", "42809",
                       fmt::format("The table {} does not support CREATE OR REPLACE VIEW.",
                                   quoted_name(shown)))
          .with_parameter("tableName", quoted_name(shown))
          .with_parameter("operation", "CREATE OR REPLACE VIEW");
    }
    return table_exists(shown);
  }
  // A view of the catalog outlives the session: nothing in it may be the session's own.
  SessionCatalog permanent(state_, state_.database(), false);
  plan::Analyzer analyzer(permanent, state_.analyzer_settings(), state_.folder());
  auto without = analyzer.analyze(statement.plan);
  if (!without.ok()) {
    return sql_error("INVALID_TEMP_OBJ_REFERENCE", "42K0F",
                     fmt::format("Cannot create the persistent object {} of the type VIEW because "
                                 "it references a temporary object. Please make the temporary "
                                 "object persistent, or make the persistent object temporary.",
                                 quoted_name(shown)))
        .with_parameter("obj", "VIEW")
        .with_parameter("objName", quoted_name(shown));
  }
  TableEntry entry;
  entry.database = name.database;
  entry.name = name.table;
  entry.kind = TableKind::kView;
  entry.schema = schema;
  entry.properties = statement.properties;
  entry.comment = statement.comment;
  entry.created_ms = state_.services().clock.now_ms();
  entry.view_text = statement.text;
  entry.view_columns_named = !statement.columns.empty();
  entry.view_database = state_.database();
  entry.view_query_columns = std::move(query_columns);
  entry.view_mode = statement.schema_mode;
  if (entry.view_mode.empty() && statement.alter) entry.view_mode = present->view_mode;
  // Names that the view gives itself stay.
  if (entry.view_mode == "EVOLUTION" && entry.view_columns_named)
    entry.view_mode = "TYPE EVOLUTION";
  for (const char* key :
       {"spark.sql.ansi.enabled", "spark.sql.caseSensitive", "spark.sql.session.timeZone"})
    entry.view_conf[key] = state_.get(key).value_or("");
  if (parse_options(state_).double_quoted_names)
    entry.view_conf["spark.sql.ansi.doubleQuotedIdentifiers"] = "true";
  if (present) {
    WEIR_TRY(state_.warehouse().put_table(entry));
    return no_rows();
  }
  WEIR_ASSIGN(const bool created, state_.warehouse().create_table(entry));
  if (!created && !statement.if_not_exists) return table_exists(shown);
  return no_rows();
}

}  // namespace weir::session
