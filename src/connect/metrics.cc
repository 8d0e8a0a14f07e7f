#include "connect/metrics.h"

#include <cstring>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <spark/connect/base.pb.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "connect/data_types.h"
#include "connect/plan_decoder.h"

namespace weir::connect {

namespace {

using columnar::DataType;
using columnar::TypeKind;
using Literal = spark::connect::Expression_Literal;

template <typename T>
T fixed(const arrow::Array& array, int64_t row) {
  T value;
  std::memcpy(
      &value,
      array.data()->buffers[1]->data() + (array.offset() + row) * static_cast<int64_t>(sizeof(T)),
      sizeof(T));
  return value;
}

plan::Value plain_value(const DataType& type, const arrow::Array& array, int64_t row) {
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return static_cast<const arrow::BooleanArray&>(array).Value(row);
    case TypeKind::kByte:
      return int64_t{fixed<int8_t>(array, row)};
    case TypeKind::kShort:
      return int64_t{fixed<int16_t>(array, row)};
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return int64_t{fixed<int32_t>(array, row)};
    case TypeKind::kFloat:
      return static_cast<double>(fixed<float>(array, row));
    case TypeKind::kDouble:
      return fixed<double>(array, row);
    case TypeKind::kDecimal:
      return fixed<plan::Int128>(array, row);
    case TypeKind::kLong:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
    case TypeKind::kDayTimeInterval:
      return fixed<int64_t>(array, row);
    default:
      return std::string(static_cast<const arrow::BinaryArray&>(array).GetView(row));
  }
}

}  // namespace

void write_cell(const DataType& type, const arrow::Array& array, int64_t row, Literal& out) {
  if (type.is(TypeKind::kNull) || array.IsNull(row)) {
    write_literal(type, {}, out);
    return;
  }
  if (type.is(TypeKind::kArray)) {
    const auto& lists = static_cast<const arrow::ListArray&>(array);
    auto& written = *out.mutable_array();
    write_type(type.element(), *written.mutable_element_type());
    for (int64_t i = lists.value_offset(row); i < lists.value_offset(row + 1); ++i)
      write_cell(type.element(), *lists.values(), i, *written.add_elements());
  } else if (type.is(TypeKind::kMap)) {
    const auto& maps = static_cast<const arrow::MapArray&>(array);
    auto& written = *out.mutable_map();
    write_type(type.key(), *written.mutable_key_type());
    write_type(type.value(), *written.mutable_value_type());
    for (int64_t i = maps.value_offset(row); i < maps.value_offset(row + 1); ++i) {
      write_cell(type.key(), *maps.keys(), i, *written.add_keys());
      write_cell(type.value(), *maps.items(), i, *written.add_values());
    }
  } else if (type.is(TypeKind::kStruct)) {
    const auto& structs = static_cast<const arrow::StructArray&>(array);
    auto& written = *out.mutable_struct_();
    write_type(type, *written.mutable_struct_type());
    int i = 0;
    for (const auto& field : type.fields())
      write_cell(field.type(), *structs.field(i++), row, *written.add_elements());
  } else {
    write_literal(type, plain_value(type, array, row), out);
  }
}

Result<void> write_metrics(const std::string& name, const BatchPtr& row,
                           spark::connect::ExecutePlanResponse_ObservedMetrics& out) {
  WEIR_ASSIGN(const auto schema, columnar::from_arrow(*row->schema()));
  WEIR_ASSIGN(const auto plain, conform(row, columnar::to_arrow_schema(schema)));
  out.set_name(name);
  int i = 0;
  for (const auto& field : schema.fields()) {
    out.add_keys(field.name);
    write_cell(field.type(), *plain->column(i++), 0, *out.add_values());
  }
  return {};
}

}  // namespace weir::connect
