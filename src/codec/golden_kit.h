// What the golden tests share: the answers' files, and values in the plain form of record.py
// (tests/golden/json). For tests only.
#pragma once

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include "base/json.h"

namespace weir::codec {

using base::JsonArray;
using base::JsonObject;
using base::JsonValue;

inline std::string file_text(const std::string& path) {
  std::stringstream stream;
  stream << std::ifstream(path, std::ios::binary).rdbuf();
  return stream.str();
}

inline std::string decode64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int held = 0;
  for (char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(kDigits.find(c));
    held += 6;
    if (held >= 8) bytes += static_cast<char>(bits >> (held -= 8));
  }
  return bytes;
}

inline std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.17g", value);
  return buffer;
}

// Without an exponent.
inline std::string decimal_text(const arrow::Decimal128Array& array, int64_t i) {
  std::string digits = arrow::Decimal128(array.GetValue(i)).ToIntegerString();
  const std::string sign = digits[0] == '-' ? "-" : "";
  digits.erase(0, sign.size());
  const auto scale =
      static_cast<size_t>(static_cast<const arrow::Decimal128Type&>(*array.type()).scale());
  if (scale == 0) return sign + digits;
  if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
  return sign + digits.substr(0, digits.size() - scale) + "." +
         digits.substr(digits.size() - scale);
}

// A value in the plain form of record.py.
inline JsonValue plain(const arrow::Array& array, int64_t i) {
  if (array.IsNull(i)) return nullptr;
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanArray&>(array).Value(i);
    case arrow::Type::INT8:
      return static_cast<const arrow::Int8Array&>(array).Value(i);
    case arrow::Type::INT16:
      return static_cast<const arrow::Int16Array&>(array).Value(i);
    case arrow::Type::INT32:
      return static_cast<const arrow::Int32Array&>(array).Value(i);
    case arrow::Type::INT64:
      return static_cast<const arrow::Int64Array&>(array).Value(i);
    case arrow::Type::DATE32:
      return static_cast<const arrow::Date32Array&>(array).Value(i);
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampArray&>(array).Value(i);
    case arrow::Type::FLOAT:
      return JsonValue(real_text(static_cast<const arrow::FloatArray&>(array).Value(i)));
    case arrow::Type::DOUBLE:
      return JsonValue(real_text(static_cast<const arrow::DoubleArray&>(array).Value(i)));
    case arrow::Type::DECIMAL128:
      return JsonValue(decimal_text(static_cast<const arrow::Decimal128Array&>(array), i));
    case arrow::Type::STRING:
      return JsonValue(std::string(static_cast<const arrow::StringArray&>(array).GetView(i)));
    case arrow::Type::BINARY: {
      std::string hex;
      for (unsigned char c : static_cast<const arrow::BinaryArray&>(array).GetView(i))
        hex += fmt::format("{:02x}", c);
      return JsonValue(hex);
    }
    case arrow::Type::STRUCT: {
      JsonArray values;
      for (const auto& child : static_cast<const arrow::StructArray&>(array).fields())
        values.push_back(plain(*child, i));
      return values;
    }
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      JsonArray values;
      for (int64_t j = list.value_offset(i); j < list.value_offset(i + 1); ++j)
        values.push_back(plain(*list.values(), j));
      return values;
    }
    default:
      return nullptr;
  }
}

// The input of a case: "in", or "in64" where it is no UTF-8.
inline std::string input_of(const JsonObject& one) {
  if (const auto bytes = base::json_string(one, "in64")) return decode64(*bytes);
  return *base::json_string(one, "in");
}

}  // namespace weir::codec
