// df.write…save(), saveAsTable(), insertInto() and writeTo().
#include <algorithm>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "base/logging.h"
#include "session/conf.h"
#include "session/delta_source.h"
#include "session/file_table.h"
#include "session/table_changes.h"
#include "session/targets.h"
#include "sink/kafka_sink.h"
#include "sql/parser.h"

namespace weir::session {

using base::ErrorKind;

namespace {

std::optional<std::string> option_of(const plan::Options& options, std::string_view name) {
  for (const auto& [key, value] : options)
    if (lower_case(key) == lower_case(name)) return value;
  return std::nullopt;
}

bool option_is_true(const plan::Options& options, std::string_view name) {
  const auto value = option_of(options, name);
  return value && lower_case(*value) == "true";
}

class RequestWriter {
 public:
  RequestWriter(SessionState& state, const WriteRequest& request, std::stop_token stop)
      : state_(state), request_(request), stop_(std::move(stop)) {}

  Result<void> run() {
    WEIR_ASSIGN(plan_, analyze_plan(state_, request_.plan));
    if (plan_->streaming) {
      return sql_error("CALL_ON_STREAMING_DATASET_UNSUPPORTED", "42KDE",
                       "The method `write` can not be called on streaming Dataset/DataFrame.")
          .with_parameter("methodName", "`write`");
    }
    format_ = lower_case(request_.format.empty()
                             ? state_.get("spark.sql.sources.default").value_or("delta")
                             : request_.format);
    if (format_ == "delta") WEIR_TRY(check_delta_options());
    if (request_.table) return into_table();
    if (format_ == "noop") return drain();
    if (format_ == "kafka") return into_kafka();
    std::optional<std::string> path = request_.path;
    if (!path) path = option_of(request_.options, "path");
    if (format_ != "delta" && !is_file_format(format_)) return no_data_source(request_.format);
    if (!path) {
      return base::error(ErrorKind::kInvalidArgument, "'path' is not specified: save() needs one")
          .with_class("_LEGACY_ERROR_TEMP_2047");
    }
    WEIR_ASSIGN(const std::string folder, local_path(*path));
    return format_ == "delta" ? delta_path(folder) : file_path(folder);
  }

 private:
  Result<void> drain() {
    WEIR_ASSIGN(const auto stream, run_plan(state_, plan_));
    while (true) {
      WEIR_ASSIGN(const auto batch, stream->next(stop_));
      if (!batch) return {};
    }
  }

  // As one batch of the sink that streams have, at least once: it has no id by which a second try
  // could be told.
  Result<void> into_kafka() {
    if (request_.mode == SaveMode::kOverwrite || request_.mode == SaveMode::kIgnore)
      return sql_error("_LEGACY_ERROR_TEMP_3081", "",
                       fmt::format("Save mode {} not allowed for Kafka. Allowed save modes are "
                                   "Append and ErrorIfExists (default).",
                                   request_.mode == SaveMode::kOverwrite ? "Overwrite" : "Ignore"));
    if (option_is_true(request_.options, "exactlyOnce"))
      return unsupported(
          "the option exactlyOnce of rows written to Kafka at once; streams have it");
    std::map<std::string, std::string> options(request_.options.begin(), request_.options.end());
    std::erase_if(options, [](const auto& one) { return lower_case(one.first) == "path"; });
    const auto& services = state_.services();
    WEIR_ASSIGN(const auto sink, sink::make_kafka_sink(services.clock, services.random, options));
    const std::stop_callback interrupted(stop_, [&] { sink->interrupt(); });
    WEIR_TRY(sink->prepare({}, plan::schema_of(*plan_)));
    WEIR_ASSIGN(const auto stream, run_plan(state_, plan_));
    WEIR_ASSIGN(const auto writer, sink->begin(base::BatchId(0), 1));
    while (true) {
      WEIR_ASSIGN(const auto batch, stream->next(stop_));
      if (!batch) break;
      WEIR_TRY(writer->write(0, batch));
    }
    WEIR_TRY(writer->commit());
    return {};
  }

  Insertion insertion_of_options() const {
    Insertion insertion;
    insertion.plan = plan_;
    insertion.overwrite = request_.mode == SaveMode::kOverwrite;
    insertion.by_name = true;
    insertion.assign = false;
    insertion.merge_schema = option_is_true(request_.options, "mergeSchema") ||
                             state_.flag("spark.databricks.delta.schema.autoMerge.enabled");
    insertion.overwrite_schema =
        insertion.overwrite && option_is_true(request_.options, "overwriteSchema");
    insertion.partition_by = request_.partition_by;
    insertion.compression = option_of(request_.options, "compression").value_or("");
    insertion.options = request_.options;
    if (const auto mode = option_of(request_.options, "partitionOverwriteMode"))
      insertion.dynamic = lower_case(*mode) == "dynamic";
    return insertion;
  }

