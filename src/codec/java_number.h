// Numbers as Java reads and writes them.
#pragma once

#include <string>
#include <string_view>

namespace weir::codec {

// Double.parseDouble and Float.parseFloat of a JSON number: nearest value, infinite past the range,
// zero below it.
double java_parse_double(std::string_view text);
float java_parse_float(std::string_view text);
// Double.toString: "1.0E10", "0.001", "-0.0", "Infinity".
std::string java_double_text(double value);
// A JSON floating-point number as Jackson's generator copies it (a double's text), NaN and
// infinities in quotes.
std::string java_number_text(std::string_view number);

}  // namespace weir::codec
