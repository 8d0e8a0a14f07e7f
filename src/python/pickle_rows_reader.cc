// Python values to columns, by the rules of Spark's EvaluatePython.makeFromJava.
#include <charconv>

#include <arrow/array.h>
#include <arrow/array/builder_base.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "python/conversation.h"
#include "python/pickle_value.h"
#include "python/pickled_rows.h"

namespace weir::python {

namespace {

using columnar::DataType;
using columnar::TypeKind;
using Kind = PickleValue::Kind;

constexpr int kDepthMax = 200;
// Values that are looked at in one frame: a small pickle can stand for very many.
constexpr int64_t kVisitsMax = 50'000'000;

// Java's text of a double, as String.valueOf gives it, for the values that people return.
std::string real_text(double value) { return base::json_text(base::JsonValue(value)); }

Result<std::string> java_text(const PickleValue& value, int depth = 0);

Result<std::string> joined(const PickleValue& value, std::string_view open, std::string_view close,
                           bool pairs, int depth) {
  constexpr size_t kTextMax = size_t{1} << 30;
  std::string text(open);
  for (size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) text += pairs && i % 2 == 1 ? "=" : ", ";
    WEIR_ASSIGN(const auto item, java_text(*value.items[i], depth + 1));
    text += item;
    if (text.size() > kTextMax) return nonsense("a text of more than a gigabyte");
  }
  return text + std::string(close);
}

base::Error unpicklable(const PickleValue& value) {
  auto name = value.text;
  std::replace(name.begin(), name.end(), '\n', '.');
  return base::error(base::ErrorKind::kCorruption,
                     "net.razorvine.pickle.PickleException: expected zero arguments for "
                     "construction of ClassDict (for {}). This happens "
                     "when an unsupported/unregistered class is being unpickled that requires "
                     "construction arguments. Fix it by registering a custom IObjectConstructor "
                     "for this class: return a plain value of Python (of numpy: value.item()).",
                     name);
}

// toString() of what Spark's unpickler makes of the value.
Result<std::string> java_text(const PickleValue& value, int depth) {
  if (depth > kDepthMax) return nonsense("a value nested too deep");
  switch (value.kind) {
    case Kind::kNone:
      return std::string("null");
    case Kind::kBool:
      return std::string(value.number ? "true" : "false");
    case Kind::kInt:
      return std::to_string(value.number);
    case Kind::kReal:
      return real_text(value.real);
    case Kind::kList:
      return joined(value, "[", "]", false, depth);
    case Kind::kDict:
      return joined(value, "{", "}", true, depth);
    case Kind::kText:
    case Kind::kBigInt:
    case Kind::kDecimal:
      return value.text;
    case Kind::kBytes:
    case Kind::kTuple:
      return base::error(base::ErrorKind::kUnsupported,
                         "a Python function of type string gave a tuple or bytes")
          .with_class("UNSUPPORTED_FEATURE")
          .with_sql_state("0A000");
    default:
      return unpicklable(value);
  }
}

class ColumnReader {
 public:
  Result<void> append(const PickleValue& value, const DataType& type, arrow::ArrayBuilder& to,
                      int depth = 0) {
    if (depth > kDepthMax) return nonsense("a value nested too deep");
    if (++visits_ > kVisitsMax) return nonsense("a frame of too many values");
    if (value.kind == Kind::kNone) return null(to);
    if (value.kind == Kind::kCalled || value.kind == Kind::kGlobal) return unpicklable(value);
    const bool integer = value.kind == Kind::kInt;
    const auto number = value.number;
    switch (type.kind()) {
      case TypeKind::kBoolean:
        if (value.kind != Kind::kBool) return null(to);
        return put(static_cast<arrow::BooleanBuilder&>(to), number != 0);
      case TypeKind::kByte:
        if (!integer) return null(to);
        return put(static_cast<arrow::Int8Builder&>(to), static_cast<int8_t>(number));
      case TypeKind::kShort:
        if (!integer) return null(to);
        return put(static_cast<arrow::Int16Builder&>(to), static_cast<int16_t>(number));
      case TypeKind::kInteger:
      case TypeKind::kYearMonthInterval:
        if (!integer) return null(to);
        return put(static_cast<arrow::Int32Builder&>(to), static_cast<int32_t>(number));
      case TypeKind::kDate:
        if (!integer) return null(to);
        return put(static_cast<arrow::Date32Builder&>(to), static_cast<int32_t>(number));
      case TypeKind::kLong:
        if (!integer) return null(to);
        return put(static_cast<arrow::Int64Builder&>(to), number);
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampNtz:
        if (!integer) return null(to);
        return put(static_cast<arrow::TimestampBuilder&>(to), number);
      case TypeKind::kDayTimeInterval:
        if (!integer) return null(to);
        return put(static_cast<arrow::DurationBuilder&>(to), number);
      case TypeKind::kFloat:
        if (value.kind != Kind::kReal) return null(to);
        return put(static_cast<arrow::FloatBuilder&>(to), static_cast<float>(value.real));
      case TypeKind::kDouble:
        if (value.kind != Kind::kReal) return null(to);
        return put(static_cast<arrow::DoubleBuilder&>(to), value.real);
      case TypeKind::kDecimal:
        return decimal(value, type, to);
      case TypeKind::kString: {
        WEIR_ASSIGN(const auto text, java_text(value));
        return put(static_cast<arrow::StringBuilder&>(to), text);
      }
      case TypeKind::kBinary:
        if (value.kind != Kind::kText && value.kind != Kind::kBytes) return null(to);
        return put(static_cast<arrow::BinaryBuilder&>(to), value.text);
      case TypeKind::kArray:
        return list(value, type, to, depth);
      case TypeKind::kMap:
        return map(value, type, to, depth);
      case TypeKind::kStruct:
        return structure(value, type, to, depth);
      case TypeKind::kNull:
        return null(to);
      default:
        return base::error(base::ErrorKind::kUnsupported, "a Python function of type {}",
                           type.simple_string())
            .with_class("UNSUPPORTED_FEATURE")
            .with_sql_state("0A000");
    }
  }