  base::Error exists(const std::string& path) const {
    return sql_error("PATH_ALREADY_EXISTS", "42K04",
                     fmt::format("Path file:{} already exists. Set mode as \"overwrite\" to "
                                 "overwrite the existing path.",
                                 path))
        .with_parameter("outputPath", "file:" + path);
  }

  // What Delta would have to obey is refused, what it does not know is ignored.
  Result<void> check_delta_options() const {
    for (const auto& [given, value] : request_.options) {
      const std::string name = lower_case(given);
      const auto is_one_of = [&](std::initializer_list<std::string_view> names) {
        return std::find(names.begin(), names.end(), name) != names.end();
      };
      if (is_one_of({"usermetadata", "maxrecordsperfile"}) ||
          (name == "datachange" && lower_case(value) != "true"))
        return unsupported(fmt::format("the option {} of rows written to a Delta table", given));
      if (name.starts_with("delta.") ||
          is_one_of({"path", "mergeschema", "overwriteschema", "replacewhere", "compression",
                     "partitionoverwritemode", "txnappid", "txnversion", "datachange",
                     "optimizewrite"}))
        continue;
      base::log_warn("a writer of Delta tables has no option '{}': it is ignored", given);
    }
    return {};
  }

  // A new Delta table with the rows.
  Result<void> new_delta(const std::string& folder, const std::string& operation) {
    const auto schema = plan::schema_of(*plan_).as_nullable();
    WEIR_TRY(refuse_duplicates(schema));
    WEIR_ASSIGN(const auto stream, run_plan(state_, plan_));
    DeltaWrite write;
    write.path = folder;
    write.partition_by = request_.partition_by;
    write.compression = option_of(request_.options, "compression").value_or("");
    write.operation = operation;
    write.mode_name = request_.mode == SaveMode::kOverwrite ? "Overwrite"
                      : request_.mode == SaveMode::kAppend  ? "Append"
                                                            : "ErrorIfExists";
    write.properties = request_.properties;
    WEIR_TRY(read_transaction(request_.options, write));
    for (const auto& [key, value] : request_.options)
      if (key.starts_with("delta.")) write.properties[key] = value;
    return write_delta(state_.services(), write, schema, [&]() { return stream->next(stop_); });
  }

  Result<void> delta_path(const std::string& folder) {
    WEIR_ASSIGN(const bool there, is_delta_table(state_.services().fs, folder));
    if (!there) return new_delta(folder, "WRITE");
    switch (request_.mode) {
      case SaveMode::kErrorIfExists:
        return sql_error("DELTA_PATH_EXISTS", "42K04",
                         fmt::format("Cannot write to already existent path {} without setting "
                                     "OVERWRITE = 'true'.",
                                     folder))
            .with_parameter("path", folder);
      case SaveMode::kIgnore:
        return {};
      default:
        break;
    }
    WEIR_ASSIGN(const auto target, delta_target(state_, folder, quoted_name({"delta", folder})));
    Insertion insertion = insertion_of_options();
    if (!request_.partition_by.empty() && !insertion.overwrite_schema)
      WEIR_TRY(check_partitions(target));
    if (const auto where = option_of(request_.options, "replaceWhere")) {
      WEIR_ASSIGN(insertion.condition, sql::parse_expression(*where));
    }
    return insert_rows(state_, target, insertion, stop_);
  }

  Result<void> check_partitions(const Target& target) const {
    bool same = request_.partition_by.size() == target.partitions.size();
    for (size_t i = 0; same && i < target.partitions.size(); ++i)
      same = lower_case(request_.partition_by[i]) == lower_case(target.partitions[i]);
    if (same) return {};
    std::string given;
    for (const auto& name : request_.partition_by)
      given += (given.empty() ? "" : ", ") + name;
    std::string there;
    for (const auto& name : target.partitions)
      there += (there.empty() ? "" : ", ") + name;
    return sql_error("DELTA_METADATA_MISMATCH", "42KDG",
                     fmt::format("Partition columns do not match the partition columns of the "
                                 "table {}.\nGiven: [{}]\nTable: [{}]",
                                 target.shown, given, there));
  }

  Result<void> file_path(const std::string& folder) {
    WEIR_ASSIGN(const bool there, state_.services().fs.exists(folder));
    if (there && request_.mode == SaveMode::kErrorIfExists) return exists(folder);
    if (there && request_.mode == SaveMode::kIgnore) return {};
    const auto schema = plan::schema_of(*plan_).as_nullable();
    WEIR_TRY(refuse_duplicates(schema));
    WEIR_ASSIGN(const auto stream, run_plan(state_, plan_));
    FileWrite write;
    write.path = folder;
    write.format = format_;
    write.partition_by = request_.partition_by;
    write.options = request_.options;
    write.overwrite = request_.mode == SaveMode::kOverwrite;
    write.dynamic_partitions =
        !request_.partition_by.empty() &&
        lower_case(
            option_of(request_.options, "partitionOverwriteMode")
                .value_or(
                    state_.get("spark.sql.sources.partitionOverwriteMode").value_or("static"))) ==
            "dynamic";
    write.zone = option_of(request_.options, "timeZone").value_or(state_.zone());
    return write_files(state_.services(), write, schema, [&]() { return stream->next(stop_); });
  }

