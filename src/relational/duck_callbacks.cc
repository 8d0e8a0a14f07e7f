// The functions that DuckDB calls: rows of an input, values of a function.
#include <algorithm>

#include <arrow/api.h>
#include <arrow/c/bridge.h>

#include "columnar/arrow_adapter.h"
#include "relational/duck_internal.h"
#include "relational/duck_types.h"

namespace weir::relational {

namespace {

constexpr int64_t kChunkRows = 2048;  // DuckDB's vector size

using InputHolder = std::shared_ptr<DuckInput>;
using FunctionHolder = std::shared_ptr<DuckFunction>;

// One place in the statement where an input is read.
struct Reading {
  ~Reading() {
    if (converted) duckdb_destroy_arrow_converted_schema(&converted);
  }
  std::vector<size_t> places;  // columns of the chunk that are filled, in the stream's order
  std::shared_ptr<arrow::Schema> schema;
  duckdb_connection helper = nullptr;
  duckdb_arrow_converted_schema converted = nullptr;
  std::mutex mutex;
  std::vector<std::unique_ptr<BatchStream>> streams;
};

// What one thread reads of it.
struct Part {
  std::unique_ptr<BatchStream> stream;
  BatchPtr batch;
  int64_t at = 0;
  bool ended = false;
};

void bind_input(duckdb_bind_info info) {
  auto* instance = static_cast<DuckEngine::Instance*>(duckdb_bind_get_extra_info(info));
  auto parameter = duckdb_bind_get_parameter(info, 0);
  const auto input = instance->find_input(duckdb_get_int64(parameter));
  duckdb_destroy_value(&parameter);
  if (!input) return duckdb_bind_set_error(info, "weir_input: no such input");
  for (size_t i = 0; i < input->types.size(); ++i) {
    auto type = duck_logical_type(*input->types[i]);
    duckdb_bind_add_result_column(info, ("c" + std::to_string(i)).c_str(), type);
    duckdb_destroy_logical_type(&type);
  }
  if (input->types.empty()) {  // DuckDB wants a column
    auto type = duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    duckdb_bind_add_result_column(info, "c0", type);
    duckdb_destroy_logical_type(&type);
  }
  if (input->rows)
    duckdb_bind_set_cardinality(info, static_cast<idx_t>(std::max<int64_t>(0, *input->rows)),
                                false);
  duckdb_bind_set_bind_data(info, new InputHolder(input),
                            [](void* holder) { delete static_cast<InputHolder*>(holder); });
}

Result<void> start_reading(DuckInput& input, duckdb_init_info info, Reading& reading) {
  std::vector<std::pair<int, size_t>> wanted;
  for (idx_t i = 0; i < duckdb_init_get_column_count(info); ++i) {
    const idx_t column = duckdb_init_get_column_index(info, i);
    if (column < input.types.size()) wanted.emplace_back(static_cast<int>(column), i);
  }
  std::sort(wanted.begin(), wanted.end());
  std::vector<int> columns;
  arrow::FieldVector fields;
  for (const auto& [column, place] : wanted) {
    columns.push_back(column);
    reading.places.push_back(place);
    fields.push_back(
        arrow::field("c" + std::to_string(column), input.types[static_cast<size_t>(column)]));
  }
  reading.schema = arrow::schema(fields);
  WEIR_ASSIGN(reading.helper, input.query->helper());
  if (!fields.empty()) {
    ArrowSchema exported{};
    WEIR_ARROW_TRY(arrow::ExportSchema(*reading.schema, &exported));
    auto failed = duckdb_schema_from_arrow(reading.helper, &exported, &reading.converted);
    if (exported.release) exported.release(&exported);
    WEIR_TRY(from_duck("taking a schema over", failed));
  }
  WEIR_ASSIGN(reading.streams, input.scan(columns, input.query->threads()));
  return {};
}

void init_input(duckdb_init_info info) {
  auto& input = **static_cast<InputHolder*>(duckdb_init_get_bind_data(info));
  auto reading = std::make_unique<Reading>();
  if (auto started = start_reading(input, info, *reading); !started.ok()) {
    duckdb_init_set_error(info, input.query->keep(std::move(started).error()).c_str());
    return;
  }
  duckdb_init_set_max_threads(info, std::max<idx_t>(1, reading->streams.size()));
  duckdb_init_set_init_data(info, reading.release(),
                            [](void* data) { delete static_cast<Reading*>(data); });
}

void init_part(duckdb_init_info info) {
  duckdb_init_set_init_data(info, new Part, [](void* data) { delete static_cast<Part*>(data); });
}

// The batch that has rows left, or nullptr at the end.
Result<BatchPtr> current_batch(Reading& reading, Part& part, const std::stop_token& stop) {
  while (!part.batch || part.at >= part.batch->num_rows()) {
    if (!part.stream) {
      const std::lock_guard lock(reading.mutex);
      if (reading.streams.empty()) return BatchPtr();
      part.stream = std::move(reading.streams.back());
      reading.streams.pop_back();
    }
    WEIR_ASSIGN(part.batch, part.stream->next(stop));
    part.at = 0;
    if (!part.batch) part.stream.reset();
  }
  return part.batch;
}

Result<void> fill_chunk(DuckInput& input, Reading& reading, Part& part, duckdb_data_chunk output) {
  WEIR_ASSIGN(const auto batch, current_batch(reading, part, input.query->stop.get_token()));
  if (!batch) {
    duckdb_data_chunk_set_size(output, 0);
    return {};
  }
  const int64_t rows = std::min(kChunkRows, batch->num_rows() - part.at);
  if (!reading.places.empty()) {
    if (static_cast<size_t>(batch->num_columns()) != reading.places.size())
      return base::error(base::ErrorKind::kInternal, "an input gave {} columns instead of {}",
                         batch->num_columns(), reading.places.size());
    arrow::ArrayVector arrays;
    for (int i = 0; i < batch->num_columns(); ++i) {
      WEIR_ASSIGN(auto array, relabel(batch->column(i)->Slice(part.at, rows),
                                      reading.schema->field(i)->type()));
      arrays.push_back(std::move(array));
    }
    ArrowArray exported{};
    WEIR_ARROW_TRY(arrow::ExportRecordBatch(*arrow::RecordBatch::Make(reading.schema, rows, arrays),
                                            &exported));
    duckdb_data_chunk chunk = nullptr;
    auto failed =
        duckdb_data_chunk_from_arrow(reading.helper, &exported, reading.converted, &chunk);
    if (exported.release) exported.release(&exported);
    WEIR_TRY(from_duck("taking rows over", failed));
    for (size_t i = 0; i < reading.places.size(); ++i)
      duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(output, reading.places[i]),
                                     duckdb_data_chunk_get_vector(chunk, i));
    duckdb_destroy_data_chunk(&chunk);
  }
  part.at += rows;
  duckdb_data_chunk_set_size(output, static_cast<idx_t>(rows));
  return {};
}

void read_input(duckdb_function_info info, duckdb_data_chunk output) {
  auto& input = **static_cast<InputHolder*>(duckdb_function_get_bind_data(info));
  auto& reading = *static_cast<Reading*>(duckdb_function_get_init_data(info));
  auto& part = *static_cast<Part*>(duckdb_function_get_local_init_data(info));
  if (auto filled = fill_chunk(input, reading, part, output); !filled.ok())
    duckdb_function_set_error(info, input.query->keep(std::move(filled).error()).c_str());
}

void bind_function(duckdb_bind_info info) {
  auto* instance =
      static_cast<DuckEngine::Instance*>(duckdb_scalar_function_bind_get_extra_info(info));
  auto expression = duckdb_scalar_function_bind_get_argument(info, 0);
  duckdb_client_context context = nullptr;
  duckdb_scalar_function_get_client_context(info, &context);
  duckdb_value value = nullptr;
  auto failed = duckdb_expression_fold(context, expression, &value);
  FunctionHolder function;
  if (!duckdb_error_data_has_error(failed) && value)
    function = instance->find_function(duckdb_get_int64(value));
  duckdb_destroy_error_data(&failed);
  if (value) duckdb_destroy_value(&value);
  duckdb_destroy_client_context(&context);
  duckdb_destroy_expression(&expression);
  if (!function) return duckdb_scalar_function_bind_set_error(info, "no such function of weir");
  duckdb_scalar_function_set_bind_data(
      info, new FunctionHolder(std::move(function)),
      [](void* holder) { delete static_cast<FunctionHolder*>(holder); });
  duckdb_scalar_function_set_bind_data_copy(info, [](void* holder) -> void* {
    return new FunctionHolder(*static_cast<FunctionHolder*>(holder));
  });
}

// The arguments (all columns but the first, which is the function's number) as kernels read them.
Result<BatchPtr> take_arguments(DuckFunction& function, duckdb_data_chunk input) {
  const auto rows = static_cast<int64_t>(duckdb_data_chunk_get_size(input));
  WEIR_ASSIGN(auto options, function.query->arrow_options());
  arrow::FieldVector fields{arrow::field("id", arrow::int32())};
  for (const auto& type : function.duck_types)
    fields.push_back(arrow::field("c", type));
  ArrowArray exported{};
  WEIR_TRY(from_duck("reading arguments", duckdb_data_chunk_to_arrow(options, input, &exported)));
  WEIR_ARROW_ASSIGN(auto raw, arrow::ImportRecordBatch(&exported, arrow::schema(fields)));
  arrow::ArrayVector arrays;
  arrow::FieldVector kept;
  for (size_t i = 0; i < function.arrow_types.size(); ++i) {
    WEIR_ASSIGN(auto array, relabel(raw->column(static_cast<int>(i) + 1), function.arrow_types[i]));
    kept.push_back(arrow::field("c", function.arrow_types[i]));
    arrays.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(arrow::schema(kept), rows, std::move(arrays));
}

// A text that DuckDB makes out of Arrow's points into Arrow's buffer, which the vector keeps; but
// COALESCE takes the texts alone and lets the vector go. So the vector gets a heap of its own.
void own_texts(duckdb_vector vector, const arrow::DataType& type, idx_t rows) {
  if (type.id() == arrow::Type::STRUCT) {
    for (int i = 0; i < type.num_fields(); ++i)
      own_texts(duckdb_struct_vector_get_child(vector, static_cast<idx_t>(i)),
                *type.field(i)->type(), rows);
    return;
  }
  // What lists hold is copied with them.
  if (!arrow::is_base_binary_like(type.id()) && !arrow::is_binary_view_like(type.id())) return;
  auto* texts = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector));
  uint64_t* const valid = duckdb_vector_get_validity(vector);
  for (idx_t row = 0; row < rows; ++row) {
    if (valid != nullptr && !duckdb_validity_row_is_valid(valid, row)) continue;
    if (duckdb_string_is_inlined(texts[row])) continue;
    duckdb_unsafe_vector_assign_string_element_len(vector, row, duckdb_string_t_data(&texts[row]),
                                                   duckdb_string_t_length(texts[row]));
  }
}

