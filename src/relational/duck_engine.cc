#include "relational/duck_engine.h"

#include <algorithm>
#include <charconv>

#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <fmt/format.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "relational/duck_internal.h"
#include "relational/duck_types.h"
#include "relational/native_sql.h"
#include "relational/steps.h"

namespace weir::relational {

namespace {

constexpr std::string_view kErrorMark = "weir-error:";
constexpr std::string_view kValueError = "DUCKDB_VALUE";  // as an error class, never shown

}  // namespace

base::Error duck_error(std::string_view doing, const char* message) {
  return base::error(base::ErrorKind::kInternal, "DuckDB: {}: {}", doing,
                     message ? message : "unknown error");
}

Result<void> from_duck(std::string_view doing, duckdb_error_data failure) {
  if (!failure || !duckdb_error_data_has_error(failure)) {
    duckdb_destroy_error_data(&failure);
    return {};
  }
  auto made = duck_error(doing, duckdb_error_data_message(failure));
  duckdb_destroy_error_data(&failure);
  return made;
}

bool is_duck_value_error(const base::Error& error) { return error.error_class() == kValueError; }

DuckEngine::Instance::~Instance() {
  if (database) duckdb_close(&database);
}

std::shared_ptr<DuckInput> DuckEngine::Instance::find_input(int64_t id) {
  const std::lock_guard lock(mutex);
  const auto found = inputs.find(id);
  return found == inputs.end() ? nullptr : found->second;
}

std::shared_ptr<DuckFunction> DuckEngine::Instance::find_function(int64_t id) {
  const std::lock_guard lock(mutex);
  const auto found = functions.find(id);
  return found == functions.end() ? nullptr : found->second;
}

Result<std::string> DuckEngine::Instance::function_name(const arrow::DataType& duck_result,
                                                        bool keep_place) {
  const std::lock_guard lock(mutex);
  auto& name = function_names[duck_result.ToString() + (keep_place ? "!" : "")];
  if (!name.empty()) return name;
  const auto made = fmt::format("weir_f{}", function_names.size());
  duckdb_connection connection = nullptr;
  if (duckdb_connect(database, &connection) != DuckDBSuccess)
    return duck_error("connecting", nullptr);
  auto registered = register_scalar_function(connection, this, made, duck_result, keep_place);
  duckdb_disconnect(&connection);
  if (!registered.ok()) return std::move(registered).error();
  name = made;
  return name;
}

QueryParts::QueryParts(std::shared_ptr<DuckEngine::Instance> instance)
    : instance_(std::move(instance)) {}

QueryParts::~QueryParts() {
  {
    const std::lock_guard lock(instance_->mutex);
    for (const auto id : input_ids_)
      instance_->inputs.erase(id);
    for (const auto id : function_ids_)
      instance_->functions.erase(id);
  }
  if (options_) duckdb_destroy_arrow_options(&options_);
  if (helper_) duckdb_disconnect(&helper_);
}

Result<duckdb_connection> QueryParts::helper() {
  const std::lock_guard lock(mutex_);
  if (!helper_ && duckdb_connect(instance_->database, &helper_) != DuckDBSuccess)
    return duck_error("connecting", nullptr);
  return helper_;
}

Result<duckdb_arrow_options> QueryParts::arrow_options() {
  WEIR_ASSIGN(auto connection, helper());
  const std::lock_guard lock(mutex_);
  if (!options_) duckdb_connection_get_arrow_options(connection, &options_);
  return options_;
}

Result<std::string> QueryParts::add_input(const columnar::Schema& schema, Scan scan,
                                          std::optional<int64_t> rows_estimate) {
  auto input = std::make_shared<DuckInput>();
  for (const auto& field : schema.fields()) {
    input->types.push_back(duck_form(columnar::to_arrow(field.type())));
    auto type = duck_logical_type(*input->types.back());
    if (!type)
      return base::error(base::ErrorKind::kUnsupported, "a column of type {} in a query",
                         field.type().simple_string());
    duckdb_destroy_logical_type(&type);
  }
  input->query = this;
  input->scan = std::move(scan);
  input->rows = rows_estimate;
  const std::lock_guard lock(instance_->mutex);
  const auto id = instance_->next_id++;
  instance_->inputs.emplace(id, std::move(input));
  input_ids_.push_back(id);
  return fmt::format("weir_input({})", id);
}

Result<std::string> QueryParts::add_function(const std::vector<columnar::DataType>& types,
                                             const std::vector<std::string>& arguments,
                                             const columnar::DataType& result, bool keep_place,
                                             Function function) {
  auto made = std::make_shared<DuckFunction>();
  made->query = this;
  for (const auto& type : types) {
    made->arrow_types.push_back(columnar::to_arrow(type));
    made->duck_types.push_back(duck_form(made->arrow_types.back()));
  }
  made->duck_result = duck_form(columnar::to_arrow(result));
  made->function = std::move(function);
  WEIR_TRY(arrow_options());
  WEIR_ASSIGN(const auto name, instance_->function_name(*made->duck_result, keep_place));
  const std::lock_guard lock(instance_->mutex);
  const auto id = instance_->next_id++;
  instance_->functions.emplace(id, std::move(made));
  function_ids_.push_back(id);
  std::string call = fmt::format("{}({}", name, id);
  for (const auto& argument : arguments)
    call += ", " + argument;
  return call + ")";
}

std::string QueryParts::keep(base::Error error) {
  const std::lock_guard lock(mutex_);
  if (errors_.size() < 1000) errors_.push_back(std::move(error));
  return fmt::format("{}{};", kErrorMark, errors_.size() - 1);
}

std::optional<base::Error> QueryParts::find_error(std::string_view duck_message) {
  const auto mark = duck_message.find(kErrorMark);
  if (mark == std::string_view::npos) return std::nullopt;
  size_t index = 0;
  const auto* begin = duck_message.data() + mark + kErrorMark.size();
  std::from_chars(begin, duck_message.data() + duck_message.size(), index);
  const std::lock_guard lock(mutex_);
  if (index >= errors_.size()) return std::nullopt;
  return errors_[index];
}

std::optional<base::Error> QueryParts::last_error() {
  const std::lock_guard lock(mutex_);
  return errors_.empty() ? std::nullopt : std::optional(errors_.back());
}

namespace {

Result<void> execute_statement(duckdb_connection connection, const std::string& sql) {
  duckdb_result result;
  const auto state = duckdb_query(connection, sql.c_str(), &result);
  Result<void> outcome;
  if (state != DuckDBSuccess) outcome = duck_error(sql, duckdb_result_error(&result));
  duckdb_destroy_result(&result);
  return outcome;
}

// A running query. Its connection is its own.
class DuckStream final : public BatchStream {
 public:
  DuckStream(std::shared_ptr<DuckEngine::Instance> instance, std::shared_ptr<QueryParts> query,
             columnar::Schema schema)
      : instance_(std::move(instance)), query_(std::move(query)), schema_(std::move(schema)) {
    for (const auto& field : schema_.fields())
      fields_.push_back(columnar::to_arrow(field));
  }

