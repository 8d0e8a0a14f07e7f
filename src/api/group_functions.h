// A C++ function over groups with state as the operator calls it.
#pragma once

#include <memory>

#include "columnar/data_type.h"
#include "operators/group_state.h"
#include "weir/group_state.h"

namespace weir::api {

struct NativeGroupFunction {
  columnar::Schema key = columnar::Schema::structure({});
  columnar::Schema input = columnar::Schema::structure({});
  columnar::Schema output = columnar::Schema::structure({});
  columnar::Schema state = columnar::Schema::structure({});
  FlatMapGroups function;
};

std::unique_ptr<operators::GroupFunction> make_group_function(NativeGroupFunction function);

}  // namespace weir::api
