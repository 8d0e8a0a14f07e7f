// Moments of one and two variables as DuckDB aggregates, updated and merged in Spark's order of
// operations (CentralMomentAgg, Covariance, PearsonCorrelation), so that the last digits agree.
#include <cmath>
#include <new>
#include <string_view>

#include <fmt/format.h>

#include "relational/duck_internal.h"

namespace weir::relational {

namespace {

// Of one variable, or of pairs (x the first argument, y the second).
struct Moments {
  double n = 0;
  double x_mean = 0, x2 = 0, x3 = 0, x4 = 0;
  double y_mean = 0, y2 = 0;
  double xy = 0;
  // Of pairs, in the order of operations of CentralMomentAgg and Covariance.
  double x_central = 0, y_central = 0, covariance = 0;

  void add(double x) {
    const double count = n + 1;
    const double delta = x - x_mean;
    const double delta_n = delta / count;
    const double mean = x_mean + delta_n;
    const double second = x2 + delta * (delta - delta_n);
    const double third = x3 - 3.0 * delta_n * second + delta * (delta * delta - delta_n * delta_n);
    x4 = x4 - 4.0 * delta_n * third - 6.0 * delta_n * delta_n * second +
         delta * (delta * delta * delta - delta_n * delta_n * delta_n);
    n = count;
    x_mean = mean;
    x2 = second;
    x3 = third;
  }

  void add(double x, double y) {
    const double count = n + 1;
    const double dx = x - x_mean, dy = y - y_mean;
    x_central += dx * (dx - dx / count);
    y_central += dy * (dy - dy / count);
    covariance += dx * (dy - dy / count);
    x_mean += dx / count;
    y_mean += dy / count;
    xy += dx * (y - y_mean);
    x2 += dx * (x - x_mean);
    y2 += dy * (y - y_mean);
    n = count;
  }

  void merge(const Moments& other) {
    if (other.n == 0) return;
    if (n == 0) {
      *this = other;
      return;
    }
    const double count = n + other.n;
    const double delta = other.x_mean - x_mean;
    const double delta_n = delta / count;
    const double dy = other.y_mean - y_mean;
    const double dy_n = dy / count;
    const double second = x2 + other.x2 + delta * delta_n * n * other.n;
    const double third = x3 + other.x3 + delta_n * delta_n * delta * n * other.n * (n - other.n) +
                         3.0 * delta_n * (n * other.x2 - other.n * x2);
    x4 = x4 + other.x4 +
         delta_n * delta_n * delta_n * delta * n * other.n *
             (n * n - n * other.n + other.n * other.n) +
         6.0 * delta_n * delta_n * (n * n * other.x2 + other.n * other.n * x2) +
         4.0 * delta_n * (n * other.x3 - other.n * x3);
    xy += other.xy + delta * dy_n * n * other.n;
    covariance += other.covariance + delta * dy_n * n * other.n;
    x_central += other.x_central + delta * delta_n * n * other.n;
    y_central += other.y_central + dy * dy_n * n * other.n;
    y2 += other.y2 + dy * dy_n * n * other.n;
    x2 = second;
    x3 = third;
    x_mean += delta_n * other.n;
    y_mean += dy_n * other.n;
    n = count;
  }
};

using Final = bool (*)(const Moments& m, double& value);  // false: NULL

struct MomentFunction {
  std::string_view name;
  int arguments;
  Final final;
};

bool when(bool condition, double made, double& value) {
  value = made;
  return condition;
}

// The pair functions take (y, x) as SQL has it: here "x" of Moments is y, and "y" is x.
constexpr MomentFunction kFunctions[] = {
    {"stddev", 1,
     [](const Moments& m, double& v) { return when(m.n > 1, std::sqrt(m.x2 / (m.n - 1)), v); }},
    {"stddev_pop", 1,
     [](const Moments& m, double& v) { return when(m.n > 0, std::sqrt(m.x2 / m.n), v); }},
    {"variance", 1, [](const Moments& m, double& v) { return when(m.n > 1, m.x2 / (m.n - 1), v); }},
    {"var_pop", 1, [](const Moments& m, double& v) { return when(m.n > 0, m.x2 / m.n, v); }},
    {"skewness", 1,
     [](const Moments& m, double& v) {
       return when(m.n > 0 && m.x2 != 0, std::sqrt(m.n) * m.x3 / std::sqrt(m.x2 * m.x2 * m.x2), v);
     }},
    {"kurtosis", 1,
     [](const Moments& m, double& v) {
       return when(m.n > 0 && m.x2 != 0, m.n * m.x4 / (m.x2 * m.x2) - 3.0, v);
     }},
    {"corr", 2,
     [](const Moments& m, double& v) { return when(m.n > 1, m.xy / std::sqrt(m.x2 * m.y2), v); }},
    {"covar_pop", 2,
     [](const Moments& m, double& v) { return when(m.n > 0, m.covariance / m.n, v); }},
    {"covar_samp", 2,
     [](const Moments& m, double& v) { return when(m.n > 1, m.covariance / (m.n - 1), v); }},
    {"regr_avgx", 2, [](const Moments& m, double& v) { return when(m.n > 0, m.y_mean, v); }},
    {"regr_avgy", 2, [](const Moments& m, double& v) { return when(m.n > 0, m.x_mean, v); }},
    {"regr_sxx", 2, [](const Moments& m, double& v) { return when(m.n > 0, m.y_central, v); }},
    {"regr_syy", 2, [](const Moments& m, double& v) { return when(m.n > 0, m.x_central, v); }},
    {"regr_sxy", 2, [](const Moments& m, double& v) { return when(m.n > 0, m.covariance, v); }},
    {"regr_slope", 2,
     [](const Moments& m, double& v) {
       return when(m.n > 0 && m.y_central != 0, m.covariance / m.y_central, v);
     }},
    {"regr_intercept", 2,
     [](const Moments& m, double& v) {
       return when(m.n > 0 && m.y_central != 0, m.x_mean - m.covariance / m.y_central * m.y_mean,
                   v);
     }},
    {"regr_r2", 2,
     [](const Moments& m, double& v) {
       const double corr = m.xy / std::sqrt(m.x2 * m.y2);
       return when(m.n > 0 && m.y2 != 0, m.x2 == 0 ? 1.0 : corr * corr, v);
     }},
};

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
  for (const auto& one : kFunctions) {
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

bool is_moment(std::string_view function) {
  for (const auto& one : kFunctions) {
    if (one.name == function) return true;
  }
  return false;
}

}  // namespace weir::relational
