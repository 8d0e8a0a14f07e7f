// Work on the shards of a store by several threads.
#pragma once

#include <functional>

#include "base/result.h"

namespace weir::state {

// Runs work(0 … count-1) on up to `threads` threads; the first error in order.
base::Result<void> for_each_shard(int count, int threads,
                                  const std::function<base::Result<void>(int)>& work);

}  // namespace weir::state
