#include "connect/data_types.h"

#include <spark/connect/types.pb.h>

#include "connect/requests.h"

namespace weir::connect {

namespace {

using columnar::DataType;
using columnar::Field;
using columnar::TypeKind;
using Proto = spark::connect::DataType;

constexpr int kDepthMax = 200;

Result<DataType> read(const Proto& type, int depth);

// Units that are not set are the kind's all.
template <typename Interval>
Result<DataType> read_interval(TypeKind kind, const Interval& interval, int last) {
  const int from = interval.has_start_field() ? interval.start_field() : 0;
  const int to = interval.has_end_field() ? interval.end_field() : last;
  if (from < 0 || to > last || from > to)
    return base::error(base::ErrorKind::kInvalidArgument, "interval units {} to {}", from, to);
  return DataType::interval(kind, from, to);
}

Result<Field> read_field(const Proto::StructField& field, int depth) {
  WEIR_ASSIGN(auto type, read(field.data_type(), depth));
  base::JsonObject metadata;
  if (!field.metadata().empty()) {
    WEIR_ASSIGN(metadata, base::parse_json_object(field.metadata(), "metadata of a field"));
  }
  return columnar::make_field(field.name(), std::move(type), field.nullable(), std::move(metadata));
}

Result<DataType> read_nested(const Proto& type, int depth) {
  switch (type.kind_case()) {
    case Proto::kArray: {
      WEIR_ASSIGN(auto element, read(type.array().element_type(), depth));
      return DataType::array(std::move(element), type.array().contains_null());
    }
    case Proto::kMap: {
      WEIR_ASSIGN(auto key, read(type.map().key_type(), depth));
      WEIR_ASSIGN(auto value, read(type.map().value_type(), depth));
      return DataType::map(std::move(key), std::move(value), type.map().value_contains_null());
    }
    default: {
      std::vector<Field> fields;
      for (const auto& field : type.struct_().fields()) {
        WEIR_ASSIGN(auto read_one, read_field(field, depth));
        fields.push_back(std::move(read_one));
      }
      return DataType::structure(std::move(fields));
    }
  }
}

Result<DataType> read_decimal(const Proto::Decimal& decimal) {
  const int precision = decimal.has_precision() ? decimal.precision() : 10;
  const int scale = decimal.has_scale() ? decimal.scale() : 0;
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision)
    return invalid_plan("decimal({},{}) is no type", precision, scale);
  return DataType::decimal(precision, scale);
}

Result<DataType> read(const Proto& type, int depth) {
  if (depth > kDepthMax) return invalid_plan("a type is nested more than {} levels", kDepthMax);
  switch (type.kind_case()) {
    case Proto::kNull:
      return DataType::of(TypeKind::kNull);
    case Proto::kBinary:
      return DataType::of(TypeKind::kBinary);
    case Proto::kBoolean:
      return DataType::of(TypeKind::kBoolean);
    case Proto::kByte:
      return DataType::of(TypeKind::kByte);
    case Proto::kShort:
      return DataType::of(TypeKind::kShort);
    case Proto::kInteger:
      return DataType::of(TypeKind::kInteger);
    case Proto::kLong:
      return DataType::of(TypeKind::kLong);
    case Proto::kFloat:
      return DataType::of(TypeKind::kFloat);
    case Proto::kDouble:
      return DataType::of(TypeKind::kDouble);
    case Proto::kDecimal:
      return read_decimal(type.decimal());
    case Proto::kString:
      if (!type.string().collation().empty() && type.string().collation() != "UTF8_BINARY")
        return unsupported("the collation {}", type.string().collation());
      return DataType::of(TypeKind::kString);
    case Proto::kChar:
      return DataType::chars(type.char_().length());
    case Proto::kVarChar:
      return DataType::varchar(type.var_char().length());
    case Proto::kDate:
      return DataType::of(TypeKind::kDate);
    case Proto::kTimestamp:
      return DataType::of(TypeKind::kTimestamp);
    case Proto::kTimestampNtz:
      return DataType::of(TypeKind::kTimestampNtz);
    case Proto::kYearMonthInterval:
      return read_interval(TypeKind::kYearMonthInterval, type.year_month_interval(), 1);
    case Proto::kDayTimeInterval:
      return read_interval(TypeKind::kDayTimeInterval, type.day_time_interval(), 3);
    case Proto::kArray:
    case Proto::kMap:
    case Proto::kStruct:
      return read_nested(type, depth + 1);
    case Proto::kUdt:
      if (!type.udt().has_sql_type()) return unsupported("a user-defined type without SQL type");
      return read(type.udt().sql_type(), depth + 1);
    case Proto::kUnparsed: {  // a type, or the columns of a struct
      const auto& text = type.unparsed().data_type_string();
      auto one = columnar::parse_ddl_type(text);
      if (one.ok()) return one;
      auto columns = columnar::parse_ddl_schema(text);
      return columns.ok() ? std::move(columns) : std::move(one);
    }
    default:
      return unsupported("the data type {}", case_name(type, "kind"));
  }
}

// Primitive types whose message is empty.
bool write_primitive(TypeKind kind, Proto& out) {
  switch (kind) {
    case TypeKind::kNull:
      return out.mutable_null(), true;
    case TypeKind::kBoolean:
      return out.mutable_boolean(), true;
    case TypeKind::kByte:
      return out.mutable_byte(), true;
    case TypeKind::kShort:
      return out.mutable_short_(), true;
    case TypeKind::kInteger:
      return out.mutable_integer(), true;
    case TypeKind::kLong:
      return out.mutable_long_(), true;
    case TypeKind::kFloat:
      return out.mutable_float_(), true;
    case TypeKind::kDouble:
      return out.mutable_double_(), true;
    case TypeKind::kBinary:
      return out.mutable_binary(), true;
    case TypeKind::kDate:
      return out.mutable_date(), true;
    case TypeKind::kTimestamp:
      return out.mutable_timestamp(), true;
    case TypeKind::kTimestampNtz:
      return out.mutable_timestamp_ntz(), true;
    default:
      return false;
  }
}

}  // namespace

