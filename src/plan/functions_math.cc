#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

namespace {

Result<Signature> sign_rule(const Function& function, const SignatureCall& call) {
  const auto& type = call.arguments[0]->type;
  if (type.is_interval()) return Signature{{type}, DataType::of(D), call.arguments[0]->nullable};
  return fixed({D}, D)(function, call);
}

}  // namespace

void add_math(Functions& list) {
  const auto D1 = fixed({D}, D);
  list.push_back(risky("abs", 1, 1, same_numeric(), "Absolute value."));
  list.push_back(risky("ceil", 1, 2, ceiling_floor(),
                       "Smallest whole number (or of so many digits) not below.", {"ceiling"}));
  list.push_back(risky("floor", 1, 2, ceiling_floor(),
                       "Largest whole number (or of so many digits) not above."));
  list.push_back(risky("round", 1, 2, rounding(), "Rounded half away from zero."));
  list.push_back(risky("bround", 1, 2, rounding(), "Rounded half to even."));
  list.push_back(sure("rint", 1, 1, D1, "The nearest whole double."));
  list.push_back(sure("sqrt", 1, 1, D1, "Square root."));
  list.push_back(sure("cbrt", 1, 1, D1, "Cube root."));
  list.push_back(sure("pow", 2, 2, D1, "Power.", {"power"}));
  list.push_back(sure("exp", 1, 1, D1, "e to the power."));
  list.push_back(sure("expm1", 1, 1, D1, "exp(x) - 1."));
  const auto logarithm = fixed_nullable({D}, D);
  list.push_back(sure("ln", 1, 1, logarithm, "Natural logarithm, NULL at or below 0."));
  list.push_back(sure("log", 1, 2, logarithm, "Logarithm; two arguments: the base first."));
  list.push_back(sure("log10", 1, 1, logarithm, "Logarithm to base 10."));
  list.push_back(sure("log2", 1, 1, logarithm, "Logarithm to base 2."));
  list.push_back(sure("log1p", 1, 1, logarithm, "ln(1 + x)."));
  list.push_back(sure("sign", 1, 1, sign_rule, "-1, 0 or 1.", {"signum"}));
  for (const auto* name : {"sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"}) {
    list.push_back(sure(name, 1, 1, D1, "Trigonometry, in radians."));
  }
  list.push_back(sure("atan2", 2, 2, D1, "Angle of (x, y) given y, x."));
  list.push_back(sure("hypot", 2, 2, D1, "sqrt(a² + b²)."));
  list.push_back(sure("degrees", 1, 1, D1, "Radians to degrees."));
  list.push_back(sure("radians", 1, 1, D1, "Degrees to radians."));
  list.push_back(sure("pi", 0, 0, D1, "π."));
  list.push_back(sure("e", 0, 0, D1, "e."));
  list.push_back(
      sure("hash", 1, -1, any_never_null(I), "Murmur3 of the arguments as Spark computes it."));
  list.push_back(sure("xxhash64", 1, -1, any_never_null(L),
                      "xxHash64 of the arguments as Spark computes it."));
}

}  // namespace weir::plan
