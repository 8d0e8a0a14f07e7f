#include "base/logging.h"

#include <atomic>
#include <string>
#include <unistd.h>

#include "base/clock.h"

namespace weir::base {
namespace {

std::atomic<LogLevel> minimum_level{LogLevel::kInfo};

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "DEBUG";
    case LogLevel::kInfo:
      return "INFO ";
    case LogLevel::kWarn:
      return "WARN ";
    default:
      return "ERROR";
  }
}

}  // namespace

void set_log_level(LogLevel level) { minimum_level = level; }
LogLevel log_level() { return minimum_level; }

void log_line(LogLevel level, std::string_view text) {
  std::string line =
      fmt::format("{} {} ", format_utc_ms(SystemClock().now_us()), level_name(level));
  for (const char c : text)
    line += (c == '\n' || c == '\r') ? ' ' : c;  // one message stays one line
  line += '\n';
  // One write call: lines of several threads do not mix. A closed stderr is no reason to stop.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace weir::base
