// Structs and arrays made and taken apart.
#include <arrow/array/concatenate.h>
#include <arrow/compute/api.h>

#include "eval/compare.h"
#include "eval/map_rows.h"
#include "eval/node.h"

namespace weir::eval {

namespace {

Result<ArrayPtr> spread(const KernelCall& call, const Vector& vector,
                        const std::shared_ptr<arrow::DataType>& type) {
  WEIR_ASSIGN(auto array, materialize(vector, call.rows));
  return canonical(array, type);
}

Result<ArrayPtr> named_struct(KernelCall& call, Operands arguments) {
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (size_t i = 1; i < arguments.size(); i += 2) {
    WEIR_ASSIGN(auto child, spread(call, arguments[i],
                                   call.arrow_type->field(static_cast<int>(i / 2))->type()));
    children.push_back(child->data());
  }
  return arrow::MakeArray(
      arrow::ArrayData::Make(call.arrow_type, call.rows, {nullptr}, std::move(children), 0));
}

Result<ArrayPtr> plain_struct(KernelCall& call, Operands arguments) {
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (size_t i = 0; i < arguments.size(); ++i) {
    WEIR_ASSIGN(auto child,
                spread(call, arguments[i], call.arrow_type->field(static_cast<int>(i))->type()));
    children.push_back(child->data());
  }
  return arrow::MakeArray(
      arrow::ArrayData::Make(call.arrow_type, call.rows, {nullptr}, std::move(children), 0));
}

Result<ArrayPtr> make_array(KernelCall& call, Operands arguments) {
  const auto& element_type = call.arrow_type->field(0)->type();
  const auto width = static_cast<int64_t>(arguments.size());
  FixedWriter<int32_t> offsets(call.rows + 1);
  for (int64_t row = 0; row <= call.rows; ++row)
    offsets.set(row, static_cast<int32_t>(row * width));
  ArrayPtr values;
  if (arguments.empty()) {
    WEIR_ARROW_ASSIGN(values, arrow::MakeEmptyArray(element_type));
  } else {
    arrow::ArrayVector columns;
    for (const auto& argument : arguments) {
      WEIR_ASSIGN(auto column, spread(call, argument, element_type));
      columns.push_back(std::move(column));
    }
    WEIR_ARROW_ASSIGN(auto all, arrow::Concatenate(columns));
    FixedWriter<int64_t> order(call.rows * width);
    for (int64_t row = 0; row < call.rows; ++row) {
      for (int64_t i = 0; i < width; ++i)
        order.set(row * width + i, i * call.rows + row);
    }
    WEIR_ARROW_ASSIGN(values, arrow::compute::Take(*all, *order.finish(arrow::int64())));
  }
  const auto offset_buffer = offsets.finish(arrow::int32())->data()->buffers[1];
  return arrow::MakeArray(arrow::ArrayData::Make(call.arrow_type, call.rows,
                                                 {nullptr, offset_buffer}, {values->data()}, 0));
}

Result<ArrayPtr> size(KernelCall& call, Operands arguments) {
  const auto& list = static_cast<const arrow::ListArray&>(*arguments[0].array);  // a map is a list
  FixedWriter<int32_t> writer(call.rows);
  const Validity valid(arguments[0]);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (valid[row]) {
      writer.set(row, list.value_length(arguments[0].constant ? 0 : row));
    } else if (call.ansi()) {
      writer.set_null(row);
    } else {
      writer.set(row, -1);  // spark.sql.legacy.sizeOfNull
    }
  }
  return writer.finish(call.arrow_type);
}

enum class Access { kFromOne, kFromOneOrNull, kFromZero, kFromZeroOrNull };

base::Error out_of_bounds(const KernelCall& call, Access access, int64_t index, int64_t count) {
  if (access == Access::kFromOne) {
    return call.fail("INVALID_ARRAY_INDEX_IN_ELEMENT_AT", "22003",
                     fmt::format("The index {} is out of bounds. The array has {} elements. Use "
                                 "`try_element_at` to tolerate "
                                 "accessing element at invalid index and return NULL instead.",
                                 index, count));
  }
  return call.fail("INVALID_ARRAY_INDEX", "22003",
                   fmt::format("The index {} is out of bounds. The array has {} elements. Use the "
                               "SQL function `get()` to tolerate "
                               "accessing element at invalid index and return NULL instead.",
                               index, count));
}

Result<ArrayPtr> array_element(KernelCall& call, Operands arguments, Access access) {
  const auto& list = static_cast<const arrow::ListArray&>(*arguments[0].array);
  const Validity valid(arguments[0]);
  const FixedReader<int32_t> index(arguments[1]);
  FixedWriter<int64_t> positions(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!valid[row] || !index.valid[row]) {
      positions.set_null(row);
      continue;
    }
    const int64_t at = arguments[0].constant ? 0 : row;
    const int64_t count = list.value_length(at);
    int64_t wanted = index[row];
    if (access == Access::kFromOne || access == Access::kFromOneOrNull) {
      if (wanted == 0) {
        return call.fail("INVALID_INDEX_OF_ZERO", "22003",
                         "The index 0 is invalid. An index shall be either < 0 or > 0 (the first "
                         "element has index 1).");
      }
      wanted = wanted > 0 ? wanted - 1 : count + wanted;
    }
    if (wanted >= 0 && wanted < count) {
      positions.set(row, list.value_offset(at) + wanted);
    } else if (access != Access::kFromZeroOrNull && access != Access::kFromOneOrNull &&
               call.ansi()) {
      return out_of_bounds(call, access, index[row], count);
    } else {
      positions.set_null(row);
    }
  }
  WEIR_ASSIGN(auto taken, take_rows(list.values(), *positions.finish(arrow::int64())));
  return canonical(taken, call.arrow_type);
}

