// XML in texts as values, and back.
#pragma once

#include "eval/kernel.h"

namespace weir::eval {

std::span<const KernelEntry> xml_value_kernels();

}  // namespace weir::eval
