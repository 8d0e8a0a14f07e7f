#include "session/table_changes.h"

#include <algorithm>

#include <arrow/record_batch.h>

#include "delta/schema_evolution.h"
#include "delta/table.h"
#include "delta/transaction.h"
#include "session/delta_source.h"
#include "session/file_table.h"
#include "session/targets.h"

namespace weir::session {

using base::ErrorKind;
using columnar::Field;

namespace {

class Creator {
 public:
  Creator(SessionState& state, const TableCreation& creation, std::stop_token stop)
      : state_(state), creation_(creation), stop_(std::move(stop)) {}

  Result<void> run() {
    const std::string provider = lower_case(creation_.provider);
    if (provider != "delta" && !is_file_format(provider)) return no_data_source(creation_.provider);
    if (creation_.name.size() == 2 && lower_case(creation_.name[0]) == "delta" &&
        creation_.name[1].starts_with('/'))
      return at_path();
    SessionCatalog catalog(state_);
    WEIR_ASSIGN(name_, catalog.resolve(creation_.name));
    WEIR_ASSIGN(const auto database, state_.warehouse().database(name_.database));
    if (!database) return schema_not_found(name_.database);
    shown_ = {std::string(kCatalogName), name_.database, name_.table};
    WEIR_ASSIGN(const auto present, state_.warehouse().table(name_.database, name_.table));
    if (present && creation_.if_not_exists) return {};
    if (present && !creation_.or_replace && !creation_.replace && !creation_.overwrite)
      return table_exists(shown_);
    if (present && present->is_view()) {
      return sql_error("EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", "42809",
                       fmt::format("'REPLACE TABLE' expects a table but {} is a view.",
                                   quoted_name(shown_)))
          .with_parameter("operation", "REPLACE TABLE")
          .with_parameter("viewName", quoted_name(shown_));
    }
    if (!present && creation_.replace && !creation_.or_replace) return table_not_found(shown_);

    entry_.database = name_.database;
    entry_.name = name_.table;
    entry_.provider = provider;
    entry_.options = creation_.options;
    entry_.comment = creation_.comment;
    entry_.created_ms = state_.services().clock.now_ms();
    if (provider != "delta") entry_.properties = creation_.properties;
    WEIR_TRY(choose_location(present));
    if (present && creation_.overwrite) return overwrite(*present);
    if (present) return replace(*present);
    return create();
  }

 private:
  // CREATE TABLE delta.`/path`: a table without a name in the catalog.
  Result<void> at_path() {
    WEIR_ASSIGN(entry_.location, local_path(creation_.name[1]));
    entry_.provider = "delta";
    WEIR_ASSIGN(const bool there, is_delta_table(state_.services().fs, entry_.location));
    if (there && creation_.if_not_exists) return {};
    if (there && !creation_.or_replace && !creation_.replace) return table_exists(creation_.name);
    return fill(there);
  }

  Result<void> choose_location(const std::optional<TableEntry>& present) {
    std::optional<std::string> given = creation_.location;
    if (!given) {
      for (const auto& [key, value] : creation_.options)
        if (lower_case(key) == "path") given = value;
    }
    std::erase_if(entry_.options, [](const auto& one) { return lower_case(one.first) == "path"; });
    if (given) {
      entry_.kind = TableKind::kExternal;
      WEIR_ASSIGN(entry_.location, local_path(*given));
      return {};
    }
    // Overwritten without a path, an external table becomes a managed one.
    const bool moves = creation_.overwrite && present && present->kind == TableKind::kExternal;
    entry_.kind = present && !moves ? present->kind : TableKind::kManaged;
    if (present && !moves) {
      entry_.location = present->location;
      return {};
    }
    WEIR_ASSIGN(entry_.location, state_.warehouse().managed_location(name_.database, name_.table));
    return {};
  }

  Result<void> replace(const TableEntry& present) {
    if (entry_.provider != "delta" || present.provider != "delta") {
      return sql_error("UNSUPPORTED_FEATURE.TABLE_OPERATION", "0A000",
                       fmt::format("The feature is not supported: Table {} does not support "
                                   "REPLACE TABLE. Please check the current catalog and namespace "
                                   "to make sure the qualified table name is expected, and also "
                                   "check the catalog implementation which is configured by "
                                   "\"spark.sql.catalog\".",
                                   quoted_name(shown_)))
          .with_parameter("tableName", quoted_name(shown_))
          .with_parameter("operation", "REPLACE TABLE");
    }
    WEIR_ASSIGN(const bool there, is_delta_table(state_.services().fs, entry_.location));
    WEIR_TRY(fill(there));
    return state_.warehouse().put_table(entry_);
  }

