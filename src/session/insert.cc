#include <algorithm>

#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "delta/partition_values.h"
#include "delta/table.h"
#include "plan/operator_rewrites.h"
#include "session/command_rows.h"
#include "session/delta_source.h"
#include "session/file_table.h"
#include "session/statements.h"
#include "session/targets.h"
#include "sql/parser.h"

namespace weir::session {

using columnar::Field;
using columnar::TypeKind;

std::string quoted_columns(const Schema& schema) {
  std::string text;
  for (const Field& field : schema.fields())
    text += (text.empty() ? "" : ", ") + quoted_word(field.name);
  return text;
}

Result<void> refuse_duplicates(const Schema& schema) {
  std::vector<std::string> seen;
  for (const Field& field : schema.fields()) {
    std::string name = lower_case(field.name);
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return sql_error("COLUMN_ALREADY_EXISTS", "42711",
                       fmt::format("The column {} already exists. Choose another name or rename "
                                   "the existing column.",
                                   quoted_word(name)))
          .with_parameter("columnName", quoted_word(name));
    }
    seen.push_back(std::move(name));
  }
  return {};
}

Result<Target> delta_target(SessionState& state, const std::string& path, std::string shown) {
  WEIR_ASSIGN(const auto source, open_delta(state.services(), path, {}));
  Target target;
  target.provider = "delta";
  target.path = source->snapshot().path();
  target.shown = std::move(shown);
  target.schema = source->schema();
  target.partitions = source->snapshot().partition_columns();
  return target;
}

Result<Target> target_of(SessionState& state, const TableEntry& entry) {
  std::string shown = quoted_name({std::string(kCatalogName), entry.database, entry.name});
  if (entry.provider == "delta") return delta_target(state, entry.location, std::move(shown));
  Target target;
  target.provider = entry.provider;
  target.path = entry.location;
  target.shown = std::move(shown);
  target.schema = entry.schema;
  target.partitions = entry.partition_columns;
  target.options = entry.options;
  return target;
}

Result<Target> find_target(SessionState& state, const Name& name, std::string_view operation,
                           const Origin& origin) {
  const auto no_view = [&](const Name& view) {
    return sql_error(
               "EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", "42809",
               fmt::format("'{}' expects a table but {} is a view.", operation, quoted_name(view)),
               origin)
        .with_parameter("operation", std::string(operation))
        .with_parameter("viewName", quoted_name(view));
  };
  if (name.size() == 1 && state.temp_view(name[0])) return no_view(name);
  SessionCatalog catalog(state);
  WEIR_ASSIGN(const auto entry, catalog.entry(name));
  if (entry) {
    if (entry->is_view()) return no_view({std::string(kCatalogName), entry->database, entry->name});
    return target_of(state, *entry);
  }
  if (name.size() == 2 && lower_case(name[0]) == "delta") {
    WEIR_ASSIGN(const std::string path, local_path(name[1]));
    return delta_target(state, path, quoted_name(name));
  }
  return table_not_found(name, origin);
}

