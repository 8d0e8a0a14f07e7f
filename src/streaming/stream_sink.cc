#include <algorithm>
#include <charconv>

#include "base/logging.h"
#include "session/file_sink.h"
#include "session/file_table.h"
#include "session/stream_sources.h"
#include "session/warehouse.h"
#include "sink/delta_sink.h"
#include "sink/kafka_sink.h"
#include "sink/simple_sinks.h"
#include "streaming/function_sinks.h"
#include "streaming/memory_rows.h"
#include "streaming/stream_start.h"

namespace weir::streaming {

using base::error;
using base::ErrorKind;
using plan::StreamMode;
using session::lower_case;

namespace {

// Options of writeStream that are not the sink's own.
bool is_query_option(const std::string& key) {
  return key == "checkpointlocation" || key == "queryname" || key == "path";
}

using Names = std::initializer_list<std::string_view>;

bool is_one_of(const std::string& key, Names names) {
  return std::find(names.begin(), names.end(), key) != names.end();
}

// What the sink does not know is ignored, as by Spark; what it would have to obey is refused.
Result<void> known_options(const StreamWrite& write, const std::string& format, Names known,
                           Names refused = {}) {
  for (const auto& [key, value] : write.options) {
    if (is_query_option(key) || is_one_of(key, known)) continue;
    if (is_one_of(key, refused))
      return unsupported_in_stream("the option " + key + " of the " + format + " sink");
    base::log_warn("a {} sink has no option '{}': it is ignored", format, key);
  }
  return {};
}

base::Error not_partitioned(const std::string& format) {
  return error(ErrorKind::kInvalidArgument, "'{}' does not support partitioning.", format)
      .with_class("_LEGACY_ERROR_TEMP_1197")
      .with_parameter("operation", format);
}

base::Error mode_of_source(const std::string& name, StreamMode mode) {
  return error(ErrorKind::kInvalidArgument,
               "Invalid streaming output mode: {}. This output mode is not supported in Data "
               "Source {}.",
               plan::to_string(mode), name)
      .with_class("STREAMING_OUTPUT_MODE.UNSUPPORTED_DATASOURCE")
      .with_sql_state("42KDE")
      .with_parameter("outputMode", std::string(plan::to_string(mode)))
      .with_parameter("className", name);
}

Result<bool> flag_of(const std::string& format, const std::string& key, const std::string& value) {
  const std::string text = lower_case(value);
  if (text == "true" || text == "false") return text == "true";
  return error(ErrorKind::kInvalidArgument, "the option {} of the {} sink is '{}': true or false",
               key, format, value);
}

Result<sink::ConsoleOptions> console_options(const StreamWrite& write) {
  sink::ConsoleOptions options;
  if (const auto rows = write.options.find("numrows"); rows != write.options.end()) {
    const std::string& text = rows->second;
    const auto [end, code] =
        std::from_chars(text.data(), text.data() + text.size(), options.rows_max);
    if (code != std::errc() || end != text.data() + text.size() || options.rows_max < 0)
      return error(ErrorKind::kInvalidArgument,
                   "the option numRows of the console sink is '{}': a number is expected", text);
  }
  if (const auto cut = write.options.find("truncate"); cut != write.options.end()) {
    WEIR_ASSIGN(options.truncate, flag_of("console", "truncate", cut->second));
  }
  return options;
}

std::optional<std::string> path_of(const StreamWrite& write) {
  if (write.path) return write.path;
  const auto option = write.options.find("path");
  return option == write.options.end() ? std::nullopt : std::optional(option->second);
}

Result<std::unique_ptr<sink::Sink>> delta_sink(session::Session& session, const StreamWrite& write,
                                               StreamMode mode, std::string path) {
  const Names own{"mergeschema",           "compression", "targetfilesize",
                  "checkpointinterval",    "autocompact", "autocompactminfiles",
                  "autocompactmaxfilesize"};
  WEIR_TRY(known_options(
      write, "delta",
      {"mergeschema", "compression", "targetfilesize", "checkpointinterval", "autocompact",
       "autocompactminfiles", "autocompactmaxfilesize", "optimizewrite"},
      {"overwriteschema", "replacewhere", "partitionoverwritemode", "usermetadata", "txnappid",
       "txnversion", "maxrecordsperfile", "datachange"}));
  // A batch becomes few large files anyway.
  if (const auto few = write.options.find("optimizewrite"); few != write.options.end())
    WEIR_TRY(flag_of("delta", "optimizeWrite", few->second));
  std::vector<std::pair<std::string, std::string>> given{
      {"path", std::move(path)}, {"outputMode", std::string(plan::to_string(mode))}};
  for (const auto& [key, value] : write.options)
    if (is_one_of(key, own)) given.emplace_back(key, value);
  if (!write.options.contains("mergeschema") &&
      session.get("spark.databricks.delta.schema.autoMerge.enabled") == "true")
    given.emplace_back("mergeSchema", "true");
  // An option of the writer goes before the session's setting, that before the table's property.
  constexpr std::pair<const char*, const char*> kCompaction[] = {
      {"autocompact", "spark.databricks.delta.autoCompact.enabled"},
      {"autocompactminfiles", "spark.databricks.delta.autoCompact.minNumFiles"},
      {"autocompactmaxfilesize", "spark.databricks.delta.autoCompact.maxFileSize"}};
  for (const auto& [option, setting] : kCompaction)
    if (const auto value = session.get(setting); value && !write.options.contains(option))
      given.emplace_back(option, *value);
  WEIR_ASSIGN(auto options, sink::parse_delta_sink_options(given));
  options.partition_by = write.partition_by;
  const auto& services = session.warehouse().services();
  return sink::make_delta_sink({services.fs, services.clock, services.random}, std::move(options));
}

Result<std::unique_ptr<sink::Sink>> file_sink(session::Session& session, const StreamWrite& write,
                                              const std::string& format, std::string path) {
  session::FileWrite files;
  files.path = std::move(path);
  files.format = format;
  files.partition_by = write.partition_by;
  files.options = write.options;
  files.zone = session.get("spark.sql.session.timeZone").value_or("UTC");
  files.ansi = lower_case(session.get("spark.sql.ansi.enabled").value_or("true")) == "true";
  constexpr const char* kInterval = "spark.sql.streaming.fileSink.log.compactInterval";
  WEIR_ASSIGN(const int64_t interval, session::log_interval(session.get(kInterval), kInterval));
  return session::make_file_sink(session.warehouse().services(), std::move(files), interval);
}

Result<std::unique_ptr<sink::Sink>> kafka_sink(session::Session& session,
                                               const StreamWrite& write) {
  auto options = write.options;
  std::erase_if(options, [](const auto& option) { return is_query_option(option.first); });
  const auto& services = session.warehouse().services();
  return sink::make_kafka_sink(services.clock, services.random, options);
}

Result<void> known_columns(const StreamWrite& write, const plan::Operator& root) {
  const auto schema = plan::schema_of(root);
  for (const auto& name : write.partition_by) {
    if (schema.field_index_ignoring_case(name) >= 0) continue;
    std::string names;
    for (const auto& field : schema.fields())
      names += (names.empty() ? "" : ", ") + field.name;
    return error(ErrorKind::kInvalidArgument,
                 "Partition column {} not found in existing columns ({}).", name, names)
        .with_class("_LEGACY_ERROR_TEMP_1196")
        .with_parameter("columnType", "Partition")
        .with_parameter("columnName", name)
        .with_parameter("validColumnNames", names);
  }
  return {};
}

}  // namespace

std::string sink_format(const session::Session& session, const StreamWrite& write) {
  if (write.for_each_batch) return "foreach_batch";
  if (write.for_each) return "foreach";
  return lower_case(write.format.empty()
                        ? session.get("spark.sql.sources.default").value_or("delta")
                        : write.format);
}

Result<void> check_sink(const StreamWrite& write, const std::string& format, StreamMode mode) {
  if (!write.cluster_by.empty() && format != "delta") return not_partitioned(format);
  if (!write.cluster_by.empty()) return unsupported_in_stream("clusterBy");
  if (format == "memory" && write.name.empty())
    return error(ErrorKind::kInvalidArgument, "queryName must be specified for memory sink.")
        .with_class("_LEGACY_ERROR_TEMP_1194");
  const bool plain = format == "memory" || format == "console" || format == "noop" ||
                     format == "foreach" || format == "foreach_batch";
  if (plain && !write.partition_by.empty()) return not_partitioned(format);
  if (plain && write.table)
    return error(ErrorKind::kInvalidArgument,
                 "The '{}' source does not support writing with toTable.", format);
  if (format == "memory" || format == "noop" || format == "foreach" || format == "foreach_batch")
    return known_options(write, format, {});
  if (format == "console") {
    WEIR_TRY(known_options(write, format, {"numrows", "truncate"}));
    return base::Result<void>();
  }
  if (format == "delta") {
    if (mode == StreamMode::kUpdate)
      return error(ErrorKind::kInvalidArgument,
                   "Data source DeltaDataSource does not support Update output mode")
          .with_class("DELTA_UNSUPPORTED_OUTPUT_MODE")
          .with_sql_state("0AKDC")
          .with_parameter("dataSource", "DeltaDataSource")
          .with_parameter("mode", "Update");
    if (!write.table && !path_of(write))
      return error(ErrorKind::kInvalidArgument, "'path' is not specified.")
          .with_class("DELTA_PATH_MISSING")
          .with_sql_state("42K03");
    return {};
  }
  if (session::is_file_format(format)) {
    if (mode != StreamMode::kAppend) return mode_of_source(format, mode);
    if (!write.table && !path_of(write))
      return error(ErrorKind::kInvalidArgument, "'path' is not specified.")
          .with_class("_LEGACY_ERROR_TEMP_2047");
    return {};
  }
  if (format == "kafka") {
    if (!write.partition_by.empty()) return not_partitioned(format);
    if (write.table)
      return error(ErrorKind::kInvalidArgument,
                   "The '{}' source does not support writing with toTable.", format);
    return {};
  }
  return session::no_data_source(format);
}

Result<StreamSink> make_sink(session::Session& session, const StreamWrite& write,
                             const std::string& format, StreamMode mode,
                             const plan::OperatorPtr& root, std::stop_token stop) {
  StreamSink made;
  WEIR_TRY(known_columns(write, *root));
  if (format == "foreach_batch") {
    made.sink = make_batch_function_sink(write.for_each_batch, *root);
  } else if (format == "foreach") {
    made.sink = make_row_function_sink(write.for_each);
  } else if (format == "memory") {
    auto parts = make_memory_rows(*root, mode == StreamMode::kComplete);
    made.sink = std::move(parts.sink);
    made.view = std::move(parts.view);
  } else if (format == "console") {
    WEIR_ASSIGN(const auto options, console_options(write));
    made.sink = sink::make_console_sink(options, stdout);
  } else if (format == "noop") {
    made.sink = sink::make_noop_sink();
  } else if (format == "kafka") {
    WEIR_ASSIGN(made.sink, kafka_sink(session, write));
  } else {
    std::string path;
    if (write.table) {
      session::StreamTargetRequest request;
      request.table = *write.table;
      request.format = format;
      request.schema = plan::schema_of(*root);
      request.partition_by = write.partition_by;
      request.path = path_of(write);
      WEIR_ASSIGN(auto target, session.stream_target(request, stop));
      path = std::move(target.path);
    } else {
      WEIR_ASSIGN(path, session::local_path(*path_of(write)));
    }
    if (format == "delta") {
      WEIR_ASSIGN(made.sink, delta_sink(session, write, mode, std::move(path)));
    } else {
      WEIR_ASSIGN(made.sink, file_sink(session, write, format, std::move(path)));
    }
  }
  return made;
}

}  // namespace weir::streaming
