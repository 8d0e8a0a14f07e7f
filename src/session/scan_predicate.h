// What a scan's condition says about single columns, for leaving out files.
#pragma once

#include "delta/predicate.h"
#include "plan/expression.h"

namespace weir::session {

// The parts `column op literal` of a conjunction over the columns at `columns` of `schema`.
delta::Predicate scan_predicate(const plan::TypedPtr& condition, const columnar::Schema& schema,
                                const std::vector<int>& columns);

}  // namespace weir::session
