#include "delta/schema_evolution.h"

#include <set>

#include "base/text.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using columnar::DataType;
using columnar::Field;
using columnar::Result;
using columnar::Schema;
using columnar::TypeKind;

constexpr std::string_view kInvalidNameCharacters = " ,;{}()\n\t=";

Result<DataType> delta_type(const DataType& type, const std::string& path);

Result<DataType> delta_struct(const DataType& type, const std::string& path) {
  std::set<std::string> names;
  std::vector<Field> fields;
  for (const Field& field : type.fields()) {
    const std::string field_path = path.empty() ? field.name : path + "." + field.name;
    if (field.name.empty() ||
        field.name.find_first_of(kInvalidNameCharacters) != std::string::npos) {
      return base::error(ErrorKind::kInvalidArgument,
                         "column name \"{}\" has characters that a Delta table without column "
                         "mapping cannot have (\" ,;{{}}()\\n\\t=\"); "
                         "give it an alias",
                         field_path)
          .with_class("DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES");
    }
    if (!names.insert(base::lower_case(field.name)).second) {
      return base::error(ErrorKind::kInvalidArgument,
                         "column {} is there twice (names are the same in any case)", field_path)
          .with_class("DELTA_DUPLICATE_COLUMNS_FOUND");
    }
    WEIR_ASSIGN(DataType inner, delta_type(field.type(), field_path));
    Field result =
        columnar::make_field(field.name, std::move(inner), field.nullable, field.metadata);
    if (field.type().is(TypeKind::kChar) || field.type().is(TypeKind::kVarchar)) {
      result.metadata["__CHAR_VARCHAR_TYPE_STRING"] = field.type().simple_string();
    }
    fields.push_back(std::move(result));
  }
  return DataType::structure(std::move(fields));
}

Result<DataType> delta_type(const DataType& type, const std::string& path) {
  switch (type.kind()) {
    case TypeKind::kChar:
    case TypeKind::kVarchar:
      return DataType::of(TypeKind::kString);
    case TypeKind::kDayTimeInterval:
    case TypeKind::kYearMonthInterval:
      return base::error(ErrorKind::kUnsupported, "column {}: Delta tables have no type {}", path,
                         type.simple_string())
          .with_class("DELTA_UNSUPPORTED_DATA_TYPES");
    case TypeKind::kArray: {
      WEIR_ASSIGN(DataType element, delta_type(type.element(), path + ".element"));
      return DataType::array(std::move(element), type.contains_null());
    }
    case TypeKind::kMap: {
      WEIR_ASSIGN(DataType key, delta_type(type.key(), path + ".key"));
      WEIR_ASSIGN(DataType value, delta_type(type.value(), path + ".value"));
      return DataType::map(std::move(key), std::move(value), type.contains_null());
    }
    case TypeKind::kStruct:
      return delta_struct(type, path);
    default:
      return type;
  }
}

int integer_width(TypeKind kind) {
  switch (kind) {
    case TypeKind::kByte:
      return 1;
    case TypeKind::kShort:
      return 2;
    case TypeKind::kInteger:
      return 4;
    case TypeKind::kLong:
      return 8;
    default:
      return 0;
  }
}

bool is_text(TypeKind kind) {
  return kind == TypeKind::kString || kind == TypeKind::kChar || kind == TypeKind::kVarchar;
}

// Every value of `from` is one of `to`.
bool fits(const DataType& from, const DataType& to) {
  if (from.is(TypeKind::kNull) || from.same_type(to)) return true;
  if (is_text(from.kind()) && is_text(to.kind())) return true;
  const int from_width = integer_width(from.kind());
  const int to_width = integer_width(to.kind());
  if (from_width > 0 && to_width > 0) return from_width <= to_width;
  if (from.is(TypeKind::kFloat) && to.is(TypeKind::kDouble)) return true;
  if (from_width > 0 && from_width <= 4 && to.is(TypeKind::kDouble)) return true;
  if (from.is(TypeKind::kDecimal) && to.is(TypeKind::kDecimal)) {
    return to.scale() >= from.scale() &&
           to.precision() - to.scale() >= from.precision() - from.scale();
  }
  return false;
}

