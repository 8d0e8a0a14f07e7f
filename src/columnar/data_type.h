// Spark's data types as values, and their texts: schema JSON (as in Delta logs and Spark
// checkpoints) and DDL.
//
// A DataType is immutable and cheap to copy (children are shared). Field names keep their case;
// look-ups by name are the caller's choice of case. Arrow's types are derived in arrow_types.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::columnar {

using base::Result;

enum class TypeKind : uint8_t {
  kNull,
  kBoolean,
  kByte,     // 8-bit signed
  kShort,    // 16-bit signed
  kInteger,  // 32-bit signed
  kLong,     // 64-bit signed
  kFloat,
  kDouble,
  kDecimal,  // precision 1..38, scale 0..precision
  kString,
  kChar,     // length n; data as kString
  kVarchar,  // length n; data as kString
  kBinary,
  kDate,       // days since 1970-01-01, proleptic Gregorian
  kTimestamp,  // microseconds since 1970-01-01T00:00:00Z (an instant; shown in the session's zone)
  kTimestampNtz,       // microseconds of a local date and time
  kDayTimeInterval,    // microseconds; units from 0 day, 1 hour, 2 minute to 3 second
  kYearMonthInterval,  // months; units from 0 year to 1 month
  kArray,
  kMap,
  kStruct,
};

class DataType;

struct Field {
  std::string name;
  std::shared_ptr<const DataType> type_holder;  // never null; use type()
  bool nullable = true;
  base::JsonObject metadata;  // Spark's field metadata ({"comment": "…"}, delta.* keys)

  const DataType& type() const { return *type_holder; }
};

class DataType {
 public:
  // A type without parameters (not decimal, char, varchar, array, map, struct); intervals of all
  // their units.
  static DataType of(TypeKind kind);
  static DataType decimal(int precision, int scale);
  static DataType chars(int length);
  static DataType varchar(int length);
  // INTERVAL first TO last, by the units' numbers.
  static DataType interval(TypeKind kind, int first_unit, int last_unit);
  static DataType array(DataType element, bool contains_null = true);
  static DataType map(DataType key, DataType value, bool value_contains_null = true);
  static DataType structure(std::vector<Field> fields);

  TypeKind kind() const { return kind_; }
  bool is(TypeKind kind) const { return kind_ == kind; }
  int precision() const { return precision_; }   // decimal; for char and varchar the length
  int scale() const { return scale_; }           // decimal
  int first_unit() const { return precision_; }  // intervals
  int last_unit() const { return scale_; }       // intervals
  const DataType& element() const { return *children_[0]; }      // array
  const DataType& key() const { return *children_[0]; }          // map
  const DataType& value() const { return *children_[1]; }        // map
  bool contains_null() const { return contains_null_; }          // array elements, map values
  const std::vector<Field>& fields() const { return *fields_; }  // struct
  // Index of the field of that name (exact case), or -1.
  int field_index(std::string_view name) const;
  // Index of the only field of that name in any case, -1 where there is none, -2 where several
  // match.
  int field_index_ignoring_case(std::string_view name) const;

  bool is_numeric() const;
  bool is_interval() const {
    return kind_ == TypeKind::kDayTimeInterval || kind_ == TypeKind::kYearMonthInterval;
  }
  bool is_nested() const { return kind_ >= TypeKind::kArray; }
  // Structural equality, nullability and metadata left out.
  bool same_type(const DataType& other) const;
  bool operator==(const DataType& other) const;  // with nullability, without metadata

  // "struct<a:int,b:array<string>>", Spark's simpleString.
  std::string simple_string() const;
  // "STRUCT<a: INT NOT NULL, b: ARRAY<STRING>>", Spark's sql.
  std::string sql() const;
  // The type as in Spark's schema JSON: a string for primitives, else an object.
  base::JsonValue to_json() const;
  // The same type with every field, element and value nullable.
  DataType as_nullable() const;

 private:
  explicit DataType(TypeKind kind) : kind_(kind) {}
  TypeKind kind_;
  bool contains_null_ = true;
  int precision_ = 0;
  int scale_ = 0;
  std::vector<std::shared_ptr<const DataType>> children_;
  std::shared_ptr<const std::vector<Field>> fields_;
};

// A schema is a struct type.
using Schema = DataType;

// The number of an interval's unit ("day" … "second", "year", "month"; lower case) and its kind;
// nullopt for other words.
std::optional<std::pair<TypeKind, int>> interval_unit(std::string_view word);

Field make_field(std::string name, DataType type, bool nullable = true,
                 base::JsonObject metadata = {});

// Spark's schema JSON: {"type":"struct","fields":[…]} or a bare type ("long", "decimal(10,2)",
// {"type":"array",…}). kInvalidArgument names the path of what is wrong; types we don't have are
// kUnsupported, by name.
Result<DataType> parse_type_json(const base::JsonValue& json);
Result<DataType> parse_type_json_text(std::string_view text);

// DDL: "a INT NOT NULL COMMENT 'x', `b c` STRUCT<d: STRING, e DECIMAL(10,2)>", also "struct<…>" and
// a bare "a int, b". Type names in any case with Spark's aliases (INT/INTEGER, BIGINT/LONG,
// TINYINT/BYTE, SMALLINT/SHORT, REAL/FLOAT, DEC/NUMERIC/DECIMAL, TIMESTAMP_LTZ, TIMESTAMP_NTZ,
// INTERVAL DAY TO SECOND …). kInvalidArgument with the position.
Result<Schema> parse_ddl_schema(std::string_view ddl);
Result<DataType> parse_ddl_type(std::string_view ddl);
// "a INT NOT NULL,b STRING" (Spark's toDDL).
std::string schema_to_ddl(const Schema& schema);

}  // namespace weir::columnar
