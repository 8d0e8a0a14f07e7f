#include "session/session_catalog.h"

#include <fmt/format.h>

#include "base/logging.h"
#include "base/parse_integer.h"
#include "delta/table.h"
#include "plan/operator_rewrites.h"
#include "session/delta_source.h"
#include "session/file_table.h"
#include "session/kafka_table.h"
#include "session/queries.h"
#include "session/state_table.h"
#include "session/stream_sources.h"
#include "sql/parser.h"

namespace weir::session {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;
using plan::OperatorPtr;
using plan::TablePtr;

namespace {

constexpr int kViewDepthMax = 100;
constexpr size_t kViewsKept = 10'000;

bool same(std::string_view a, std::string_view b) { return lower_case(a) == lower_case(b); }

std::optional<std::string> option_of(const plan::Options& options, std::string_view name) {
  for (const auto& [key, value] : options)
    if (same(key, name)) return value;
  return std::nullopt;
}

base::Error not_streaming(const Name& name, const plan::Origin& origin) {
  return plain_error(
             "_LEGACY_ERROR_TEMP_1008",
             fmt::format("{} is not a temp view of streaming logical plan, please use batch "
                         "API such as `DataFrameReader.table` to read it.",
                         quoted_name(name)),
             origin)
      .with_parameter("quoted", quoted_name(name));
}

Result<std::optional<int64_t>> version_of(const plan::TableState& state,
                                          const plan::Options& options,
                                          const plan::Origin& origin) {
  if (state.version) return state.version;
  const auto text = option_of(options, "versionAsOf");
  if (!text) return std::optional<int64_t>();
  const auto version = base::parse_integer(*text);
  if (!version || *version < 0) {
    return sql_error("DELTA_INVALID_TIME_TRAVEL_SPEC", "22003",
                     fmt::format("'{}' is no version of a table.", *text), origin);
  }
  return version;
}

// Rows at a version are all that a reader gives: who asks for changes must not take them for those.
Result<void> check_delta_options(const plan::Options& options, const plan::Origin& origin) {
  if (option_of(options, "versionAsOf") && option_of(options, "timestampAsOf")) {
    return sql_error("INVALID_TIME_TRAVEL_SPEC", "42K0E",
                     "Cannot specify both version and timestamp when time travelling the table.",
                     origin);
  }
  for (const auto& [given, value] : options) {
    const bool changes = same(given, "readChangeFeed") || same(given, "readChangeData");
    if (changes && !same(value, "false"))
      return unsupported("the option " + given + " of a Delta table", origin);
    if (!changes && !same(given, "path") && !same(given, "versionAsOf") &&
        !same(given, "timestampAsOf"))
      base::log_warn("a reader of Delta tables has no option '{}': it is ignored", given);
  }
  return {};
}

}  // namespace

std::string SessionCatalog::current_database() {
  return database_.empty() ? state_.database() : database_;
}

std::shared_ptr<const plan::PythonFunction> SessionCatalog::python_function(std::string_view name) {
  return state_.function(name);
}

// --- names

Result<TableName> SessionCatalog::resolve(const Name& name) const {
  const std::string current = database_.empty() ? state_.database() : database_;
  if (name.size() == 1) return TableName{current, lower_case(name[0])};
  size_t first = 0;
  if (name.size() >= 2 && same(name[0], kCatalogName)) first = 1;
  if (name.size() - first == 1) return TableName{current, lower_case(name.back())};
  if (name.size() - first > 2) {
    return sql_error("REQUIRES_SINGLE_PART_NAMESPACE", "42K05",
                     fmt::format("spark_catalog requires a single-part namespace, but got "
                                 "identifier {}.",
                                 quoted_name(name)))
        .with_parameter("sessionCatalog", "spark_catalog")
        .with_parameter("identifier", quoted_name(name));
  }
  return TableName{lower_case(name[first]), lower_case(name[first + 1])};
}

Result<std::optional<TableEntry>> SessionCatalog::entry(const Name& name) const {
  const auto resolved = resolve(name);
  if (!resolved.ok()) return std::optional<TableEntry>();
  if (name.size() == 2 && (resolved->database == "delta" || is_file_format(resolved->database))) {
    WEIR_ASSIGN(const auto database, state_.warehouse().database(resolved->database));
    if (!database) return std::optional<TableEntry>();  // provider.`path`
  }
  return state_.warehouse().table(resolved->database, resolved->table);
}

Result<plan::CatalogEntry> SessionCatalog::view_entry(OperatorPtr plan, Name qualifier) {
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    if (views_.size() >= kViewsKept) views_.clear();  // of analyses that are long over
    id = fmt::format(" view {}", next_view_++);       // no id of a client's begins with a blank
    views_[id] = std::move(plan);
  }
  plan::View view;
  view.plan = plan::make_plan(plan::CachedRelation{std::move(id)});
  return plan::CatalogEntry{std::move(view), std::move(qualifier)};
}

