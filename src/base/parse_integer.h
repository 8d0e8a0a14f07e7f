// Whole numbers of ASCII digits: names of files, options, settings.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::base {

// The number that the whole text is, with or without a minus; nothing for any other text, one with
// a plus, blanks or more than an int64 holds among them.
std::optional<int64_t> parse_integer(std::string_view text);

}  // namespace weir::base
