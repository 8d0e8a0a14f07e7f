// A line on standard error that is rewritten in place on a terminal, and written anew every ten
// seconds elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "base/clock.h"

namespace weir::app {

class LiveLine {
 public:
  // text() is asked once a second, on a thread of the line's own, until the line is destroyed;
  // empty: nothing to say.
  LiveLine(base::Clock& clock, std::function<std::string()> text);
  ~LiveLine();
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

 private:
  void run(std::stop_token stop);

  base::Clock& clock_;
  std::function<std::string()> text_;
  bool terminal_;
  bool shown_ = false;
  std::jthread thread_;
};

}  // namespace weir::app