Result<void> give_values(DuckFunction& function, std::shared_ptr<arrow::Array> array,
                         duckdb_vector output) {
  WEIR_ASSIGN(array, relabel(array, function.duck_result));
  const auto schema = arrow::schema({arrow::field("c", function.duck_result)});
  WEIR_ASSIGN(auto helper, function.query->helper());
  ArrowSchema exported_schema{};
  WEIR_ARROW_TRY(arrow::ExportSchema(*schema, &exported_schema));
  duckdb_arrow_converted_schema converted = nullptr;
  auto failed = duckdb_schema_from_arrow(helper, &exported_schema, &converted);
  if (exported_schema.release) exported_schema.release(&exported_schema);
  WEIR_TRY(from_duck("giving a type", failed));
  ArrowArray exported{};
  const auto batch = arrow::RecordBatch::Make(schema, array->length(), {array});
  auto outcome = columnar::from_arrow(arrow::ExportRecordBatch(*batch, &exported));
  duckdb_data_chunk chunk = nullptr;
  if (outcome.ok()) {
    outcome = from_duck("giving values",
                        duckdb_data_chunk_from_arrow(helper, &exported, converted, &chunk));
    if (exported.release) exported.release(&exported);
  }
  if (outcome.ok()) {
    duckdb_vector made = duckdb_data_chunk_get_vector(chunk, 0);
    own_texts(made, *function.duck_result, static_cast<idx_t>(array->length()));
    duckdb_vector_reference_vector(output, made);
  }
  if (chunk) duckdb_destroy_data_chunk(&chunk);
  duckdb_destroy_arrow_converted_schema(&converted);
  return outcome;
}

