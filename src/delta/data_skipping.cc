#include <cmath>
#include <optional>

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "delta/civil_time.h"
#include "delta/partition_values.h"
#include "delta/predicate.h"

namespace weir::delta {
namespace {

using base::JsonObject;
using base::JsonValue;
using columnar::DataType;
using columnar::Field;
using columnar::TypeKind;

constexpr int64_t kMillisecondUs = 1000;

// A column that a predicate names: its type, and its name in statistics and partition values.
struct ResolvedColumn {
  const DataType* type = nullptr;
  std::vector<std::string> physical_path;
};

std::optional<ResolvedColumn> resolve(const columnar::Schema& schema,
                                      const std::vector<std::string>& path) {
  ResolvedColumn column{&schema, {}};
  for (const std::string& name : path) {
    if (!column.type->is(TypeKind::kStruct)) return std::nullopt;
    const int index = column.type->field_index_ignoring_case(name);
    if (index < 0) return std::nullopt;
    const Field& field = column.type->fields()[static_cast<size_t>(index)];
    column.physical_path.push_back(
        base::json_string(field.metadata, "delta.columnMapping.physicalName").value_or(field.name));
    column.type = &field.type();
  }
  return column;
}

// kUnknown: not comparable, or nothing is known.
enum class Order { kLess, kEqual, kGreater, kUnknown };

template <typename T>
Order order(const T& a, const T& b) {
  return a < b ? Order::kLess : b < a ? Order::kGreater : Order::kEqual;
}

// A bound or partition value as one of the literal's forms.
Order compare(const Literal& value, const Literal& literal) {
  const auto number = [](const Literal& side)
      -> std::optional<long double> {  // 64 bits of mantissa: exact for int64_t
    if (const auto* integer = std::get_if<int64_t>(&side)) return *integer;
    if (const auto* real = std::get_if<double>(&side); real != nullptr && !std::isnan(*real))
      return *real;
    return std::nullopt;
  };
  const auto* text = std::get_if<std::string>(&value);
  const auto* other_text = std::get_if<std::string>(&literal);
  if (text != nullptr && other_text != nullptr) return order(*text, *other_text);
  const auto* flag = std::get_if<bool>(&value);
  const auto* other_flag = std::get_if<bool>(&literal);
  if (flag != nullptr && other_flag != nullptr) return order(*flag, *other_flag);
  const auto a = number(value);
  const auto b = number(literal);
  if (!a || !b) return Order::kUnknown;
  return order(*a, *b);
}

struct Bounds {
  Literal min;  // none where unknown
  Literal max;
  bool exact = false;        // both are values of the file, not rounded
  bool max_is_upper = true;  // false: rows above may be there (NaN)
  bool all_null = false;
  bool no_null = false;
};

bool may_match_bounds(const Bounds& bounds, const Comparison& comparison) {
  const ComparisonOp op = comparison.op;
  if (op == ComparisonOp::kIsNull) return !bounds.no_null;
  if (op == ComparisonOp::kIsNotNull) return !bounds.all_null;
  if (bounds.all_null) return false;
  const Order min = compare(bounds.min, comparison.literal);
  const Order max = bounds.max_is_upper || op == ComparisonOp::kEqual
                        ? compare(bounds.max, comparison.literal)
                        : Order::kUnknown;
  switch (op) {
    case ComparisonOp::kEqual:
      return min != Order::kGreater && max != Order::kLess;
    case ComparisonOp::kNotEqual:
      return !(bounds.exact && min == Order::kEqual && max == Order::kEqual);
    case ComparisonOp::kLess:
      return min != Order::kGreater && min != Order::kEqual;
    case ComparisonOp::kLessOrEqual:
      return min != Order::kGreater;
    case ComparisonOp::kGreater:
      return max != Order::kLess && max != Order::kEqual;
    case ComparisonOp::kGreaterOrEqual:
      return max != Order::kLess;
    default:
      return true;
  }
}

Literal statistic_literal(const DataType& type, const JsonValue* value, bool is_max) {
  if (value == nullptr) return {};
  switch (type.kind()) {
    case TypeKind::kByte:
    case TypeKind::kShort:
    case TypeKind::kInteger:
    case TypeKind::kLong:
      return value->is_int64() ? Literal(value->get_int64()) : Literal();
    case TypeKind::kFloat:
    case TypeKind::kDouble:
      return value->is_number() ? Literal(value->to_number<double>()) : Literal();
    case TypeKind::kString:
      return value->is_string() ? Literal(std::string(value->get_string())) : Literal();
    case TypeKind::kDate: {
      const auto days = value->is_string() ? parse_date(value->get_string()) : std::nullopt;
      return days ? Literal(*days) : Literal();
    }
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz: {
      // Writers cut to milliseconds, also the maximum.
      const auto us = value->is_string() ? parse_timestamp(value->get_string()) : std::nullopt;
      return us ? Literal(*us + (is_max ? kMillisecondUs - 1 : 0)) : Literal();
    }
    default:
      return {};  // decimals: a JSON number may have lost digits
  }
}

const JsonValue* member_at(const JsonObject& statistics, std::string_view part,
                           const std::vector<std::string>& path) {
  const JsonValue* value = statistics.if_contains(part);
  for (const std::string& name : path) {
    const JsonObject* object = value == nullptr ? nullptr : value->if_object();
    if (object == nullptr) return nullptr;
    value = object->if_contains(name);
  }
  return value;
}

Bounds statistics_bounds(const JsonObject& statistics, const ResolvedColumn& column) {
  Bounds bounds;
  bounds.min = statistic_literal(*column.type,
                                 member_at(statistics, "minValues", column.physical_path), false);
  bounds.max = statistic_literal(*column.type,
                                 member_at(statistics, "maxValues", column.physical_path), true);
  const TypeKind kind = column.type->kind();
  bounds.exact = (kind >= TypeKind::kByte && kind <= TypeKind::kLong) || kind == TypeKind::kDate;
  bounds.max_is_upper = kind != TypeKind::kFloat &&
                        kind != TypeKind::kDouble;  // some writers leave NaN out of the maximum
  const auto rows = base::json_int(statistics, "numRecords");
  const JsonValue* nulls = member_at(statistics, "nullCount", column.physical_path);
  if (nulls != nullptr && nulls->is_int64()) {
    bounds.no_null = nulls->get_int64() == 0;
    bounds.all_null = rows && *rows > 0 && nulls->get_int64() == *rows;
  }
  return bounds;
}

Literal scalar_literal(const arrow::Scalar& scalar) {
  switch (scalar.type->id()) {
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanScalar&>(scalar).value;
    case arrow::Type::INT8:
      return int64_t{static_cast<const arrow::Int8Scalar&>(scalar).value};
    case arrow::Type::INT16:
      return int64_t{static_cast<const arrow::Int16Scalar&>(scalar).value};
    case arrow::Type::INT32:
      return int64_t{static_cast<const arrow::Int32Scalar&>(scalar).value};
    case arrow::Type::INT64:
      return static_cast<const arrow::Int64Scalar&>(scalar).value;
    case arrow::Type::DATE32:
      return int64_t{static_cast<const arrow::Date32Scalar&>(scalar).value};
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampScalar&>(scalar).value;
    case arrow::Type::FLOAT:
      return static_cast<double>(static_cast<const arrow::FloatScalar&>(scalar).value);
    case arrow::Type::DOUBLE:
      return static_cast<const arrow::DoubleScalar&>(scalar).value;
    case arrow::Type::STRING:
      return static_cast<const arrow::StringScalar&>(scalar).value->ToString();
    default:
      return {};
  }
}

std::optional<Bounds> partition_bounds(const Metadata& metadata, const Field& field,
                                       const AddFile& file, const ResolvedColumn& column) {
  const auto& partitions = metadata.partition_columns;
  if (std::find(partitions.begin(), partitions.end(), field.name) == partitions.end())
    return std::nullopt;
  Bounds bounds;
  const auto text = file.partition_values.find(column.physical_path.front());
  const auto scalar = partition_scalar(
      *column.type, text == file.partition_values.end() ? std::nullopt : text->second);
  if (!scalar.ok()) return bounds;  // reading the file will say what is wrong
  bounds.all_null = !(*scalar)->is_valid;
  bounds.no_null = (*scalar)->is_valid;
  if (bounds.all_null) return bounds;
  bounds.min = bounds.max = scalar_literal(**scalar);
  bounds.exact = true;
  const auto* real = std::get_if<double>(&bounds.min);
  bounds.max_is_upper = real == nullptr || !std::isnan(*real);
  return bounds;
}

}  // namespace

bool may_match(const columnar::Schema& schema, const Metadata& metadata, const AddFile& file,
               const Predicate& predicate) {
  std::optional<JsonObject> statistics;
  for (const Comparison& comparison : predicate) {
    const auto column = resolve(schema, comparison.column);
    if (!column || column->physical_path.empty()) continue;
    const Field& root = schema.fields()[static_cast<size_t>(
        schema.field_index_ignoring_case(comparison.column.front()))];
    if (const auto bounds = partition_bounds(metadata, root, file, *column)) {
      if (!may_match_bounds(*bounds, comparison)) return false;
      continue;
    }
    if (file.stats.empty()) continue;
    if (!statistics) {
      auto parsed = base::parse_json_object(file.stats, "statistics");
      statistics = parsed.ok() ? std::move(parsed).value() : JsonObject();
    }
    if (!may_match_bounds(statistics_bounds(*statistics, *column), comparison)) return false;
  }
  return true;
}

}  // namespace weir::delta
