// Literals of the protocol: constants, and arrays, maps and structs as calls that make them.
#include <charconv>

#include <spark/connect/expressions.pb.h>

#include "connect/data_types.h"
#include "connect/plan_decoder.h"
#include "connect/requests.h"

namespace weir::connect {

namespace {

using columnar::DataType;
using columnar::TypeKind;
using plan::Int128;
using plan::Literal;
using Proto = spark::connect::Expression::Literal;

constexpr int kLiteralDepthMax = 100;

// "-12.50" with scale 2 → -1250; false where it is no number or does not fit 38 digits.
bool parse_unscaled(std::string_view text, Int128& value, int& digits, int& scale) {
  value = 0;
  digits = scale = 0;
  bool negative = false, point = false, any = false;
  size_t i = 0;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) negative = text[i++] == '-';
  for (; i < text.size(); ++i) {
    if (text[i] == '.' && !point) {
      point = true;
      continue;
    }
    if (text[i] == 'e' || text[i] == 'E') break;
    if (text[i] < '0' || text[i] > '9') return false;
    any = true;
    value = value * 10 + (text[i] - '0');
    if (value != 0 && ++digits > 38) return false;
    if (point) ++scale;
  }
  if (i < text.size()) {  // Java writes 1E+3 where the scale is negative
    int exponent = 0;
    size_t begin = i + 1;
    if (begin < text.size() && text[begin] == '+') ++begin;
    const auto read = std::from_chars(text.data() + begin, text.data() + text.size(), exponent);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size() || std::abs(exponent) > 80)
      return false;
    scale -= exponent;
    for (; scale < 0; ++scale) {
      value *= 10;
      if (value != 0 && ++digits > 38) return false;
    }
  }
  if (negative) value = -value;
  return any && scale <= 38;
}

Result<Literal> read_decimal(const Proto::Decimal& decimal) {
  Int128 value = 0;
  int digits = 0;
  int scale = 0;
  if (!parse_unscaled(decimal.value(), value, digits, scale))
    return invalid_plan("'{}' is no decimal", decimal.value());
  // Clients send a type that the value may outgrow (decimal(10,0) for 1.20).
  const int wanted_scale = std::max(scale, decimal.has_scale() ? decimal.scale() : 0);
  const int precision =
      std::max({digits, wanted_scale, decimal.has_precision() ? decimal.precision() : 0, 1});
  if (precision > 38)
    return invalid_plan("'{}' does not fit decimal({},{})", decimal.value(), precision,
                        wanted_scale);
  for (; scale < wanted_scale; ++scale) {
    value *= 10;
    if (value != 0 && ++digits > 38)
      return invalid_plan("'{}' does not fit decimal({},{})", decimal.value(), precision,
                          wanted_scale);
  }
  return Literal{DataType::decimal(precision, wanted_scale), value};
}

Result<std::optional<Literal>> read_simple(const Proto& literal) {
  const auto whole = [](TypeKind kind, int64_t value) {
    return std::optional<Literal>(Literal{DataType::of(kind), value});
  };
  switch (literal.literal_type_case()) {
    case Proto::kNull: {
      WEIR_ASSIGN(auto type, read_type(literal.null()));
      return std::optional<Literal>(Literal{std::move(type), std::monostate()});
    }
    case Proto::kBinary:
      return std::optional<Literal>(Literal{DataType::of(TypeKind::kBinary), literal.binary()});
    case Proto::kBoolean:
      return std::optional<Literal>(Literal{DataType::of(TypeKind::kBoolean), literal.boolean()});
    case Proto::kByte:
      return whole(TypeKind::kByte, static_cast<int8_t>(literal.byte()));
    case Proto::kShort:
      return whole(TypeKind::kShort, static_cast<int16_t>(literal.short_()));
    case Proto::kInteger:
      return whole(TypeKind::kInteger, literal.integer());
    case Proto::kLong:
      return whole(TypeKind::kLong, literal.long_());
    case Proto::kFloat:
      return std::optional<Literal>(
          Literal{DataType::of(TypeKind::kFloat), static_cast<double>(literal.float_())});
    case Proto::kDouble:
      return std::optional<Literal>(Literal{DataType::of(TypeKind::kDouble), literal.double_()});
    case Proto::kDecimal: {
      WEIR_ASSIGN(auto decimal, read_decimal(literal.decimal()));
      return std::optional<Literal>(std::move(decimal));
    }
    case Proto::kString:
      return std::optional<Literal>(Literal{DataType::of(TypeKind::kString), literal.string()});
    case Proto::kDate:
      return whole(TypeKind::kDate, literal.date());
    case Proto::kTimestamp:
      return whole(TypeKind::kTimestamp, literal.timestamp());
    case Proto::kTimestampNtz:
      return whole(TypeKind::kTimestampNtz, literal.timestamp_ntz());
    case Proto::kYearMonthInterval:
      return whole(TypeKind::kYearMonthInterval, literal.year_month_interval());
    case Proto::kDayTimeInterval:
      return whole(TypeKind::kDayTimeInterval, literal.day_time_interval());
    default:
      return std::optional<Literal>();
  }
}

