#include "delta/partition_values.h"

#include <charconv>
#include <cmath>

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "delta/civil_time.h"
#include "delta/table.h"
#include "io/file_system.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

using ScalarPtr = std::shared_ptr<arrow::Scalar>;

template <typename ScalarType, typename Value>
ScalarPtr parse_integer(std::string_view text) {
  Value value{};
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return nullptr;
  return std::make_shared<ScalarType>(value);
}

template <typename ScalarType, typename Value>
ScalarPtr parse_real(std::string_view text) {
  if (text == "NaN") return std::make_shared<ScalarType>(std::numeric_limits<Value>::quiet_NaN());
  if (text == "Infinity")
    return std::make_shared<ScalarType>(std::numeric_limits<Value>::infinity());
  if (text == "-Infinity")
    return std::make_shared<ScalarType>(-std::numeric_limits<Value>::infinity());
  return parse_integer<ScalarType, Value>(text);
}

ScalarPtr parse_decimal(const DataType& type, std::string_view text) {
  arrow::Decimal128 value;
  int32_t precision = 0;
  int32_t scale = 0;
  if (!arrow::Decimal128::FromString(text, &value, &precision, &scale).ok()) return nullptr;
  auto rescaled = value.Rescale(scale, type.scale());
  if (!rescaled.ok() || !rescaled->FitsInPrecision(type.precision())) return nullptr;
  return std::make_shared<arrow::Decimal128Scalar>(*rescaled, columnar::to_arrow(type));
}

ScalarPtr parse_value(const DataType& type, const std::string& text) {
  switch (type.kind()) {
    case TypeKind::kBoolean:
      if (text != "true" && text != "false") return nullptr;
      return std::make_shared<arrow::BooleanScalar>(text == "true");
    case TypeKind::kByte:
      return parse_integer<arrow::Int8Scalar, int8_t>(text);
    case TypeKind::kShort:
      return parse_integer<arrow::Int16Scalar, int16_t>(text);
    case TypeKind::kInteger:
      return parse_integer<arrow::Int32Scalar, int32_t>(text);
    case TypeKind::kLong:
      return parse_integer<arrow::Int64Scalar, int64_t>(text);
    case TypeKind::kFloat:
      return parse_real<arrow::FloatScalar, float>(text);
    case TypeKind::kDouble:
      return parse_real<arrow::DoubleScalar, double>(text);
    case TypeKind::kDecimal:
      return parse_decimal(type, text);
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
      return std::make_shared<arrow::StringScalar>(text);
    case TypeKind::kBinary:
      return std::make_shared<arrow::BinaryScalar>(text);
    case TypeKind::kDate: {
      const auto days = parse_date(text);
      return days ? std::make_shared<arrow::Date32Scalar>(static_cast<int32_t>(*days)) : nullptr;
    }
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz: {
      const auto us = parse_timestamp(text);
      return us ? std::make_shared<arrow::TimestampScalar>(*us, columnar::to_arrow(type)) : nullptr;
    }
    default:
      return nullptr;
  }
}

template <typename ArrayType>
auto value_at(const arrow::Array& array, int64_t row) {
  return static_cast<const ArrayType&>(array).Value(row);
}

std::string real_text(double value, bool single) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char digits[64];
  const auto end = single ? std::to_chars(digits, digits + sizeof digits, static_cast<float>(value))
                          : std::to_chars(digits, digits + sizeof digits, value);
  std::string text(digits, end.ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

bool needs_hive_escape(unsigned char c) {
  static constexpr std::string_view kEscaped = "\"#%'*/:=?\\{[]^";
  return c < 0x20 || c == 0x7F || kEscaped.find(static_cast<char>(c)) != std::string_view::npos;
}

void append_percent(std::string& out, unsigned char c) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  out += '%';
  out += kHex[c >> 4];
  out += kHex[c & 15];
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string hive_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (needs_hive_escape(static_cast<unsigned char>(c))) {
      append_percent(out, static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Result<ScalarPtr> partition_scalar(const DataType& type, const std::optional<std::string>& text) {
  if (!text || text->empty()) return arrow::MakeNullScalar(columnar::to_arrow(type));
  ScalarPtr value = parse_value(type, *text);
  if (value == nullptr) {
    return base::error(ErrorKind::kCorruption, "partition value \"{}\" is not a {}", *text,
                       type.simple_string());
  }
  return value;
}

Result<std::optional<std::string>> partition_text(const DataType& type, const arrow::Array& array,
                                                  int64_t row) {
  using Text = std::optional<std::string>;
  if (array.IsNull(row)) return Text();
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return Text(value_at<arrow::BooleanArray>(array, row) ? "true" : "false");
    case TypeKind::kByte:
      return Text(std::to_string(value_at<arrow::Int8Array>(array, row)));
    case TypeKind::kShort:
      return Text(std::to_string(value_at<arrow::Int16Array>(array, row)));
    case TypeKind::kInteger:
      return Text(std::to_string(value_at<arrow::Int32Array>(array, row)));
    case TypeKind::kLong:
      return Text(std::to_string(value_at<arrow::Int64Array>(array, row)));
    case TypeKind::kFloat:
      return Text(real_text(static_cast<double>(value_at<arrow::FloatArray>(array, row)), true));
    case TypeKind::kDouble:
      return Text(real_text(value_at<arrow::DoubleArray>(array, row), false));
    case TypeKind::kDecimal:
      return Text(static_cast<const arrow::Decimal128Array&>(array).FormatValue(row));
    case TypeKind::kDate:
      return Text(date_text(value_at<arrow::Date32Array>(array, row)));
    case TypeKind::kTimestamp:
      return Text(timestamp_text(value_at<arrow::TimestampArray>(array, row), 'T', 6) + "Z");
    case TypeKind::kTimestampNtz:
      return Text(timestamp_text(value_at<arrow::TimestampArray>(array, row), ' ', 6));
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary: {
      const std::string_view text = static_cast<const arrow::BinaryArray&>(array).GetView(row);
      return text.empty() ? Text() : Text(std::string(text));
    }
    default:
      return base::error(ErrorKind::kUnsupported,
                         "a column of type {} cannot be a partition column", type.simple_string());
  }
}

std::string partition_folder(std::string_view column, const std::optional<std::string>& value) {
  return hive_escape(column) + "=" +
         (value && !value->empty() ? hive_escape(*value) : "__HIVE_DEFAULT_PARTITION__");
}

std::string encode_log_path(std::string_view path) {
  static constexpr std::string_view kPlain = "-_.~/!$&'()*+,;=:@";
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       kPlain.find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      append_percent(out, static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<std::string> data_file_path(const std::string& folder, std::string_view path_in_log) {
  std::string decoded;
  for (size_t i = 0; i < path_in_log.size(); ++i) {
    if (path_in_log[i] == '%' && i + 2 < path_in_log.size() && hex_value(path_in_log[i + 1]) >= 0 &&
        hex_value(path_in_log[i + 2]) >= 0) {
      decoded +=
          static_cast<char>(hex_value(path_in_log[i + 1]) * 16 + hex_value(path_in_log[i + 2]));
      i += 2;
    } else {
      decoded += path_in_log[i];
    }
  }
  const size_t scheme = decoded.find(':');
  const bool has_scheme = scheme != std::string::npos && decoded.find('/') > scheme &&
                          path_in_log.substr(scheme).starts_with(":/");
  if (has_scheme || decoded.starts_with('/')) return table_path(decoded);
  return io::join_path(folder, decoded);
}

}  // namespace weir::delta
