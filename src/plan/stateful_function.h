// transformWithState in plans: a GroupMap with options, or with an initial state a CoGroupMap whose
// right side is that state and whose function is a StatefulFunction.
//
//   kind               the operator's name in Spark's progress
//   time_mode          "none", "processingTime", "eventTime"
//   output_mode        as given
//   event_time_column  column of the output that is its event time; may be empty
#pragma once

#include "plan/operator.h"

namespace weir::plan {

struct StatefulFunction : PythonFunction {
  Options state;
};

// PySpark's evaluation types of functions with an initial state: those of StatefulFunctions.
constexpr int kTransformPandasInitial = 212, kTransformRowsInitial = 214;

// Null: the function keeps no state.
inline const Options* state_options(const PythonFunction& function) {
  if (function.eval_type != kTransformPandasInitial && function.eval_type != kTransformRowsInitial)
    return nullptr;
  return &static_cast<const StatefulFunction&>(function).state;
}

// Of a node of transformWithState; null: it is none.
inline const Options* transform_options(const Operator& node) {
  if (const auto* both = std::get_if<op::CoGroupMap>(&node.node))
    return state_options(*both->function);
  const auto* alone = std::get_if<op::GroupMap>(&node.node);
  return alone && alone->state.contains("time_mode") ? &alone->state : nullptr;
}

}  // namespace weir::plan
