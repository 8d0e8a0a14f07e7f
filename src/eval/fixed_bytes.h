// Values of fixed width in the bytes of sketches and their entries, in little endian.
#pragma once

#include <algorithm>
#include <cstring>
#include <string_view>

namespace weir::eval {

// Of bytes that are too few the rest is 0.
template <typename T>
T fixed(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof(T), bytes.size()));
  return value;
}

}  // namespace weir::eval