Result<plan::CatalogEntry> SessionCatalog::find(const plan::NamedTable& table,
                                                const plan::Origin& origin) {
  const Name& name = table.name;
  const bool time_travel = table.state.version || table.state.timestamp;
  if (temporary_ && name.size() == 1) {
    if (const auto view = state_.temp_view(name[0])) {
      if (table.streaming && !view->plan->streaming) return not_streaming(name, origin);
      if (time_travel) return unsupported("time travel on the view " + quoted_name(name), origin);
      WEIR_ASSIGN(auto plan, refreshed(view->plan));
      return view_entry(std::move(plan), {lower_case(name[0])});
    }
  }
  if (name.size() == 2 && same(name[0], kGlobalTemp)) {
    const auto view = state_.warehouse().global_view(name[1]);
    if (!view) return table_not_found(name, origin);
    if (table.streaming && !view->streaming) return not_streaming(name, origin);
    WEIR_ASSIGN(auto plan, refreshed(view));
    return view_entry(std::move(plan), {std::string(kGlobalTemp), lower_case(name[1])});
  }
  WEIR_ASSIGN(const auto found, entry(name));
  if (found) {
    Name qualifier{std::string(kCatalogName), found->database, found->name};
    if (found->is_view()) {
      if (table.streaming) {
        return plain_error(
                   "_LEGACY_ERROR_TEMP_1018",
                   fmt::format("{} is a permanent view, which is not supported by streaming "
                               "reading API such as `DataStreamReader.table` yet.",
                               quoted_name(qualifier)),
                   origin)
            .with_parameter("quoted", quoted_name(qualifier));
      }
      if (time_travel) return unsupported("time travel on the view " + quoted_name(name), origin);
      WEIR_ASSIGN(auto plan, view_plan(*found, origin));
      return view_entry(std::move(plan), std::move(qualifier));
    }
    WEIR_ASSIGN(auto opened, table.streaming
                                 ? stream_entry(*found, table.options, origin)
                                 : open_entry(*found, table.state, table.options, origin));
    return plan::CatalogEntry{std::move(opened), std::move(qualifier)};
  }
  if (name.size() == 2) {
    const std::string provider = lower_case(name[0]);
    if (provider == "delta" || is_file_format(provider)) {
      if (table.streaming) {
        WEIR_ASSIGN(auto request, stream_request(provider, {name[1]}, table.options, origin));
        WEIR_ASSIGN(auto stream, open_stream(state_.services(), std::move(request), origin));
        return plan::CatalogEntry{TablePtr(std::move(stream)), {provider, name[1]}};
      }
      WEIR_ASSIGN(auto opened, open_path(provider, name[1], table.state, table.options, origin));
      return plan::CatalogEntry{std::move(opened), {provider, name[1]}};
    }
    WEIR_ASSIGN(const auto database, state_.warehouse().database(provider));
    if (!database) {
      const auto refused = no_data_source(provider);
      if (refused.kind() == ErrorKind::kUnsupported) return refused;
    }
  }
  return table_not_found(name, origin);
}

