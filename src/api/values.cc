#include "api/values.h"

#include <limits>

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/record_batch.h>
#include <arrow/util/decimal.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "eval/node.h"

namespace weir::api {
namespace {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

template <typename Array>
const Array& as(const arrow::Array& array) {
  return static_cast<const Array&>(array);
}

Value value_at(const arrow::Array& array, int64_t row, const DataType& type);

Value::List values_between(const arrow::Array& array, int64_t begin, int64_t end,
                           const DataType& type) {
  Value::List list;
  for (int64_t i = begin; i < end; ++i)
    list.push_back(value_at(array, i, type));
  return list;
}

// The array is of the type's own Arrow type.
Value value_at(const arrow::Array& array, int64_t row, const DataType& type) {
  if (array.IsNull(row)) return {};
  switch (type.kind()) {
    case TypeKind::kNull:
      return {};
    case TypeKind::kBoolean:
      return as<arrow::BooleanArray>(array).Value(row);
    case TypeKind::kByte:
      return int64_t{as<arrow::Int8Array>(array).Value(row)};
    case TypeKind::kShort:
      return int64_t{as<arrow::Int16Array>(array).Value(row)};
    case TypeKind::kInteger:
    case TypeKind::kYearMonthInterval:
      return int64_t{as<arrow::Int32Array>(array).Value(row)};
    case TypeKind::kLong:
      return as<arrow::Int64Array>(array).Value(row);
    case TypeKind::kFloat:
      return double{as<arrow::FloatArray>(array).Value(row)};
    case TypeKind::kDouble:
      return as<arrow::DoubleArray>(array).Value(row);
    case TypeKind::kDecimal:
      return as<arrow::Decimal128Array>(array).FormatValue(row);
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary:
      return as<arrow::BinaryArray>(array).GetString(row);
    case TypeKind::kDate:
      return int64_t{as<arrow::Date32Array>(array).Value(row)};
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
      return as<arrow::TimestampArray>(array).Value(row);
    case TypeKind::kDayTimeInterval:
      return as<arrow::DurationArray>(array).Value(row);
    case TypeKind::kArray: {
      const auto& list = as<arrow::ListArray>(array);
      return values_between(*list.values(), list.value_offset(row), list.value_offset(row + 1),
                            type.element());
    }
    case TypeKind::kMap: {
      const auto& map = as<arrow::MapArray>(array);
      Value::List entries;
      for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i)
        entries.push_back(Value::List{value_at(*map.keys(), i, type.key()),
                                      value_at(*map.items(), i, type.value())});
      return entries;
    }
    case TypeKind::kStruct: {
      const auto& structure = as<arrow::StructArray>(array);
      Value::List fields;
      for (size_t i = 0; i < type.fields().size(); ++i)
        fields.push_back(
            value_at(*structure.field(static_cast<int>(i)), row, type.fields()[i].type()));
      return fields;
    }
  }
  return {};
}

std::string kind_of(const Value& value) {
  if (value.is_null()) return "NULL";
  if (value.boolean()) return "a boolean";
  if (value.integer()) return fmt::format("the integer {}", *value.integer());
  if (value.real()) return fmt::format("the number {}", *value.real());
  if (value.text()) return "a text";
  return fmt::format("a list of {}", value.list()->size());
}

base::Error not_of_type(const Value& value, const DataType& type) {
  return error(ErrorKind::kInvalidArgument, "{} is not a value of type {}", kind_of(value),
               type.sql());
}

base::Result<void> append(arrow::ArrayBuilder& builder, const Value& value, const DataType& type);

template <typename Builder>
base::Result<void> append_integer(arrow::ArrayBuilder& builder, const Value& value,
                                  const DataType& type) {
  using Number = typename Builder::value_type;
  const int64_t* number = value.integer();
  if (number == nullptr || *number < std::numeric_limits<Number>::min() ||
      *number > std::numeric_limits<Number>::max())
    return not_of_type(value, type);
  WEIR_ARROW_TRY(static_cast<Builder&>(builder).Append(static_cast<Number>(*number)));
  return {};
}

template <typename Builder>
base::Result<void> append_real(arrow::ArrayBuilder& builder, const Value& value,
                               const DataType& type) {
  if (!value.real() && !value.integer()) return not_of_type(value, type);
  const double number = value.real() ? *value.real() : static_cast<double>(*value.integer());
  using Number = typename Builder::value_type;
  WEIR_ARROW_TRY(static_cast<Builder&>(builder).Append(static_cast<Number>(number)));
  return {};
}

base::Result<void> append_decimal(arrow::ArrayBuilder& builder, const Value& value,
                                  const DataType& type) {
  if (!value.text()) return not_of_type(value, type);
  arrow::Decimal128 number;
  int32_t precision = 0;
  int32_t scale = 0;
  if (!arrow::Decimal128::FromString(*value.text(), &number, &precision, &scale).ok())
    return not_of_type(value, type);
  const auto scaled = number.Rescale(scale, type.scale());
  if (!scaled.ok() || !scaled->FitsInPrecision(type.precision())) return not_of_type(value, type);
  WEIR_ARROW_TRY(static_cast<arrow::Decimal128Builder&>(builder).Append(*scaled));
  return {};
}

base::Result<void> append_nested(arrow::ArrayBuilder& builder, const Value& value,
                                 const DataType& type) {
  const Value::List* list = value.list();
  if (list == nullptr) return not_of_type(value, type);
  if (type.is(TypeKind::kArray)) {
    auto& array = static_cast<arrow::ListBuilder&>(builder);
    WEIR_ARROW_TRY(array.Append());
    for (const Value& element : *list)
      WEIR_TRY(append(*array.value_builder(), element, type.element()));
    return {};
  }
  if (type.is(TypeKind::kMap)) {
    auto& map = static_cast<arrow::MapBuilder&>(builder);
    WEIR_ARROW_TRY(map.Append());
    for (const Value& entry : *list) {
      if (!entry.list() || entry.list()->size() != 2 || (*entry.list())[0].is_null())
        return not_of_type(entry, type);
      WEIR_TRY(append(*map.key_builder(), (*entry.list())[0], type.key()));
      WEIR_TRY(append(*map.item_builder(), (*entry.list())[1], type.value()));
    }
    return {};
  }
  auto& structure = static_cast<arrow::StructBuilder&>(builder);
  if (list->size() != type.fields().size()) return not_of_type(value, type);
  WEIR_ARROW_TRY(structure.Append());
  for (size_t i = 0; i < list->size(); ++i)
    WEIR_TRY(
        append(*structure.field_builder(static_cast<int>(i)), (*list)[i], type.fields()[i].type()));
  return {};
}

base::Result<void> append(arrow::ArrayBuilder& builder, const Value& value, const DataType& type) {
  if (value.is_null()) {
    WEIR_ARROW_TRY(builder.AppendNull());
    return {};
  }
  switch (type.kind()) {
    case TypeKind::kNull:
      return not_of_type(value, type);
    case TypeKind::kBoolean:
      if (!value.boolean()) return not_of_type(value, type);
      WEIR_ARROW_TRY(static_cast<arrow::BooleanBuilder&>(builder).Append(*value.boolean()));
      return {};
    case TypeKind::kByte:
      return append_integer<arrow::Int8Builder>(builder, value, type);
    case TypeKind::kShort:
      return append_integer<arrow::Int16Builder>(builder, value, type);
    case TypeKind::kInteger:
    case TypeKind::kYearMonthInterval:
      return append_integer<arrow::Int32Builder>(builder, value, type);
    case TypeKind::kLong:
      return append_integer<arrow::Int64Builder>(builder, value, type);
    case TypeKind::kDate:
      return append_integer<arrow::Date32Builder>(builder, value, type);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
      return append_integer<arrow::TimestampBuilder>(builder, value, type);
    case TypeKind::kDayTimeInterval:
      return append_integer<arrow::DurationBuilder>(builder, value, type);
    case TypeKind::kFloat:
      return append_real<arrow::FloatBuilder>(builder, value, type);
    case TypeKind::kDouble:
      return append_real<arrow::DoubleBuilder>(builder, value, type);
    case TypeKind::kDecimal:
      return append_decimal(builder, value, type);
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary:
      if (!value.text()) return not_of_type(value, type);
      WEIR_ARROW_TRY(static_cast<arrow::BinaryBuilder&>(builder).Append(*value.text()));
      return {};
    case TypeKind::kArray:
    case TypeKind::kMap:
    case TypeKind::kStruct:
      return append_nested(builder, value, type);
  }
  return not_of_type(value, type);
}

}  // namespace

