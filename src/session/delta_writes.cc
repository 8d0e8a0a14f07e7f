// Rows of a query into a Delta table.
#include <algorithm>
#include <charconv>
#include <set>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "base/logging.h"
#include "delta/checkpoint_writer.h"
#include "delta/data_file_writer.h"
#include "delta/schema_evolution.h"
#include "delta/table.h"
#include "delta/transaction.h"
#include "session/warehouse.h"
#include "session/writers.h"

namespace weir::session {

using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kCheckpointInterval = 10;

struct Prepared {
  std::optional<delta::Protocol> protocol;
  std::optional<delta::Metadata> metadata;  // a new one
  delta::Metadata files;                    // what data files are written by
  Schema schema = Schema::structure({});
};

base::Error schema_mismatch(const std::string& path, const base::Error& why) {
  return sql_error("DELTA_METADATA_MISMATCH", "42KDG",
                   fmt::format("A schema mismatch detected when writing to the Delta table {}: {}\n"
                               "To enable schema migration, set the option mergeSchema to true; to "
                               "replace the schema, overwriteSchema.",
                               path, why.message()));
}

delta::StringMap delta_properties(const TextMap& properties) {
  delta::StringMap kept;
  for (const auto& [key, value] : properties)
    kept[key] = value;
  return kept;
}

// delta-spark keeps key names with their case; options come in lower case from the parser where
// they were not quoted.
Result<Prepared> prepare_new(const delta::Environment& environment, const DeltaWrite& write,
                             const Schema& schema) {
  Prepared prepared;
  auto table =
      delta::new_table(environment, schema, write.partition_by, delta_properties(write.properties));
  if (!table.ok()) return std::move(table).error();
  prepared.protocol = table->protocol;
  prepared.metadata = table->metadata;
  if (write.comment) prepared.metadata->description = write.comment;
  prepared.files = *prepared.metadata;
  WEIR_ASSIGN(prepared.schema, columnar::parse_type_json_text(prepared.files.schema_string));
  return prepared;
}

Result<Prepared> prepare_existing(const delta::Environment& environment, const DeltaWrite& write,
                                  const delta::TableHeader& header, const Schema& rows) {
  Prepared prepared;
  const auto same_names = [](const std::vector<std::string>& a, const std::vector<std::string>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& x, const auto& y) { return lower_case(x) == lower_case(y); });
  };
  if (write.overwrite && write.overwrite_schema) {
    WEIR_ASSIGN(auto table, delta::new_table(environment, rows, write.partition_by,
                                             header.metadata->configuration));
    prepared.metadata = *header.metadata;
    prepared.metadata->schema_string = table.metadata.schema_string;
    prepared.metadata->partition_columns = table.metadata.partition_columns;
    for (const auto& [key, value] : write.properties)
      prepared.metadata->configuration[key] = value;
    if (write.comment) prepared.metadata->description = write.comment;
    if (table.protocol.reader_features && !header.protocol->reader_features)
      prepared.protocol = table.protocol;
    prepared.files = *prepared.metadata;
    WEIR_ASSIGN(prepared.schema, columnar::parse_type_json_text(prepared.files.schema_string));
    return prepared;
  }
  if (!write.partition_by.empty() &&
      !same_names(write.partition_by, header.metadata->partition_columns)) {
    return sql_error("DELTA_METADATA_MISMATCH", "42KDG",
                     fmt::format("Partition columns do not match the partition columns of the "
                                 "table {}.\nGiven: [{}]\nTable: [{}]",
                                 write.path, fmt::join(write.partition_by, ", "),
                                 fmt::join(header.metadata->partition_columns, ", ")));
  }
  WEIR_ASSIGN(const Schema wanted, delta::delta_schema(rows));
  auto merged = delta::merged_schema(header.schema, wanted, write.merge_schema);
  if (!merged.ok()) return schema_mismatch(write.path, merged.error());
  prepared.schema = std::move(merged).value();
  prepared.files = *header.metadata;
  if (!prepared.schema.same_type(header.schema)) {
    prepared.metadata = *header.metadata;
    prepared.metadata->schema_string = base::json_text(prepared.schema.to_json());
    prepared.files = *prepared.metadata;
  }
  return prepared;
}

delta::Operation operation_of(const DeltaWrite& write, const Prepared& prepared, int64_t files,
                              int64_t rows, int64_t bytes) {
  delta::Operation operation;
  operation.name = write.operation;
  if (!write.mode_name.empty()) operation.parameters["mode"] = write.mode_name;
  base::JsonArray partitions;
  for (const auto& column : prepared.files.partition_columns)
    partitions.emplace_back(column);
  operation.parameters["partitionBy"] = base::json_text(partitions);
  operation.metrics["numFiles"] = std::to_string(files);
  operation.metrics["numOutputRows"] = std::to_string(rows);
  operation.metrics["numOutputBytes"] = std::to_string(bytes);
  return operation;
}

// A table without a checkpoint is whole: a failure to write one is told, not returned.
void checkpoint_if_due(const delta::Environment& environment, delta::Table& table) {
  const auto version = table.version();
  if (!version || version->value() == 0 || version->value() % kCheckpointInterval != 0) return;
  const auto content = table.checkpoint_content();
  if (!content) return;
  const auto written = delta::write_checkpoint(environment, table.path(), *content);
  if (!written.ok())
    base::log_warn("checkpoint of {}: {}", table.path(), written.error().to_string());
}