// --- views of the catalog

Result<OperatorPtr> SessionCatalog::view_plan(const TableEntry& view, const plan::Origin& origin) {
  if (depth_ >= kViewDepthMax) {
    return sql_error("VIEW_EXCEED_MAX_NESTED_DEPTH", "54K00",
                     fmt::format("The depth of view {} exceeds the maximum view resolution depth "
                                 "({}).",
                                 quoted_name({std::string(kCatalogName), view.database, view.name}),
                                 kViewDepthMax),
                     origin);
  }
  auto options = parse_options(state_);
  if (const auto quoted = view.view_conf.find("spark.sql.ansi.doubleQuotedIdentifiers");
      quoted != view.view_conf.end())
    options.double_quoted_names = lower_case(quoted->second) == "true";
  WEIR_ASSIGN(const auto written, sql::parse_plan(view.view_text, options));
  SessionCatalog surroundings(state_, view.view_database, false, depth_ + 1);
  plan::AnalyzerSettings settings = state_.analyzer_settings();
  for (const auto& [key, value] : view.view_conf) {
    settings.conf[key] = value;
    if (key == "spark.sql.ansi.enabled") settings.expressions.ansi = lower_case(value) == "true";
    if (key == "spark.sql.caseSensitive")
      settings.expressions.case_sensitive = lower_case(value) == "true";
    if (key == "spark.sql.session.timeZone") settings.expressions.session_zone = value;
  }
  plan::Analyzer analyzer(surroundings, std::move(settings), state_.folder());
  WEIR_ASSIGN(auto plan, analyzer.analyze(written));
  if (view.view_mode == "EVOLUTION") return plan;
  // Under the view's own names, in its own types. A column of the query is found by its name, the
  // n-th of equal names by its place among them.
  const auto& fields = view.schema.fields();
  const bool takes_types = view.view_mode == "TYPE EVOLUTION";
  std::vector<std::string> names = view.view_query_columns;
  if (names.empty())
    for (const auto& field : fields)
      names.push_back(field.name);
  const bool sensitive = state_.flag("spark.sql.caseSensitive");
  const auto same_name = [&](const std::string& a, const std::string& b) {
    return sensitive ? a == b : lower_case(a) == lower_case(b);
  };
  std::vector<plan::TypedPtr> list;
  std::vector<plan::Column> columns;
  bool same_shape = true;
  for (size_t to = 0; to < fields.size(); ++to) {
    std::vector<size_t> found;
    for (size_t i = 0; i < plan->columns.size(); ++i)
      if (!plan->columns[i].hidden && same_name(plan->columns[i].name, names[to]))
        found.push_back(i);
    size_t expected = 0, place = 0;
    for (size_t i = 0; i < names.size(); ++i) {
      if (!same_name(names[i], names[to])) continue;
      ++expected;
      if (i < to) ++place;
    }
    if (found.size() != expected) {
      const Name shown{std::string(kCatalogName), view.database, view.name};
      std::string actual;
      for (const size_t i : found)
        actual += (actual.empty() ? "" : ", ") + quoted_word(plan->columns[i].name);
      return sql_error(
                 "INCOMPATIBLE_VIEW_SCHEMA_CHANGE", "51024",
                 fmt::format("The SQL query of view {} has an incompatible schema change and "
                             "column {} cannot be resolved. Expected {} columns named {} but "
                             "got [{}].\nPlease try to re-create the view by running: CREATE "
                             "OR REPLACE VIEW {} AS {}",
                             quoted_name(shown), quoted_word(names[to]), expected,
                             quoted_word(names[to]), actual, quoted_name(shown), view.view_text),
                 origin)
          .with_parameter("viewName", quoted_name(shown))
          .with_parameter("colName", quoted_word(names[to]))
          .with_parameter("expectedNum", std::to_string(expected))
          .with_parameter("actualCols", "[" + actual + "]");
    }
    const size_t from = found[place];
    const auto& column = plan->columns[from];
    auto expression = plan::column_at(plan->columns, from);
    plan::Column named = column;
    named.name = fields[to].name;
    named.qualifier.clear();
    named.metadata = fields[to].metadata;
    if (!takes_types && !column.type.same_type(fields[to].type())) {
      expression = plan::make_typed(fields[to].type(), true,
                                    plan::TypedCast{std::move(expression), false, true});
      named.type = fields[to].type();
      same_shape = false;
    }
    same_shape = same_shape && from == to && named.name == column.name && column.qualifier.empty();
    list.push_back(std::move(expression));
    columns.push_back(std::move(named));
  }
  same_shape = same_shape && plan->columns.size() == fields.size();
  if (same_shape) return plan;
  return plan::make_operator(plan::op::Project{std::move(plan), std::move(list)},
                             std::move(columns));
}

