// Spark's type coercion (TypeCoercion, AnsiTypeCoercion, DecimalPrecision) over our types.
#include <algorithm>

#include <boost/algorithm/string/predicate.hpp>

#include "plan/function_catalog.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

constexpr int kDecimalPrecisionMax = 38;
constexpr int kDecimalScaleMin =
    6;  // scale that division and multiplication keep when precision overflows

DataType of(TypeKind kind) { return DataType::of(kind); }

bool is_datetime(const DataType& type) {
  return type.is(TypeKind::kDate) || type.is(TypeKind::kTimestamp) ||
         type.is(TypeKind::kTimestampNtz);
}

// DecimalType.adjustPrecisionScale
DataType adjusted_decimal(int precision, int scale) {
  if (precision <= kDecimalPrecisionMax) return DataType::decimal(precision, scale);
  const int whole_digits = precision - scale;
  const int scale_min = std::min(scale, kDecimalScaleMin);
  return DataType::decimal(kDecimalPrecisionMax,
                           std::max(kDecimalPrecisionMax - whole_digits, scale_min));
}

DataType wider_decimal(const DataType& a, const DataType& b) {
  const int scale = std::max(a.scale(), b.scale());
  const int whole = std::max(a.precision() - a.scale(), b.precision() - b.scale());
  return DataType::decimal(std::min(whole + scale, kDecimalPrecisionMax),
                           std::min(scale, kDecimalPrecisionMax));
}

std::optional<DataType> common_numeric(const DataType& a, const DataType& b, bool ansi) {
  if (a.is(TypeKind::kDecimal) || b.is(TypeKind::kDecimal)) {
    if (is_fractional(a) || is_fractional(b)) return of(TypeKind::kDouble);
    return wider_decimal(a.is(TypeKind::kDecimal) ? a : decimal_for(a),
                         b.is(TypeKind::kDecimal) ? b : decimal_for(b));
  }
  const auto wider = std::max(a.kind(), b.kind());
  if (ansi && wider == TypeKind::kFloat && a.kind() != b.kind()) return of(TypeKind::kDouble);
  return of(wider);
}

std::optional<DataType> common_datetime(const DataType& a, const DataType& b) {
  if (a.is(TypeKind::kTimestamp) || b.is(TypeKind::kTimestamp)) return of(TypeKind::kTimestamp);
  return of(TypeKind::kTimestampNtz);  // date with timestamp_ntz
}

std::optional<DataType> common_with_string(const DataType& other, bool ansi) {
  if (!ansi) {
    if (other.is(TypeKind::kBinary) || other.is(TypeKind::kBoolean) || other.is_nested())
      return std::nullopt;
    return of(TypeKind::kString);
  }
  if (is_integral(other)) return of(TypeKind::kLong);
  if (other.is_numeric()) return of(TypeKind::kDouble);
  if (is_datetime(other) || other.is(TypeKind::kBoolean) || other.is(TypeKind::kBinary))
    return other;
  return std::nullopt;
}

std::optional<DataType> common_nested(const DataType& a, const DataType& b, bool ansi) {
  if (a.kind() != b.kind()) return std::nullopt;
  if (a.is(TypeKind::kArray)) {
    const auto element = common_type(a.element(), b.element(), ansi);
    if (!element) return std::nullopt;
    return DataType::array(*element, a.contains_null() || b.contains_null());
  }
  if (a.is(TypeKind::kMap)) {
    const auto key = common_type(a.key(), b.key(), ansi);
    const auto value = common_type(a.value(), b.value(), ansi);
    if (!key || !value) return std::nullopt;
    return DataType::map(*key, *value, a.contains_null() || b.contains_null());
  }
  if (a.fields().size() != b.fields().size()) return std::nullopt;
  std::vector<columnar::Field> fields;
  for (size_t i = 0; i < a.fields().size(); ++i) {
    const auto& left = a.fields()[i];
    const auto& right = b.fields()[i];
    const auto type = common_type(left.type(), right.type(), ansi);
    if (!type || !boost::iequals(left.name, right.name)) return std::nullopt;
    fields.push_back(columnar::make_field(left.name, *type, left.nullable || right.nullable));
  }
  return DataType::structure(std::move(fields));
}

}  // namespace

