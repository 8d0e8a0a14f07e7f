// Which of the user's functions take the rows of a group and give one value.
#pragma once

#include "plan/expression.h"

namespace weir::plan {

// PySpark's evaluation types of pandas_udf and arrow_udf over groups.
inline bool is_python_aggregate(const PythonFunction& function) {
  constexpr int kPandas = 202, kPandasIterator = 217, kArrow = 252, kArrowIterator = 254;
  const int kind = function.eval_type;
  return kind == kPandas || kind == kPandasIterator || kind == kArrow || kind == kArrowIterator;
}
inline bool is_python_aggregate(const Typed& expression) {
  const auto* call = std::get_if<TypedPython>(&expression.node);
  return call && is_python_aggregate(*call->function);
}

}  // namespace weir::plan
