// ASCII text without a locale: option names, keywords, identifiers. Other characters stay as they
// are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::base {

std::string lower_case(std::string_view text);
std::string upper_case(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);

// Appends the UTF-8 of a code point (up to 0x10FFFF).
void append_utf8(uint32_t code, std::string& out);

}  // namespace weir::base
