// Kernels over the bytes of sketches.
#pragma once

#include "eval/kernel.h"

namespace weir::eval {

std::span<const KernelEntry> sketch_kernels();

}  // namespace weir::eval
