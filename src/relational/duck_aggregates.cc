// Moments of one and two variables (eval/moments.h) as DuckDB aggregates.
#include <new>
#include <string_view>

#include <fmt/format.h>

#include "eval/moments.h"
#include "relational/duck_internal.h"

namespace weir::relational {

namespace {

using eval::MomentFunction;
using eval::Moments;

Moments& moments_of(duckdb_aggregate_state state) { return *reinterpret_cast<Moments*>(state); }

void update(duckdb_function_info info, duckdb_data_chunk input, duckdb_aggregate_state* states) {
  const auto& function =
      *static_cast<const MomentFunction*>(duckdb_aggregate_function_get_extra_info(info));
  const idx_t rows = duckdb_data_chunk_get_size(input);
  const double* values[2] = {};
  uint64_t* valid[2] = {};
  for (int i = 0; i < function.arguments; ++i) {
    auto vector = duckdb_data_chunk_get_vector(input, static_cast<idx_t>(i));
    values[i] = static_cast<const double*>(duckdb_vector_get_data(vector));
    valid[i] = duckdb_vector_get_validity(vector);
  }
  const auto present = [&](int i, idx_t row) {
    return !valid[i] || duckdb_validity_row_is_valid(valid[i], row);
  };
  for (idx_t row = 0; row < rows; ++row) {
    if (!present(0, row)) continue;
    if (function.arguments == 1) {
      moments_of(states[row]).add(values[0][row]);
    } else if (present(1, row)) {
      moments_of(states[row]).add(values[0][row], values[1][row]);
    }
  }
}

void combine(duckdb_function_info, duckdb_aggregate_state* source, duckdb_aggregate_state* target,
             idx_t count) {
  for (idx_t i = 0; i < count; ++i)
    moments_of(target[i]).merge(moments_of(source[i]));
}

void finalize(duckdb_function_info info, duckdb_aggregate_state* source, duckdb_vector result,
              idx_t count, idx_t offset) {
  const auto& function =
      *static_cast<const MomentFunction*>(duckdb_aggregate_function_get_extra_info(info));
  auto* values = static_cast<double*>(duckdb_vector_get_data(result));
  for (idx_t i = 0; i < count; ++i) {
    if (function.final(moments_of(source[i]), values[offset + i])) continue;
    duckdb_vector_ensure_validity_writable(result);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(result), offset + i);
  }
}

}  // namespace

Result<void> register_moments(duckdb_connection connection) {
  auto real = duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
  Result<void> outcome;
  for (const auto& one : eval::kMomentFunctions) {
    auto function = duckdb_create_aggregate_function();
    duckdb_aggregate_function_set_name(function, fmt::format("weir_{}", one.name).c_str());
    for (int i = 0; i < one.arguments; ++i)
      duckdb_aggregate_function_add_parameter(function, real);
    duckdb_aggregate_function_set_return_type(function, real);
    duckdb_aggregate_function_set_extra_info(function, const_cast<MomentFunction*>(&one), nullptr);
    duckdb_aggregate_function_set_functions(
        function, [](duckdb_function_info) -> idx_t { return sizeof(Moments); },
        [](duckdb_function_info, duckdb_aggregate_state state) { new (state) Moments; }, update,
        combine, finalize);
    if (duckdb_register_aggregate_function(connection, function) != DuckDBSuccess)
      outcome = duck_error("registering an aggregate", std::string(one.name).c_str());
    duckdb_destroy_aggregate_function(&function);
  }
  duckdb_destroy_logical_type(&real);
  return outcome;
}

bool is_moment(std::string_view function) { return eval::find_moment(function) != nullptr; }

}  // namespace weir::relational
