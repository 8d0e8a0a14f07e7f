// Spark Connect's DataType message ↔ columnar::DataType.
#pragma once

#include "base/result.h"
#include "columnar/data_type.h"

namespace spark::connect {
class DataType;
}

namespace weir::connect {

using base::Result;

void write_type(const columnar::DataType& type, spark::connect::DataType& out);
// Types that weir does not have (variant, geometry …) are UNSUPPORTED_DATATYPE by name.
// User-defined types stand for the type that they are stored as.
Result<columnar::DataType> read_type(const spark::connect::DataType& type);

}  // namespace weir::connect
