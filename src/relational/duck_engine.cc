#include "relational/duck_engine.h"

#include <atomic>
#include <duckdb.h>
#include <map>
#include <mutex>
#include <optional>

#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <fmt/format.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "relational/duck_types.h"

namespace weir::relational {

namespace {

constexpr int64_t kChunkRows = 2048;  // DuckDB's vector size

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

// What weir_input(id) reads: a stream, and the batch under way. DuckDB calls from one thread at a
// time.
struct Input {
  std::unique_ptr<BatchStream> stream;
  std::vector<std::shared_ptr<arrow::DataType>> types;  // in DuckDB's form
  duckdb_connection helper = nullptr;                   // for conversions only, never for queries
  std::stop_token stop;
  std::mutex mutex;
  std::optional<base::Error> failure;
  BatchPtr batch;
  int64_t at = 0;
  std::vector<size_t> columns;  // those that the query reads
  std::shared_ptr<arrow::Schema> schema;
  duckdb_arrow_converted_schema converted = nullptr;

  ~Input() {
    if (converted) duckdb_destroy_arrow_converted_schema(&converted);
    if (helper) duckdb_disconnect(&helper);
  }
};

}  // namespace

struct DuckEngine::Instance {
  duckdb_database database = nullptr;
  std::mutex mutex;
  std::map<int64_t, std::shared_ptr<Input>> inputs;
  int64_t next_id = 1;

  ~Instance() {
    if (database) duckdb_close(&database);
  }
  std::shared_ptr<Input> find(int64_t id) {
    const std::lock_guard lock(mutex);
    const auto found = inputs.find(id);
    return found == inputs.end() ? nullptr : found->second;
  }
};

namespace {

using Instance = DuckEngine::Instance;
using InputHolder = std::shared_ptr<Input>;

void bind_input(duckdb_bind_info info) {
  auto* instance = static_cast<Instance*>(duckdb_bind_get_extra_info(info));
  auto parameter = duckdb_bind_get_parameter(info, 0);
  const auto input = instance->find(duckdb_get_int64(parameter));
  duckdb_destroy_value(&parameter);
  if (!input) return duckdb_bind_set_error(info, "weir_input: no such input");
  for (size_t i = 0; i < input->types.size(); ++i) {
    auto type = duck_logical_type(*input->types[i]);
    duckdb_bind_add_result_column(info, ("c" + std::to_string(i)).c_str(), type);
    duckdb_destroy_logical_type(&type);
  }
  duckdb_bind_set_bind_data(info, new InputHolder(input),
                            [](void* holder) { delete static_cast<InputHolder*>(holder); });
}

Result<void> prepare_columns(Input& input, duckdb_init_info info) {
  arrow::FieldVector fields;
  for (idx_t i = 0; i < duckdb_init_get_column_count(info); ++i) {
    const idx_t column = duckdb_init_get_column_index(info, i);
    input.columns.push_back(column);
    if (column < input.types.size())
      fields.push_back(arrow::field("c" + std::to_string(column), input.types[column]));
  }
  input.schema = arrow::schema(fields);
  ArrowSchema exported{};
  WEIR_ARROW_TRY(arrow::ExportSchema(*input.schema, &exported));
  auto failed = duckdb_schema_from_arrow(input.helper, &exported, &input.converted);
  if (exported.release) exported.release(&exported);
  return from_duck("taking a schema over", failed);
}

void init_input(duckdb_init_info info) {
  auto& input = **static_cast<InputHolder*>(duckdb_init_get_bind_data(info));
  duckdb_init_set_max_threads(info, 1);
  if (auto prepared = prepare_columns(input, info); !prepared.ok()) {
    duckdb_init_set_error(info, prepared.error().message().c_str());
  }
}

// The next rows into `output`; none at the end.
Result<void> fill_chunk(Input& input, duckdb_data_chunk output) {
  while (!input.batch || input.at >= input.batch->num_rows()) {
    WEIR_ASSIGN(input.batch, input.stream->next(input.stop));
    input.at = 0;
    if (!input.batch) {
      duckdb_data_chunk_set_size(output, 0);
      return {};
    }
  }
  const int64_t rows = std::min(kChunkRows, input.batch->num_rows() - input.at);
  arrow::ArrayVector arrays;
  for (const size_t column : input.columns) {
    if (column >= input.types.size()) continue;
    const auto slice = input.batch->column(static_cast<int>(column))->Slice(input.at, rows);
    WEIR_ASSIGN(auto array, relabel(slice, input.types[column]));
    arrays.push_back(std::move(array));
  }
  input.at += rows;
  if (!arrays.empty()) {
    ArrowArray exported{};
    WEIR_ARROW_TRY(
        arrow::ExportRecordBatch(*arrow::RecordBatch::Make(input.schema, rows, arrays), &exported));
    duckdb_data_chunk chunk = nullptr;
    auto failed = duckdb_data_chunk_from_arrow(input.helper, &exported, input.converted, &chunk);
    if (exported.release) exported.release(&exported);
    WEIR_TRY(from_duck("taking rows over", failed));
    idx_t source = 0;
    for (size_t i = 0; i < input.columns.size(); ++i) {
      if (input.columns[i] >= input.types.size()) continue;
      duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(output, i),
                                     duckdb_data_chunk_get_vector(chunk, source++));
    }
    duckdb_destroy_data_chunk(&chunk);
  }
  duckdb_data_chunk_set_size(output, static_cast<idx_t>(rows));
  return {};
}

void read_input(duckdb_function_info info, duckdb_data_chunk output) {
  auto& input = **static_cast<InputHolder*>(duckdb_function_get_bind_data(info));
  if (auto filled = fill_chunk(input, output); !filled.ok()) {
    const std::lock_guard lock(input.mutex);
    duckdb_function_set_error(info, filled.error().message().c_str());
    input.failure = std::move(filled).error();
  }
}

Result<void> execute(duckdb_connection connection, const std::string& sql) {
  duckdb_result result;
  const auto state = duckdb_query(connection, sql.c_str(), &result);
  Result<void> outcome;
  if (state != DuckDBSuccess) outcome = duck_error(sql, duckdb_result_error(&result));
  duckdb_destroy_result(&result);
  return outcome;
}

Result<void> register_input(duckdb_connection connection, Instance* instance) {
  auto function = duckdb_create_table_function();
  duckdb_table_function_set_name(function, "weir_input");
  auto id = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
  duckdb_table_function_add_parameter(function, id);
  duckdb_destroy_logical_type(&id);
  duckdb_table_function_set_extra_info(function, instance, nullptr);
  duckdb_table_function_set_bind(function, bind_input);
  duckdb_table_function_set_init(function, init_input);
  duckdb_table_function_set_function(function, read_input);
  duckdb_table_function_supports_projection_pushdown(function, true);
  const auto state = duckdb_register_table_function(connection, function);
  duckdb_destroy_table_function(&function);
  if (state != DuckDBSuccess) return duck_error("registering weir_input", nullptr);
  return {};
}

// A running query. Its connection is its own.
class DuckStream final : public BatchStream {
 public:
  DuckStream(std::shared_ptr<Instance> instance, int64_t id, std::shared_ptr<Input> input,
             columnar::Schema schema)
      : instance_(std::move(instance)),
        id_(id),
        input_(std::move(input)),
        schema_(std::move(schema)) {}