 private:
  static Result<void> null(arrow::ArrayBuilder& to) {
    WEIR_ARROW_TRY(to.AppendNull());
    return {};
  }
  template <typename Builder, typename Value>
  static Result<void> put(Builder& to, const Value& value) {
    WEIR_ARROW_TRY(to.Append(value));
    return {};
  }

  // Rounded half up to the type's scale; more digits than the type has: an error, as in Spark.
  static Result<void> decimal(const PickleValue& value, const DataType& type,
                              arrow::ArrayBuilder& to) {
    if (value.kind != Kind::kDecimal) return null(to);
    auto& builder = static_cast<arrow::Decimal128Builder&>(to);
    arrow::Decimal256 number;
    int32_t precision = 0, scale = 0;
    if (value.text == "NaN" || value.text == "Infinity" || value.text == "-Infinity")
      return null(to);
    if (!arrow::Decimal256::FromString(value.text, &number, &precision, &scale).ok())
      return nonsense("a decimal that is none: " + value.text);
    if (scale - type.scale() > arrow::Decimal256::kMaxPrecision) {
      number = arrow::Decimal256();  // it has fewer digits than would go
    } else if (scale > type.scale()) {
      number = number.ReduceScaleBy(scale - type.scale(), true);
    } else if (scale < type.scale()) {
      const auto more = number.Rescale(scale, type.scale());
      if (!more.ok()) return too_long(value, type);
      number = *more;
    }
    if (!number.FitsInPrecision(type.precision())) return too_long(value, type);
    const auto narrow = arrow::Decimal128::FromString(number.ToIntegerString());
    if (!narrow.ok()) return too_long(value, type);
    return put(builder, *narrow);
  }
  static base::Error too_long(const PickleValue& value, const DataType& type) {
    return base::error(base::ErrorKind::kInvalidArgument,
                       "The value {} cannot be represented as Decimal({}, {}).", value.text,
                       type.precision(), type.scale())
        .with_class("NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION")
        .with_sql_state("22003");
  }

