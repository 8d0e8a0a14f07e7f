// What DataFrame.freqItems counts with (data_sketches.h says what builders are).
#pragma once

#include "eval/data_sketches.h"

namespace weir::eval::items {

Result<std::unique_ptr<SketchBuilder>> make_frequent(const std::vector<std::string_view>& plan);
// The items of a builder's bytes(), in Spark's order.
Result<std::vector<Row>> frequent(std::string_view sketch);

}  // namespace weir::eval::items
