// Nested values as bytes whose order is Spark's: NULL first, NaN last, field by field, element by
// element, the shorter array first.
#include <cmath>

#include <arrow/api.h>

#include "columnar/fixed_value.h"
#include "eval/vector.h"
#include "relational/statement_builder.h"

namespace weir::relational {

namespace {

using columnar::TypeKind;

template <typename T>
void append_big_endian(T value, std::string& out) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8)
    out += static_cast<char>(static_cast<uint8_t>(value >> shift));
}

template <typename T>
void append_signed(const arrow::Array& array, int64_t row, std::string& out) {
  using Bits = std::make_unsigned_t<T>;
  append_big_endian(static_cast<Bits>(static_cast<Bits>(columnar::fixed_at<T>(array, row)) ^
                                      (Bits{1} << (sizeof(T) * 8 - 1))),
                    out);
}

template <typename T, typename Bits>
void append_real(const arrow::Array& array, int64_t row, std::string& out) {
  T value = columnar::fixed_at<T>(array, row);
  if (value == 0) value = 0;
  if (std::isnan(value)) value = std::numeric_limits<T>::quiet_NaN();
  Bits bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const Bits sign = Bits{1} << (sizeof(T) * 8 - 1);
  append_big_endian(static_cast<Bits>(bits & sign ? ~bits : bits | sign), out);
}

void append_order(const DataType& type, const arrow::Array& array, int64_t row, std::string& out) {
  if (array.IsNull(row) || type.is(TypeKind::kNull)) {
    out += '\0';
    return;
  }
  out += '\1';
  switch (type.kind()) {
    case TypeKind::kBoolean:
      out += static_cast<const arrow::BooleanArray&>(array).Value(row) ? '\1' : '\0';
      return;
    case TypeKind::kByte:
      return append_signed<int8_t>(array, row, out);
    case TypeKind::kShort:
      return append_signed<int16_t>(array, row, out);
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return append_signed<int32_t>(array, row, out);
    case TypeKind::kFloat:
      return append_real<float, uint32_t>(array, row, out);
    case TypeKind::kDouble:
      return append_real<double, uint64_t>(array, row, out);
    case TypeKind::kDecimal: {
      const auto value = columnar::fixed_at<plan::Int128>(array, row);
      append_big_endian(static_cast<uint64_t>(value >> 64) ^ (uint64_t{1} << 63), out);
      append_big_endian(static_cast<uint64_t>(value), out);
      return;
    }
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary: {
      for (const char c : static_cast<const arrow::BinaryArray&>(array).GetView(row)) {
        out += c;
        if (c == '\0') out += '\xFF';
      }
      out.append(2, '\0');
      return;
    }
    case TypeKind::kArray: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
        out += '\1';
        append_order(type.element(), *list.values(), i, out);
      }
      out += '\0';
      return;
    }
    case TypeKind::kStruct: {
      const auto& structure = static_cast<const arrow::StructArray&>(array);
      for (size_t i = 0; i < type.fields().size(); ++i)
        append_order(type.fields()[i].type(), *structure.field(static_cast<int>(i)), row, out);
      return;
    }
    default:
      return append_signed<int64_t>(array, row, out);
  }
}

}  // namespace

Result<std::string> StatementBuilder::order_bytes(const std::string& sql, const DataType& type) {
  auto function = [type](const arrow::RecordBatch& batch) -> Result<std::shared_ptr<arrow::Array>> {
    eval::TextWriter writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (batch.column(0)->IsNull(row)) {
        writer.add_null();
        continue;
      }
      append_order(type, *batch.column(0), row, writer.bytes());
      writer.end_row();
    }
    return writer.finish(arrow::binary());
  };
  return query_->add_function({type}, {sql}, DataType::of(TypeKind::kBinary), false,
                              std::move(function));
}

}  // namespace weir::relational
