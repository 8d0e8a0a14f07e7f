// The catalog of functions as a page for people: docs/functions.md.
#pragma once

#include <string>

namespace weir::plan {

// Markdown: a table a group, a line a function with its names, arguments, result and purpose.
std::string function_document();

}  // namespace weir::plan