ExpressionPtr literal_of(DataType type, plan::Value value) {
  return plan::make_expression(Literal{std::move(type), std::move(value)});
}
ExpressionPtr string_of(const std::string& text) {
  return literal_of(DataType::of(TypeKind::kString), text);
}
ExpressionPtr call_of(std::string name, std::vector<ExpressionPtr> arguments) {
  return plan::make_expression(plan::Call{std::move(name), std::move(arguments)});
}

Result<ExpressionPtr> read_any(const Proto& literal, int depth);

Result<ExpressionPtr> read_array(const Proto& literal, int depth) {
  std::vector<ExpressionPtr> elements;
  for (const auto& element : literal.array().elements()) {
    WEIR_ASSIGN(auto one, read_any(element, depth));
    elements.push_back(std::move(one));
  }
  const bool empty = elements.empty();
  ExpressionPtr array = call_of("array", std::move(elements));
  const auto* type = literal.array().has_element_type() ? &literal.array().element_type() : nullptr;
  if (literal.has_data_type() && literal.data_type().has_array())
    type = &literal.data_type().array().element_type();
  if (!empty || type == nullptr) return array;
  WEIR_ASSIGN(auto element_type, read_type(*type));
  return plan::make_expression(plan::CastTo{array, DataType::array(std::move(element_type))});
}

Result<ExpressionPtr> read_map(const Proto& literal, int depth) {
  const auto& map = literal.map();
  if (map.keys_size() != map.values_size())
    return invalid_plan("a map literal has {} keys and {} values", map.keys_size(),
                        map.values_size());
  std::vector<ExpressionPtr> entries;
  for (int i = 0; i < map.keys_size(); ++i) {
    WEIR_ASSIGN(auto key, read_any(map.keys(i), depth));
    WEIR_ASSIGN(auto value, read_any(map.values(i), depth));
    entries.push_back(std::move(key));
    entries.push_back(std::move(value));
  }
  const bool empty = entries.empty();
  ExpressionPtr made = call_of("map", std::move(entries));
  const bool in_type = literal.has_data_type() && literal.data_type().has_map();
  if (!empty || (!in_type && !map.has_key_type())) return made;
  WEIR_ASSIGN(auto key_type,
              read_type(in_type ? literal.data_type().map().key_type() : map.key_type()));
  WEIR_ASSIGN(auto value_type,
              read_type(in_type ? literal.data_type().map().value_type() : map.value_type()));
  return plan::make_expression(
      plan::CastTo{made, DataType::map(std::move(key_type), std::move(value_type))});
}

Result<ExpressionPtr> read_struct(const Proto& literal, int depth) {
  const auto& given = literal.has_data_type() && literal.data_type().has_struct_()
                          ? literal.data_type()
                          : literal.struct_().struct_type();
  WEIR_ASSIGN(auto type, read_type(given));
  if (!type.is(TypeKind::kStruct) ||
      static_cast<int>(type.fields().size()) != literal.struct_().elements_size())
    return invalid_plan("a struct literal does not fit its type {}", type.simple_string());
  std::vector<ExpressionPtr> parts;
  for (int i = 0; i < literal.struct_().elements_size(); ++i) {
    WEIR_ASSIGN(auto value, read_any(literal.struct_().elements(i), depth));
    parts.push_back(string_of(type.fields()[static_cast<size_t>(i)].name));
    parts.push_back(std::move(value));
  }
  return call_of("named_struct", std::move(parts));
}