Result<OperatorPtr> SessionCatalog::cached(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = views_.find(id);
    if (found != views_.end()) return found->second;
  }
  if (auto plan = state_.kept(id)) return plan;
  return error(ErrorKind::kNotFound, "The relation {} is not kept by this session.", id)
      .with_class("CONNECT.DATAFRAME_NOT_FOUND")
      .with_parameter("dfId", id);
}

// Delta tables of a kept plan at their newest version, where their columns are still the same.
Result<OperatorPtr> SessionCatalog::refreshed(const OperatorPtr& plan) const {
  if (const auto* scan = std::get_if<plan::op::Scan>(&plan->node)) {
    const auto* source = dynamic_cast<const DeltaSource*>(scan->table.get());
    if (source == nullptr || source->pinned()) return plan;
    WEIR_ASSIGN(const auto newest, open_delta(state_.services(), source->snapshot().path(), {}));
    if (newest->snapshot().version() == source->snapshot().version()) return plan;
    plan::op::Scan again = *scan;
    again.table = newest;
    if (source->shows_metadata()) {
      if (auto shown = newest->with_metadata()) again.table = std::move(shown);
    }
    const auto& now = again.table->schema();
    for (int& column : again.columns) {
      const auto& field = source->schema().fields()[static_cast<size_t>(column)];
      column = now.field_index(field.name);
      const bool fits =
          column >= 0 && now.fields()[static_cast<size_t>(column)].type().same_type(field.type());
      if (!fits) {
        return sql_error("DELTA_SCHEMA_CHANGE_SINCE_ANALYSIS", "KD007",
                         fmt::format("The schema of your Delta table {} has changed in an "
                                     "incompatible way since your DataFrame was created: column {} "
                                     "is gone or has another type. Please redefine it.",
                                     source->snapshot().path(), field.name));
      }
    }
    return plan::make_operator(std::move(again), plan->columns, plan->streaming);
  }
  base::Result<void> failed;
  auto mapped = plan::map_operator_children(plan, [&](const OperatorPtr& child) -> OperatorPtr {
    auto again = refreshed(child);
    if (again.ok()) return std::move(again).value();
    failed = std::move(again).error();
    return child;
  });
  if (!failed.ok()) return failed.error();
  return mapped;
}

// --- opening tables

Result<int64_t> SessionCatalog::timestamp_value(const plan::ExpressionPtr& written,
                                                const plan::Origin& origin) const {
  const auto invalid = [&](std::string_view why) {
    return sql_error("INVALID_TIME_TRAVEL_TIMESTAMP_EXPR." + std::string(why), "42K0E",
                     fmt::format("The time travel timestamp expression \"{}\" is invalid.",
                                 plan::expression_sql(*written)),
                     origin)
        .with_parameter("expr", "\"" + plan::expression_sql(*written) + "\"");
  };
  const auto settings = state_.analyzer_settings().expressions;
  WEIR_ASSIGN(auto typed, plan::analyze_expression(*written, plan::Scope{}, settings));
  if (!typed->type.is(TypeKind::kTimestamp)) {
    typed = plan::make_typed(DataType::of(TypeKind::kTimestamp), true,
                             plan::TypedCast{typed, true, false}, written->origin);
  }
  WEIR_ASSIGN(const auto value, state_.folder()(typed));
  const auto* micros = std::get_if<int64_t>(&value);
  if (micros == nullptr) return invalid("INPUT");
  return *micros;
}

