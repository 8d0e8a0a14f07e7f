// Casts of intervals: from one set of units to another, to and from numbers, out of text.
#pragma once

#include <optional>
#include <string_view>

#include "eval/kernel.h"

namespace weir::eval {

// All values are in the type's own count (months or microseconds).

// Cut to the last unit of `to` (of the same kind), towards zero.
int64_t cut_interval(int64_t value, const DataType& to);
// So many of the interval's last unit, `scale` digits of them behind the point; nullopt where the
// interval does not hold them.
std::optional<int64_t> interval_of_number(plan::Int128 number, int scale, const DataType& to);
// Whole last units; microseconds (six digits behind the point) for decimals of seconds.
int64_t interval_to_number(int64_t value, const DataType& from);
// "1-2", "-3 04:05:06.7", "INTERVAL '3' DAY": in the units of `to`, no others. nullopt where the
// text has not that form.
std::optional<int64_t> parse_interval(std::string_view text, const DataType& to);

}  // namespace weir::eval
