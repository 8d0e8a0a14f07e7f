#include "relational/duck_types.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "eval/node.h"

namespace weir::relational {

std::shared_ptr<arrow::DataType> duck_form(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case arrow::Type::TIMESTAMP:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case arrow::Type::DURATION:
      return arrow::int64();
    case arrow::Type::NA:
      return arrow::int32();
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return arrow::binary();
    case arrow::Type::LIST:
      return arrow::list(arrow::field("item", duck_form(type->field(0)->type())));
    case arrow::Type::STRUCT: {
      if (type->num_fields() == 0) return arrow::boolean();  // DuckDB has no struct without fields
      arrow::FieldVector fields;
      for (int i = 0; i < type->num_fields(); ++i) {
        fields.push_back(arrow::field("f" + std::to_string(i), duck_form(type->field(i)->type())));
      }
      return arrow::struct_(fields);
    }
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      return arrow::map(duck_form(map.key_type()), duck_form(map.item_type()));
    }
    default:
      return type;
  }
}

duckdb_logical_type duck_logical_type(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    case arrow::Type::INT8:
      return duckdb_create_logical_type(DUCKDB_TYPE_TINYINT);
    case arrow::Type::INT16:
      return duckdb_create_logical_type(DUCKDB_TYPE_SMALLINT);
    case arrow::Type::INT32:
      return duckdb_create_logical_type(DUCKDB_TYPE_INTEGER);
    case arrow::Type::INT64:
      return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    case arrow::Type::FLOAT:
      return duckdb_create_logical_type(DUCKDB_TYPE_FLOAT);
    case arrow::Type::DOUBLE:
      return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    case arrow::Type::STRING:
      return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    case arrow::Type::BINARY:
      return duckdb_create_logical_type(DUCKDB_TYPE_BLOB);
    case arrow::Type::DATE32:
      return duckdb_create_logical_type(DUCKDB_TYPE_DATE);
    case arrow::Type::TIMESTAMP:
      return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP);
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(type);
      return duckdb_create_decimal_type(static_cast<uint8_t>(decimal.precision()),
                                        static_cast<uint8_t>(decimal.scale()));
    }
    default:
      break;
  }
  std::vector<duckdb_logical_type> children;
  const auto release = [&] {
    for (auto& child : children)
      duckdb_destroy_logical_type(&child);
  };
  const auto add = [&](const arrow::DataType& child) {
    auto made = duck_logical_type(child);
    if (made) children.push_back(made);
    return made != nullptr;
  };
  duckdb_logical_type made = nullptr;
  if (type.id() == arrow::Type::LIST) {
    if (add(*type.field(0)->type())) made = duckdb_create_list_type(children[0]);
  } else if (type.id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(type);
    if (add(*map.key_type()) && add(*map.item_type()))
      made = duckdb_create_map_type(children[0], children[1]);
  } else if (type.id() == arrow::Type::STRUCT) {
    std::vector<const char*> names;
    bool all = true;
    for (int i = 0; i < type.num_fields(); ++i) {
      all &= add(*type.field(i)->type());
      names.push_back(type.field(i)->name().c_str());
    }
    if (all) made = duckdb_create_struct_type(children.data(), names.data(), children.size());
  }
  release();
  return made;
}

std::string duck_sql_type(const columnar::DataType& type) {
  using columnar::TypeKind;
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return "BOOLEAN";
    case TypeKind::kByte:
      return "TINYINT";
    case TypeKind::kShort:
      return "SMALLINT";
    case TypeKind::kNull:
    case TypeKind::kInteger:
    case TypeKind::kYearMonthInterval:
      return "INTEGER";
    case TypeKind::kLong:
    case TypeKind::kDayTimeInterval:
      return "BIGINT";
    case TypeKind::kFloat:
      return "FLOAT";
    case TypeKind::kDouble:
      return "DOUBLE";
    case TypeKind::kDecimal:
      return "DECIMAL(" + std::to_string(type.precision()) + "," + std::to_string(type.scale()) +
             ")";
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
      return "VARCHAR";
    case TypeKind::kBinary:
      return "BLOB";
    case TypeKind::kDate:
      return "DATE";
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
      return "TIMESTAMP";
    case TypeKind::kArray:
      return duck_sql_type(type.element()) + "[]";
    case TypeKind::kMap:
      return "MAP(" + duck_sql_type(type.key()) + ", " + duck_sql_type(type.value()) + ")";
    case TypeKind::kStruct:
      if (type.fields().empty()) return "BOOLEAN";
      break;
  }
  std::string text = "STRUCT(";
  for (size_t i = 0; i < type.fields().size(); ++i)
    text += (i ? ", f" : "f") + std::to_string(i) + " " + duck_sql_type(type.fields()[i].type());
  return text + ")";
}

namespace {

bool is_empty_struct(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRUCT && type.num_fields() == 0;
}

// Structs without fields to booleans and back: all that there is to know is which are NULL.
Result<std::shared_ptr<arrow::Array>> as_flags(const arrow::ArrayData& data,
                                               const std::shared_ptr<arrow::DataType>& type) {
  std::vector<std::shared_ptr<arrow::Buffer>> buffers{data.buffers[0]};
  if (!is_empty_struct(*type)) {
    WEIR_ARROW_ASSIGN(auto bits, arrow::AllocateEmptyBitmap(data.offset + data.length));
    buffers.push_back(std::move(bits));
  }
  return arrow::MakeArray(arrow::ArrayData::Make(type, data.length, std::move(buffers),
                                                 data.null_count.load(), data.offset));
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> relabel(const std::shared_ptr<arrow::Array>& array,
                                              const std::shared_ptr<arrow::DataType>& type) {
  if (array->type()->Equals(*type)) return array;
  const bool other_layout =
      array->type_id() == arrow::Type::NA || arrow::is_binary_view_like(array->type_id()) ||
      arrow::is_large_binary_like(array->type_id()) || array->type_id() == arrow::Type::DICTIONARY;
  if (other_layout) return eval::canonical(array, type);
  if (type->id() == arrow::Type::NA) {
    WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(type, array->length()));
    return nulls;
  }
  if (is_empty_struct(*type) || is_empty_struct(*array->type()))
    return as_flags(*array->data(), type);
  auto data = array->data()->Copy();
  const bool map = type->id() == arrow::Type::MAP;
  for (int i = 0; i < type->num_fields(); ++i) {
    auto& child = data->child_data[static_cast<size_t>(i)];
    const auto& wanted =
        map ? static_cast<const arrow::MapType&>(*type).value_type() : type->field(i)->type();
    WEIR_ASSIGN(auto relabelled, relabel(arrow::MakeArray(child), wanted));
    child = relabelled->data();
  }
  data->type = type;
  return arrow::MakeArray(std::move(data));
}

}  // namespace weir::relational