Result<ExpressionPtr> read_specialized(const Proto::SpecializedArray& array) {
  std::vector<ExpressionPtr> elements;
  const auto add = [&](TypeKind kind, auto value) {
    elements.push_back(literal_of(DataType::of(kind), plan::Value(std::move(value))));
  };
  for (const bool value : array.bools().values())
    add(TypeKind::kBoolean, value);
  for (const int32_t value : array.ints().values())
    add(TypeKind::kInteger, static_cast<int64_t>(value));
  for (const int64_t value : array.longs().values())
    add(TypeKind::kLong, value);
  for (const float value : array.floats().values())
    add(TypeKind::kFloat, static_cast<double>(value));
  for (const double value : array.doubles().values())
    add(TypeKind::kDouble, value);
  for (const std::string& value : array.strings().values())
    add(TypeKind::kString, value);
  return call_of("array", std::move(elements));
}

Result<ExpressionPtr> read_any(const Proto& literal, int depth) {
  if (depth > kLiteralDepthMax)
    return invalid_plan("a literal is nested more than {} levels", kLiteralDepthMax);
  switch (literal.literal_type_case()) {
    case Proto::kArray:
      return read_array(literal, depth + 1);
    case Proto::kMap:
      return read_map(literal, depth + 1);
    case Proto::kStruct:
      return read_struct(literal, depth + 1);
    case Proto::kSpecializedArray:
      return read_specialized(literal.specialized_array());
    default: {
      WEIR_ASSIGN(auto plain, read_plain_literal(literal));
      return plan::make_expression(std::move(plain));
    }
  }
}

std::string decimal_text(Int128 value, int scale) {
  unsigned __int128 rest =
      value < 0 ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  std::string reversed;
  for (int digit = 0; rest != 0 || digit <= scale; ++digit) {
    if (digit == scale && scale > 0) reversed += '.';
    reversed += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  if (value < 0) reversed += '-';
  return {reversed.rbegin(), reversed.rend()};
}

}  // namespace

Result<ExpressionPtr> read_literal(const Proto& literal) { return read_any(literal, 0); }

Result<Literal> read_plain_literal(const Proto& literal) {
  WEIR_ASSIGN(auto simple, read_simple(literal));
  if (simple) return std::move(*simple);
  return unsupported("the literal {}", case_name(literal, "literal_type"));
}

void write_literal(const DataType& type, const plan::Value& value, Proto& out) {
  if (std::holds_alternative<std::monostate>(value)) {
    write_type(type, *out.mutable_null());
    return;
  }
  const auto* whole = std::get_if<int64_t>(&value);
  switch (type.kind()) {
    case TypeKind::kBoolean:
      out.set_boolean(std::get<bool>(value));
      return;
    case TypeKind::kByte:
      out.set_byte(static_cast<int32_t>(*whole));
      return;
    case TypeKind::kShort:
      out.set_short_(static_cast<int32_t>(*whole));
      return;
    case TypeKind::kInteger:
      out.set_integer(static_cast<int32_t>(*whole));
      return;
    case TypeKind::kLong:
      out.set_long_(*whole);
      return;
    case TypeKind::kDate:
      out.set_date(static_cast<int32_t>(*whole));
      return;
    case TypeKind::kTimestamp:
      out.set_timestamp(*whole);
      return;
    case TypeKind::kTimestampNtz:
      out.set_timestamp_ntz(*whole);
      return;
    case TypeKind::kDayTimeInterval:
      out.set_day_time_interval(*whole);
      return;
    case TypeKind::kYearMonthInterval:
      out.set_year_month_interval(static_cast<int32_t>(*whole));
      return;
    case TypeKind::kFloat:
      out.set_float_(static_cast<float>(std::get<double>(value)));
      return;
    case TypeKind::kDouble:
      out.set_double_(std::get<double>(value));
      return;
    case TypeKind::kDecimal:
      out.mutable_decimal()->set_value(decimal_text(std::get<Int128>(value), type.scale()));
      out.mutable_decimal()->set_precision(type.precision());
      out.mutable_decimal()->set_scale(type.scale());
      return;
    case TypeKind::kBinary:
      out.set_binary(std::get<std::string>(value));
      return;
    default:
      out.set_string(std::get<std::string>(value));
  }
}

}  // namespace weir::connect
