#include "app/stop_signal.h"

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "base/result.h"

namespace weir::app {

StopSignal::StopSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
  event_fd_ = eventfd(0, EFD_CLOEXEC);
  WEIR_CHECK(signal_fd >= 0 && event_fd_ >= 0, "no descriptor for signals");
  waiter_ = std::thread([this, signal_fd] {
    pollfd polled[2] = {{signal_fd, POLLIN, 0}, {event_fd_, POLLIN, 0}};
    while (true) {
      if (poll(polled, 2, -1) < 0) continue;
      if (polled[1].revents != 0) break;
      signalfd_siginfo info;
      if (read(signal_fd, &info, sizeof info) != sizeof info) continue;
      if (!source_.request_stop()) _exit(130);
    }
    close(signal_fd);
  });
}

StopSignal::~StopSignal() {
  const uint64_t one = 1;
  (void)!write(event_fd_, &one, sizeof one);
  waiter_.join();
  close(event_fd_);
}

void StopSignal::wait() {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait(lock, source_.get_token(), [] { return false; });
}

}  // namespace weir::app