  ~DuckStream() override {
    if (started_) duckdb_destroy_result(&result_);
    if (prepared_) duckdb_destroy_prepare(&prepared_);
    if (options_) duckdb_destroy_arrow_options(&options_);
    if (connection_) duckdb_disconnect(&connection_);
    const std::lock_guard lock(instance_->mutex);
    instance_->inputs.erase(id_);
  }

  Result<void> prepare(const std::string& sql) {
    if (duckdb_connect(instance_->database, &connection_) != DuckDBSuccess)
      return duck_error("connecting", nullptr);
    duckdb_connection_get_arrow_options(connection_, &options_);
    if (duckdb_prepare(connection_, sql.c_str(), &prepared_) != DuckDBSuccess) {
      return duck_error(sql, duckdb_prepare_error(prepared_));
    }
    return {};
  }

  const columnar::Schema& schema() const override { return schema_; }

  Result<BatchPtr> next(std::stop_token stop) override {
    if (stop.stop_requested()) return failure(stop);
    input_->stop = stop;
    const std::stop_callback interrupt(stop, [this] { duckdb_interrupt(connection_); });
    if (!started_) {
      started_ = true;
      if (duckdb_execute_prepared_streaming(prepared_, &result_) != DuckDBSuccess)
        return failure(stop);
      WEIR_TRY(read_schema());
    }
    auto chunk = duckdb_fetch_chunk(result_);
    if (!chunk) {
      const char* message = duckdb_result_error(&result_);
      if ((message && *message) || input_failed() || stop.stop_requested()) return failure(stop);
      return BatchPtr();
    }
    auto batch = take(chunk);
    duckdb_destroy_data_chunk(&chunk);
    return batch;
  }

