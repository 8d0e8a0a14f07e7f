// weir_sketch(plan, entry): sketches (eval/data_sketches.h) as a DuckDB aggregate. Its result is a
// sketch_outcome(), NULL where no entry came.
#include <new>
#include <string_view>

#include "eval/sketch_aggregates.h"
#include "relational/duck_internal.h"

namespace weir::relational {

namespace {

// DuckDB moves states about: nothing but a pointer.
struct State {
  eval::SketchBuilder* builder;
  std::string* failure;  // an outcome; then nothing more is added
};

State& state_of(duckdb_aggregate_state state) { return *reinterpret_cast<State*>(state); }

std::string_view text_of(const duckdb_string_t& text) {
  return {duckdb_string_t_data(const_cast<duckdb_string_t*>(&text)), duckdb_string_t_length(text)};
}

void note(State& state, base::Error error) {
  if (!state.failure)
    state.failure = new std::string(eval::sketch_outcome(Result<std::string>(std::move(error))));
}

void update(duckdb_function_info, duckdb_data_chunk input, duckdb_aggregate_state* states) {
  const idx_t rows = duckdb_data_chunk_get_size(input);
  auto plans = duckdb_data_chunk_get_vector(input, 0);
  auto entries = duckdb_data_chunk_get_vector(input, 1);
  const auto* plan = static_cast<const duckdb_string_t*>(duckdb_vector_get_data(plans));
  const auto* entry = static_cast<const duckdb_string_t*>(duckdb_vector_get_data(entries));
  auto* valid = duckdb_vector_get_validity(entries);
  for (idx_t row = 0; row < rows; ++row) {
    if (valid && !duckdb_validity_row_is_valid(valid, row)) continue;
    auto& state = state_of(states[row]);
    if (state.failure) continue;
    if (!state.builder) {
      auto made = eval::make_sketch(text_of(plan[row]));
      if (!made.ok()) {
        note(state, std::move(made).error());
        continue;
      }
      state.builder = std::move(made).value().release();
    }
    auto added = state.builder->add(text_of(entry[row]));
    if (!added.ok()) note(state, std::move(added).error());
  }
}

void combine(duckdb_function_info, duckdb_aggregate_state* source, duckdb_aggregate_state* target,
             idx_t count) {
  for (idx_t i = 0; i < count; ++i) {
    auto& from = state_of(source[i]);
    auto& to = state_of(target[i]);
    if (to.failure) continue;
    if (from.failure) {
      to.failure = new std::string(*from.failure);
    } else if (from.builder && !to.builder) {
      std::swap(from.builder, to.builder);
    } else if (from.builder) {
      auto bytes = from.builder->bytes();
      auto merged =
          bytes.ok() ? to.builder->merge(bytes.value()) : Result<void>(std::move(bytes).error());
      if (!merged.ok()) note(to, std::move(merged).error());
    }
  }
}

void finalize(duckdb_function_info, duckdb_aggregate_state* source, duckdb_vector result,
              idx_t count, idx_t offset) {
  for (idx_t i = 0; i < count; ++i) {
    auto& state = state_of(source[i]);
    if (!state.failure && !state.builder) {
      duckdb_vector_ensure_validity_writable(result);
      duckdb_validity_set_row_invalid(duckdb_vector_get_validity(result), offset + i);
      continue;
    }
    const auto outcome =
        state.failure ? *state.failure : eval::sketch_outcome(state.builder->bytes());
    duckdb_vector_assign_string_element_len(result, offset + i, outcome.data(), outcome.size());
  }
}

void destroy(duckdb_aggregate_state* states, idx_t count) {
  for (idx_t i = 0; i < count; ++i) {
    auto& state = state_of(states[i]);
    delete state.builder;
    delete state.failure;
    state = {};
  }
}

}  // namespace

Result<void> register_sketches(duckdb_connection connection) {
  auto text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
  auto bytes = duckdb_create_logical_type(DUCKDB_TYPE_BLOB);
  auto function = duckdb_create_aggregate_function();
  duckdb_aggregate_function_set_name(function, "weir_sketch");
  duckdb_aggregate_function_add_parameter(function, text);
  duckdb_aggregate_function_add_parameter(function, bytes);
  duckdb_aggregate_function_set_return_type(function, bytes);
  duckdb_aggregate_function_set_functions(
      function, [](duckdb_function_info) -> idx_t { return sizeof(State); },
      [](duckdb_function_info, duckdb_aggregate_state state) { new (state) State{}; }, update,
      combine, finalize);
  duckdb_aggregate_function_set_destructor(function, destroy);
  Result<void> outcome;
  if (duckdb_register_aggregate_function(connection, function) != DuckDBSuccess)
    outcome = duck_error("registering an aggregate", "weir_sketch");
  duckdb_destroy_aggregate_function(&function);
  duckdb_destroy_logical_type(&text);
  duckdb_destroy_logical_type(&bytes);
  return outcome;
}

}  // namespace weir::relational
