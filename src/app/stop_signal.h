// Ctrl-C and SIGTERM as a stop_token.
//
// Made first thing in a command, before any thread is started: the constructor blocks the two
// signals for this thread and all that follow, and a thread of its own waits for them. The first
// signal requests a stop; a second one ends the process at once with exit code 130.
#pragma once

#include <stop_token>
#include <thread>

namespace weir::app {

class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }
  // As if a signal had come.
  void request_stop() { source_.request_stop(); }
  // Blocks until a stop is requested.
  void wait();

 private:
  std::stop_source source_;
  int event_fd_ = -1;  // wakes the thread at destruction
  std::thread waiter_;
};

}  // namespace weir::app
