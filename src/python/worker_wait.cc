#include "python/worker_wait.h"

#include <cerrno>
#include <unistd.h>

#include <sys/eventfd.h>

namespace weir::python {

namespace {

base::Error cancelled() {
  return base::error(base::ErrorKind::kCancelled, "the query was cancelled");
}

}  // namespace

WorkerWait::WorkerWait(base::Clock& clock, int64_t silence_us)
    : clock_(clock), silence_us_(silence_us), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

WorkerWait::~WorkerWait() {
  if (wake_ >= 0) ::close(wake_);
}

void WorkerWait::add(std::vector<pollfd>& sockets, int socket, bool read, bool write) {
  const int events = (read ? POLLIN : 0) | (write ? POLLOUT : 0);
  if (events != 0) sockets.push_back({socket, static_cast<short>(events), 0});
}

base::Result<void> WorkerWait::wait(std::vector<pollfd> sockets, int64_t moved,
                                    const std::stop_token& stop) {
  if (moved != moved_) {
    moved_ = moved;
    restart();
  }
  if (stop.stop_requested()) return cancelled();
  const std::stop_callback wake(stop, [this] {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof(one));
  });
  sockets.push_back({wake_, POLLIN, 0});
  constexpr int kLookMs = 1000;
  while (true) {
    const int ready = ::poll(sockets.data(), sockets.size(), kLookMs);
    if (stop.stop_requested()) return cancelled();
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR)
      return base::error(base::ErrorKind::kIo, "waiting for Python workers failed");
    const auto silent_us = clock_.monotonic_us() - moved_us_;
    if (silence_us_ > 0 && silent_us > silence_us_)
      return base::error(base::ErrorKind::kTimeout,
                         "a Python worker has said nothing for {} seconds (weir serve "
                         "--python-timeout-s): the function hangs, or takes longer than that for "
                         "one batch",
                         silent_us / 1'000'000);
  }
}

}  // namespace weir::python
