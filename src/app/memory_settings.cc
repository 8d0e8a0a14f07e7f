#include "app/memory_settings.h"

#include <cstdlib>
#include <malloc.h>

namespace weir::app {

void apply_memory_settings() {
  ::setenv("ARROW_DEFAULT_MEMORY_POOL", "system", 0);
#ifdef __GLIBC__
  if (std::getenv("MALLOC_ARENA_MAX") == nullptr) ::mallopt(M_ARENA_MAX, 2);
  if (std::getenv("MALLOC_MMAP_THRESHOLD_") == nullptr) ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  if (std::getenv("MALLOC_TRIM_THRESHOLD_") == nullptr) ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

}  // namespace weir::app