namespace {

// Which column of the rows, or which constant, goes into each column of the target.
struct Places {
  std::vector<int> positions;
  std::vector<std::optional<plan::Literal>> constants;
};

base::Error arity_mismatch(const Target& target, bool too_many, const Schema& table,
                           const Schema& rows) {
  return sql_error(too_many ? "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS"
                            : "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS",
                   "21S01",
                   fmt::format("Cannot write to {}, the reason is {} data columns:\nTable columns: "
                               "{}.\nData columns: {}.",
                               target.shown, too_many ? "too many" : "not enough",
                               quoted_columns(table), quoted_columns(rows)))
      .with_parameter("tableName", target.shown)
      .with_parameter("tableColumns", quoted_columns(table))
      .with_parameter("dataColumns", quoted_columns(rows));
}

// The value of DEFAULT, kept as text in the field's metadata.
Result<std::optional<plan::Literal>> default_of_field(SessionState& state, const Field& field) {
  const auto text = base::json_string(field.metadata, "CURRENT_DEFAULT");
  if (!text) return std::optional<plan::Literal>();
  WEIR_ASSIGN(const auto expression, sql::parse_expression(*text));
  WEIR_ASSIGN(auto value, constant_of(state, expression, field.type()));
  return std::optional<plan::Literal>(plan::Literal{field.type(), std::move(value)});
}

Result<Places> find_places(SessionState& state, const Target& target, const Insertion& insertion,
                           const Schema& rows) {
  const auto& fields = target.schema.fields();
  Places places;
  places.positions.assign(fields.size(), -1);
  places.constants.resize(fields.size());
  std::vector<bool> taken(fields.size());
  for (const auto& [name, value] : insertion.partition) {
    const int index = target.schema.field_index_ignoring_case(name);
    const bool is_partition =
        index >= 0 && std::find(target.partitions.begin(), target.partitions.end(),
                                fields[static_cast<size_t>(index)].name) != target.partitions.end();
    if (!is_partition) {
      return sql_error("NON_PARTITION_COLUMN", "42000",
                       fmt::format("PARTITION clause cannot contain the non-partition column: {}.",
                                   quoted_word(name)))
          .with_parameter("columnName", quoted_word(name));
    }
    if (!value) continue;
    const auto at = static_cast<size_t>(index);
    WEIR_ASSIGN(auto constant, constant_of(state, value, fields[at].type()));
    places.constants[at] = plan::Literal{fields[at].type(), std::move(constant)};
    taken[at] = true;
  }
  // The target's columns that the rows are for, in the order in which they come.
  std::vector<size_t> wanted;
  if (!insertion.columns.empty()) {
    for (const auto& name : insertion.columns) {
      const int index = target.schema.field_index_ignoring_case(name);
      if (index < 0) {
        return sql_error(
                   "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703",
                   fmt::format("A column, variable, or function parameter with name {} cannot "
                               "be resolved. Did you mean one of the following? [{}].",
                               quoted_word(name), quoted_columns(target.schema)))
            .with_parameter("objectName", quoted_word(name))
            .with_parameter("proposal", quoted_columns(target.schema));
      }
      const auto at = static_cast<size_t>(index);
      if (std::find(wanted.begin(), wanted.end(), at) != wanted.end()) {
        return sql_error("COLUMN_ALREADY_EXISTS", "42711",
                         fmt::format("The column {} already exists. Choose another name or rename "
                                     "the existing column.",
                                     quoted_word(name)))
            .with_parameter("columnName", quoted_word(name));
      }
      wanted.push_back(at);
    }
  } else {
    for (size_t i = 0; i < fields.size(); ++i)
      if (!taken[i]) wanted.push_back(i);
  }
  if (insertion.by_name) {
    std::vector<bool> used(rows.fields().size());
    for (const size_t at : wanted) {
      const int index = rows.field_index_ignoring_case(fields[at].name);
      if (index >= 0) {
        places.positions[at] = index;
        used[static_cast<size_t>(index)] = true;
        continue;
      }
      WEIR_ASSIGN(places.constants[at], default_of_field(state, fields[at]));
      if (!insertion.assign || places.constants[at] || fields[at].nullable) continue;
      return sql_error("INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_FIND_DATA", "KD000",
                       fmt::format("Cannot write incompatible data for the table {}: Cannot find "
                                   "data for the output column {}.",
                                   target.shown, quoted_word(fields[at].name)))
          .with_parameter("tableName", target.shown)
          .with_parameter("colName", quoted_word(fields[at].name));
    }
    std::string extra;
    for (size_t i = 0; i < used.size(); ++i)
      if (!used[i]) extra += (extra.empty() ? "" : ", ") + quoted_word(rows.fields()[i].name);
    if (!extra.empty()) {
      if (rows.fields().size() > wanted.size())
        return arity_mismatch(target, true, target.schema, rows);
      return sql_error("INCOMPATIBLE_DATA_FOR_TABLE.EXTRA_COLUMNS", "KD000",
                       fmt::format("Cannot write incompatible data for the table {}: Cannot write "
                                   "extra columns {}.",
                                   target.shown, extra))
          .with_parameter("tableName", target.shown)
          .with_parameter("extraColumns", extra);
    }
    return places;
  }
  if (rows.fields().size() != wanted.size()) {
    const bool too_many = rows.fields().size() > wanted.size();
    std::vector<Field> named;
    for (const size_t at : wanted)
      named.push_back(fields[at]);
    return arity_mismatch(
        target, too_many,
        insertion.columns.empty() ? target.schema : Schema::structure(std::move(named)), rows);
  }
  for (size_t i = 0; i < wanted.size(); ++i)
    places.positions[wanted[i]] = static_cast<int>(i);
  for (size_t i = 0; i < fields.size(); ++i) {
    if (places.positions[i] >= 0 || places.constants[i]) continue;
    WEIR_ASSIGN(places.constants[i], default_of_field(state, fields[i]));
  }
  return places;
}

// Whether a file's partition values meet a condition over the partition columns.
class PartitionCondition {
 public:
  static Result<std::shared_ptr<PartitionCondition>> make(SessionState& state, const Target& target,
                                                          const plan::ExpressionPtr& condition) {
    auto made = std::make_shared<PartitionCondition>();
    made->schema_ = target.schema;
    plan::Scope scope;
    scope.schema = &made->schema_;
    WEIR_ASSIGN(const auto typed,
                plan::analyze_condition(*condition, scope, state.analyzer_settings().expressions));
    for (const int column : plan::columns_needed({typed})) {
      const auto& name = target.schema.fields()[static_cast<size_t>(column)].name;
      if (std::find(target.partitions.begin(), target.partitions.end(), name) ==
          target.partitions.end()) {
        return unsupported(
            fmt::format("replacing rows by a condition on {}, which is no partition "
                        "column of {}",
                        quoted_word(name), target.shown));
      }
    }
    WEIR_ASSIGN(auto program, eval::compile(typed));
    made->program_ = std::make_unique<eval::Program>(std::move(program));
    made->context_ = state.eval_context();
    made->text_ = plan::expression_sql(*condition);
    return made;
  }