base::Result<std::vector<Row>> to_rows(const arrow::RecordBatch& batch,
                                       const columnar::Schema& schema) {
  const auto& fields = schema.fields();
  WEIR_CHECK(batch.num_columns() == static_cast<int>(fields.size()), "columns of the rows");
  std::vector<Row> rows(static_cast<size_t>(batch.num_rows()));
  for (size_t column = 0; column < fields.size(); ++column) {
    const DataType& type = fields[column].type();
    WEIR_ASSIGN(const auto array,
                eval::canonical(batch.column(static_cast<int>(column)), columnar::to_arrow(type)));
    for (size_t row = 0; row < rows.size(); ++row)
      rows[row].push_back(value_at(*array, static_cast<int64_t>(row), type));
  }
  return rows;
}

base::Result<std::shared_ptr<arrow::RecordBatch>> to_batch(const std::vector<Row>& rows,
                                                           const columnar::Schema& schema) {
  const auto& fields = schema.fields();
  for (const Row& row : rows)
    if (row.size() != fields.size())
      return error(ErrorKind::kInvalidArgument, "a row has {} values; its columns are {}",
                   row.size(), columnar::schema_to_ddl(schema));
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t column = 0; column < fields.size(); ++column) {
    const columnar::Field& field = fields[column];
    std::unique_ptr<arrow::ArrayBuilder> builder;
    WEIR_ARROW_TRY(arrow::MakeBuilder(arrow::default_memory_pool(),
                                      columnar::to_arrow(field.type()), &builder));
    for (const Row& row : rows) {
      auto appended = row[column].is_null() && !field.nullable
                          ? not_of_type(row[column], field.type())
                          : append(*builder, row[column], field.type());
      if (!appended.ok()) return std::move(appended).error().with_context("column " + field.name);
    }
    std::shared_ptr<arrow::Array> array;
    WEIR_ARROW_TRY(builder->Finish(&array));
    columns.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(columnar::to_arrow_schema(schema),
                                  static_cast<int64_t>(rows.size()), std::move(columns));
}

}  // namespace weir::api
