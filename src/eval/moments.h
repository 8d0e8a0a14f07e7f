// Moments of one and two variables, updated and merged in Spark's order of operations
// (CentralMomentAgg, Covariance, PearsonCorrelation), so that the last digits agree.
#pragma once

#include <cmath>
#include <string_view>

namespace weir::eval {

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

struct MomentFunction {
  std::string_view name;
  int arguments;
  bool (*final)(const Moments& m, double& value);  // false: NULL
};

inline bool moment_when(bool condition, double made, double& value) {
  value = made;
  return condition;
}

// The pair functions take (y, x) as SQL has it: here "x" of Moments is y, and "y" is x.
inline constexpr MomentFunction kMomentFunctions[] = {
    {"stddev", 1,
     [](const Moments& m, double& v) {
       return moment_when(m.n > 1, std::sqrt(m.x2 / (m.n - 1)), v);
     }},
    {"stddev_pop", 1,
     [](const Moments& m, double& v) { return moment_when(m.n > 0, std::sqrt(m.x2 / m.n), v); }},
    {"variance", 1,
     [](const Moments& m, double& v) { return moment_when(m.n > 1, m.x2 / (m.n - 1), v); }},
    {"var_pop", 1, [](const Moments& m, double& v) { return moment_when(m.n > 0, m.x2 / m.n, v); }},
    {"skewness", 1,
     [](const Moments& m, double& v) {
       return moment_when(m.n > 0 && m.x2 != 0,
                          std::sqrt(m.n) * m.x3 / std::sqrt(m.x2 * m.x2 * m.x2), v);
     }},
    {"kurtosis", 1,
     [](const Moments& m, double& v) {
       return moment_when(m.n > 0 && m.x2 != 0, m.n * m.x4 / (m.x2 * m.x2) - 3.0, v);
     }},
    {"corr", 2,
     [](const Moments& m, double& v) {
       return moment_when(m.n > 1, m.xy / std::sqrt(m.x2 * m.y2), v);
     }},
    {"covar_pop", 2,
     [](const Moments& m, double& v) { return moment_when(m.n > 0, m.covariance / m.n, v); }},
    {"covar_samp", 2,
     [](const Moments& m, double& v) { return moment_when(m.n > 1, m.covariance / (m.n - 1), v); }},
    {"regr_avgx", 2, [](const Moments& m, double& v) { return moment_when(m.n > 0, m.y_mean, v); }},
    {"regr_avgy", 2, [](const Moments& m, double& v) { return moment_when(m.n > 0, m.x_mean, v); }},
    {"regr_sxx", 2,
     [](const Moments& m, double& v) { return moment_when(m.n > 0, m.y_central, v); }},
    {"regr_syy", 2,
     [](const Moments& m, double& v) { return moment_when(m.n > 0, m.x_central, v); }},
    {"regr_sxy", 2,
     [](const Moments& m, double& v) { return moment_when(m.n > 0, m.covariance, v); }},
    {"regr_slope", 2,
     [](const Moments& m, double& v) {
       return moment_when(m.n > 0 && m.y_central != 0, m.covariance / m.y_central, v);
     }},
    {"regr_intercept", 2,
     [](const Moments& m, double& v) {
       return moment_when(m.n > 0 && m.y_central != 0,
                          m.x_mean - m.covariance / m.y_central * m.y_mean, v);
     }},
    {"regr_r2", 2,
     [](const Moments& m, double& v) {
       const double corr = m.xy / std::sqrt(m.x2 * m.y2);
       return moment_when(m.n > 0 && m.y2 != 0, m.x2 == 0 ? 1.0 : corr * corr, v);
     }},
};

// nullptr for other functions.
inline const MomentFunction* find_moment(std::string_view function) {
  for (const auto& one : kMomentFunctions) {
    if (one.name == function) return &one;
  }
  return nullptr;
}

}  // namespace weir::eval