  ~DuckStream() override {
    query_->stop.request_stop();
    if (started_) duckdb_destroy_result(&result_);
    if (prepared_) duckdb_destroy_prepare(&prepared_);
    if (connection_) duckdb_disconnect(&connection_);
  }

  Result<void> prepare(const std::string& sql) {
    WEIR_ASSIGN(options_, query_->arrow_options());
    if (duckdb_connect(instance_->database, &connection_) != DuckDBSuccess)
      return duck_error("connecting", nullptr);
    if (duckdb_prepare(connection_, sql.c_str(), &prepared_) != DuckDBSuccess) {
      const char* message = duckdb_prepare_error(prepared_);
      if (message) {
        if (auto ours = query_->find_error(message)) return *std::move(ours);
      }
      return duck_error(sql, message);
    }
    return {};
  }

  const columnar::Schema& schema() const override { return schema_; }

  Result<BatchPtr> next(std::stop_token stop) override {
    if (ended_) return BatchPtr();
    if (stop.stop_requested()) return cancelled();
    const std::stop_callback interrupt(stop, [this] {
      query_->stop.request_stop();
      duckdb_interrupt(connection_);
    });
    if (!started_) {
      started_ = true;
      if (duckdb_execute_prepared_streaming(prepared_, &result_) != DuckDBSuccess)
        return failure(stop);
      WEIR_TRY(read_schema());
    }
    auto chunk = duckdb_fetch_chunk(result_);
    if (!chunk) {
      const char* message = duckdb_result_error(&result_);
      if ((message && *message) || stop.stop_requested()) return failure(stop);
      ended_ = true;
      return BatchPtr();
    }
    auto batch = take(chunk);
    duckdb_destroy_data_chunk(&chunk);
    return batch;
  }

 private:
  static base::Error cancelled() {
    return base::error(base::ErrorKind::kCancelled, "the query was cancelled");
  }

  // DuckDB goes on with advice about settings that are not the user's.
  base::Error out_of_memory(std::string_view message) const {
    return base::error(
        base::ErrorKind::kResourceExhausted,
        "the query needs more memory than the limit of {} MB: raise --memory-mb{}. ({})",
        instance_->memory_bytes >> 20,
        instance_->spill ? "; not all of it can be written to the spill folder"
                         : ", or allow a --spill-folder",
        message.substr(0, message.find('\n')));
  }