Result<DataType> merge_type(const DataType& table, const DataType& rows, bool add_columns,
                            const std::string& path);

Result<DataType> merge_struct(const DataType& table, const DataType& rows, bool add_columns,
                              const std::string& path) {
  std::vector<Field> fields = table.fields();
  for (const Field& field : rows.fields()) {
    const std::string field_path = path.empty() ? field.name : path + "." + field.name;
    const int index = table.field_index_ignoring_case(field.name);
    if (index == -2) {
      return base::error(ErrorKind::kInvalidArgument, "column {} fits several columns of the table",
                         field_path);
    }
    if (index >= 0) {
      Field& target = fields[static_cast<size_t>(index)];
      WEIR_ASSIGN(DataType merged,
                  merge_type(target.type(), field.type(), add_columns, field_path));
      target =
          columnar::make_field(target.name, std::move(merged), target.nullable, target.metadata);
    } else if (add_columns) {
      fields.push_back(
          columnar::make_field(field.name, field.type().as_nullable(), true, field.metadata));
    } else {
      return base::error(ErrorKind::kInvalidArgument,
                         "the table has no column {}; set mergeSchema to add it", field_path)
          .with_class("_LEGACY_ERROR_TEMP_DELTA_0007");
    }
  }
  return DataType::structure(std::move(fields));
}

Result<DataType> merge_type(const DataType& table, const DataType& rows, bool add_columns,
                            const std::string& path) {
  if (table.is(TypeKind::kStruct) && rows.is(TypeKind::kStruct))
    return merge_struct(table, rows, add_columns, path);
  if (table.is(TypeKind::kArray) && rows.is(TypeKind::kArray)) {
    WEIR_ASSIGN(DataType element,
                merge_type(table.element(), rows.element(), add_columns, path + ".element"));
    return DataType::array(std::move(element), table.contains_null());
  }
  if (table.is(TypeKind::kMap) && rows.is(TypeKind::kMap)) {
    WEIR_ASSIGN(DataType key, merge_type(table.key(), rows.key(), add_columns, path + ".key"));
    WEIR_ASSIGN(DataType value,
                merge_type(table.value(), rows.value(), add_columns, path + ".value"));
    return DataType::map(std::move(key), std::move(value), table.contains_null());
  }
  if (fits(rows, table)) return table;
  if (fits(table, rows)) {
    return base::error(ErrorKind::kUnsupported,
                       "column {} is {} in the table and {} in the rows: widening a column's type "
                       "(typeWidening) is not supported; "
                       "cast the rows to {}",
                       path, table.simple_string(), rows.simple_string(), table.simple_string())
        .with_class("DELTA_FAILED_TO_MERGE_FIELDS");
  }
  return base::error(ErrorKind::kInvalidArgument,
                     "column {} is {} in the table and {} in the rows; cast it", path,
                     table.simple_string(), rows.simple_string())
      .with_class("DELTA_FAILED_TO_MERGE_FIELDS");
}

}  // namespace

Result<Schema> delta_schema(const Schema& schema) { return delta_type(schema, ""); }

Result<Schema> merged_schema(const Schema& table, const Schema& rows, bool add_columns) {
  return merge_struct(table, rows, add_columns, "");
}

bool has_timestamp_ntz(const DataType& type) {
  switch (type.kind()) {
    case TypeKind::kTimestampNtz:
      return true;
    case TypeKind::kArray:
      return has_timestamp_ntz(type.element());
    case TypeKind::kMap:
      return has_timestamp_ntz(type.key()) || has_timestamp_ntz(type.value());
    case TypeKind::kStruct:
      for (const Field& field : type.fields()) {
        if (has_timestamp_ntz(field.type())) return true;
      }
      return false;
    default:
      return false;
  }
}

}  // namespace weir::delta