  // The folder of a managed table, which nobody else fills meanwhile.
  Result<std::unique_ptr<Warehouse::Draft>> new_folder() const {
    const auto taken = [&]() {
      const auto listed = state_.services().fs.list(entry_.location);
      return listed.ok() && !listed->empty();
    };
    const auto refused = [&]() {
      return sql_error("LOCATION_ALREADY_EXISTS", "42710",
                       fmt::format("Cannot name the managed table as {}, as its associated "
                                   "location 'file:{}' already exists. Please pick a different "
                                   "table name, or remove the existing location first.",
                                   quoted_name(shown_), entry_.location))
          .with_parameter("location", "'file:" + entry_.location + "'")
          .with_parameter("identifier", quoted_name(shown_));
    };
    if (taken()) return refused();
    auto draft = state_.warehouse().draft(entry_.location);
    if (!draft.ok() && draft.error().kind() == ErrorKind::kAlreadyExists) return refused();
    if (!draft.ok()) return std::move(draft).error();
    if (taken()) {  // by somebody who was quicker
      WEIR_TRY((*draft)->keep());
      return refused();
    }
    return draft;
  }

  // saveAsTable() over a table of files: the table is made anew, with the rows' own columns. The
  // rows that it had go last; where the query fails the table stays as it was.
  Result<void> overwrite(const TableEntry& present) {
    const bool in_place = entry_.location == present.location;
    std::unique_ptr<Warehouse::Draft> draft;
    if (!in_place && entry_.kind == TableKind::kManaged) {
      WEIR_ASSIGN(draft, new_folder());
    }
    WEIR_TRY(fill(false));
    std::unique_ptr<Warehouse::Draft> leaving;  // removed at the end, where no table has it
    if (!in_place && present.kind == TableKind::kManaged) {
      WEIR_ASSIGN(leaving, state_.warehouse().draft(present.location));
    }
    WEIR_TRY(state_.warehouse().put_table(entry_));
    return draft ? draft->keep() : Result<void>();
  }

  Result<void> create() {
    io::FileSystem& fs = state_.services().fs;
    std::unique_ptr<Warehouse::Draft> draft;
    if (entry_.kind == TableKind::kManaged) {
      WEIR_ASSIGN(draft, new_folder());
    }
    bool there = false;
    if (entry_.provider == "delta" && entry_.kind == TableKind::kExternal) {
      WEIR_ASSIGN(there, is_delta_table(fs, entry_.location));
    }
    if (there && creation_.rows && !creation_.or_replace) {
      return sql_error("DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION", "42601",
                       fmt::format("Cannot create table ('{}'). The associated location "
                                   "('file:{}') is not empty and also not a Delta table.",
                                   quoted_name(shown_), entry_.location));
    }
    if (there && !creation_.rows) {
      WEIR_TRY(check_existing());
    } else {
      WEIR_TRY(fill(there));
    }
    WEIR_ASSIGN(const bool created, state_.warehouse().create_table(entry_));
    if (!created) {
      if (draft) WEIR_TRY(draft->keep());  // the folder is the other one's now
      return creation_.if_not_exists ? Result<void>() : Result<void>(table_exists(shown_));
    }
    if (draft) WEIR_TRY(draft->keep());
    return {};
  }

  // CREATE TABLE over a Delta table that is there: what is said has to be what it is.
  Result<void> check_existing() const {
    WEIR_ASSIGN(const auto source, open_delta(state_.services(), entry_.location, {}));
    if (!creation_.schema || creation_.schema->fields().empty()) return {};
    if (creation_.schema->same_type(source->schema())) return {};
    return sql_error("DELTA_CREATE_TABLE_SCHEME_MISMATCH", "42KD7",
                     fmt::format("The specified schema does not match the existing schema at "
                                 "file:{}.\n\n== Specified ==\n{}\n\n== Existing ==\n{}",
                                 entry_.location, columnar::schema_to_ddl(*creation_.schema),
                                 columnar::schema_to_ddl(source->schema())))
        .with_parameter("path", "file:" + entry_.location);
  }

  Result<void> fill(bool there) {
    std::optional<Schema> schema = creation_.schema;
    if (creation_.rows) {
      schema = plan::schema_of(*creation_.rows).as_nullable();
    }
    if (schema) WEIR_TRY(refuse_duplicates(*schema));
    if (entry_.provider == "delta") return fill_delta(schema, there);
    return fill_files(std::move(schema));
  }