Result<DataType> read_type(const Proto& type) { return read(type, 0); }

void write_type(const DataType& type, Proto& out) {
  if (write_primitive(type.kind(), out)) return;
  switch (type.kind()) {
    case TypeKind::kDecimal:
      out.mutable_decimal()->set_precision(type.precision());
      out.mutable_decimal()->set_scale(type.scale());
      return;
    case TypeKind::kChar:
      out.mutable_char_()->set_length(type.precision());
      return;
    case TypeKind::kVarchar:
      out.mutable_var_char()->set_length(type.precision());
      return;
    case TypeKind::kDayTimeInterval:
      out.mutable_day_time_interval()->set_start_field(type.first_unit());
      out.mutable_day_time_interval()->set_end_field(type.last_unit());
      return;
    case TypeKind::kYearMonthInterval:
      out.mutable_year_month_interval()->set_start_field(type.first_unit());
      out.mutable_year_month_interval()->set_end_field(type.last_unit());
      return;
    case TypeKind::kArray:
      write_type(type.element(), *out.mutable_array()->mutable_element_type());
      out.mutable_array()->set_contains_null(type.contains_null());
      return;
    case TypeKind::kMap:
      write_type(type.key(), *out.mutable_map()->mutable_key_type());
      write_type(type.value(), *out.mutable_map()->mutable_value_type());
      out.mutable_map()->set_value_contains_null(type.contains_null());
      return;
    case TypeKind::kStruct:
      out.mutable_struct_();
      for (const Field& field : type.fields()) {
        auto& written = *out.mutable_struct_()->add_fields();
        written.set_name(field.name);
        written.set_nullable(field.nullable);
        if (!field.metadata.empty()) written.set_metadata(base::json_text(field.metadata));
        write_type(field.type(), *written.mutable_data_type());
      }
      return;
    default:
      out.mutable_string()->set_collation("UTF8_BINARY");
  }
}

}  // namespace weir::connect
