#include "delta/conform.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/memory_pool.h>
#include <arrow/type.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/key_value_metadata.h>

#include "base/text.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using columnar::DataType;
using columnar::Field;
using columnar::Result;
using columnar::TypeKind;

using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

int find_by_field_id(const arrow::FieldVector& fields, const Field& wanted) {
  const auto id = base::json_int(wanted.metadata, "delta.columnMapping.id");
  if (!id) return -1;
  const std::string text = std::to_string(*id);
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto& metadata = fields[i]->metadata();
    if (metadata == nullptr) continue;
    const auto found = metadata->Get("PARQUET:field_id");
    if (found.ok() && *found == text) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

int find_field(const arrow::FieldVector& fields, const Field& wanted, FieldMatch match) {
  if (match == FieldMatch::kFieldId) return find_by_field_id(fields, wanted);
  const std::string name = physical_name(wanted, match);
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i]->name() == name) return static_cast<int>(i);
  }
  if (match != FieldMatch::kName) return -1;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (base::lower_case(fields[i]->name()) == base::lower_case(name)) return static_cast<int>(i);
  }
  return -1;
}

namespace {

Result<ArrayPtr> conform_struct(const ArrayPtr& array, const DataType& target, FieldMatch match) {
  const auto& source = static_cast<const arrow::StructArray&>(*array);
  arrow::ArrayVector children;
  arrow::FieldVector fields;
  for (const Field& field : target.fields()) {
    const int index = find_field(array->type()->fields(), field, match);
    ArrayPtr child;
    if (index < 0) {
      WEIR_ARROW_ASSIGN(child,
                        arrow::MakeArrayOfNull(columnar::to_arrow(field.type()), array->length()));
    } else {
      WEIR_ASSIGN(child, conform(source.field(index), field.type(), match));
    }
    children.push_back(std::move(child));
    fields.push_back(columnar::to_arrow(field));
  }
  // source.field(i) already has the offset applied; the validity bitmap has not.
  std::shared_ptr<arrow::Buffer> validity = array->null_bitmap();
  if (validity != nullptr && array->offset() != 0) {
    WEIR_ARROW_ASSIGN(validity,
                      arrow::internal::CopyBitmap(arrow::default_memory_pool(), validity->data(),
                                                  array->offset(), array->length()));
  }
  return ArrayPtr(std::make_shared<arrow::StructArray>(columnar::to_arrow(target), array->length(),
                                                       std::move(children), std::move(validity),
                                                       array->null_count()));
}

Result<ArrayPtr> conform_list(const ArrayPtr& array, const DataType& target, FieldMatch match) {
  ArrayPtr list_array = array;
  if (array->type_id() == arrow::Type::LARGE_LIST) {
    const auto& element = static_cast<const arrow::LargeListType&>(*array->type()).value_field();
    WEIR_ARROW_ASSIGN(list_array, arrow::compute::Cast(*array, arrow::list(element)));
  }
  const auto& list = static_cast<const arrow::ListArray&>(*list_array);
  WEIR_ASSIGN(ArrayPtr values, conform(list.values(), target.element(), match));
  return ArrayPtr(std::make_shared<arrow::ListArray>(
      columnar::to_arrow(target), list.length(), list.value_offsets(), std::move(values),
      list.null_bitmap(), list.null_count(), list.offset()));
}

Result<ArrayPtr> conform_map(const ArrayPtr& array, const DataType& target, FieldMatch match) {
  const auto& map = static_cast<const arrow::MapArray&>(*array);
  WEIR_ASSIGN(ArrayPtr keys, conform(map.keys(), target.key(), match));
  WEIR_ASSIGN(ArrayPtr items, conform(map.items(), target.value(), match));
  return ArrayPtr(std::make_shared<arrow::MapArray>(
      columnar::to_arrow(target), map.length(), map.value_offsets(), std::move(keys),
      std::move(items), map.null_bitmap(), map.null_count(), map.offset()));
}

// Instants in another unit, or without a zone (INT96 has none): the number of microseconds since
// the epoch is kept.
Result<ArrayPtr> conform_timestamp(const ArrayPtr& array, const TypePtr& target) {
  const auto& source = static_cast<const arrow::TimestampType&>(*array->type());
  auto options = arrow::compute::CastOptions::Safe(
      arrow::timestamp(arrow::TimeUnit::MICRO, source.timezone()));
  options.allow_time_truncate = true;
  ArrayPtr micros = array;
  if (source.unit() != arrow::TimeUnit::MICRO) {
    WEIR_ARROW_ASSIGN(auto cast, arrow::compute::Cast(array, options));
    micros = cast.make_array();
  }
  WEIR_ARROW_ASSIGN(auto viewed, micros->View(target));
  return viewed;
}

}  // namespace

std::string physical_name(const Field& field, FieldMatch match) {
  if (match == FieldMatch::kName) return field.name;
  return base::json_string(field.metadata, "delta.columnMapping.physicalName").value_or(field.name);
}

Result<ArrayPtr> conform(const ArrayPtr& array, const DataType& target, FieldMatch match) {
  const TypePtr type = columnar::to_arrow(target);
  if (match == FieldMatch::kName && array->type()->Equals(*type)) return array;
  const arrow::Type::type source = array->type_id();
  if (source == arrow::Type::NA || target.is(TypeKind::kNull)) {
    WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(type, array->length()));
    return nulls;
  }
  const auto mismatch = [&] {
    return base::error(ErrorKind::kInvalidArgument, "type {} cannot become {}",
                       array->type()->ToString(), target.simple_string());
  };
  switch (target.kind()) {
    case TypeKind::kStruct:
      return source == arrow::Type::STRUCT ? conform_struct(array, target, match) : mismatch();
    case TypeKind::kArray:
      return source == arrow::Type::LIST || source == arrow::Type::LARGE_LIST
                 ? conform_list(array, target, match)
                 : mismatch();
    case TypeKind::kMap:
      return source == arrow::Type::MAP ? conform_map(array, target, match) : mismatch();
    default:
      break;
  }
  if (array->type()->Equals(*type)) return array;
  if (source == arrow::Type::TIMESTAMP && type->id() == arrow::Type::TIMESTAMP)
    return conform_timestamp(array, type);
  WEIR_ARROW_ASSIGN(auto cast,
                    arrow::compute::Cast(array, arrow::compute::CastOptions::Safe(type)));
  return cast.make_array();
}

}  // namespace weir::delta
