// Settings of the allocator for a streaming process, made before the first thread and the first
// Arrow call.
//
// Arrow's arrays come from malloc too (its own default pool keeps freed pages: a third more memory
// at the same speed, measured on Kafka → Delta); few arenas, and blocks of a batch's size out of
// the heap instead of fresh pages from the kernel each time. What the user sets in the environment
// (ARROW_DEFAULT_MEMORY_POOL, MALLOC_*) holds.
#pragma once

namespace weir::app {

void apply_memory_settings();

}  // namespace weir::app
