// Waiting for workers: until one of them has said or taken something, a request to stop has come,
// or all have been silent for too long. One thread at a time; the request comes from any.
#pragma once

#include <cstdint>
#include <poll.h>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace weir::python {

class WorkerWait {
 public:
  // `silence_us`: workers that move nothing for so long are given up; 0: never.
  WorkerWait(base::Clock& clock, int64_t silence_us);
  ~WorkerWait();
  WorkerWait(const WorkerWait&) = delete;
  WorkerWait& operator=(const WorkerWait&) = delete;

  // The silence begins anew: a worker has joined.
  void restart() { moved_us_ = clock_.monotonic_us(); }
  // `moved`: how many bytes all of them have read and written so far.
  base::Result<void> wait(std::vector<pollfd> sockets, int64_t moved, const std::stop_token& stop);

  // Adds a socket, where there is something to wait for.
  static void add(std::vector<pollfd>& sockets, int socket, bool read, bool write);

 private:
  base::Clock& clock_;
  const int64_t silence_us_;
  const int wake_;  // an eventfd that a request to stop makes readable
  int64_t moved_ = 0;
  int64_t moved_us_ = 0;
};

}  // namespace weir::python
