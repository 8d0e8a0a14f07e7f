// Options of from_json, to_json and their like: the literal map that a call may end with.
#pragma once

#include <map>
#include <string>

#include "plan/expression.h"

namespace weir::plan {

// Of argument `at` (a call of map() over literals); keys in lower case. None where the call has no
// such argument. INVALID_OPTIONS.NON_MAP_FUNCTION for something else.
Result<std::map<std::string, std::string>> literal_options(const TypedCall& call, size_t at);
// The text of a literal argument, or nullptr.
const std::string* literal_text(const Typed& expression);

}  // namespace weir::plan
