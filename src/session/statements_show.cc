// SHOW: with Spark's columns and texts.
#include <algorithm>
#include <set>

#include "delta/partition_values.h"
#include "plan/function_catalog.h"
#include "session/command_rows.h"
#include "session/delta_source.h"
#include "session/file_table.h"
#include "session/redaction.h"
#include "session/statements.h"
#include "source/file_listing.h"
#include "source/partition_folders.h"

namespace weir::session {

using Done = StatementRunner::Done;
using columnar::Field;

namespace {

// Of options addresses too (spark.sql.redaction.options.regex).
std::string shown_value(const std::string& key, const std::string& value) {
  const bool hidden = names_secret(key) || lower_case(key).find("url") != std::string::npos;
  return hidden ? std::string(kRedacted) : value;
}

// One alternative of the pattern: '*' stands for any characters.
bool matches_one(std::string_view pattern, std::string_view name) {
  size_t p = 0;
  size_t n = 0;
  size_t star = std::string_view::npos;
  size_t star_n = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_n = n;
    } else if (p < pattern.size() && (pattern[p] == name[n] || pattern[p] == '.')) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++star_n;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string quoted_if_needed(const std::string& name) {
  const bool plain = !name.empty() &&
                     name.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789_") == std::string::npos &&
                     name.find_first_not_of("0123456789") != std::string::npos;
  return plain ? name : quoted_word(name);
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view name) {
  const std::string lower_name = lower_case(name);
  std::string_view rest = pattern;
  while (true) {
    const size_t bar = rest.find('|');
    std::string one = lower_case(rest.substr(0, bar));
    while (one.starts_with(' '))
      one.erase(0, 1);
    while (one.ends_with(' '))
      one.pop_back();
    if (matches_one(one, lower_name)) return true;
    if (bar == std::string_view::npos) return false;
    rest.remove_prefix(bar + 1);
  }
}

std::string shown_properties(const TextMap& properties) {
  std::string text = "[";
  for (const auto& [key, value] : properties)
    text += (text.size() > 1 ? ", " : "") + key + "=" + shown_value(key, value);
  return text + "]";
}

Done StatementRunner::on(const plan::Show& statement) {
  using Kind = plan::Show::Kind;
  const auto fits = [&](std::string_view name) {
    return !statement.pattern || matches_pattern(*statement.pattern, name);
  };
  switch (statement.kind) {
    case Kind::kDatabases: {
      CommandRows rows("namespace STRING NOT NULL");
      WEIR_ASSIGN(const auto names, state_.warehouse().databases());
      for (const auto& name : names)
        if (fits(name)) rows.add({name});
      return rows.result();
    }
    case Kind::kTables:
      return show_tables(statement);
    case Kind::kViews:
      return show_views(statement);
    case Kind::kColumns:
      return show_columns(statement);
    case Kind::kFunctions: {
      CommandRows rows("function STRING NOT NULL");
      std::set<std::string> names;
      for (const auto& function : plan::all_functions()) {
        names.insert(std::string(function.name));
        for (const auto alias : function.aliases)
          names.insert(std::string(alias));
      }
      for (const auto& name : state_.functions())
        names.insert(name);
      for (const auto& name : names)
        if (fits(name)) rows.add({name});
      return rows.result();
    }
    case Kind::kCreateTable:
      return show_create_table(statement);
    case Kind::kTableProperties:
      return show_properties(statement);
    case Kind::kPartitions:
      return show_partitions(statement);
    case Kind::kCatalogs: {
      CommandRows rows("catalog STRING NOT NULL");
      if (fits(kCatalogName)) rows.add({std::string(kCatalogName)});
      return rows.result();
    }
    case Kind::kCurrentDatabase: {
      CommandRows rows("catalog STRING NOT NULL, namespace STRING NOT NULL");
      rows.add({std::string(kCatalogName), state_.database()});
      return rows.result();
    }
  }
  return no_rows();
}

Done StatementRunner::show_tables(const plan::Show& statement) {
  CommandRows rows(
      "namespace STRING NOT NULL, tableName STRING NOT NULL, isTemporary BOOLEAN NOT "
      "NULL");
  const auto fits = [&](const std::string& name) {
    return !statement.pattern || matches_pattern(*statement.pattern, name);
  };
  std::string database = state_.database();
  if (!statement.name.empty()) {
    if (lower_case(statement.name.back()) == kGlobalTemp) {
      for (const auto& name : state_.warehouse().global_views())
        if (fits(name)) rows.add({std::string(kGlobalTemp), name, true});
    } else {
      WEIR_ASSIGN(const auto entry, database_entry(statement.name));
      database = entry.name;
    }
  }
  if (statement.name.empty() || lower_case(statement.name.back()) != kGlobalTemp) {
    WEIR_ASSIGN(const auto names, state_.warehouse().tables(database));
    for (const auto& name : names)
      if (fits(name)) rows.add({database, name, false});
  }
  for (const auto& name : state_.temp_views())
    if (fits(name)) rows.add({std::string(), name, true});
  return rows.result();
}

Done StatementRunner::show_views(const plan::Show& statement) {
  CommandRows rows(
      "namespace STRING NOT NULL, viewName STRING NOT NULL, isTemporary BOOLEAN NOT "
      "NULL");
  const auto fits = [&](const std::string& name) {
    return !statement.pattern || matches_pattern(*statement.pattern, name);
  };
  if (!statement.name.empty() && lower_case(statement.name.back()) == kGlobalTemp) {
    for (const auto& name : state_.warehouse().global_views())
      if (fits(name)) rows.add({std::string(kGlobalTemp), name, true});
  } else {
    std::string database = state_.database();
    if (!statement.name.empty()) {
      WEIR_ASSIGN(const auto entry, database_entry(statement.name));
      database = entry.name;
    }
    WEIR_ASSIGN(const auto names, state_.warehouse().tables(database));
    for (const auto& name : names) {
      if (!fits(name)) continue;
      WEIR_ASSIGN(const auto entry, state_.warehouse().table(database, name));
      if (entry && entry->is_view()) rows.add({database, name, false});
    }
  }
  for (const auto& name : state_.temp_views())
    if (fits(name)) rows.add({std::string(), name, true});
  return rows.result();
}

Done StatementRunner::show_columns(const plan::Show& statement) {
  CommandRows rows("col_name STRING NOT NULL");
  plan::NamedTable named;
  named.name = statement.name;
  WEIR_ASSIGN(const auto plan, analyze_plan(state_, plan::make_plan(std::move(named))));
  for (const auto& column : plan->columns)
    if (!column.hidden) rows.add({column.name});
  return rows.result();
}

Done StatementRunner::show_properties(const plan::Show& statement) {
  CommandRows rows("key STRING NOT NULL, value STRING NOT NULL");
  if (statement.name.size() == 1 && state_.temp_view(statement.name[0])) return rows.result();
  WEIR_ASSIGN(const auto entry, table_entry(statement.name));
  TextMap properties = entry.properties;
  if (entry.provider == "delta") {
    WEIR_ASSIGN(const auto source, open_delta(state_.services(), entry.location, {}));
    source->add_properties(properties);
  }
  if (statement.key) {
    const auto found = properties.find(*statement.key);
    rows.add({*statement.key,
              found != properties.end()
                  ? shown_value(found->first, found->second)
                  : fmt::format("Table {}.{}.{} does not have property: {}", kCatalogName,
                                entry.database, entry.name, *statement.key)});
    return rows.result();
  }
  for (const auto& [key, value] : properties)
    rows.add({key, shown_value(key, value)});
  return rows.result();
}

Done StatementRunner::show_partitions(const plan::Show& statement) {
  CommandRows rows("partition STRING NOT NULL");
  WEIR_ASSIGN(const auto entry, table_entry(statement.name));
  const Name shown{std::string(kCatalogName), entry.database, entry.name};
  if (entry.is_view()) {
    return sql_error("EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", "42809",
                     fmt::format("'SHOW PARTITIONS' expects a table but {} is a view.",
                                 quoted_name(shown)))
        .with_parameter("operation", "SHOW PARTITIONS")
        .with_parameter("viewName", quoted_name(shown));
  }
  WEIR_ASSIGN(const auto partitions, table_partitions(entry));
  if (partitions.empty()) {
    return sql_error("INVALID_PARTITION_OPERATION.PARTITION_SCHEMA_IS_EMPTY", "42601",
                     fmt::format("The partition command is invalid. Table {} is not partitioned.",
                                 quoted_name(shown)))
        .with_parameter("name", quoted_name(shown));
  }
  std::set<std::string> folders;
  if (entry.provider == "delta") {
    WEIR_ASSIGN(const auto source, open_delta(state_.services(), entry.location, {}));
    for (const auto& file : source->snapshot().files()) {
      std::string folder;
      for (const auto& column : partitions) {
        const auto value = file->partition_values.find(column);
        folder += (folder.empty() ? "" : "/") +
                  delta::partition_folder(
                      column, value == file->partition_values.end() ? std::nullopt : value->second);
      }
      folders.insert(std::move(folder));
    }
  } else {
    source::FileFilter filter;
    WEIR_ASSIGN(const auto files, source::list_files(state_.services().fs, entry.location, filter));
    for (const auto& file : files) {
      std::string folder;
      for (const auto& [name, text] : source::partition_folder_of(entry.location, file.path).values)
        folder += (folder.empty() ? "" : "/") + delta::partition_folder(name, text);
      folders.insert(std::move(folder));
    }
  }
  for (const auto& folder : folders)
    rows.add({folder});
  return rows.result();
}

Done StatementRunner::show_create_table(const plan::Show& statement) {
  CommandRows rows("createtab_stmt STRING NOT NULL");
  if (statement.name.size() == 1 && state_.temp_view(statement.name[0])) {
    return sql_error("FORBIDDEN_OPERATION", "42809",
                     fmt::format("The operation SHOW CREATE TABLE is not allowed on the TEMPORARY "
                                 "VIEW: {}.",
                                 quoted_name(statement.name)))
        .with_parameter("statement", "SHOW CREATE TABLE")
        .with_parameter("objectType", "TEMPORARY VIEW")
        .with_parameter("objectName", quoted_name(statement.name));
  }
  WEIR_ASSIGN(const auto entry, table_entry(statement.name));
  WEIR_ASSIGN(const auto schema, table_schema(entry));
  std::string text;
  const auto comment_of = [](const Field& field) {
    const auto comment = base::json_string(field.metadata, "comment");
    return comment ? " COMMENT '" + escaped(*comment) + "'" : std::string();
  };
  const auto list = [&](const TextMap& map) {
    std::string lines;
    for (const auto& [key, value] : map)
      lines += (lines.empty() ? "" : ",") +
               fmt::format("\n  '{}' = '{}'", escaped(key), escaped(shown_value(key, value)));
    return lines;
  };
  if (entry.is_view()) {
    text = fmt::format("CREATE VIEW {}.{} (", quoted_if_needed(entry.database),
                       quoted_if_needed(entry.name));
    for (size_t i = 0; i < schema.fields().size(); ++i) {
      const Field& field = schema.fields()[i];
      text +=
          fmt::format("{}\n  {}{}", i ? "," : "", quoted_if_needed(field.name), comment_of(field));
    }
    text += ")\n";
    if (entry.comment) text += "COMMENT '" + escaped(*entry.comment) + "'\n";
    if (!entry.properties.empty()) text += "TBLPROPERTIES (" + list(entry.properties) + ")\n";
    text += "WITH SCHEMA COMPENSATION\nAS " + entry.view_text + "\n";
    rows.add({text});
    return rows.result();
  }
  text = fmt::format("CREATE TABLE {}.{}.{} (", kCatalogName, quoted_if_needed(entry.database),
                     quoted_if_needed(entry.name));
  for (size_t i = 0; i < schema.fields().size(); ++i) {
    const Field& field = schema.fields()[i];
    const auto written = base::json_string(field.metadata, "CURRENT_DEFAULT");
    const auto declared = base::json_string(field.metadata, "__CHAR_VARCHAR_TYPE_STRING");
    std::string type = field.type().sql();
    if (declared) {
      const auto parsed = columnar::parse_ddl_type(*declared);
      if (parsed.ok()) type = parsed->sql();
    }
    text += fmt::format("{}\n  {} {}{}{}{}", i ? "," : "", quoted_if_needed(field.name), type,
                        field.nullable ? "" : " NOT NULL",
                        written ? " DEFAULT " + *written : std::string(), comment_of(field));
  }
  text += fmt::format(")\nUSING {}\n", entry.provider);
  if (!entry.options.empty()) text += "OPTIONS (" + list(entry.options) + ")\n";
  WEIR_ASSIGN(const auto partitions, table_partitions(entry));
  if (!partitions.empty()) {
    std::string columns;
    for (const auto& column : partitions)
      columns += (columns.empty() ? "" : ", ") + quoted_if_needed(column);
    text += "PARTITIONED BY (" + columns + ")\n";
  }
  std::optional<std::string> comment = entry.comment;
  TextMap properties = entry.properties;
  if (entry.provider == "delta") {
    WEIR_ASSIGN(const auto source, open_delta(state_.services(), entry.location, {}));
    source->add_properties(properties);
    if (source->snapshot().metadata().description)
      comment = source->snapshot().metadata().description;
  }
  if (entry.kind == TableKind::kExternal) text += "LOCATION 'file:" + entry.location + "'\n";
  if (comment) text += "COMMENT '" + escaped(*comment) + "'\n";
  if (!properties.empty()) text += "TBLPROPERTIES (" + list(properties) + ")\n";
  rows.add({text});
  return rows.result();
}

}  // namespace weir::session
