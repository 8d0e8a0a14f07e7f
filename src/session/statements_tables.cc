// CREATE, DROP and ALTER TABLE.
#include <algorithm>

#include "delta/schema_evolution.h"
#include "session/command_rows.h"
#include "session/delta_source.h"
#include "session/file_table.h"
#include "session/statements.h"
#include "session/table_changes.h"
#include "session/targets.h"

namespace weir::session {

using Done = StatementRunner::Done;
using columnar::Field;
using columnar::TypeKind;

Result<TableEntry> StatementRunner::table_entry(const Name& name) {
  SessionCatalog catalog(state_);
  WEIR_ASSIGN(auto entry, catalog.entry(name));
  if (!entry) {
    if (name.size() > 1) {
      const auto resolved = catalog.resolve(name);
      if (!resolved.ok()) return resolved.error();
    }
    return table_not_found(name);
  }
  return std::move(*entry);
}

Result<Schema> StatementRunner::table_schema(const TableEntry& entry) {
  if (entry.is_view() && entry.view_mode.ends_with("EVOLUTION")) {
    plan::NamedTable named;
    named.name = {entry.database, entry.name};
    const auto plan = analyze_plan(state_, plan::make_plan(std::move(named)));
    return plan.ok() ? plan::schema_of(**plan) : entry.schema;
  }
  if (entry.is_view() || entry.provider != "delta") return entry.schema;
  WEIR_ASSIGN(const auto source, open_delta(state_.services(), entry.location, {}));
  return source->schema();
}

Result<std::vector<std::string>> StatementRunner::table_partitions(const TableEntry& entry) {
  if (entry.provider != "delta") return entry.partition_columns;
  WEIR_ASSIGN(const auto source, open_delta(state_.services(), entry.location, {}));
  return source->snapshot().partition_columns();
}

namespace {

// The text of an expression as it was written.
std::string written_text(const plan::ExpressionPtr& expression) {
  const auto& origin = expression->origin;
  if (origin.text) return origin.text->substr(origin.begin, origin.end - origin.begin);
  return plan::expression_sql(*expression);
}

Result<Schema> defined_schema(SessionState& state,
                              const std::vector<plan::ColumnDefinition>& columns,
                              std::string_view provider) {
  std::vector<Field> fields;
  for (const auto& column : columns) {
    Field field = column.field;
    if (column.generated_as) return unsupported("a generated column");
    if (column.default_value) {
      if (provider == "delta") return unsupported("DEFAULT of a column of a Delta table");
      // What is no constant of the column's type shows now.
      WEIR_TRY(constant_of(state, column.default_value, field.type()));
      field.metadata["CURRENT_DEFAULT"] = written_text(column.default_value);
      field.metadata["EXISTS_DEFAULT"] = written_text(column.default_value);
    }
    fields.push_back(std::move(field));
  }
  return Schema::structure(std::move(fields));
}

}  // namespace

Done StatementRunner::create_like(const plan::CreateTable& statement, const TableName&) {
  TableCreation creation;
  creation.name = statement.name;
  creation.if_not_exists = statement.if_not_exists;
  creation.location = statement.location;
  creation.properties = statement.properties;
  const auto temporary =
      statement.like->size() == 1 ? state_.temp_view((*statement.like)[0]) : std::nullopt;
  if (temporary) {
    creation.schema = plan::schema_of(*temporary->plan);
    creation.provider = state_.get("spark.sql.sources.default").value_or("delta");
  } else {
    WEIR_ASSIGN(const auto like, table_entry(*statement.like));
    WEIR_ASSIGN(creation.schema, table_schema(like));
    if (!like.is_view()) {
      WEIR_ASSIGN(creation.partition_by, table_partitions(like));
    }
    creation.provider =
        like.is_view() ? state_.get("spark.sql.sources.default").value_or("delta") : like.provider;
    creation.options = like.options;
    creation.comment = like.comment;
  }
  if (!statement.provider.empty()) creation.provider = statement.provider;
  WEIR_TRY(create_table(state_, creation, stop_));
  return no_rows();
}

Done StatementRunner::on(const plan::CreateTable& statement) {
  SessionCatalog catalog(state_);
  if (statement.like) {
    WEIR_ASSIGN(const auto name, catalog.resolve(statement.name));
    return create_like(statement, name);
  }
  TableCreation creation;
  creation.name = statement.name;
  creation.provider = statement.provider.empty()
                          ? state_.get("spark.sql.sources.default").value_or("delta")
                          : statement.provider;
  creation.location = statement.location;
  creation.partition_by = statement.partition_by;
  creation.comment = statement.comment;
  creation.properties = statement.properties;
  creation.options = statement.options;
  creation.if_not_exists = statement.if_not_exists;
  creation.or_replace = statement.or_replace;
  creation.replace = statement.replace;
  if (!statement.columns.empty()) {
    WEIR_ASSIGN(creation.schema,
                defined_schema(state_, statement.columns, lower_case(creation.provider)));
  } else if (!statement.as_select && lower_case(creation.provider) == "delta" &&
             !statement.location) {
    creation.schema = Schema::structure({});
  }
  if (statement.as_select) {
    WEIR_ASSIGN(creation.rows, analyze_plan(state_, statement.as_select, parameters_));
  }
  WEIR_TRY(create_table(state_, creation, stop_));
  return no_rows();
}

Done StatementRunner::on(const plan::DropTable& statement) {
  const Name& name = statement.name;
  if (name.size() == 1 && state_.temp_view(name[0])) {
    state_.drop_temp_view(name[0]);
    return no_rows();
  }
  if (name.size() == 2 && lower_case(name[0]) == kGlobalTemp) {
    if (!state_.warehouse().drop_global_view(name[1]) && !statement.if_exists)
      return table_not_found(name);
    return no_rows();
  }
  SessionCatalog catalog(state_);
  WEIR_ASSIGN(const auto entry, catalog.entry(name));
  if (!entry) {
    if (statement.if_exists) return no_rows();
    return table_not_found(
        name.size() == 1 ? Name{std::string(kCatalogName), state_.database(), name[0]} : name);
  }
  const Name shown{std::string(kCatalogName), entry->database, entry->name};
  if (statement.view && !entry->is_view()) {
    return sql_error("EXPECT_VIEW_NOT_TABLE.USE_DROP_TABLE", "42809",
                     fmt::format("The table {} does not support DROP VIEW. Please use DROP TABLE "
                                 "instead.",
                                 quoted_name(shown)))
        .with_parameter("operation", "DROP VIEW")
        .with_parameter("tableName", quoted_name(shown));
  }
  if (!statement.view && entry->is_view()) {
    return sql_error("EXPECT_TABLE_NOT_VIEW.USE_DROP_VIEW", "42809",
                     fmt::format("'DROP TABLE' expects a table but {} is a view. Please use DROP "
                                 "VIEW instead.",
                                 quoted_name(shown)))
        .with_parameter("operation", "DROP TABLE")
        .with_parameter("viewName", quoted_name(shown));
  }
  WEIR_TRY(state_.warehouse().drop_table(entry->database, entry->name));
  return no_rows();
}

// --- ALTER TABLE

namespace {

base::Error column_not_found(const Schema& schema, const Name& column) {
  return sql_error("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703",
                   fmt::format("A column, variable, or function parameter with name {} cannot be "
                               "resolved. Did you mean one of the following? [{}].",
                               quoted_name(column), quoted_columns(schema)))
      .with_parameter("objectName", quoted_name(column))
      .with_parameter("proposal", quoted_columns(schema));
}

// The schema after ADD COLUMNS: behind the others, in front of the partition columns of files.
Result<Schema> with_columns(const Schema& schema, const std::vector<Field>& added, size_t before) {
  std::vector<Field> fields = schema.fields();
  for (const Field& field : added) {
    if (schema.field_index_ignoring_case(field.name) >= 0) {
      return sql_error("FIELD_ALREADY_EXISTS", "42710",
                       fmt::format("Cannot add column, because {} already exists in \"{}\".",
                                   quoted_word(field.name), schema.sql()))
          .with_parameter("op", "add")
          .with_parameter("fieldNames", quoted_word(field.name))
          .with_parameter("struct", "\"" + schema.sql() + "\"");
    }
  }
  fields.insert(fields.end() - static_cast<std::ptrdiff_t>(before), added.begin(), added.end());
  auto made = Schema::structure(std::move(fields));
  WEIR_TRY(refuse_duplicates(made));
  return made;
}

// ALTER COLUMN: comment, nullability; a type only where it stays the same.
Result<Schema> with_changed_column(const Schema& schema, const plan::AlterTable& statement) {
  const Name& column = statement.column_names.at(0);
  if (column.size() != 1) return unsupported("changing the nested column " + quoted_name(column));
  const int index = schema.field_index_ignoring_case(column[0]);
  if (index < 0) return column_not_found(schema, column);
  std::vector<Field> fields = schema.fields();
  Field& field = fields[static_cast<size_t>(index)];
  if (statement.nullable) {
    if (!*statement.nullable && field.nullable)
      return unsupported("SET NOT NULL on a column that may hold NULL");
    field.nullable = *statement.nullable;
  }
  if (!statement.columns.empty()) {
    const Field& wanted = statement.columns[0].field;
    const bool typed = !wanted.type().is(TypeKind::kNull);
    if (typed && !wanted.type().same_type(field.type())) {
      return sql_error(
          "NOT_SUPPORTED_CHANGE_COLUMN", "0A000",
          fmt::format("ALTER TABLE ALTER/CHANGE COLUMN is not supported for changing "
                      "column {} with type \"{}\" to type \"{}\".",
                      quoted_word(field.name), field.type().sql(), wanted.type().sql()));
    }
    for (const auto& member : wanted.metadata)
      field.metadata[member.key()] = member.value();
  }
  return Schema::structure(std::move(fields));
}

}  // namespace

Done StatementRunner::on(const plan::AlterTable& statement) {
  using Kind = plan::AlterTable::Kind;
  const Name& name = statement.name;
  if (name.size() == 1 && statement.view && state_.temp_view(name[0])) {
    auto view = *state_.temp_view(name[0]);
    if (statement.kind != Kind::kRename) return unsupported("ALTER VIEW of a temporary view");
    if (!state_.put_temp_view(statement.new_name.back(), std::move(view), false))
      return table_exists(statement.new_name);
    state_.drop_temp_view(name[0]);
    return no_rows();
  }
  const bool global = name.size() == 2 && lower_case(name[0]) == kGlobalTemp &&
                      state_.warehouse().global_view(name[1]);
  if (!statement.view && (global || (name.size() == 1 && state_.temp_view(name[0])))) {
    return sql_error(
               "EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", "42809",
               fmt::format("'ALTER TABLE' expects a table but {} is a view.", quoted_name(name)))
        .with_parameter("operation", "ALTER TABLE")
        .with_parameter("viewName", quoted_name(name));
  }
  WEIR_ASSIGN(auto entry, table_entry(name));
  const Name shown{std::string(kCatalogName), entry.database, entry.name};
  if (statement.view != entry.is_view() && statement.kind != Kind::kRename) {
    return entry.is_view()
               ? sql_error("EXPECT_TABLE_NOT_VIEW.USE_ALTER_VIEW", "42809",
                           fmt::format("'ALTER TABLE' expects a table but {} is a view. Please use "
                                       "ALTER VIEW instead.",
                                       quoted_name(shown)))
                     .with_parameter("operation", "ALTER TABLE")
                     .with_parameter("viewName", quoted_name(shown))
               : sql_error("EXPECT_VIEW_NOT_TABLE.USE_ALTER_TABLE", "42809",
                           fmt::format("The table {} does not support ALTER VIEW. Please use ALTER "
                                       "TABLE instead.",
                                       quoted_name(shown)))
                     .with_parameter("operation", "ALTER VIEW")
                     .with_parameter("tableName", quoted_name(shown));
  }
  const bool delta = entry.provider == "delta";
  Warehouse& warehouse = state_.warehouse();
  const auto change_schema =
      [&](const std::string& operation,
          const std::function<Result<Schema>(const Schema&, size_t)>& change) -> Done {
    if (delta) {
      WEIR_TRY(change_delta(state_.services(), entry.location, operation,
                            [&](delta::Metadata& metadata) -> Result<void> {
                              WEIR_ASSIGN(const auto schema,
                                          columnar::parse_type_json_text(metadata.schema_string));
                              WEIR_ASSIGN(auto changed, change(schema, 0));
                              WEIR_ASSIGN(changed, delta::delta_schema(changed));
                              metadata.schema_string = base::json_text(changed.to_json());
                              return {};
                            }));
      return no_rows();
    }
    WEIR_ASSIGN(entry.schema, change(entry.schema, entry.partition_columns.size()));
    WEIR_TRY(warehouse.put_table(entry));
    return no_rows();
  };
  switch (statement.kind) {
    case Kind::kSetSchemaMode:
      entry.view_mode = statement.schema_mode;
      if (entry.view_mode == "EVOLUTION" && entry.view_columns_named)
        entry.view_mode = "TYPE EVOLUTION";
      WEIR_TRY(warehouse.put_table(entry));
      return no_rows();
    case Kind::kAddColumns: {
      std::vector<Field> added;
      for (const auto& column : statement.columns) {
        Field field = column.field;
        if (!field.nullable)
          return unsupported("adding the NOT NULL column " + quoted_word(field.name));
        if (column.default_value) {
          if (delta) return unsupported("DEFAULT of a column of a Delta table");
          field.metadata["CURRENT_DEFAULT"] = written_text(column.default_value);
        }
        added.push_back(std::move(field));
      }
      return change_schema("ADD COLUMNS", [&](const Schema& schema, size_t before) {
        return with_columns(schema, added, before);
      });
    }
    case Kind::kChangeColumn:
      return change_schema("CHANGE COLUMN", [&](const Schema& schema, size_t) {
        return with_changed_column(schema, statement);
      });
    case Kind::kDropColumns:
    case Kind::kRenameColumn: {
      const bool drop = statement.kind == Kind::kDropColumns;
      if (delta) {
        return unsupported(drop ? "DROP COLUMN of a Delta table (it needs column mapping)"
                                : "RENAME COLUMN of a Delta table (it needs column mapping)");
      }
      return sql_error("UNSUPPORTED_FEATURE.TABLE_OPERATION", "0A000",
                       fmt::format("The feature is not supported: Table {} does not support {}. "
                                   "Please check the current catalog and namespace to make sure "
                                   "the qualified table name is expected, and also check the "
                                   "catalog implementation which is configured by "
                                   "\"spark.sql.catalog\".",
                                   quoted_name(shown), drop ? "DROP COLUMN" : "RENAME COLUMN"))
          .with_parameter("tableName", quoted_name(shown))
          .with_parameter("operation", drop ? "DROP COLUMN" : "RENAME COLUMN");
    }
    case Kind::kRename: {
      SessionCatalog catalog(state_);
      Name to = statement.new_name;
      if (to.size() == 1) to = {entry.database, to[0]};
      WEIR_ASSIGN(const auto resolved, catalog.resolve(to));
      if (resolved.database != entry.database) {
        return sql_error("_LEGACY_ERROR_TEMP_1073", "",
                         fmt::format("RENAME TABLE source and destination databases do not match: "
                                     "'{}' != '{}'.",
                                     entry.database, resolved.database));
      }
      WEIR_ASSIGN(const auto renamed,
                  warehouse.rename_table(entry.database, entry.name, resolved.table));
      if (renamed == Warehouse::Renamed::kExists)
        return table_exists({resolved.database, resolved.table});
      if (renamed == Warehouse::Renamed::kNotFound) return table_not_found(name);
      return no_rows();
    }
    case Kind::kSetProperties:
    case Kind::kUnsetProperties: {
      const bool set = statement.kind == Kind::kSetProperties;
      const auto apply = [&](auto& properties, std::optional<std::string>& comment) {
        for (const auto& [key, value] : statement.properties) {
          if (key == "comment") {
            comment = value;
          } else {
            properties[key] = value;
          }
        }
        for (const auto& key : statement.property_keys) {
          if (key == "comment") comment.reset();
          properties.erase(key);
        }
      };
      if (delta) {
        WEIR_TRY(change_delta(state_.services(), entry.location,
                              set ? "SET TBLPROPERTIES" : "UNSET TBLPROPERTIES",
                              [&](delta::Metadata& metadata) -> Result<void> {
                                apply(metadata.configuration, metadata.description);
                                return {};
                              }));
        return no_rows();
      }
      apply(entry.properties, entry.comment);
      WEIR_TRY(warehouse.put_table(entry));
      return no_rows();
    }
    case Kind::kSetLocation: {
      WEIR_ASSIGN(entry.location, local_path(statement.location));
      entry.kind = TableKind::kExternal;
      WEIR_TRY(warehouse.put_table(entry));
      return no_rows();
    }
    case Kind::kAddPartition:
    case Kind::kDropPartition:
      // Partitions are what folders there are.
      return unsupported(statement.kind == Kind::kAddPartition ? "ALTER TABLE ADD PARTITION"
                                                               : "ALTER TABLE DROP PARTITION");
  }
  return no_rows();
}

}  // namespace weir::session
