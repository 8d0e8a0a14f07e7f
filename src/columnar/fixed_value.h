// One value of an Arrow array whose values have a fixed width.
#pragma once

#include <cstdint>
#include <cstring>

#include <arrow/array.h>

namespace weir::columnar {

// `T` has the width of the array's values; a null slot gives whatever its bytes are.
template <typename T>
T fixed_at(const arrow::Array& array, int64_t row) {
  T value;
  std::memcpy(
      &value,
      array.data()->buffers[1]->data() + static_cast<size_t>(array.offset() + row) * sizeof(T),
      sizeof(T));
  return value;
}

}  // namespace weir::columnar
