// Decimal arithmetic on unscaled 128-bit values with exact intermediate results of 256 bits.
//
// All round half up to the result's scale and answer false where the result's precision does not
// hold the value.
#pragma once

#include "plan/expression.h"

namespace weir::eval {

bool add_decimals(plan::Int128 a, int a_scale, plan::Int128 b, int b_scale, int precision,
                  int scale, plan::Int128& result);
// exact_scale is the sum of both scales.
bool multiply_decimals(plan::Int128 a, plan::Int128 b, int exact_scale, int precision, int scale,
                       plan::Int128& result);
bool divide_decimals(plan::Int128 a, int a_scale, plan::Int128 b, int b_scale, int precision,
                     int scale, plan::Int128& result);
// b is not zero. positive: pmod.
bool remainder_decimals(plan::Int128 a, int a_scale, plan::Int128 b, int b_scale, bool positive,
                        int precision, int scale, plan::Int128& result);

}  // namespace weir::eval
