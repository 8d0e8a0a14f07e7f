// Functions of the user's in what a stateful operator works by.
#pragma once

#include "plan/operator.h"

namespace weir::streaming {

// The same plan where keys, arguments of aggregates and join conditions of streaming operators call
// no function of the user's and hold no subquery: a projection below the operator calculates them.
// What reads both sides of a join of streams stays where it is.
plan::OperatorPtr with_pulled_calls(const plan::OperatorPtr& root);

}  // namespace weir::streaming
