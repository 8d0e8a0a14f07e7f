// Encoded keys and values back to Arrow arrays.
#include <algorithm>
#include <bit>

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "state/key_prefix.h"
#include "state/row_codec.h"
#include "state/varint.h"

namespace weir::state {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

namespace {

base::Error damaged(const char* what) {
  return error(ErrorKind::kCorruption,
               "a row of state does not have the bytes of its schema: {}. The state was written by "
               "something else than this operator, or is damaged",
               what);
}

struct Cursor {
  const char* at;
  const char* end;
  bool has(size_t bytes) const { return static_cast<size_t>(end - at) >= bytes; }
};

template <typename Builder, typename Value>
Result<void> append(arrow::ArrayBuilder& builder, Value value) {
  return columnar::from_arrow(static_cast<Builder&>(builder).Append(value));
}

Result<void> append_integer(arrow::ArrayBuilder& builder, TypeKind kind, int64_t value) {
  switch (kind) {
    case TypeKind::kByte:
      return append<arrow::Int8Builder>(builder, static_cast<int8_t>(value));
    case TypeKind::kShort:
      return append<arrow::Int16Builder>(builder, static_cast<int16_t>(value));
    case TypeKind::kInteger:
    case TypeKind::kYearMonthInterval:
      return append<arrow::Int32Builder>(builder, static_cast<int32_t>(value));
    case TypeKind::kDate:
      return append<arrow::Date32Builder>(builder, static_cast<int32_t>(value));
    case TypeKind::kLong:
      return append<arrow::Int64Builder>(builder, value);
    case TypeKind::kDayTimeInterval:
      return append<arrow::DurationBuilder>(builder, value);
    default:
      return append<arrow::TimestampBuilder>(builder, value);
  }
}

size_t integer_width(TypeKind kind) {
  switch (kind) {
    case TypeKind::kByte:
      return 1;
    case TypeKind::kShort:
      return 2;
    case TypeKind::kInteger:
    case TypeKind::kYearMonthInterval:
    case TypeKind::kDate:
      return 4;
    case TypeKind::kLong:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
    case TypeKind::kDayTimeInterval:
      return 8;
    default:
      return 0;
  }
}

uint64_t big_endian(const char* bytes, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i)
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

template <typename Float, typename Bits>
Float key_float(const char* bytes) {
  auto bits = static_cast<Bits>(big_endian(bytes, sizeof(Bits)));
  constexpr Bits kSign = Bits{1} << (sizeof(Bits) * 8 - 1);
  bits = (bits & kSign) != 0 ? bits ^ kSign : ~bits;
  return std::bit_cast<Float>(bits);
}

Result<void> append_text(arrow::ArrayBuilder& builder, std::string_view text) {
  return columnar::from_arrow(static_cast<arrow::BinaryBuilder&>(builder).Append(text));
}

Result<void> read_key(const DataType& type, Cursor& in, arrow::ArrayBuilder& builder);

Result<void> read_text_key(Cursor& in, arrow::ArrayBuilder& builder, std::string& scratch) {
  scratch.clear();
  while (true) {
    const auto* zero =
        in.at == in.end
            ? nullptr
            : static_cast<const char*>(std::memchr(in.at, 0, static_cast<size_t>(in.end - in.at)));
    if (zero == nullptr || zero + 1 == in.end) return damaged("text without its end");
    scratch.append(in.at, zero);
    in.at = zero + 2;
    if (zero[1] == 0) return append_text(builder, scratch);
    if (static_cast<uint8_t>(zero[1]) != 0xff) return damaged("an unknown escape in a text");
    scratch.push_back('\0');
  }
}

Result<void> read_key_of(const DataType& type, Cursor& in, arrow::ArrayBuilder& builder) {
  if (const size_t width = integer_width(type.kind()); width > 0) {
    if (!in.has(width)) return damaged("a number is cut off");
    const uint64_t bits = big_endian(in.at, width) ^ (uint64_t{1} << (width * 8 - 1));
    in.at += width;
    const auto shift = static_cast<int>(64 - width * 8);
    return append_integer(builder, type.kind(), static_cast<int64_t>(bits << shift) >> shift);
  }
  switch (type.kind()) {
    case TypeKind::kBoolean:
      if (!in.has(1)) return damaged("a boolean is cut off");
      return append<arrow::BooleanBuilder>(builder, *in.at++ != 0);
    case TypeKind::kFloat: {
      if (!in.has(4)) return damaged("a number is cut off");
      in.at += 4;
      return append<arrow::FloatBuilder>(builder, key_float<float, uint32_t>(in.at - 4));
    }
    case TypeKind::kDouble: {
      if (!in.has(8)) return damaged("a number is cut off");
      in.at += 8;
      return append<arrow::DoubleBuilder>(builder, key_float<double, uint64_t>(in.at - 8));
    }
    case TypeKind::kDecimal: {
      if (!in.has(16)) return damaged("a decimal is cut off");
      const auto high = static_cast<int64_t>(big_endian(in.at, 8) ^ (uint64_t{1} << 63));
      const uint64_t low = big_endian(in.at + 8, 8);
      in.at += 16;
      return append<arrow::Decimal128Builder>(builder, arrow::Decimal128(high, low));
    }
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary: {
      std::string scratch;
      return read_text_key(in, builder, scratch);
    }
    case TypeKind::kStruct: {
      auto& fields = static_cast<arrow::StructBuilder&>(builder);
      WEIR_ARROW_TRY(fields.Append());
      for (size_t i = 0; i < type.fields().size(); ++i)
        WEIR_TRY(read_key(type.fields()[i].type(), in, *fields.field_builder(static_cast<int>(i))));
      return {};
    }
    case TypeKind::kArray: {
      auto& list = static_cast<arrow::ListBuilder&>(builder);
      WEIR_ARROW_TRY(list.Append());
      while (true) {
        if (!in.has(1)) return damaged("an array without its end");
        if (*in.at++ == 0) return {};
        WEIR_TRY(read_key(type.element(), in, *list.value_builder()));
      }
    }
    default:
      return damaged("a value of a type that has none");
  }
}

Result<void> read_key(const DataType& type, Cursor& in, arrow::ArrayBuilder& builder) {
  if (!in.has(1)) return damaged("a column is missing");
  const char present = *in.at++;
  if (present == 0) return columnar::from_arrow(builder.AppendNull());
  if (present != 1) return damaged("neither null nor a value");
  return read_key_of(type, in, builder);
}

bool skip(Cursor& in, size_t bytes) {
  if (!in.has(bytes)) return false;
  in.at += bytes;
  return true;
}

bool skip_text_key(Cursor& in) {
  while (in.at != in.end) {
    const auto* zero =
        static_cast<const char*>(std::memchr(in.at, 0, static_cast<size_t>(in.end - in.at)));
    if (zero == nullptr || zero + 1 == in.end) return false;
    in.at = zero + 2;
    if (zero[1] == 0) return true;
  }
  return false;
}

bool skip_key(const DataType& type, Cursor& in) {
  if (!in.has(1)) return false;
  const char present = *in.at++;
  if (present == 0) return true;
  if (present != 1) return false;
  if (const size_t width = integer_width(type.kind()); width > 0) return skip(in, width);
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return skip(in, 1);
    case TypeKind::kFloat:
      return skip(in, 4);
    case TypeKind::kDouble:
      return skip(in, 8);
    case TypeKind::kDecimal:
      return skip(in, 16);
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary:
      return skip_text_key(in);
    case TypeKind::kStruct:
      return std::all_of(type.fields().begin(), type.fields().end(),
                         [&](const auto& field) { return skip_key(field.type(), in); });
    case TypeKind::kArray:
      while (in.has(1)) {
        if (*in.at++ == 0) return true;
        if (!skip_key(type.element(), in)) return false;
      }
      return false;
    default:
      return false;
  }
}

Result<void> read_value(const DataType& type, Cursor& in, arrow::ArrayBuilder& builder, int depth);

template <typename Builder, typename Value>
Result<void> read_plain(Cursor& in, arrow::ArrayBuilder& builder) {
  if (!in.has(sizeof(Value))) return damaged("a number is cut off");
  Value value;
  std::memcpy(&value, in.at, sizeof(Value));
  in.at += sizeof(Value);
  return append<Builder>(builder, value);
}

bool bit(const char* bitmap, size_t index) { return (bitmap[index / 8] >> (index % 8) & 1) != 0; }

Result<void> read_fields(const std::vector<const DataType*>& types, Cursor& in,
                         std::span<arrow::ArrayBuilder* const> builders, int depth) {
  const size_t bytes = (types.size() + 7) / 8;
  if (!in.has(bytes)) return damaged("a bitmap of nulls is cut off");
  const char* bitmap = in.at;
  in.at += bytes;
  for (size_t i = 0; i < types.size(); ++i) {
    if (bit(bitmap, i)) {
      WEIR_ARROW_TRY(builders[i]->AppendNull());
    } else {
      WEIR_TRY(read_value(*types[i], in, *builders[i], depth));
    }
  }
  return {};
}

Result<uint64_t> read_count(Cursor& in) {
  uint64_t count = 0;
  in.at = read_varint(in.at, in.end, count);
  if (in.at == nullptr) return damaged("a count is cut off");
  // One bit at least an element.
  if (count / 8 > static_cast<uint64_t>(in.end - in.at)) return damaged("a count is too large");
  return count;
}

Result<void> read_value(const DataType& type, Cursor& in, arrow::ArrayBuilder& builder, int depth) {
  switch (type.kind()) {
    case TypeKind::kBoolean:
      if (!in.has(1)) return damaged("a boolean is cut off");
      return append<arrow::BooleanBuilder>(builder, *in.at++ != 0);
    case TypeKind::kByte:
      return read_plain<arrow::Int8Builder, int8_t>(in, builder);
    case TypeKind::kShort:
      return read_plain<arrow::Int16Builder, int16_t>(in, builder);
    case TypeKind::kFloat:
      return read_plain<arrow::FloatBuilder, float>(in, builder);
    case TypeKind::kDouble:
      return read_plain<arrow::DoubleBuilder, double>(in, builder);
    case TypeKind::kDecimal: {
      if (!in.has(16)) return damaged("a decimal is cut off");
      in.at += 16;
      return append<arrow::Decimal128Builder>(
          builder, arrow::Decimal128(reinterpret_cast<const uint8_t*>(in.at - 16)));
    }
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary: {
      uint64_t length = 0;
      const char* text = read_varint(in.at, in.end, length);
      if (text == nullptr || length > static_cast<uint64_t>(in.end - text))
        return damaged("a text is cut off");
      in.at = text + length;
      return append_text(builder, std::string_view(text, length));
    }
    case TypeKind::kStruct: {
      auto& fields = static_cast<arrow::StructBuilder&>(builder);
      WEIR_ARROW_TRY(fields.Append());
      std::vector<const DataType*> types;
      std::vector<arrow::ArrayBuilder*> builders;
      for (size_t i = 0; i < type.fields().size(); ++i) {
        types.push_back(&type.fields()[i].type());
        builders.push_back(fields.field_builder(static_cast<int>(i)));
      }
      return read_fields(types, in, builders, depth + 1);
    }
    case TypeKind::kArray: {
      auto& list = static_cast<arrow::ListBuilder&>(builder);
      WEIR_ARROW_TRY(list.Append());
      WEIR_ASSIGN(const uint64_t count, read_count(in));
      const char* bitmap = in.at;
      in.at += (count + 7) / 8;
      if (in.at > in.end) return damaged("a bitmap of nulls is cut off");
      for (uint64_t i = 0; i < count; ++i) {
        if (bit(bitmap, i)) {
          WEIR_ARROW_TRY(list.value_builder()->AppendNull());
        } else {
          WEIR_TRY(read_value(type.element(), in, *list.value_builder(), depth + 1));
        }
      }
      return {};
    }
    case TypeKind::kMap: {
      auto& map = static_cast<arrow::MapBuilder&>(builder);
      WEIR_ARROW_TRY(map.Append());
      WEIR_ASSIGN(const uint64_t count, read_count(in));
      in.at += (count + 7) / 8;  // entries are never null
      if (in.at > in.end) return damaged("a bitmap of nulls is cut off");
      const std::vector<const DataType*> types{&type.key(), &type.value()};
      arrow::ArrayBuilder* const builders[] = {map.key_builder(), map.item_builder()};
      for (uint64_t i = 0; i < count; ++i) {
        // The entry's own bitmap: its first bit would be a null key.
        if (in.has(1) && bit(in.at, 0)) return damaged("a map's key is null");
        WEIR_TRY(read_fields(types, in, builders, depth + 1));
      }
      return {};
    }
    case TypeKind::kNull:
      return damaged("a value of a type that has none");
    default: {
      uint64_t value = 0;
      const char* next = read_varint(in.at, in.end, value);
      if (next == nullptr) return damaged("a number is cut off");
      in.at = next;
      return append_integer(builder, type.kind(), unzigzag(value));
    }
  }
}

using Builders = std::vector<std::unique_ptr<arrow::ArrayBuilder>>;

Result<Builders> make_builders(const columnar::Schema& schema, size_t rows) {
  Builders builders;
  for (const auto& field : schema.fields()) {
    WEIR_ARROW_ASSIGN(auto builder, arrow::MakeBuilder(columnar::to_arrow(field.type())));
    WEIR_ARROW_TRY(builder->Reserve(static_cast<int64_t>(rows)));
    builders.push_back(std::move(builder));
  }
  return builders;
}

Result<std::vector<ArrayPtr>> finish(Builders& builders) {
  std::vector<ArrayPtr> columns;
  for (auto& builder : builders) {
    WEIR_ARROW_ASSIGN(auto column, builder->Finish());
    columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace

Result<std::vector<ArrayPtr>> decode_keys(const columnar::Schema& schema,
                                          std::span<const std::string_view> keys) {
  WEIR_ASSIGN(Builders builders, make_builders(schema, keys.size()));
  for (const std::string_view key : keys) {
    Cursor in{key.data(), key.data() + key.size()};
    for (size_t i = 0; i < builders.size(); ++i) {
      if (key.data() == nullptr) {
        WEIR_ARROW_TRY(builders[i]->AppendNull());
      } else {
        WEIR_TRY(read_key(schema.fields()[i].type(), in, *builders[i]));
      }
    }
    if (in.at != in.end) return damaged("bytes after the last column");
  }
  return finish(builders);
}

Result<std::vector<ArrayPtr>> decode_values(const columnar::Schema& schema,
                                            std::span<const std::string_view> values) {
  WEIR_ASSIGN(Builders builders, make_builders(schema, values.size()));
  std::vector<const DataType*> types;
  std::vector<arrow::ArrayBuilder*> columns;
  for (size_t i = 0; i < builders.size(); ++i) {
    types.push_back(&schema.fields()[i].type());
    columns.push_back(builders[i].get());
  }
  for (const std::string_view value : values) {
    if (value.data() == nullptr) {
      for (auto* column : columns)
        WEIR_ARROW_TRY(column->AppendNull());
      continue;
    }
    Cursor in{value.data(), value.data() + value.size()};
    WEIR_TRY(read_fields(types, in, columns, 0));
    if (in.at != in.end) return damaged("bytes after the last column");
  }
  return finish(builders);
}

std::optional<size_t> key_prefix_bytes(const columnar::Schema& schema, size_t columns,
                                       std::string_view key) {
  Cursor in{key.data(), key.data() + key.size()};
  for (size_t i = 0; i < columns; ++i)
    if (!skip_key(schema.fields()[i].type(), in)) return std::nullopt;
  return static_cast<size_t>(in.at - key.data());
}

}  // namespace weir::state