bool is_integral(const DataType& type) {
  return type.kind() >= TypeKind::kByte && type.kind() <= TypeKind::kLong;
}
bool is_fractional(const DataType& type) {
  return type.is(TypeKind::kFloat) || type.is(TypeKind::kDouble);
}
bool is_text(const DataType& type) {
  return type.is(TypeKind::kString) || type.is(TypeKind::kChar) || type.is(TypeKind::kVarchar);
}

DataType decimal_for(const DataType& integral) {
  switch (integral.kind()) {
    case TypeKind::kByte:
      return DataType::decimal(3, 0);
    case TypeKind::kShort:
      return DataType::decimal(5, 0);
    case TypeKind::kInteger:
      return DataType::decimal(10, 0);
    default:
      return DataType::decimal(20, 0);
  }
}

DataType decimal_result(std::string_view op, const DataType& a, const DataType& b) {
  const int p1 = a.precision(), s1 = a.scale(), p2 = b.precision(), s2 = b.scale();
  if (op == "*") return adjusted_decimal(p1 + p2 + 1, s1 + s2);
  if (op == "/") {
    const int scale = std::max(kDecimalScaleMin, s1 + p2 + 1);
    return adjusted_decimal(p1 - s1 + s2 + scale, scale);
  }
  const int scale = std::max(s1, s2);
  if (op == "%") return adjusted_decimal(std::min(p1 - s1, p2 - s2) + scale, scale);
  return adjusted_decimal(std::max(p1 - s1, p2 - s2) + scale + 1, scale);
}

std::optional<DataType> common_type(const DataType& a, const DataType& b, bool ansi) {
  if (is_text(a) && is_text(b)) return of(TypeKind::kString);
  if (a.same_type(b)) return a.is_nested() ? common_nested(a, b, ansi) : a;
  if (a.is(TypeKind::kNull)) return b;
  if (b.is(TypeKind::kNull)) return a;
  if (a.is_numeric() && b.is_numeric()) return common_numeric(a, b, ansi);
  if (is_datetime(a) && is_datetime(b)) return common_datetime(a, b);
  if (a.is_interval() && a.kind() == b.kind()) {
    return DataType::interval(a.kind(), std::min(a.first_unit(), b.first_unit()),
                              std::max(a.last_unit(), b.last_unit()));
  }
  if (is_text(a)) return common_with_string(b, ansi);
  if (is_text(b)) return common_with_string(a, ansi);
  return common_nested(a, b, ansi);
}

std::optional<DataType> comparison_type(const DataType& a, const DataType& b, bool ansi) {
  if (ansi || is_text(a) == is_text(b)) return common_type(a, b, ansi);
  const auto& other = is_text(a) ? b : a;
  if (other.is(TypeKind::kDecimal)) return of(TypeKind::kDouble);
  if (other.is_nested()) return std::nullopt;
  return other.is(TypeKind::kNull) ? of(TypeKind::kString) : other;
}

bool can_cast(const DataType& from, const DataType& to, bool ansi) {
  if (from.same_type(to) || from.is(TypeKind::kNull)) return true;
  if (is_text(to)) return true;
  if (to.is(TypeKind::kNull)) return false;
  if (is_text(from)) return !to.is_nested();
  if (from.is_nested() || to.is_nested()) {
    if (from.kind() != to.kind()) return false;
    if (from.is(TypeKind::kArray)) return can_cast(from.element(), to.element(), ansi);
    if (from.is(TypeKind::kMap))
      return can_cast(from.key(), to.key(), ansi) && can_cast(from.value(), to.value(), ansi);
    return from.fields().size() == to.fields().size() &&
           std::equal(
               from.fields().begin(), from.fields().end(), to.fields().begin(),
               [&](const auto& x, const auto& y) { return can_cast(x.type(), y.type(), ansi); });
  }
  if (from.is_numeric() && to.is_numeric()) return true;
  switch (from.kind()) {
    case TypeKind::kBoolean:
      return to.is_numeric() || (!ansi && to.is(TypeKind::kTimestamp));
    case TypeKind::kDate:
      return is_datetime(to) || (!ansi && (to.is_numeric() || to.is(TypeKind::kBoolean)));
    case TypeKind::kTimestamp:
      return is_datetime(to) || to.is_numeric() || (!ansi && to.is(TypeKind::kBoolean));
    case TypeKind::kTimestampNtz:
      return is_datetime(to);
    case TypeKind::kBinary:
      return false;
    default:
      break;
  }
  if (from.is_interval() && from.kind() == to.kind()) return true;
  // Numbers count one unit.
  const auto one_unit = [](const DataType& t) { return t.first_unit() == t.last_unit(); };
  if (from.is_interval()) return one_unit(from) && (is_integral(to) || to.is(TypeKind::kDecimal));
  if (to.is_interval()) return one_unit(to) && (is_integral(from) || from.is(TypeKind::kDecimal));
  if (to.is(TypeKind::kBinary)) return !ansi && is_integral(from);
  return to.is(TypeKind::kBoolean) || to.is(TypeKind::kTimestamp);
}

