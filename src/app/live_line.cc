#include "app/live_line.h"

#include <cstdio>
#include <unistd.h>

namespace weir::app {

LiveLine::LiveLine(base::Clock& clock, std::function<std::string()> text)
    : clock_(clock), text_(std::move(text)), terminal_(isatty(STDERR_FILENO) == 1) {
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

LiveLine::~LiveLine() {
  thread_.request_stop();
  thread_.join();
  if (shown_ && terminal_) std::fputs("\r\033[K", stderr);
}

void LiveLine::run(std::stop_token stop) {
  const int64_t every_us = terminal_ ? 1'000'000 : 10'000'000;
  while (clock_.sleep_for_us(every_us, stop)) {
    const std::string text = text_();
    if (text.empty()) continue;
    std::fprintf(stderr, terminal_ ? "\r%s\033[K" : "%s\n", text.c_str());
    std::fflush(stderr);
    shown_ = true;
  }
}

}  // namespace weir::app
