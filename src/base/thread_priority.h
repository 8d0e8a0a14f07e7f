// How much a thread's work counts beside that of others.
#pragma once

namespace weir::base {

// The calling thread gets processor and disk when others leave some: for work that nobody waits
// for. Best effort; it cannot be taken back.
void lower_thread_priority();

}  // namespace weir::base