bool can_cast_implicitly(const DataType& from, const DataType& to, bool ansi) {
  if (from.same_type(to) || from.is(TypeKind::kNull)) return true;
  if (from.is(TypeKind::kArray) && to.is(TypeKind::kArray))
    return can_cast_implicitly(from.element(), to.element(), ansi);
  if (from.is(TypeKind::kMap) && to.is(TypeKind::kMap)) {
    return can_cast_implicitly(from.key(), to.key(), ansi) &&
           can_cast_implicitly(from.value(), to.value(), ansi);
  }
  if (from.is_nested() || to.is_nested()) {
    const auto common = common_type(from, to, ansi);
    return common && common->same_type(to);
  }
  if (is_text(from)) return !to.is_interval();
  if (is_text(to)) return !from.is(TypeKind::kBinary) || !ansi;
  if (from.is_numeric() && to.is_numeric()) return true;
  if (from.is_interval() && from.kind() == to.kind()) return true;
  return is_datetime(from) && is_datetime(to);
}

bool cast_is_nullable(const DataType& from, const DataType& to) {
  if (from.is(TypeKind::kNull) || from.same_type(to)) return false;
  if (from.is_nested() && from.kind() == to.kind()) {
    if (from.is(TypeKind::kArray)) return cast_is_nullable(from.element(), to.element());
    if (from.is(TypeKind::kMap)) {
      return cast_is_nullable(from.key(), to.key()) || cast_is_nullable(from.value(), to.value());
    }
    return !std::equal(
        from.fields().begin(), from.fields().end(), to.fields().begin(), to.fields().end(),
        [](const auto& x, const auto& y) { return !cast_is_nullable(x.type(), y.type()); });
  }
  if (is_text(from)) return !is_text(to) && !to.is(TypeKind::kBinary);
  if (is_text(to)) return false;
  if (from.is(TypeKind::kTimestamp) && is_integral(to)) return to.kind() < TypeKind::kLong;
  if (is_fractional(from) && to.is(TypeKind::kTimestamp)) return true;
  if (is_datetime(from) || is_datetime(to)) return !is_datetime(from) && to.is(TypeKind::kDate);
  if (to.is(TypeKind::kDecimal)) {
    if (!from.is(TypeKind::kDecimal) && !is_integral(from)) return !from.is(TypeKind::kBoolean);
    const auto exact = from.is(TypeKind::kDecimal) ? from : decimal_for(from);
    return exact.scale() > to.scale() ||
           exact.precision() - exact.scale() > to.precision() - to.scale();
  }
  return (is_fractional(from) || from.is(TypeKind::kDecimal)) && is_integral(to);
}

bool cast_may_fail(const DataType& from, const DataType& to) {
  if (from.same_type(to) || from.is(TypeKind::kNull)) return false;
  if (from.is_nested() || to.is_nested()) return !is_text(to);
  if (is_text(to)) return to.is(TypeKind::kString) ? false : true;
  if (from.is(TypeKind::kBoolean)) return to.is(TypeKind::kDecimal);
  if (to.is(TypeKind::kBoolean) || is_fractional(to) || to.is(TypeKind::kBinary))
    return is_text(from) && !to.is(TypeKind::kBinary);
  if (is_integral(from) && is_integral(to)) return from.kind() > to.kind();
  if (is_datetime(from) && is_datetime(to)) return false;
  return true;
}

}  // namespace weir::plan
