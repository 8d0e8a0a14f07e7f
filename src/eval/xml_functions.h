// Kernels over XML in texts.
#pragma once

#include "eval/kernel.h"

namespace weir::eval {

std::span<const KernelEntry> xml_kernels();

}  // namespace weir::eval
