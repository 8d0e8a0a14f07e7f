// Window functions as Spark's messages write them.
#pragma once

#include <string>
#include <vector>

#include "plan/operator.h"

namespace weir::plan {

struct WindowText {
  std::string function;  // sum(v#3)
  std::string
      specification;  // (PARTITION BY s.k ORDER BY s.v ASC NULLS FIRST ROWS BETWEEN … AND …)
};
// Over the columns `input`; plan_text.cc.
WindowText window_text(const TypedWindow& window, const std::vector<Column>& input);

}  // namespace weir::plan
