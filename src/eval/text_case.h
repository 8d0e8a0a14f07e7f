// Upper and lower case of UTF-8 text, over all of Unicode (as java.lang.String does for the root
// locale, but for context-dependent mappings such as a final sigma).
#pragma once

#include <string>
#include <string_view>

namespace weir::eval {

void append_case(std::string_view text, bool upper, std::string& out);

}  // namespace weir::eval