  Result<void> list(const PickleValue& value, const DataType& type, arrow::ArrayBuilder& to,
                    int depth) {
    if (value.kind != Kind::kList && value.kind != Kind::kTuple) return null(to);
    auto& builder = static_cast<arrow::ListBuilder&>(to);
    WEIR_ARROW_TRY(builder.Append());
    for (const auto& item : value.items)
      WEIR_TRY(append(*item, type.element(), *builder.value_builder(), depth + 1));
    return {};
  }
  Result<void> map(const PickleValue& value, const DataType& type, arrow::ArrayBuilder& to,
                   int depth) {
    if (value.kind != Kind::kDict) return null(to);
    auto& builder = static_cast<arrow::MapBuilder&>(to);
    WEIR_ARROW_TRY(builder.Append());
    for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
      if (value.items[i]->kind == Kind::kNone)
        return base::error(base::ErrorKind::kInvalidArgument, "Cannot use null as map key.")
            .with_class("NULL_MAP_KEY")
            .with_sql_state("2200E");
      WEIR_TRY(append(*value.items[i], type.key(), *builder.key_builder(), depth + 1));
      WEIR_TRY(append(*value.items[i + 1], type.value(), *builder.item_builder(), depth + 1));
    }
    return {};
  }
  Result<void> structure(const PickleValue& value, const DataType& type, arrow::ArrayBuilder& to,
                         int depth) {
    if (value.kind != Kind::kTuple && value.kind != Kind::kList) return null(to);
    const auto& fields = type.fields();
    if (value.items.size() != fields.size())
      return base::error(base::ErrorKind::kInvalidArgument,
                         "Input row doesn't have expected number of values required by the schema. "
                         "{} fields are required while {} values are provided.",
                         fields.size(), value.items.size())
          .with_class("STRUCT_ARRAY_LENGTH_MISMATCH")
          .with_sql_state("2201E");
    auto& builder = static_cast<arrow::StructBuilder&>(to);
    WEIR_ARROW_TRY(builder.Append());
    for (size_t i = 0; i < fields.size(); ++i)
      WEIR_TRY(append(*value.items[i], fields[i].type(),
                      *builder.field_builder(static_cast<int>(i)), depth + 1));
    return {};
  }

  int64_t visits_ = 0;
};

}  // namespace

Result<BatchPtr> unpickle_rows(std::string_view pickle, const columnar::Schema& schema) {
  WEIR_ASSIGN(const auto read, read_pickle(pickle));
  const auto* rows = read->root;
  if (rows->kind != Kind::kList) return nonsense("a pickle that is no list of rows");
  const auto arrow_schema = columnar::to_arrow_schema(schema);
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders;
  for (const auto& field : arrow_schema->fields()) {
    std::unique_ptr<arrow::ArrayBuilder> builder;
    WEIR_ARROW_TRY(arrow::MakeBuilder(arrow::default_memory_pool(), field->type(), &builder));
    builders.push_back(std::move(builder));
  }
  ColumnReader reader;
  const auto& fields = schema.fields();
  for (const auto& row : rows->items) {
    if (fields.size() == 1) {
      WEIR_TRY(reader.append(*row, fields[0].type(), *builders[0]));
      continue;
    }
    if (row->items.size() != fields.size()) return nonsense("a row of another width");
    for (size_t i = 0; i < fields.size(); ++i)
      WEIR_TRY(reader.append(*row->items[i], fields[i].type(), *builders[i]));
  }
  arrow::ArrayVector arrays;
  for (const auto& builder : builders) {
    std::shared_ptr<arrow::Array> array;
    WEIR_ARROW_TRY(builder->Finish(&array));
    arrays.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(arrow_schema, static_cast<int64_t>(rows->items.size()),
                                  std::move(arrays));
}

Result<std::shared_ptr<arrow::Array>> unpickle_structs(std::span<const std::string_view> pickles,
                                                       const columnar::Schema& schema) {
  std::unique_ptr<arrow::ArrayBuilder> builder;
  WEIR_ARROW_TRY(
      arrow::MakeBuilder(arrow::default_memory_pool(), columnar::to_arrow(schema), &builder));
  for (const auto pickle : pickles) {
    if (!pickle.data()) {
      WEIR_ARROW_TRY(builder->AppendNull());
      continue;
    }
    WEIR_ASSIGN(const auto read, read_pickle(pickle));
    ColumnReader reader;
    WEIR_TRY(reader.append(*read->root, schema, *builder));
  }
  std::shared_ptr<arrow::Array> array;
  WEIR_ARROW_TRY(builder->Finish(&array));
  return array;
}

}  // namespace weir::python