Result<void> commit(const delta::Environment& environment, delta::Table& table,
                    delta::Transaction& transaction, const delta::Operation& operation) {
  WEIR_ASSIGN(const auto outcome, transaction.commit(operation));
  if (const auto* conflict = std::get_if<delta::Conflict>(&outcome)) {
    return error(ErrorKind::kConflict, "{}", conflict->text)
        .with_class("DELTA_CONCURRENT_WRITE")
        .with_sql_state("2D521");
  }
  checkpoint_if_due(environment, table);
  return {};
}

}  // namespace

Result<void> read_transaction(const TextMap& options, DeltaWrite& write) {
  std::optional<std::string> application, number;
  for (const auto& [key, value] : options) {
    if (lower_case(key) == "txnappid") application = value;
    if (lower_case(key) == "txnversion") number = value;
  }
  if (!application && !number) return {};
  int64_t version = 0;
  const char* end = number ? number->data() + number->size() : nullptr;
  const bool is_number = number && std::from_chars(number->data(), end, version).ptr == end;
  if (!application || !is_number || number->empty())
    return error(ErrorKind::kInvalidArgument,
                 "Invalid options for idempotent Dataframe writes: txnAppId and txnVersion, a "
                 "number, belong together")
        .with_class("DELTA_INVALID_IDEMPOTENT_WRITES_OPTIONS")
        .with_sql_state("42616")
        .with_parameter("reason", "txnAppId and txnVersion, a number, belong together");
  write.transaction = {*application, version};
  return {};
}

Result<void> create_delta(const Services& services, const DeltaWrite& write, const Schema& schema) {
  const delta::Environment environment{services.fs, services.clock, services.random};
  WEIR_ASSIGN(const auto table, delta::Table::open_or_new(environment, write.path));
  WEIR_ASSIGN(auto transaction, delta::Transaction::begin(*table));
  Prepared prepared;
  if (transaction.header() && write.overwrite) {
    WEIR_ASSIGN(prepared, prepare_existing(environment, write, *transaction.header(), schema));
    WEIR_TRY(transaction.remove_all());
  } else {
    WEIR_ASSIGN(prepared, prepare_new(environment, write, schema));
  }
  if (prepared.protocol) transaction.set_protocol(*prepared.protocol);
  if (prepared.metadata) transaction.set_metadata(*prepared.metadata);
  auto operation = operation_of(write, prepared, 0, 0, 0);
  operation.metrics.clear();
  operation.parameters["isManaged"] = "false";
  operation.parameters["properties"] = "{}";
  return commit(environment, *table, transaction, operation);
}

Result<void> write_delta(const Services& services, const DeltaWrite& write, const Schema& schema,
                         const std::function<Result<relational::BatchPtr>()>& next) {
  const delta::Environment environment{services.fs, services.clock, services.random};
  WEIR_ASSIGN(const auto table, delta::Table::open_or_new(environment, write.path));
  WEIR_ASSIGN(auto transaction, delta::Transaction::begin(*table));
  if (write.transaction) {
    const auto& [application, number] = *write.transaction;
    const auto recorded = table->transaction_version(application);
    if (recorded && *recorded >= number) return {};
    transaction.set_transaction(application, number);
  }
  Prepared prepared;
  if (transaction.header()) {
    WEIR_ASSIGN(prepared, prepare_existing(environment, write, *transaction.header(), schema));
  } else {
    WEIR_ASSIGN(prepared, prepare_new(environment, write, schema));
  }
  delta::DataFileOptions options;
  if (!write.compression.empty()) {
    WEIR_ASSIGN(options.compression, delta::parse_compression(write.compression));
  }
  WEIR_ASSIGN(auto writer, delta::DataFileWriter::create(environment, table->path(),
                                                         prepared.schema, prepared.files, options));
  const auto fill = [&]() -> Result<void> {
    while (true) {
      WEIR_ASSIGN(const auto batch, next());
      if (!batch) return {};
      WEIR_TRY(writer->write(*batch));
    }
  };
  auto filled = fill();
  if (!filled.ok()) {
    (void)writer->abort();
    return filled;
  }
  WEIR_ASSIGN(const auto adds, writer->finish());

  if (prepared.protocol) transaction.set_protocol(*prepared.protocol);
  if (prepared.metadata) transaction.set_metadata(*prepared.metadata);
  if (write.overwrite) {
    if (write.dynamic_partitions) {
      std::set<delta::PartitionValues> touched;
      for (const auto& add : adds)
        touched.insert(add.partition_values);
      WEIR_TRY(transaction.remove_where([&](const delta::AddFile& file) -> Result<bool> {
        return touched.contains(file.partition_values);
      }));
    } else if (write.replaces) {
      WEIR_TRY(transaction.remove_where(write.replaces));
    } else {
      WEIR_TRY(transaction.remove_all());
    }
  }
  int64_t bytes = 0;
  for (const auto& add : adds) {
    bytes += add.size;
    transaction.add(add);
  }
  return commit(
      environment, *table, transaction,
      operation_of(write, prepared, static_cast<int64_t>(adds.size()), writer->rows(), bytes));
}

}  // namespace weir::session
