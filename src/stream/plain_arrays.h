// Arrays that not everybody knows (views, which point into a source's arenas) as plain ones.
#pragma once

#include <memory>

#include "base/result.h"

namespace arrow {
class RecordBatch;
}

namespace weir::stream {

base::Result<std::shared_ptr<arrow::RecordBatch>> with_plain_arrays(
    std::shared_ptr<arrow::RecordBatch> rows);

}  // namespace weir::stream