  Result<bool> matches(const delta::AddFile& file) const {
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (const Field& field : schema_.fields()) {
      const auto value = file.partition_values.find(field.name);
      WEIR_ASSIGN(
          const auto scalar,
          delta::partition_scalar(
              field.type(), value == file.partition_values.end() ? std::nullopt : value->second));
      WEIR_ARROW_ASSIGN(auto column, arrow::MakeArrayFromScalar(*scalar, 1));
      columns.push_back(std::move(column));
    }
    const auto row =
        arrow::RecordBatch::Make(columnar::to_arrow_schema(schema_), 1, std::move(columns));
    WEIR_ASSIGN(const auto kept, eval::filter_rows(row, *program_, context_));
    return kept->num_rows() == 1;
  }

  Result<void> check_rows(const relational::BatchPtr& rows) const {
    WEIR_ASSIGN(const auto kept, eval::filter_rows(rows, *program_, context_));
    if (kept->num_rows() == rows->num_rows()) return {};
    return sql_error("DELTA_REPLACE_WHERE_MISMATCH", "44000",
                     fmt::format("Written data does not conform to partial table overwrite "
                                 "condition or constraint '{}'.",
                                 text_))
        .with_parameter("replaceWhere", text_);
  }

 private:
  Schema schema_ = Schema::structure({});
  std::unique_ptr<eval::Program> program_;
  eval::EvalContext context_;
  std::string text_;
};

// Files of the partitions that PARTITION (p = 1) names.
std::function<Result<bool>(const delta::AddFile&)> static_partition_files(const Target& target,
                                                                          const Places& places) {
  struct Wanted {
    Field field;
    plan::Value value;
  };
  std::vector<Wanted> wanted;
  for (size_t i = 0; i < places.constants.size(); ++i) {
    const Field& field = target.schema.fields()[i];
    const bool is_partition = std::find(target.partitions.begin(), target.partitions.end(),
                                        field.name) != target.partitions.end();
    if (is_partition && places.constants[i] && places.positions[i] < 0)
      wanted.push_back({field, places.constants[i]->value});
  }
  return [wanted](const delta::AddFile& file) -> Result<bool> {
    for (const auto& one : wanted) {
      const auto found = file.partition_values.find(one.field.name);
      WEIR_ASSIGN(const auto scalar,
                  delta::partition_scalar(one.field.type(), found == file.partition_values.end()
                                                                ? std::nullopt
                                                                : found->second));
      WEIR_ARROW_ASSIGN(const auto array, arrow::MakeArrayFromScalar(*scalar, 1));
      if (value_of(one.field.type(), *array, 0) != one.value) return false;
    }
    return true;
  };
}

}  // namespace

