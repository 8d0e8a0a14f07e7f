// input_file_name() and its kin: which file a row comes from, out of the hidden column `_metadata`.
#pragma once

#include "plan/function_catalog.h"
#include "plan/operator.h"

namespace weir::plan {

// What one of the functions gives for a row whose `_metadata` is this.
TypedPtr input_file_value(const TypedPtr& metadata, const Function& function, const Origin& origin);

// Calls that analysis could not give a file where they stand, as a projection below has left
// `_metadata` away: it is passed up to them. UNSUPPORTED_FEATURE where a join, an aggregate or a
// stream lies between the call and its files; calls above no file keep answering that there is
// none.
Result<OperatorPtr> pass_input_files(const OperatorPtr& plan);

}  // namespace weir::plan