  base::Error failure(const std::stop_token& stop) {
    ended_ = true;
    if (stop.stop_requested()) return cancelled();
    const char* text = duckdb_result_error(&result_);
    const std::string_view message = text ? text : "";
    if (auto ours = query_->find_error(message)) return *std::move(ours);
    const auto type = duckdb_result_error_type(&result_);
    // Nobody has stopped it: one thread failed, and another, which DuckDB stopped then, was heard
    // first.
    if (type == DUCKDB_ERROR_INTERRUPT) {
      if (auto ours = query_->last_error()) return *std::move(ours);
    }
    if (type == DUCKDB_ERROR_OUT_OF_MEMORY ||
        message.find("Out of Memory") != std::string_view::npos) {
      return out_of_memory(message);
    }
    if (message.find("More than one row returned by a subquery") != std::string_view::npos) {
      return base::error(base::ErrorKind::kInvalidArgument,
                         "More than one row returned by a subquery used as an expression.")
          .with_class("SCALAR_SUBQUERY_TOO_MANY_ROWS")
          .with_sql_state("21000");
    }
    auto error = duck_error("running a query", text);
    if (type == DUCKDB_ERROR_OUT_OF_RANGE || type == DUCKDB_ERROR_CONVERSION ||
        type == DUCKDB_ERROR_DECIMAL || type == DUCKDB_ERROR_DIVIDE_BY_ZERO ||
        type == DUCKDB_ERROR_INVALID_INPUT) {
      return std::move(error).with_class(std::string(kValueError));
    }
    return error;
  }

  Result<void> read_schema() {
    const idx_t count = duckdb_column_count(&result_);
    if (count != schema_.fields().size())
      return duck_error("a query gave another number of columns", nullptr);
    std::vector<duckdb_logical_type> types;
    std::vector<const char*> names;
    for (idx_t i = 0; i < count; ++i) {
      types.push_back(duckdb_column_logical_type(&result_, i));
      names.push_back("c");
    }
    ArrowSchema exported{};
    auto failed = duckdb_to_arrow_schema(options_, types.data(), names.data(), count, &exported);
    for (auto& type : types)
      duckdb_destroy_logical_type(&type);
    WEIR_TRY(from_duck("giving a schema back", failed));
    WEIR_ARROW_ASSIGN(arrow_schema_, arrow::ImportSchema(&exported));
    return {};
  }

  Result<BatchPtr> take(duckdb_data_chunk chunk) {
    ArrowArray exported{};
    WEIR_TRY(from_duck("giving rows back", duckdb_data_chunk_to_arrow(options_, chunk, &exported)));
    WEIR_ARROW_ASSIGN(auto raw, arrow::ImportRecordBatch(&exported, arrow_schema_));
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < fields_.size(); ++i) {
      auto array = raw->column(static_cast<int>(i));
      const auto form = duck_form(fields_[i]->type());
      if (array->type_id() != form->id()) {
        return duck_error("a column came back as another type",
                          (array->type()->ToString() + " instead of " + form->ToString()).c_str());
      }
      WEIR_ASSIGN(array, relabel(array, fields_[i]->type()));
      arrays.push_back(std::move(array));
    }
    return arrow::RecordBatch::Make(arrow::schema(fields_), raw->num_rows(), arrays);
  }

  std::shared_ptr<DuckEngine::Instance> instance_;
  std::shared_ptr<QueryParts> query_;
  columnar::Schema schema_;
  arrow::FieldVector fields_;
  duckdb_connection connection_ = nullptr;
  duckdb_prepared_statement prepared_ = nullptr;
  duckdb_arrow_options options_ = nullptr;  // the query's
  duckdb_result result_{};
  bool started_ = false;
  bool ended_ = false;
  std::shared_ptr<arrow::Schema> arrow_schema_;
};

// From here on DuckDB reaches the folders that it may read, and nothing else.
Result<void> close_outside(duckdb_connection connection, const DuckOptions& options,
                           DuckEngine::Instance& instance) {
  std::string list;
  for (auto folder : options.readable_folders) {
    if (!folder.ends_with('/')) folder += '/';
    list += (list.empty() ? "" : ", ") + quoted(folder);
    instance.readable_folders.push_back(std::move(folder));
  }
  if (!list.empty())
    WEIR_TRY(execute_statement(connection, "SET allowed_directories = [" + list + "]"));
  WEIR_TRY(execute_statement(connection, "SET GLOBAL parquet_metadata_cache = true"));
  return execute_statement(connection, "SET enable_external_access = false");
}

}  // namespace

bool DuckEngine::may_read(std::string_view path) const {
  if (path.find_first_of("*?[") != std::string_view::npos ||
      path.find("/../") != std::string_view::npos)
    return false;
  for (const auto& folder : instance_->readable_folders) {
    if (path.substr(0, folder.size()) == folder) return true;
  }
  return false;
}

