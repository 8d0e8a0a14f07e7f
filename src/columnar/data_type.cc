#include "columnar/data_type.h"

#include <cctype>

#include "base/text.h"

namespace weir::columnar {

namespace {

// Spark's QuotingUtils.quoteIfNeeded: a plain identifier stays as it is.
std::string quote_if_needed(std::string_view name) {
  bool plain = !name.empty() && !(name[0] >= '0' && name[0] <= '9');
  for (char c : name) {
    plain = plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_');
  }
  if (plain) return std::string(name);
  std::string quoted = "`";
  for (char c : name) {
    if (c == '`') quoted += '`';
    quoted += c;
  }
  return quoted + "`";
}

// " COMMENT 'x'" as Spark writes it: quotes and backslashes escaped.
std::string ddl_comment(const Field& field) {
  auto comment = base::json_string(field.metadata, "comment");
  if (!comment) return "";
  std::string text = " COMMENT '";
  for (char c : *comment) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + "'";
}

std::string ddl_tail(const Field& field) {
  return (field.nullable ? "" : " NOT NULL") + ddl_comment(field);
}

std::string_view simple_name(TypeKind kind) {
  switch (kind) {
    case TypeKind::kNull:
      return "void";
    case TypeKind::kBoolean:
      return "boolean";
    case TypeKind::kByte:
      return "tinyint";
    case TypeKind::kShort:
      return "smallint";
    case TypeKind::kInteger:
      return "int";
    case TypeKind::kLong:
      return "bigint";
    case TypeKind::kFloat:
      return "float";
    case TypeKind::kDouble:
      return "double";
    case TypeKind::kString:
      return "string";
    case TypeKind::kBinary:
      return "binary";
    case TypeKind::kDate:
      return "date";
    case TypeKind::kTimestamp:
      return "timestamp";
    case TypeKind::kTimestampNtz:
      return "timestamp_ntz";
    case TypeKind::kDayTimeInterval:
    case TypeKind::kYearMonthInterval:
      return "interval";
    case TypeKind::kDecimal:
      return "decimal";
    case TypeKind::kChar:
      return "char";
    case TypeKind::kVarchar:
      return "varchar";
    case TypeKind::kArray:
      return "array";
    case TypeKind::kMap:
      return "map";
    case TypeKind::kStruct:
      return "struct";
  }
  return "unknown";
}

std::string_view json_name(TypeKind kind) {
  switch (kind) {
    case TypeKind::kByte:
      return "byte";
    case TypeKind::kShort:
      return "short";
    case TypeKind::kInteger:
      return "integer";
    case TypeKind::kLong:
      return "long";
    default:
      return simple_name(kind);
  }
}

constexpr std::string_view kDayTimeUnits[] = {"day", "hour", "minute", "second"};
constexpr std::string_view kYearMonthUnits[] = {"year", "month"};

// The parametrised primitives ("decimal(10,2)"); their texts are the same in JSON and in DDL.
std::string with_parameters(const DataType& type, std::string_view name) {
  if (type.is(TypeKind::kDecimal))
    return fmt::format("{}({},{})", name, type.precision(), type.scale());
  if (type.is(TypeKind::kChar) || type.is(TypeKind::kVarchar))
    return fmt::format("{}({})", name, type.precision());
  if (type.is_interval()) {
    const auto* units = type.is(TypeKind::kDayTimeInterval) ? kDayTimeUnits : kYearMonthUnits;
    if (type.first_unit() == type.last_unit())
      return fmt::format("{} {}", name, units[type.first_unit()]);
    return fmt::format("{} {} to {}", name, units[type.first_unit()], units[type.last_unit()]);
  }
  return std::string(name);
}

bool equal(const DataType& a, const DataType& b, bool with_nullability) {
  if (a.kind() != b.kind() || a.precision() != b.precision() || a.scale() != b.scale())
    return false;
  switch (a.kind()) {
    case TypeKind::kArray:
      return (!with_nullability || a.contains_null() == b.contains_null()) &&
             equal(a.element(), b.element(), with_nullability);
    case TypeKind::kMap:
      return (!with_nullability || a.contains_null() == b.contains_null()) &&
             equal(a.key(), b.key(), with_nullability) &&
             equal(a.value(), b.value(), with_nullability);
    case TypeKind::kStruct: {
      if (a.fields().size() != b.fields().size()) return false;
      for (size_t i = 0; i < a.fields().size(); ++i) {
        const Field& x = a.fields()[i];
        const Field& y = b.fields()[i];
        if (x.name != y.name || (with_nullability && x.nullable != y.nullable)) return false;
        if (!equal(x.type(), y.type(), with_nullability)) return false;
      }
      return true;
    }
    default:
      return true;
  }
}

}  // namespace

DataType DataType::of(TypeKind kind) {
  WEIR_CHECK(kind < TypeKind::kArray && kind != TypeKind::kDecimal && kind != TypeKind::kChar &&
                 kind != TypeKind::kVarchar,
             "DataType::of takes types without parameters");
  DataType type(kind);
  if (type.is_interval()) type.scale_ = kind == TypeKind::kDayTimeInterval ? 3 : 1;
  return type;
}

DataType DataType::interval(TypeKind kind, int first_unit, int last_unit) {
  DataType type(kind);
  WEIR_CHECK(type.is_interval() && first_unit >= 0 && first_unit <= last_unit &&
                 last_unit <= (kind == TypeKind::kDayTimeInterval ? 3 : 1),
             "an interval without such units");
  type.precision_ = first_unit;
  type.scale_ = last_unit;
  return type;
}

std::optional<std::pair<TypeKind, int>> interval_unit(std::string_view word) {
  for (int i = 0; i < 4; ++i) {
    if (kDayTimeUnits[i] == word) return std::pair(TypeKind::kDayTimeInterval, i);
  }
  for (int i = 0; i < 2; ++i) {
    if (kYearMonthUnits[i] == word) return std::pair(TypeKind::kYearMonthInterval, i);
  }
  return std::nullopt;
}

DataType DataType::decimal(int precision, int scale) {
  DataType type(TypeKind::kDecimal);
  type.precision_ = precision;
  type.scale_ = scale;
  return type;
}

DataType DataType::chars(int length) {
  DataType type(TypeKind::kChar);
  type.precision_ = length;
  return type;
}

DataType DataType::varchar(int length) {
  DataType type(TypeKind::kVarchar);
  type.precision_ = length;
  return type;
}

DataType DataType::array(DataType element, bool contains_null) {
  DataType type(TypeKind::kArray);
  type.contains_null_ = contains_null;
  type.children_ = {std::make_shared<const DataType>(std::move(element))};
  return type;
}

DataType DataType::map(DataType key, DataType value, bool value_contains_null) {
  DataType type(TypeKind::kMap);
  type.contains_null_ = value_contains_null;
  type.children_ = {std::make_shared<const DataType>(std::move(key)),
                    std::make_shared<const DataType>(std::move(value))};
  return type;
}

DataType DataType::structure(std::vector<Field> fields) {
  DataType type(TypeKind::kStruct);
  type.fields_ = std::make_shared<const std::vector<Field>>(std::move(fields));
  return type;
}

int DataType::field_index(std::string_view name) const {
  for (size_t i = 0; i < fields_->size(); ++i) {
    if ((*fields_)[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

int DataType::field_index_ignoring_case(std::string_view name) const {
  int found = -1;
  for (size_t i = 0; i < fields_->size(); ++i) {
    if (!base::equal_ignoring_case((*fields_)[i].name, name)) continue;
    if (found >= 0) return -2;
    found = static_cast<int>(i);
  }
  return found;
}

bool DataType::is_numeric() const {
  return kind_ >= TypeKind::kByte && kind_ <= TypeKind::kDecimal;
}
bool DataType::same_type(const DataType& other) const { return equal(*this, other, false); }
bool DataType::operator==(const DataType& other) const { return equal(*this, other, true); }

std::string DataType::simple_string() const {
  switch (kind_) {
    case TypeKind::kArray:
      return "array<" + element().simple_string() + ">";
    case TypeKind::kMap:
      return "map<" + key().simple_string() + "," + value().simple_string() + ">";
    case TypeKind::kStruct: {
      std::string text = "struct<";
      for (const Field& field : *fields_) {
        if (text.back() != '<') text += ',';
        text += field.name + ":" + field.type().simple_string();
      }
      return text + ">";
    }
    default:
      return with_parameters(*this, simple_name(kind_));
  }
}

std::string DataType::sql() const {
  switch (kind_) {
    case TypeKind::kArray:
      return "ARRAY<" + element().sql() + ">";
    case TypeKind::kMap:
      return "MAP<" + key().sql() + ", " + value().sql() + ">";
    case TypeKind::kStruct: {
      std::string text = "STRUCT<";
      for (const Field& field : *fields_) {
        if (text.size() > 7) text += ", ";
        text += quote_if_needed(field.name) + ": " + field.type().sql() + ddl_tail(field);
      }
      return text + ">";
    }
    default:
      return base::upper_case(simple_string());
  }
}

base::JsonValue DataType::to_json() const {
  base::JsonObject object;
  switch (kind_) {
    case TypeKind::kArray:
      object["type"] = "array";
      object["elementType"] = element().to_json();
      object["containsNull"] = contains_null_;
      return object;
    case TypeKind::kMap:
      object["type"] = "map";
      object["keyType"] = key().to_json();
      object["valueType"] = value().to_json();
      object["valueContainsNull"] = contains_null_;
      return object;
    case TypeKind::kStruct: {
      base::JsonArray fields;
      for (const Field& field : *fields_) {
        base::JsonObject one;
        one["name"] = field.name;
        one["type"] = field.type().to_json();
        one["nullable"] = field.nullable;
        one["metadata"] = field.metadata;
        fields.push_back(std::move(one));
      }
      object["type"] = "struct";
      object["fields"] = std::move(fields);
      return object;
    }
    default:
      return base::JsonValue(with_parameters(*this, json_name(kind_)));
  }
}

DataType DataType::as_nullable() const {
  switch (kind_) {
    case TypeKind::kArray:
      return array(element().as_nullable(), true);
    case TypeKind::kMap:
      return map(key().as_nullable(), value().as_nullable(), true);
    case TypeKind::kStruct: {
      std::vector<Field> fields;
      for (const Field& field : *fields_)
        fields.push_back(make_field(field.name, field.type().as_nullable(), true, field.metadata));
      return structure(std::move(fields));
    }
    default:
      return *this;
  }
}

Field make_field(std::string name, DataType type, bool nullable, base::JsonObject metadata) {
  return Field{std::move(name), std::make_shared<const DataType>(std::move(type)), nullable,
               std::move(metadata)};
}

std::string schema_to_ddl(const Schema& schema) {
  std::string text;
  for (const Field& field : schema.fields()) {
    if (!text.empty()) text += ',';
    text += quote_if_needed(field.name) + " " + field.type().sql() + ddl_tail(field);
  }
  return text;
}

}  // namespace weir::columnar
