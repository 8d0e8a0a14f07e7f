// The only place where Arrow's errors and streams meet ours.
#pragma once

#include <memory>
#include <utility>

#include <arrow/result.h>
#include <arrow/status.h>

#include "base/result.h"
#include "io/file_system.h"

namespace arrow::io {
class OutputStream;
class RandomAccessFile;
}  // namespace arrow::io

namespace weir::columnar {

base::Error from_arrow_status(const arrow::Status& status);

inline base::Result<void> from_arrow(const arrow::Status& status) {
  if (status.ok()) return {};
  return from_arrow_status(status);
}
template <typename T>
base::Result<T> from_arrow(arrow::Result<T> result) {
  if (result.ok()) return std::move(result).MoveValueUnsafe();
  return from_arrow_status(result.status());
}

// Arrow's streams over our files. An io error keeps its own text inside the Arrow status.
// The stream does not own syncing: after the last write the caller syncs and closes `file`.
std::shared_ptr<arrow::io::OutputStream> arrow_output(io::WritableFile& file);
base::Result<std::shared_ptr<arrow::io::RandomAccessFile>> arrow_input(
    std::shared_ptr<io::ReadableFile> file);

}  // namespace weir::columnar

// WEIR_ARROW_TRY(builder.Finish(&array));   WEIR_ARROW_ASSIGN(auto table, reader->Read());
#define WEIR_ARROW_TRY(expression) WEIR_TRY(::weir::columnar::from_arrow(expression))
#define WEIR_ARROW_ASSIGN(target, expression) \
  WEIR_ASSIGN(target, ::weir::columnar::from_arrow(expression))
