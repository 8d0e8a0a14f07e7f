// String kernels that have files of their own; string_kernels() lists them with the others.
#pragma once

#include "eval/kernel.h"

namespace weir::eval {

std::span<const KernelEntry> url_kernels();
std::span<const KernelEntry> text_tool_kernels();

}  // namespace weir::eval