DuckEngine::DuckEngine(std::shared_ptr<Instance> instance) : instance_(std::move(instance)) {}
DuckEngine::~DuckEngine() = default;

Result<std::unique_ptr<DuckEngine>> DuckEngine::open(const DuckOptions& options) {
  auto instance = std::make_shared<Instance>();
  instance->threads = std::max(1, options.threads);
  instance->spill = options.spill;
  instance->memory_bytes = options.memory_bytes;
  duckdb_config config = nullptr;
  if (duckdb_create_config(&config) != DuckDBSuccess)
    return duck_error("making a configuration", nullptr);
  const std::pair<const char*, std::string> settings[] = {
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
      {"memory_limit", fmt::format("{}MB", std::max<int64_t>(1, options.memory_bytes >> 20))},
      {"threads", std::to_string(instance->threads)},
      {"temp_directory", options.spill ? options.spill->path() : ""}};
  for (const auto& [name, value] : settings) {
    if (duckdb_set_config(config, name, value.c_str()) != DuckDBSuccess) {
      duckdb_destroy_config(&config);
      return duck_error("setting", name);
    }
  }
  char* message = nullptr;
  const auto state = duckdb_open_ext(nullptr, &instance->database, config, &message);
  duckdb_destroy_config(&config);
  if (state != DuckDBSuccess) {
    auto failed = duck_error("opening", message);
    duckdb_free(message);
    return failed;
  }
  duckdb_connection connection = nullptr;
  if (duckdb_connect(instance->database, &connection) != DuckDBSuccess)
    return duck_error("connecting", nullptr);
  auto registered = register_input_function(connection, instance.get());
  if (registered.ok()) registered = register_moments(connection);
  if (registered.ok()) registered = register_sketches(connection);
  if (registered.ok()) registered = close_outside(connection, options, *instance);
  if (registered.ok())
    registered = execute_statement(connection, "SET GLOBAL max_expression_depth = 100000");
  if (registered.ok()) registered = execute_statement(connection, "SET lock_configuration = true");
  duckdb_disconnect(&connection);
  if (!registered.ok()) return std::move(registered).error();
  return std::unique_ptr<DuckEngine>(new DuckEngine(std::move(instance)));
}

std::shared_ptr<DuckQuery> DuckEngine::new_query() {
  return std::make_shared<QueryParts>(instance_);
}

Result<std::unique_ptr<BatchStream>> DuckEngine::run(const std::string& sql,
                                                     std::shared_ptr<DuckQuery> query,
                                                     columnar::Schema result) {
  auto made = std::make_unique<DuckStream>(
      instance_, std::static_pointer_cast<QueryParts>(std::move(query)), std::move(result));
  WEIR_TRY(made->prepare(sql));
  return std::unique_ptr<BatchStream>(std::move(made));
}

Result<std::unique_ptr<BatchStream>> DuckEngine::run(const std::string& sql,
                                                     std::unique_ptr<BatchStream> stream,
                                                     columnar::Schema result) {
  auto query = new_query();
  const auto schema = stream->schema();
  auto holder = std::make_shared<std::unique_ptr<BatchStream>>(std::move(stream));
  auto scan = [holder, schema](const std::vector<int>& columns,
                               int) -> Result<std::vector<std::unique_ptr<BatchStream>>> {
    if (!*holder) return base::error(base::ErrorKind::kInternal, "an input is read twice");
    std::vector<std::unique_ptr<BatchStream>> streams;
    streams.push_back(pick_columns(std::move(*holder), columns));
    return streams;
  };
  WEIR_ASSIGN(const auto input, query->add_input(schema, std::move(scan), std::nullopt));
  auto text = sql;
  constexpr std::string_view kPlace = "{input}";
  if (const auto place = text.find(kPlace); place != std::string::npos) {
    text.replace(place, kPlace.size(), input);
  }
  return run(text, std::move(query), std::move(result));
}

Result<std::string> DuckEngine::explain(const std::string& sql, std::shared_ptr<DuckQuery> query) {
  using columnar::DataType;
  const auto text = columnar::make_field("t", DataType::of(columnar::TypeKind::kString));
  WEIR_ASSIGN(auto stream,
              run("EXPLAIN " + sql, std::move(query), columnar::Schema::structure({text, text})));
  std::string shown;
  while (true) {
    WEIR_ASSIGN(const auto batch, stream->next({}));
    if (!batch) return shown;
    const auto& lines = static_cast<const arrow::StringArray&>(*batch->column(1));
    for (int64_t row = 0; row < lines.length(); ++row)
      shown += lines.GetString(row);
  }
}

}  // namespace weir::relational
