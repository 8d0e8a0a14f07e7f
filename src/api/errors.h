// Errors of the rooms below as errors of include/weir/result.h, and back.
#pragma once

#include <utility>

#include "base/result.h"
#include "weir/result.h"

namespace weir::api {

Error to_public(const base::Error& error);
base::Error from_public(const Error& error);

inline Result<void> to_public(const base::Result<void>& result) {
  if (result.ok()) return {};
  return to_public(result.error());
}
template <typename T>
Result<T> to_public(base::Result<T> result) {
  if (result.ok()) return std::move(result).value();
  return to_public(result.error());
}

}  // namespace weir::api