Result<std::optional<int64_t>> SessionCatalog::timestamp_of(const plan::TableState& state,
                                                            const plan::Options& options,
                                                            const plan::Origin& origin) const {
  plan::ExpressionPtr written = state.timestamp;
  if (!written) {
    const auto text = option_of(options, "timestampAsOf");
    if (!text) return std::optional<int64_t>();
    written = plan::make_expression(plan::Literal{DataType::of(TypeKind::kString), *text});
  }
  WEIR_ASSIGN(const int64_t micros, timestamp_value(written, origin));
  return std::optional<int64_t>(micros);
}

Result<TablePtr> SessionCatalog::open_path(const std::string& provider, const std::string& path,
                                           const plan::TableState& state,
                                           const plan::Options& options,
                                           const plan::Origin& origin) const {
  if (path.empty()) {
    return sql_error("INVALID_EMPTY_LOCATION", "42K05",
                     "The location name cannot be empty string, but `` was given.", origin)
        .with_parameter("location", "");
  }
  if (provider == "delta") {
    WEIR_TRY(check_delta_options(options, origin));
    DeltaState at;
    WEIR_ASSIGN(at.version, version_of(state, options, origin));
    WEIR_ASSIGN(at.timestamp_us, timestamp_of(state, options, origin));
    WEIR_ASSIGN(const std::string folder, local_path(path));
    WEIR_ASSIGN(auto opened, open_delta(state_.services(), folder, at));
    return TablePtr(std::move(opened));
  }
  plan::DataSource source;
  source.format = provider;
  source.paths = {path};
  source.options = options;
  return const_cast<SessionCatalog*>(this)->open(source, origin);
}

Result<TablePtr> SessionCatalog::open_entry(const TableEntry& entry, const plan::TableState& state,
                                            const plan::Options& options,
                                            const plan::Origin& origin) const {
  if (entry.provider == "delta") return open_path("delta", entry.location, state, options, origin);
  if (state.version || state.timestamp) {
    return unsupported(fmt::format("time travel on the {} table {}", entry.provider,
                                   quoted_name({entry.database, entry.name})),
                       origin);
  }
  FileTableRequest request;
  request.format = entry.provider;
  request.paths = {entry.location};
  request.options = entry.options;
  for (const auto& [key, value] : options)
    request.options[key] = value;
  if (!option_of(request.options, "timeZone")) request.options["timeZone"] = state_.zone();
  request.schema = entry.schema;
  request.partition_columns = entry.partition_columns;
  request.missing_is_empty = true;
  request.case_sensitive = state_.flag("spark.sql.caseSensitive");
  WEIR_ASSIGN(auto opened, open_file_table(state_.services(), std::move(request)));
  return TablePtr(std::move(opened));
}

Result<StreamRequest> SessionCatalog::stream_request(std::string format,
                                                     std::vector<std::string> paths,
                                                     plan::Options options,
                                                     const plan::Origin& origin) const {
  StreamRequest request;
  request.format = std::move(format);
  request.paths = std::move(paths);
  request.options = std::move(options);
  if (is_file_format(request.format) && !option_of(request.options, "timeZone"))
    request.options["timeZone"] = state_.zone();
  request.infer_schema =
      lower_case(state_.get("spark.sql.streaming.schemaInference").value_or("false")) == "true";
  request.case_sensitive = state_.flag("spark.sql.caseSensitive");
  request.infer_partition_types =
      state_.flag("spark.sql.sources.partitionColumnTypeInference.enabled");
  request.ntz = state_.get("spark.sql.timestampType") == "TIMESTAMP_NTZ";
  WEIR_ASSIGN(request.log_interval,
              log_interval(state_.get("spark.sql.streaming.fileSource.log.compactInterval"),
                           "spark.sql.streaming.fileSource.log.compactInterval"));
  const auto starting = option_of(request.options, "startingTimestamp");
  if (starting && request.format == "delta") {
    WEIR_ASSIGN(request.starting_timestamp_us,
                timestamp_value(plan::make_expression(
                                    plan::Literal{DataType::of(TypeKind::kString), *starting}),
                                origin));
  }
  return request;
}

