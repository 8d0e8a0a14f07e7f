#include "columnar/arrow_types.h"

#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

namespace weir::columnar {

namespace {

// Arrow field metadata: what Arrow's type alone does not say, and Spark's own field metadata.
constexpr const char* kTypeKey = "weir.type";
constexpr const char* kMetadataKey = "weir.metadata";

bool loses_its_name(const DataType& type) {
  const bool some_units =
      type.is(TypeKind::kDayTimeInterval) && (type.first_unit() != 0 || type.last_unit() != 3);
  return type.is(TypeKind::kYearMonthInterval) || some_units || type.is(TypeKind::kChar) ||
         type.is(TypeKind::kVarchar);
}

std::shared_ptr<const arrow::KeyValueMetadata> arrow_metadata(const Field& field) {
  std::vector<std::string> keys;
  std::vector<std::string> values;
  if (loses_its_name(field.type())) {
    keys.emplace_back(kTypeKey);
    values.push_back(field.type().simple_string());
  }
  if (!field.metadata.empty()) {
    keys.emplace_back(kMetadataKey);
    values.push_back(base::json_text(field.metadata));
  }
  if (keys.empty()) return nullptr;
  return arrow::key_value_metadata(std::move(keys), std::move(values));
}

Result<Field> field_from_arrow(const arrow::Field& field) {
  base::JsonObject metadata;
  if (const auto& given = field.metadata()) {
    if (auto text = given->Get(kMetadataKey); text.ok()) {
      WEIR_ASSIGN(metadata, base::parse_json_object(*text, "metadata of field " + field.name()));
    }
    if (auto text = given->Get(kTypeKey); text.ok()) {
      WEIR_ASSIGN(DataType type, parse_ddl_type(*text));
      return make_field(field.name(), std::move(type), field.nullable(), std::move(metadata));
    }
  }
  auto type = from_arrow(*field.type());
  if (!type.ok()) return std::move(type).error().with_context("field " + field.name());
  return make_field(field.name(), std::move(type).value(), field.nullable(), std::move(metadata));
}

Result<Field> list_element(const arrow::DataType& type) {
  return field_from_arrow(*static_cast<const arrow::BaseListType&>(type).value_field());
}

}  // namespace

std::shared_ptr<arrow::DataType> to_arrow(const DataType& type) {
  switch (type.kind()) {
    case TypeKind::kNull:
      return arrow::null();
    case TypeKind::kBoolean:
      return arrow::boolean();
    case TypeKind::kByte:
      return arrow::int8();
    case TypeKind::kShort:
      return arrow::int16();
    case TypeKind::kInteger:
      return arrow::int32();
    case TypeKind::kLong:
      return arrow::int64();
    case TypeKind::kFloat:
      return arrow::float32();
    case TypeKind::kDouble:
      return arrow::float64();
    case TypeKind::kDecimal:
      return arrow::decimal128(type.precision(), type.scale());
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
      return arrow::utf8();
    case TypeKind::kBinary:
      return arrow::binary();
    case TypeKind::kDate:
      return arrow::date32();
    case TypeKind::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case TypeKind::kTimestampNtz:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case TypeKind::kDayTimeInterval:
      return arrow::duration(arrow::TimeUnit::MICRO);
    case TypeKind::kYearMonthInterval:
      return arrow::int32();
    case TypeKind::kArray:
      return arrow::list(to_arrow(make_field("element", type.element(), type.contains_null())));
    case TypeKind::kMap:
      return std::make_shared<arrow::MapType>(
          to_arrow(make_field("key", type.key(), false)),
          to_arrow(make_field("value", type.value(), type.contains_null())));
    case TypeKind::kStruct: {
      std::vector<std::shared_ptr<arrow::Field>> fields;
      fields.reserve(type.fields().size());
      for (const Field& field : type.fields())
        fields.push_back(to_arrow(field));
      return arrow::struct_(fields);
    }
  }
  WEIR_CHECK(false, "type kind without an Arrow type");
  return nullptr;
}

std::shared_ptr<arrow::Field> to_arrow(const Field& field) {
  return arrow::field(field.name, to_arrow(field.type()), field.nullable, arrow_metadata(field));
}

std::shared_ptr<arrow::Schema> to_arrow_schema(const Schema& schema) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  fields.reserve(schema.fields().size());
  for (const Field& field : schema.fields())
    fields.push_back(to_arrow(field));
  return arrow::schema(std::move(fields));
}

Result<DataType> from_arrow(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::NA:
      return DataType::of(TypeKind::kNull);
    case arrow::Type::BOOL:
      return DataType::of(TypeKind::kBoolean);
    case arrow::Type::INT8:
      return DataType::of(TypeKind::kByte);
    case arrow::Type::UINT8:  // Spark's Parquet reader gives unsigned integers the next wider type
    case arrow::Type::INT16:
      return DataType::of(TypeKind::kShort);
    case arrow::Type::UINT16:
    case arrow::Type::INT32:
      return DataType::of(TypeKind::kInteger);
    case arrow::Type::UINT32:
    case arrow::Type::INT64:
      return DataType::of(TypeKind::kLong);
    case arrow::Type::UINT64:
      return DataType::decimal(20, 0);
    case arrow::Type::FLOAT:
      return DataType::of(TypeKind::kFloat);
    case arrow::Type::DOUBLE:
      return DataType::of(TypeKind::kDouble);
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      if (decimal.precision() > 38 || decimal.scale() < 0 || decimal.scale() > decimal.precision())
        break;
      return DataType::decimal(decimal.precision(), decimal.scale());
    }
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return DataType::of(TypeKind::kString);
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return DataType::of(TypeKind::kBinary);
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return DataType::of(TypeKind::kDate);
    case arrow::Type::TIMESTAMP:
      return DataType::of(static_cast<const arrow::TimestampType&>(type).timezone().empty()
                              ? TypeKind::kTimestampNtz
                              : TypeKind::kTimestamp);
    case arrow::Type::DURATION:
      return DataType::of(TypeKind::kDayTimeInterval);
    case arrow::Type::INTERVAL_MONTHS:
      return DataType::of(TypeKind::kYearMonthInterval);
    case arrow::Type::DICTIONARY:
      return from_arrow(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::RUN_END_ENCODED:
      return from_arrow(*static_cast<const arrow::RunEndEncodedType&>(type).value_type());
    case arrow::Type::EXTENSION:
      return from_arrow(*static_cast<const arrow::ExtensionType&>(type).storage_type());
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST: {
      WEIR_ASSIGN(Field element, list_element(type));
      return DataType::array(element.type(), element.nullable);
    }
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      WEIR_ASSIGN(Field key, field_from_arrow(*map.key_field()));
      WEIR_ASSIGN(Field value, field_from_arrow(*map.item_field()));
      return DataType::map(key.type(), value.type(), value.nullable);
    }
    case arrow::Type::STRUCT: {
      std::vector<Field> fields;
      for (const auto& child : type.fields()) {
        WEIR_ASSIGN(Field field, field_from_arrow(*child));
        fields.push_back(std::move(field));
      }
      return DataType::structure(std::move(fields));
    }
    default:
      break;
  }
  return base::error(base::ErrorKind::kUnsupported, "Arrow type {} has no Spark type",
                     type.ToString());
}

Result<Schema> from_arrow(const arrow::Schema& schema) {
  std::vector<Field> fields;
  for (const auto& child : schema.fields()) {
    WEIR_ASSIGN(Field field, field_from_arrow(*child));
    fields.push_back(std::move(field));
  }
  return DataType::structure(std::move(fields));
}

}  // namespace weir::columnar