 private:
  bool input_failed() const {
    const std::lock_guard lock(input_->mutex);
    return input_->failure.has_value();
  }

  base::Error failure(const std::stop_token& stop) {
    if (stop.stop_requested())
      return base::error(base::ErrorKind::kCancelled, "the query was cancelled");
    const std::lock_guard lock(input_->mutex);
    if (input_->failure) return *input_->failure;
    const char* message = duckdb_result_error(&result_);
    const bool memory =
        message && std::string_view(message).find("Out of Memory") != std::string_view::npos;
    if (memory)
      return base::error(base::ErrorKind::kResourceExhausted,
                         "the query needs more memory than its limit: {}", message);
    return duck_error("running a query", message);
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
    arrow::FieldVector fields;
    for (size_t i = 0; i < schema_.fields().size(); ++i) {
      auto field = columnar::to_arrow(schema_.fields()[i]);
      auto array = raw->column(static_cast<int>(i));
      const auto form = duck_form(field->type());
      if (array->type_id() != form->id()) {
        return duck_error("a column came back as another type",
                          (array->type()->ToString() + " instead of " + form->ToString()).c_str());
      }
      WEIR_ASSIGN(array, relabel(array, field->type()));
      arrays.push_back(std::move(array));
      fields.push_back(std::move(field));
    }
    return arrow::RecordBatch::Make(arrow::schema(fields), raw->num_rows(), arrays);
  }

  std::shared_ptr<Instance> instance_;
  int64_t id_;
  std::shared_ptr<Input> input_;
  columnar::Schema schema_;
  duckdb_connection connection_ = nullptr;
  duckdb_prepared_statement prepared_ = nullptr;
  duckdb_arrow_options options_ = nullptr;
  duckdb_result result_{};
  bool started_ = false;
  std::shared_ptr<arrow::Schema> arrow_schema_;
};

}  // namespace

DuckEngine::DuckEngine(std::shared_ptr<Instance> instance) : instance_(std::move(instance)) {}
DuckEngine::~DuckEngine() = default;

Result<std::unique_ptr<DuckEngine>> DuckEngine::open(const DuckOptions& options) {
  auto instance = std::make_shared<Instance>();
  duckdb_config config = nullptr;
  if (duckdb_create_config(&config) != DuckDBSuccess)
    return duck_error("making a configuration", nullptr);
  const std::pair<const char*, std::string> settings[] = {
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
      {"memory_limit", fmt::format("{}MB", std::max<int64_t>(1, options.memory_bytes >> 20))},
      {"threads", std::to_string(std::max(1, options.threads))},
      {"temp_directory", options.spill_folder},
      {"enable_external_access", "false"}};
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
  auto registered = register_input(connection, instance.get());
  if (registered.ok()) registered = execute(connection, "SET lock_configuration = true");
  duckdb_disconnect(&connection);
  if (!registered.ok()) return std::move(registered).error();
  return std::unique_ptr<DuckEngine>(new DuckEngine(std::move(instance)));
}

Result<std::unique_ptr<BatchStream>> DuckEngine::run(const std::string& sql,
                                                     std::unique_ptr<BatchStream> stream,
                                                     columnar::Schema result) {
  auto input = std::make_shared<Input>();
  for (const auto& field : stream->schema().fields()) {
    input->types.push_back(duck_form(columnar::to_arrow(field.type())));
    auto type = duck_logical_type(*input->types.back());
    if (!type)
      return base::error(base::ErrorKind::kUnsupported, "a column of type {} in a sort or grouping",
                         field.type().simple_string());
    duckdb_destroy_logical_type(&type);
  }
  input->stream = std::move(stream);
  if (duckdb_connect(instance_->database, &input->helper) != DuckDBSuccess)
    return duck_error("connecting", nullptr);
  int64_t id = 0;
  {
    const std::lock_guard lock(instance_->mutex);
    id = instance_->next_id++;
    instance_->inputs.emplace(id, input);
  }
  auto made = std::make_unique<DuckStream>(instance_, id, input, std::move(result));
  auto text = sql;
  constexpr std::string_view kPlace = "{input}";
  if (const auto place = text.find(kPlace); place != std::string::npos) {
    text.replace(place, kPlace.size(), fmt::format("weir_input({})", id));
  }
  WEIR_TRY(made->prepare(text));
  return std::unique_ptr<BatchStream>(std::move(made));
}

}  // namespace weir::relational
