// What a streaming plan becomes before it is checked and run.
#pragma once

#include "plan/operator.h"

namespace weir::plan {

// EXCEPT of a stream and static rows as Spark runs it: the distinct rows of an anti-join. The other
// set operations stay.
OperatorPtr with_excepts_as_joins(const OperatorPtr& root);

}  // namespace weir::plan
