// How far the raw estimate of HyperLogLog is off, by the number of registers.
#pragma once

#include <span>

namespace weir::eval {

struct BiasTable {
  std::span<const double> estimates;  // ascending
  std::span<const double> biases;     // one an estimate
  double linear_counting_up_to = 0;   // counts up to here are estimated by empty registers
};

// For 2^precision registers; nullptr where there is none (beyond 18).
const BiasTable* bias_table(int precision);

}  // namespace weir::eval