Result<void> call_function(DuckFunction& function, duckdb_data_chunk input, duckdb_vector output) {
  WEIR_ASSIGN(const auto arguments, take_arguments(function, input));
  WEIR_ASSIGN(auto array, function.function(*arguments));
  return give_values(function, std::move(array), output);
}

void run_function(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  auto& function = **static_cast<FunctionHolder*>(duckdb_scalar_function_get_bind_data(info));
  if (auto called = call_function(function, input, output); !called.ok())
    duckdb_scalar_function_set_error(info, function.query->keep(std::move(called).error()).c_str());
}

}  // namespace

Result<void> register_input_function(duckdb_connection connection, DuckEngine::Instance* instance) {
  auto function = duckdb_create_table_function();
  duckdb_table_function_set_name(function, "weir_input");
  auto id = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
  duckdb_table_function_add_parameter(function, id);
  duckdb_destroy_logical_type(&id);
  duckdb_table_function_set_extra_info(function, instance, nullptr);
  duckdb_table_function_set_bind(function, bind_input);
  duckdb_table_function_set_init(function, init_input);
  duckdb_table_function_set_local_init(function, init_part);
  duckdb_table_function_set_function(function, read_input);
  duckdb_table_function_supports_projection_pushdown(function, true);
  const auto state = duckdb_register_table_function(connection, function);
  duckdb_destroy_table_function(&function);
  if (state != DuckDBSuccess) return duck_error("registering weir_input", nullptr);
  return {};
}

Result<void> register_scalar_function(duckdb_connection connection, DuckEngine::Instance* instance,
                                      const std::string& name, const arrow::DataType& duck_result,
                                      bool keep_place) {
  auto function = duckdb_create_scalar_function();
  duckdb_scalar_function_set_name(function, name.c_str());
  auto any = duckdb_create_logical_type(DUCKDB_TYPE_ANY);
  duckdb_scalar_function_set_varargs(function, any);
  duckdb_destroy_logical_type(&any);
  auto result = duck_logical_type(duck_result);
  if (result) {
    duckdb_scalar_function_set_return_type(function, result);
    duckdb_destroy_logical_type(&result);
  }
  duckdb_scalar_function_set_special_handling(function);
  if (keep_place) duckdb_scalar_function_set_volatile(function);
  duckdb_scalar_function_set_extra_info(function, instance, nullptr);
  duckdb_scalar_function_set_bind(function, bind_function);
  duckdb_scalar_function_set_function(function, run_function);
  const auto state = duckdb_register_scalar_function(connection, function);
  duckdb_destroy_scalar_function(&function);
  if (state != DuckDBSuccess) return duck_error("registering a function", name.c_str());
  return {};
}

}  // namespace weir::relational