Result<TablePtr> SessionCatalog::stream_entry(const TableEntry& entry, const plan::Options& options,
                                              const plan::Origin& origin) const {
  plan::Options all = entry.provider == "delta" ? plan::Options() : entry.options;
  for (const auto& [key, value] : options)
    all[key] = value;
  WEIR_ASSIGN(auto request,
              stream_request(entry.provider, {entry.location}, std::move(all), origin));
  if (is_file_format(entry.provider)) {
    request.schema = entry.schema;
    // A managed table has no folder before its first rows.
    WEIR_TRY(state_.services().fs.make_dirs(entry.location));
  }
  WEIR_ASSIGN(auto stream, open_stream(state_.services(), std::move(request), origin));
  return TablePtr(std::move(stream));
}

Result<TablePtr> SessionCatalog::open(const plan::DataSource& source, const plan::Origin& origin) {
  const std::string format =
      lower_case(source.format.empty() ? state_.get("spark.sql.sources.default").value_or("delta")
                                       : source.format);
  if (source.streaming) {
    WEIR_ASSIGN(auto request, stream_request(format, source.paths, source.options, origin));
    request.schema = source.schema;
    WEIR_ASSIGN(auto stream, open_stream(state_.services(), std::move(request), origin));
    return TablePtr(std::move(stream));
  }
  std::vector<std::string> paths = source.paths;
  if (paths.empty()) {
    if (const auto path = option_of(source.options, "path")) paths = {*path};
  }
  if (format == "delta") {
    if (source.schema) {
      return sql_error("DELTA_UNSUPPORTED_SCHEMA_DURING_READ", "0AKDC",
                       "Delta does not support specifying the schema at read time.", origin);
    }
    if (paths.empty())
      return sql_error("DELTA_PATH_MISSING", "42K03", "'path' is not specified.", origin);
    if (paths.size() > 1)
      return error(ErrorKind::kInvalidArgument,
                   "'path' must be specified once: a Delta table is one folder");
    return open_path("delta", paths[0], {}, source.options, origin);
  }
  if (format == "kafka" || format == "eventhubs") {
    if (source.schema) {
      return plain_error("_LEGACY_ERROR_TEMP_2242",
                         format + " source does not support user-specified schema.", origin);
    }
    const auto open = format == "kafka" ? open_kafka_table : open_event_hub_table;
    WEIR_ASSIGN(auto topic, open(state_.services(), source.options, origin));
    return TablePtr(std::move(topic));
  }
  if (is_state_format(format)) {
    if (source.schema) {
      return plain_error("_LEGACY_ERROR_TEMP_2242",
                         format + " source does not support user-specified schema.", origin);
    }
    WEIR_ASSIGN(auto state,
                open_state_table(state_.services(), format, paths, source.options, origin));
    return TablePtr(std::move(state));
  }
  if (!is_file_format(format)) return no_data_source(source.format);
  FileTableRequest request;
  request.format = format;
  request.paths = std::move(paths);
  request.options = source.options;
  if (!option_of(request.options, "timeZone")) request.options["timeZone"] = state_.zone();
  request.schema = source.schema;
  request.case_sensitive = state_.flag("spark.sql.caseSensitive");
  request.infer_partition_types =
      state_.flag("spark.sql.sources.partitionColumnTypeInference.enabled");
  request.ntz = state_.get("spark.sql.timestampType") == "TIMESTAMP_NTZ";
  WEIR_ASSIGN(auto opened, open_file_table(state_.services(), std::move(request)));
  return TablePtr(std::move(opened));
}

}  // namespace weir::session
