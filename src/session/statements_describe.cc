// DESCRIBE: with Spark's columns and texts.
#include "plan/function_catalog.h"
#include "session/command_rows.h"
#include "session/delta_source.h"
#include "session/statements.h"

namespace weir::session {

using Done = StatementRunner::Done;
using columnar::Field;

namespace {

constexpr const char* kDescribeColumns =
    "col_name STRING NOT NULL, data_type STRING NOT NULL, comment STRING";

// Java's Date.toString in UTC: "Sat Nov 21 06:05:30 UTC 2026".
std::string time_text(int64_t ms) {
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::strftime(text, sizeof(text), "%a %b %d %H:%M:%S UTC %Y", &parts);
  return text;
}

std::string shown_type(const Field& field) {
  const auto declared = base::json_string(field.metadata, "__CHAR_VARCHAR_TYPE_STRING");
  return declared ? *declared : field.type().simple_string();
}

void add_columns(CommandRows& rows, const Schema& schema) {
  for (const Field& field : schema.fields()) {
    const auto comment = base::json_string(field.metadata, "comment");
    rows.add({field.name, shown_type(field),
              comment ? CommandRows::Cell(*comment) : CommandRows::Cell()});
  }
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string text = "[";
  for (const auto& name : names)
    text += (text.size() > 1 ? ", " : "") + quoted_word(name);
  return text + "]";
}

std::string quoted_list(const Schema& schema) {
  std::vector<std::string> names;
  for (const Field& field : schema.fields())
    names.push_back(field.name);
  return quoted_list(names);
}

// The section of the columns that have a default value; nothing where none has.
void add_defaults(CommandRows& rows, const Schema& schema) {
  bool any = false;
  for (const Field& field : schema.fields()) {
    const auto value = base::json_string(field.metadata, "CURRENT_DEFAULT");
    if (!value) continue;
    if (!std::exchange(any, true)) {
      rows.add({std::string(), std::string(), std::string()});
      rows.add({std::string("# Column Default Values"), std::string(), std::string()});
    }
    rows.add({field.name, shown_type(field), *value});
  }
}

}  // namespace

Done StatementRunner::on(const plan::DescribeStatement& statement) {
  using Kind = plan::DescribeStatement::Kind;
  if (statement.as_json) return unsupported("DESCRIBE … AS JSON");
  switch (statement.kind) {
    case Kind::kTable:
      return describe_table(statement);
    case Kind::kColumn:
      return describe_column(statement);
    case Kind::kDatabase:
      return describe_database(statement);
    case Kind::kFunction:
      return describe_function(statement);
    case Kind::kQuery: {
      CommandRows rows(kDescribeColumns);
      WEIR_ASSIGN(const auto plan, analyze_plan(state_, statement.plan, parameters_));
      add_columns(rows, plan::schema_of(*plan));
      return rows.result();
    }
  }
  return no_rows();
}

Done StatementRunner::describe_table(const plan::DescribeStatement& statement) {
  CommandRows rows(kDescribeColumns);
  const Name& name = statement.name;
  const auto described_plan = [&]() -> Done {
    plan::NamedTable named;
    named.name = name;
    WEIR_ASSIGN(const auto plan, analyze_plan(state_, plan::make_plan(std::move(named))));
    add_columns(rows, plan::schema_of(*plan));
    return rows.result();
  };
  const bool temporary = name.size() == 1 && state_.temp_view(name[0]);
  const bool global = name.size() == 2 && lower_case(name[0]) == kGlobalTemp;
  SessionCatalog catalog(state_);
  WEIR_ASSIGN(const auto found, catalog.entry(name));
  if (temporary || global || !found) return described_plan();
  const TableEntry& entry = *found;
  WEIR_ASSIGN(const auto schema, table_schema(entry));
  add_columns(rows, schema);
  WEIR_ASSIGN(const auto partitions, table_partitions(entry));
  if (!partitions.empty()) {
    rows.add({std::string("# Partition Information"), std::string(), std::string()});
    rows.add({std::string("# col_name"), std::string("data_type"), std::string("comment")});
    std::vector<Field> fields;
    for (const auto& column : partitions)
      fields.push_back(
          schema.fields()[static_cast<size_t>(schema.field_index_ignoring_case(column))]);
    add_columns(rows, Schema::structure(std::move(fields)));
  }
  if (!statement.extended) {
    add_defaults(rows, schema);
    return rows.result();
  }
  const auto add = [&](std::string key, std::string value) {
    rows.add({std::move(key), std::move(value), std::string()});
  };
  add("", "");
  add("# Detailed Table Information", "");
  add("Catalog", std::string(kCatalogName));
  add("Database", entry.database);
  add(entry.is_view() ? "Table" : "Table", entry.name);
  add("Created Time", time_text(entry.created_ms));
  add("Last Access", "UNKNOWN");
  add("Created By", "weir");
  if (entry.is_view()) {
    add("Type", "VIEW");
    if (entry.comment) add("Comment", *entry.comment);
    if (!entry.properties.empty()) add("Table Properties", shown_properties(entry.properties));
    add("View Text", entry.view_text);
    add("View Original Text", entry.view_text);
    add("View Schema Mode", entry.view_mode.empty() ? "COMPENSATION" : entry.view_mode);
    add("View Catalog and Namespace", fmt::format("{}.{}", kCatalogName, entry.view_database));
    const bool evolves = entry.view_mode == "EVOLUTION" || entry.view_query_columns.empty();
    add("View Query Output Columns",
        evolves ? quoted_list(schema) : quoted_list(entry.view_query_columns));
    return rows.result();
  }
  add("Type", entry.kind == TableKind::kManaged ? "MANAGED" : "EXTERNAL");
  add("Provider", entry.provider);
  std::optional<std::string> comment = entry.comment;
  TextMap properties = entry.properties;
  if (entry.provider == "delta") {
    WEIR_ASSIGN(const auto source, open_delta(state_.services(), entry.location, {}));
    source->add_properties(properties);
    if (source->snapshot().metadata().description)
      comment = source->snapshot().metadata().description;
  }
  if (comment) add("Comment", *comment);
  if (!properties.empty()) add("Table Properties", shown_properties(properties));
  add("Location", "file:" + entry.location);
  if (!entry.options.empty()) add("Storage Properties", shown_properties(entry.options));
  if (!partitions.empty() && entry.provider != "delta") add("Partition Provider", "Catalog");
  add_defaults(rows, schema);
  return rows.result();
}

Done StatementRunner::describe_column(const plan::DescribeStatement& statement) {
  CommandRows rows("info_name STRING NOT NULL, info_value STRING NOT NULL");
  plan::NamedTable named;
  named.name = statement.name;
  WEIR_ASSIGN(const auto plan, analyze_plan(state_, plan::make_plan(std::move(named))));
  const auto schema = plan::schema_of(*plan);
  const int index = schema.field_index_ignoring_case(statement.column);
  if (index < 0) {
    std::string proposal;
    for (const Field& field : schema.fields())
      proposal += (proposal.empty() ? "" : ", ") + quoted_word(field.name);
    return sql_error("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703",
                     fmt::format("A column, variable, or function parameter with name {} cannot be "
                                 "resolved. Did you mean one of the following? [{}].",
                                 quoted_word(statement.column), proposal))
        .with_parameter("objectName", quoted_word(statement.column))
        .with_parameter("proposal", proposal);
  }
  const Field& field = schema.fields()[static_cast<size_t>(index)];
  rows.add({std::string("col_name"), field.name});
  rows.add({std::string("data_type"), shown_type(field)});
  rows.add({std::string("comment"), base::json_string(field.metadata, "comment").value_or("NULL")});
  if (statement.extended) {
    for (const char* key :
         {"min", "max", "num_nulls", "distinct_count", "avg_col_len", "max_col_len", "histogram"})
      rows.add({std::string(key), std::string("NULL")});
  }
  return rows.result();
}

Done StatementRunner::describe_database(const plan::DescribeStatement& statement) {
  CommandRows rows("info_name STRING NOT NULL, info_value STRING NOT NULL");
  WEIR_ASSIGN(const auto entry, database_entry(statement.name));
  const auto add = [&](const char* key, std::string value) {
    rows.add({std::string(key), std::move(value)});
  };
  add("Catalog Name", std::string(kCatalogName));
  add("Namespace Name", entry.name);
  add("Comment", entry.comment);
  add("Location", "file:" + entry.location);
  add("Owner", "weir");
  if (statement.extended) {
    std::string properties;
    for (const auto& [key, value] : entry.properties)
      properties += fmt::format("{}({},{})", properties.empty() ? "(" : ", ", key, value);
    add("Properties", properties.empty() ? "" : properties + ")");
  }
  return rows.result();
}

Done StatementRunner::describe_function(const plan::DescribeStatement& statement) {
  CommandRows rows("function_desc STRING NOT NULL");
  const std::string name = lower_case(statement.name.back());
  const auto* function = plan::find_function(name);
  if (function == nullptr) {
    if (state_.function(name)) {
      rows.add({"Function: " + name});
      rows.add({std::string("Usage: a function of the user's, in Python")});
      return rows.result();
    }
    return sql_error("UNRESOLVED_ROUTINE", "42883",
                     fmt::format("Cannot resolve routine {} on search path [`system`.`builtin`, "
                                 "`system`.`session`, `spark_catalog`.{}].",
                                 quoted_name(statement.name), quoted_word(state_.database())))
        .with_parameter("routineName", quoted_name(statement.name))
        .with_parameter("searchPath",
                        fmt::format("[`system`.`builtin`, `system`.`session`, `spark_catalog`.{}]",
                                    quoted_word(state_.database())));
  }
  rows.add({"Function: " + std::string(function->name)});
  rows.add({std::string("Class: weir")});
  rows.add({"Usage: " + std::string(function->doc)});
  return rows.result();
}

}  // namespace weir::session
