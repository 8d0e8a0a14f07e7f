// Time zones are the room columnar's; kernels call them Zone.
#pragma once

#include "columnar/zone.h"

namespace weir::eval {

using columnar::Zone;

}  // namespace weir::eval
