#include "eval/list_rows.h"

#include <cmath>
#include <limits>

#include <arrow/array/concatenate.h>

#include "columnar/fixed_value.h"
#include "eval/node.h"

namespace weir::eval {

Result<ArrayPtr> ListOffsets::finish(const std::shared_ptr<arrow::DataType>& type,
                                     const ArrayPtr& values) {
  if (overflow_) {
    return base::error(base::ErrorKind::kResourceExhausted,
                       "the arrays of one batch hold more than 2^31 elements");
  }
  WEIR_ASSIGN(auto plain, canonical(values, type->field(0)->type()));
  const auto offsets = writer_.finish(arrow::int32())->data()->buffers[1];
  return arrow::MakeArray(arrow::ArrayData::Make(type, rows_, {nulls_.buffer(), offsets},
                                                 {plain->data()}, nulls_.count()));
}

Result<ArrayPtr> pick(const ArrayPtr& source, const std::vector<int64_t>& positions) {
  FixedWriter<int64_t> indices(static_cast<int64_t>(positions.size()));
  for (size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] < 0) {
      indices.set_null(static_cast<int64_t>(i));
    } else {
      indices.set(static_cast<int64_t>(i), positions[i]);
    }
  }
  return take_rows(source, *indices.finish(arrow::int64()));
}

Result<ArrayPtr> ListPicker::finish(const std::shared_ptr<arrow::DataType>& type,
                                    const ArrayPtr& source) {
  WEIR_ASSIGN(auto values, pick(source, positions_));
  return offsets_.finish(type, values);
}

Result<ArrayPtr> joined(const ArrayPtr& a, const ArrayPtr& b,
                        const std::shared_ptr<arrow::DataType>& type) {
  WEIR_ASSIGN(auto first, canonical(a, type));
  WEIR_ASSIGN(auto second, canonical(b, type));
  WEIR_ARROW_ASSIGN(auto both, arrow::Concatenate({first, second}));
  return both;
}

Result<ArrayPtr> text_lists(const KernelCall& call, ListOffsets& offsets,
                            const std::vector<std::string>& all) {
  TextWriter writer(static_cast<int64_t>(all.size()));
  for (const auto& one : all)
    writer.add(one);
  WEIR_ASSIGN(const auto values, writer.finish(arrow::utf8()));
  return offsets.finish(call.arrow_type, values);
}

namespace {

template <typename T>
void append_bytes(const T& value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <typename T>
void append_real(T value, std::string& out) {
  if (std::isnan(value)) value = std::numeric_limits<T>::quiet_NaN();
  if (value == 0) value = 0;
  append_bytes(value, out);
}

}  // namespace

void append_key(const DataType& type, const arrow::Array& array, int64_t row, std::string& out) {
  if (array.type_id() == arrow::Type::NA || array.IsNull(row)) {
    out.push_back('\0');
    return;
  }
  out.push_back('\1');
  switch (type.kind()) {
    case TypeKind::kNull:
      return;
    case TypeKind::kBoolean:
      out.push_back(static_cast<const arrow::BooleanArray&>(array).Value(row) ? '\1' : '\0');
      return;
    case TypeKind::kByte:
      return append_bytes(columnar::fixed_at<int8_t>(array, row), out);
    case TypeKind::kShort:
      return append_bytes(columnar::fixed_at<int16_t>(array, row), out);
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return append_bytes(columnar::fixed_at<int32_t>(array, row), out);
    case TypeKind::kFloat:
      return append_real(columnar::fixed_at<float>(array, row), out);
    case TypeKind::kDouble:
      return append_real(columnar::fixed_at<double>(array, row), out);
    case TypeKind::kDecimal:
      return append_bytes(columnar::fixed_at<plan::Int128>(array, row), out);
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary: {
      const Vector one{array.Slice(row, 1), false};
      const auto text = TextReader(one)[0];
      append_bytes(static_cast<uint64_t>(text.size()), out);
      out += text;
      return;
    }
    case TypeKind::kArray: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      append_bytes(static_cast<int64_t>(list.value_length(row)), out);
      for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i)
        append_key(type.element(), *list.values(), i, out);
      return;
    }
    case TypeKind::kMap: {
      const auto& map = static_cast<const arrow::MapArray&>(array);
      append_bytes(static_cast<int64_t>(map.value_length(row)), out);
      for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i) {
        append_key(type.key(), *map.keys(), i, out);
        append_key(type.value(), *map.items(), i, out);
      }
      return;
    }
    case TypeKind::kStruct: {
      const auto& structure = static_cast<const arrow::StructArray&>(array);
      for (size_t i = 0; i < type.fields().size(); ++i)
        append_key(type.fields()[i].type(), *structure.field(static_cast<int>(i)), row, out);
      return;
    }
    default:
      return append_bytes(columnar::fixed_at<int64_t>(array, row), out);
  }
}

}  // namespace weir::eval