  Result<void> into_table() {
    const Name& name = *request_.table;
    if (name.size() == 2 && lower_case(name[0]) == "delta" && !request_.insert_into) {
      WEIR_ASSIGN(const std::string folder, local_path(name[1]));
      WEIR_ASSIGN(const bool there, is_delta_table(state_.services().fs, folder));
      if (!there && request_.must_exist) return table_not_found(name);
      return delta_path(folder);
    }
    if (request_.insert_into) {
      WEIR_ASSIGN(const auto target, find_target(state_, name, "INSERT"));
      Insertion insertion = insertion_of_options();
      insertion.assign = true;
      insertion.by_name = request_.by_name;
      insertion.merge_schema &= target.provider == "delta" && request_.by_name;
      insertion.overwrite_schema = false;
      return insert_rows(state_, target, insertion, stop_);
    }
    SessionCatalog catalog(state_);
    WEIR_ASSIGN(const auto entry, catalog.entry(name));
    if (request_.create || request_.replace) return create_or_replace(name, entry);
    if (request_.must_exist || request_.overwrite_condition) {
      if (!entry) return table_not_found(name);
      WEIR_ASSIGN(const auto target, find_target(state_, name, "WRITE"));
      Insertion insertion = insertion_of_options();
      insertion.assign = true;
      insertion.overwrite = request_.mode == SaveMode::kOverwrite || request_.overwrite_condition;
      insertion.condition = request_.overwrite_condition;
      if (const auto* literal =
              request_.overwrite_condition
                  ? std::get_if<plan::Literal>(&request_.overwrite_condition->node)
                  : nullptr) {
        if (literal->value == plan::Value(true)) insertion.condition = nullptr;
      }
      return insert_rows(state_, target, insertion, stop_);
    }
    if (!entry) return create_or_replace(name, entry);
    const Name shown{std::string(kCatalogName), entry->database, entry->name};
    switch (request_.mode) {
      case SaveMode::kErrorIfExists:
        return table_exists(shown);
      case SaveMode::kIgnore:
        return {};
      default:
        break;
    }
    WEIR_ASSIGN(const auto target, find_target(state_, name, "saveAsTable"));
    if (!request_.format.empty() && target.provider != format_) {
      return sql_error("_LEGACY_ERROR_TEMP_1159", "",
                       fmt::format("The format of the existing table {} is `{}`. It doesn't match "
                                   "the specified format `{}`.",
                                   target.shown, target.provider, format_));
    }
    Insertion insertion = insertion_of_options();
    if (target.provider == "delta") {
      if (!request_.partition_by.empty() && !insertion.overwrite_schema)
        WEIR_TRY(check_partitions(target));
      if (const auto where = option_of(request_.options, "replaceWhere")) {
        WEIR_ASSIGN(insertion.condition, sql::parse_expression(*where));
      }
    } else if (insertion.overwrite) {
      return create_or_replace(name, std::nullopt);
    }
    return insert_rows(state_, target, insertion, stop_);
  }

  Result<void> create_or_replace(const Name& name, const std::optional<TableEntry>& entry) {
    const Name shown = entry ? Name{std::string(kCatalogName), entry->database, entry->name} : name;
    if (entry && request_.create && !request_.replace) return table_exists(shown);
    if (!entry && request_.replace && !request_.create) return table_not_found(name);
    TableCreation creation;
    creation.name = name;
    creation.provider = format_;
    std::optional<std::string> path = request_.path;
    if (!path) path = option_of(request_.options, "path");
    creation.location = path;
    creation.partition_by = request_.partition_by;
    creation.properties = request_.properties;
    creation.options = request_.options;
    creation.options.erase("path");
    creation.rows = plan_;
    creation.or_replace = request_.replace;
    creation.overwrite = request_.mode == SaveMode::kOverwrite && format_ != "delta";
    return create_table(state_, creation, stop_);
  }

  SessionState& state_;
  const WriteRequest& request_;
  std::stop_token stop_;
  plan::OperatorPtr plan_;
  std::string format_;
};

}  // namespace

Result<void> write_request(SessionState& state, const WriteRequest& request, std::stop_token stop) {
  return RequestWriter(state, request, std::move(stop)).run();
}

}  // namespace weir::session
