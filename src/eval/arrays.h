// Array forms of functions that take text or other things too.
#pragma once

#include "eval/kernel.h"

namespace weir::eval {

Result<ArrayPtr> reverse_array(KernelCall& call, Operands arguments);
Result<ArrayPtr> concat_arrays(KernelCall& call, Operands arguments);
// array_sort() without a comparator.
Result<ArrayPtr> sort_array_nulls_last(KernelCall& call, Operands arguments);
// What a map made from these entries fails with: NULL_MAP_KEY, DUPLICATED_MAP_KEY. `entries` are
// rows of keys, in order.
Result<void> check_map_keys(const KernelCall& call, const DataType& key_type,
                            const arrow::Array& keys, std::span<const int64_t> entries);

}  // namespace weir::eval