Result<void> insert_rows(SessionState& state, const Target& target, const Insertion& insertion,
                         std::stop_token stop) {
  const auto rows_schema = plan::schema_of(*insertion.plan);
  const bool dynamic = insertion.dynamic.value_or(
      lower_case(state.get("spark.sql.sources.partitionOverwriteMode").value_or("static")) ==
      "dynamic");
  WEIR_ASSIGN(const auto stream, run_plan(state, insertion.plan));
  std::function<Result<relational::BatchPtr>()> next = [&]() { return stream->next(stop); };

  Schema written = rows_schema;
  Places places;
  std::optional<StoreAssignment> assignment;
  const bool whole_schema = insertion.overwrite_schema || insertion.merge_schema;
  if (!whole_schema) {
    WEIR_ASSIGN(places, find_places(state, target, insertion, rows_schema));
    WEIR_ASSIGN(assignment,
                StoreAssignment::make(target.shown, target.schema, rows_schema, places.positions,
                                      places.constants, state.eval_context()));
    written = assignment->schema();
    next = [&]() -> Result<relational::BatchPtr> {
      WEIR_ASSIGN(const auto batch, stream->next(stop));
      if (!batch) return batch;
      return assignment->apply(*batch);
    };
  } else {
    WEIR_TRY(refuse_duplicates(rows_schema));
  }

  bool static_partition = false;
  for (const auto& [name, value] : insertion.partition)
    static_partition |= value != nullptr;

  if (target.provider == "delta") {
    DeltaWrite write;
    write.path = target.path;
    write.overwrite = insertion.overwrite;
    write.merge_schema = insertion.merge_schema;
    write.overwrite_schema = insertion.overwrite_schema;
    write.partition_by = insertion.partition_by;
    write.compression = insertion.compression;
    write.operation = "WRITE";
    write.mode_name = insertion.overwrite ? "Overwrite" : "Append";
    WEIR_TRY(read_transaction(insertion.options, write));
    std::shared_ptr<PartitionCondition> condition;
    if (insertion.overwrite && insertion.condition) {
      WEIR_ASSIGN(condition, PartitionCondition::make(state, target, insertion.condition));
      write.replaces = [condition](const delta::AddFile& file) { return condition->matches(file); };
      auto rows = next;
      next = [rows, condition]() -> Result<relational::BatchPtr> {
        WEIR_ASSIGN(auto batch, rows());
        if (batch) WEIR_TRY(condition->check_rows(batch));
        return batch;
      };
    } else if (insertion.overwrite && dynamic && !target.partitions.empty() &&
               !insertion.overwrite_schema) {
      write.dynamic_partitions = true;
    } else if (insertion.overwrite && static_partition) {
      write.replaces = static_partition_files(target, places);
    }
    return write_delta(state.services(), write, written, next);
  }

  if (insertion.condition)
    return unsupported(fmt::format("replacing rows by a condition in {} tables", target.provider));
  FileWrite write;
  write.path = target.path;
  write.format = target.provider;
  write.partition_by = target.partitions;
  write.options = target.options;
  for (const auto& [key, value] : insertion.options)
    write.options[key] = value;
  write.overwrite = insertion.overwrite;
  write.dynamic_partitions = dynamic && !target.partitions.empty();
  write.zone = state.zone();
  if (static_partition && insertion.overwrite) {
    // Folders nest in the table's order: only leading static columns name one.
    for (const auto& name : target.partitions) {
      const auto index = static_cast<size_t>(target.schema.field_index(name));
      if (!places.constants[index] || places.positions[index] >= 0) break;
      WEIR_ASSIGN(const auto array_row, [&]() -> Result<std::shared_ptr<arrow::Array>> {
        const auto type = target.schema.fields()[index].type();
        auto literal =
            plan::make_typed(type, true, plan::TypedLiteral{places.constants[index]->value});
        WEIR_ASSIGN(const auto program, eval::compile(literal));
        const auto row = arrow::RecordBatch::Make(arrow::schema({}), 1,
                                                  std::vector<std::shared_ptr<arrow::Array>>{});
        return program.evaluate(*row, state.eval_context());
      }());
      WEIR_ASSIGN(const auto text,
                  delta::partition_text(target.schema.fields()[index].type(), *array_row, 0));
      write.static_folder +=
          (write.static_folder.empty() ? "" : "/") + delta::partition_folder(name, text);
    }
  }
  return write_files(state.services(), write, written, next);
}

StatementRunner::Done StatementRunner::on(const plan::Insert& statement) {
  WEIR_ASSIGN(const auto target, find_target(state_, statement.name, "INSERT"));
  Insertion insertion;
  WEIR_ASSIGN(insertion.plan, analyze_plan(state_, statement.source, parameters_));
  insertion.overwrite = statement.overwrite || statement.replace_where;
  insertion.by_name = statement.by_name;
  insertion.columns = statement.columns;
  insertion.partition = statement.partition;
  insertion.condition = statement.replace_where;
  WEIR_TRY(insert_rows(state_, target, insertion, stop_));
  return no_rows();
}

StatementRunner::Done StatementRunner::on(const plan::Truncate& statement) {
  WEIR_ASSIGN(const auto target, find_target(state_, statement.name, "TRUNCATE TABLE"));
  const auto nothing = []() -> Result<relational::BatchPtr> { return relational::BatchPtr(); };
  if (target.provider == "delta") {
    DeltaWrite write;
    write.path = target.path;
    write.overwrite = true;
    write.operation = "TRUNCATE";
    write.mode_name = "Overwrite";
    WEIR_TRY(write_delta(state_.services(), write, target.schema, nothing));
    return no_rows();
  }
  FileWrite write;
  write.path = target.path;
  write.format = target.provider;
  write.partition_by = target.partitions;
  write.overwrite = true;
  WEIR_TRY(write_files(state_.services(), write, target.schema, nothing));
  return no_rows();
}

}  // namespace weir::session
