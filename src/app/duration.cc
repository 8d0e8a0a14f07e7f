#include "app/duration.h"

#include <charconv>
#include <cmath>

namespace weir::app {

using base::error;
using base::ErrorKind;

base::Result<int64_t> parse_duration_us(std::string_view option, std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"us", 1.0}, {"ms", 1e3},   {"s", 1e6},    {"", 1e6},     {"sec", 1e6},
      {"m", 60e6}, {"min", 60e6}, {"h", 3600e6}, {"d", 86400e6}};
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  while (unit.starts_with(' '))
    unit.remove_prefix(1);
  if (code == std::errc{} && number >= 0) {
    for (const auto& [name, us] : kUnits)
      if (unit == name && number * us < 9e18) return std::llround(number * us);
  }
  return error(ErrorKind::kInvalidArgument, "{}: '{}' is not a duration like 500ms, 60s, 5m or 2h",
               option, text);
}

}  // namespace weir::app