  Result<void> fill_delta(const std::optional<Schema>& schema, bool there) {
    if (!schema) {
      return sql_error("DELTA_SCHEMA_NOT_PROVIDED", "42908",
                       "Table schema is not provided. Please provide the schema (column "
                       "definition) of the table when using REPLACE table and an AS SELECT query "
                       "is not provided.");
    }
    DeltaWrite write;
    write.path = entry_.location;
    write.partition_by = creation_.partition_by;
    write.properties = creation_.properties;
    write.comment = creation_.comment;
    write.overwrite = there;
    write.overwrite_schema = there;
    const std::string verb = creation_.or_replace ? "CREATE OR REPLACE TABLE" : "CREATE TABLE";
    if (!creation_.rows) {
      write.operation = verb;
      return create_delta(state_.services(), write, *schema);
    }
    write.operation = verb + " AS SELECT";
    WEIR_TRY(read_transaction(creation_.options, write));
    WEIR_ASSIGN(const auto stream, run_plan(state_, creation_.rows));
    return write_delta(state_.services(), write, *schema, [&]() { return stream->next(stop_); });
  }

  Result<void> fill_files(std::optional<Schema> schema) {
    if (!schema || (schema->fields().empty() && !creation_.rows)) {
      // What the files at the location are.
      FileTableRequest request;
      request.format = entry_.provider;
      request.paths = {entry_.location};
      request.options = entry_.options;
      request.case_sensitive = state_.flag("spark.sql.caseSensitive");
      auto opened = open_file_table(state_.services(), std::move(request));
      if (!opened.ok() || (*opened)->schema().fields().empty()) {
        return sql_error("UNABLE_TO_INFER_SCHEMA", "42KD9",
                         fmt::format("Unable to infer schema for {}. It must be specified "
                                     "manually.",
                                     entry_.provider))
            .with_parameter("format", entry_.provider);
      }
      entry_.schema = (*opened)->schema();
      entry_.partition_columns = creation_.partition_by;
      return {};
    }
    std::vector<Field> data;
    std::vector<Field> partitions;
    for (const auto& name : creation_.partition_by) {
      const int index = schema->field_index_ignoring_case(name);
      if (index < 0) {
        return sql_error(
                   "COLUMN_NOT_DEFINED_IN_TABLE", "42703",
                   fmt::format("partition column {} is not defined in table {}, defined "
                               "table columns are: {}.",
                               quoted_word(name), quoted_name(shown_), quoted_columns(*schema)))
            .with_parameter("colType", "partition")
            .with_parameter("colName", quoted_word(name))
            .with_parameter("tableName", quoted_name(shown_))
            .with_parameter("tableCols", quoted_columns(*schema));
      }
      partitions.push_back(schema->fields()[static_cast<size_t>(index)]);
      entry_.partition_columns.push_back(partitions.back().name);
    }
    for (const Field& field : schema->fields()) {
      const bool is_partition =
          std::find(entry_.partition_columns.begin(), entry_.partition_columns.end(), field.name) !=
          entry_.partition_columns.end();
      if (!is_partition) data.push_back(field);
    }
    data.insert(data.end(), partitions.begin(), partitions.end());
    entry_.schema = Schema::structure(std::move(data));
    WEIR_TRY(state_.services().fs.make_dirs(entry_.location));
    if (!creation_.rows) return {};
    WEIR_ASSIGN(const auto stream, run_plan(state_, creation_.rows));
    FileWrite write;
    write.path = entry_.location;
    write.format = entry_.provider;
    write.partition_by = entry_.partition_columns;
    write.options = entry_.options;
    write.overwrite = creation_.overwrite;
    write.zone = state_.zone();
    return write_files(state_.services(), write, *schema, [&]() { return stream->next(stop_); });
  }

  SessionState& state_;
  const TableCreation& creation_;
  std::stop_token stop_;
  TableName name_;
  Name shown_;
  TableEntry entry_;
};

}  // namespace

Result<void> create_table(SessionState& state, const TableCreation& creation,
                          std::stop_token stop) {
  return Creator(state, creation, std::move(stop)).run();
}

Result<void> change_delta(const Services& services, const std::string& path,
                          const std::string& operation,
                          const std::function<Result<void>(delta::Metadata&)>& change) {
  const delta::Environment environment{services.fs, services.clock, services.random};
  WEIR_ASSIGN(const auto table, delta::Table::open(environment, path));
  WEIR_ASSIGN(auto transaction, delta::Transaction::begin(*table));
  WEIR_ASSIGN(const auto header, table->header());
  delta::Metadata metadata = *header.metadata;
  WEIR_TRY(change(metadata));
  transaction.set_metadata(std::move(metadata));
  delta::Operation described;
  described.name = operation;
  WEIR_ASSIGN(const auto outcome, transaction.commit(described));
  if (const auto* conflict = std::get_if<delta::Conflict>(&outcome)) {
    return base::error(ErrorKind::kConflict, "{}", conflict->text)
        .with_class("DELTA_METADATA_CHANGED")
        .with_sql_state("2D521");
  }
  return {};
}

}  // namespace weir::session