Result<ArrayPtr> map_value(KernelCall& call, Operands arguments) {
  const auto& map = static_cast<const arrow::MapArray&>(*arguments[0].array);
  const Validity valid(arguments[0]), key_valid(arguments[1]);
  const auto& key_type = call.type_of(0).key();
  FixedWriter<int64_t> positions(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    int64_t found = -1;
    if (valid[row] && key_valid[row]) {
      const int64_t at = arguments[0].constant ? 0 : row;
      for (int64_t i = map.value_offset(at); i < map.value_offset(at + 1) && found < 0; ++i) {
        if (compare_values(key_type, *map.keys(), i, *arguments[1].array,
                           arguments[1].constant ? 0 : row) == 0)
          found = i;
      }
    }
    if (found < 0) {
      positions.set_null(row);
    } else {
      positions.set(row, found);
    }
  }
  WEIR_ASSIGN(auto taken, take_rows(map.items(), *positions.finish(arrow::int64())));
  return canonical(taken, call.arrow_type);
}

template <Access access>
Result<ArrayPtr> element(KernelCall& call, Operands arguments) {
  if (call.type_of(0).is(TypeKind::kMap)) return map_value(call, arguments);
  return array_element(call, arguments, access);
}

Result<ArrayPtr> array_contains(KernelCall& call, Operands arguments) {
  const auto& list = static_cast<const arrow::ListArray&>(*arguments[0].array);
  const Validity valid(arguments[0]), value_valid(arguments[1]);
  BoolWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!valid[row] || !value_valid[row]) {
      writer.set_null(row);
      continue;
    }
    const int64_t at = arguments[0].constant ? 0 : row;
    bool found = false, unknown = false;
    for (int64_t i = list.value_offset(at); i < list.value_offset(at + 1) && !found; ++i) {
      if (list.values()->IsNull(i)) {
        unknown = true;
      } else {
        found = compare_values(call.type_of(1), *list.values(), i, *arguments[1].array,
                               arguments[1].constant ? 0 : row) == 0;
      }
    }
    if (found || !unknown) {
      writer.set(row, found);
    } else {
      writer.set_null(row);
    }
  }
  return writer.finish();
}

// Analysis answers typeof() with a literal; this is for a call that it leaves.
Result<ArrayPtr> type_of(KernelCall& call, Operands) {
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.add(call.type_of(0).simple_string());
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"named_struct", named_struct},
    {"struct", plain_struct},
    {"array", make_array},
    {"size", size},
    {"element_at", element<Access::kFromOne>},
    {"try_element_at", element<Access::kFromOneOrNull>},
    {"getitem", element<Access::kFromZero>},
    {"get", element<Access::kFromZeroOrNull>},
    {"array_contains", array_contains},
    {"typeof", type_of},
};

}  // namespace

std::span<const KernelEntry> nested_kernels() { return kKernels; }

}  // namespace weir::eval
