// Loops that most kernels are: one value out for each row in, NULL where an operand is NULL.
#pragma once

#include <optional>

#include "eval/kernel.h"

namespace weir::eval {

// f(values…) -> T.
template <typename T, typename F, typename... Readers>
ArrayPtr map_fixed(const KernelCall& call, F&& f, const Readers&... readers) {
  FixedWriter<T> writer(call.rows);
  if ((readers.valid.no_nulls() && ...)) {
    for (int64_t row = 0; row < call.rows; ++row)
      writer.set(row, f(readers[row]...));
  } else {
    for (int64_t row = 0; row < call.rows; ++row) {
      if ((readers.valid[row] && ...)) {
        writer.set(row, f(readers[row]...));
      } else {
        writer.set_null(row);
      }
    }
  }
  return writer.finish(call.arrow_type);
}

template <typename F, typename... Readers>
ArrayPtr map_bool(const KernelCall& call, F&& f, const Readers&... readers) {
  BoolWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if ((readers.valid[row] && ...)) {
      writer.set(row, f(readers[row]...));
    } else {
      writer.set_null(row);
    }
  }
  return writer.finish();
}

// f(values…, out) -> bool; false is NULL.
template <typename T, typename F, typename... Readers>
ArrayPtr map_nullable(const KernelCall& call, F&& f, const Readers&... readers) {
  FixedWriter<T> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    T out{};
    if ((readers.valid[row] && ...) && f(readers[row]..., out)) {
      writer.set(row, out);
    } else {
      writer.set_null(row);
    }
  }
  return writer.finish(call.arrow_type);
}

// f(values…, out) -> std::optional<Error>.
template <typename T, typename F, typename... Readers>
Result<ArrayPtr> map_failing(const KernelCall& call, F&& f, const Readers&... readers) {
  FixedWriter<T> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!(readers.valid[row] && ...)) {
      writer.set_null(row);
      continue;
    }
    std::optional<T> out;
    WEIR_TRY(f(readers[row]..., out));
    if (out) {
      writer.set(row, *out);
    } else {
      writer.set_null(row);
    }
  }
  return writer.finish(call.arrow_type);
}

// f(values…, bytes) appends the row's text.
template <typename F, typename... Readers>
Result<ArrayPtr> map_text(const KernelCall& call, F&& f, const Readers&... readers) {
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if ((readers.valid[row] && ...)) {
      f(readers[row]..., writer.bytes());
      writer.end_row();
    } else {
      writer.add_null();
    }
  }
  return writer.finish(call.arrow_type);
}

}  // namespace weir::eval
