#include "base/thread_priority.h"

#include <unistd.h>

#include <sys/resource.h>
#include <sys/syscall.h>

namespace weir::base {

void lower_thread_priority() {
#ifdef __linux__
  // Linux keeps both values by thread. Neither call needs a privilege to go down.
  constexpr int kNice = 10;        // a tenth of what others get: locks are not held for long
  constexpr int kIoWhoThread = 1;  // IOPRIO_WHO_PROCESS: a thread's id
  constexpr int kIoBestEffort7 = 2 << 13 | 7;  // the last of the best-effort class
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNice);
  (void)syscall(SYS_ioprio_set, kIoWhoThread, 0, kIoBestEffort7);
#endif
}

}  // namespace weir::base
