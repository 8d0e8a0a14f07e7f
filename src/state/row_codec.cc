#include "state/row_codec.h"

#include <bit>
#include <cmath>
#include <type_traits>

#include <arrow/array.h>
#include <arrow/type.h>

#include "columnar/arrow_types.h"
#include "state/varint.h"

namespace weir::state {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

namespace {

// Each of the following writes one kind of array: the bytes that a value needs, and the bytes. The
// value is not null.

template <typename Array>
struct IntegerKey {
  const Array& array;
  using Value = std::decay_t<decltype(array.Value(0))>;
  using Bits = std::make_unsigned_t<Value>;
  size_t size(int64_t) const { return sizeof(Value); }
  char* write(int64_t row, char* out) const {
    auto bits = static_cast<Bits>(static_cast<Bits>(array.Value(row)) ^
                                  (Bits{1} << (sizeof(Bits) * 8 - 1)));
    for (size_t i = sizeof(Bits); i-- > 0;
         bits = static_cast<Bits>(sizeof(Bits) > 1 ? bits >> 8 : 0))
      out[i] = static_cast<char>(bits);
    return out + sizeof(Bits);
  }
};

template <typename Array, typename Bits>
struct FloatKey {
  const Array& array;
  size_t size(int64_t) const { return sizeof(Bits); }
  char* write(int64_t row, char* out) const {
    auto value = array.Value(row);
    if (value == 0) value = 0;  // -0.0
    if (std::isnan(value)) value = std::numeric_limits<decltype(value)>::quiet_NaN();
    auto bits = std::bit_cast<Bits>(value);
    constexpr Bits kSign = Bits{1} << (sizeof(Bits) * 8 - 1);
    bits = (bits & kSign) != 0 ? ~bits : bits | kSign;
    for (size_t i = sizeof(Bits); i-- > 0; bits >>= 8)
      out[i] = static_cast<char>(bits);
    return out + sizeof(Bits);
  }
};

struct BooleanBytes {
  const arrow::BooleanArray& array;
  size_t size(int64_t) const { return 1; }
  char* write(int64_t row, char* out) const {
    *out = array.Value(row) ? 1 : 0;
    return out + 1;
  }
};

struct DecimalKey {
  const arrow::Decimal128Array& array;
  size_t size(int64_t) const { return 16; }
  char* write(int64_t row, char* out) const {
    const uint8_t* value = array.Value(row);
    for (size_t i = 0; i < 16; ++i)
      out[i] = static_cast<char>(value[15 - i]);
    out[0] = static_cast<char>(static_cast<uint8_t>(out[0]) ^ 0x80);
    return out + 16;
  }
};

struct TextKey {
  const arrow::BinaryArray& array;
  size_t size(int64_t row) const {
    const std::string_view text = array.GetView(row);
    size_t size = text.size() + 2;
    for (const char* zero = find_zero(text.data(), text.data() + text.size()); zero != nullptr;
         zero = find_zero(zero + 1, text.data() + text.size()))
      ++size;
    return size;
  }
  char* write(int64_t row, char* out) const {
    const std::string_view text = array.GetView(row);
    const char* from = text.data();
    const char* end = from + text.size();
    while (const char* zero = find_zero(from, end)) {
      const auto count = static_cast<size_t>(zero - from);
      std::memcpy(out, from, count);
      out[count] = 0;
      out[count + 1] = static_cast<char>(0xff);
      out += count + 2;
      from = zero + 1;
    }
    if (from != end) std::memcpy(out, from, static_cast<size_t>(end - from));
    out += end - from;
    *out++ = 0;
    *out++ = 0;
    return out;
  }
  static const char* find_zero(const char* from, const char* end) {
    return from == end
               ? nullptr
               : static_cast<const char*>(std::memchr(from, 0, static_cast<size_t>(end - from)));
  }
};

size_t key_size(const arrow::Array& array, int64_t row);  // with the byte for null
char* write_key(const arrow::Array& array, int64_t row, char* out);

struct StructKey {
  const arrow::StructArray& array;
  size_t size(int64_t row) const {
    size_t size = 0;
    for (int i = 0; i < array.num_fields(); ++i)
      size += key_size(*array.field(i), row);
    return size;
  }
  char* write(int64_t row, char* out) const {
    for (int i = 0; i < array.num_fields(); ++i)
      out = write_key(*array.field(i), row, out);
    return out;
  }
};

struct ListKey {
  const arrow::ListArray& array;
  size_t size(int64_t row) const {
    size_t size = 1;
    for (int64_t i = array.value_offset(row); i < array.value_offset(row + 1); ++i)
      size += 1 + key_size(*array.values(), i);
    return size;
  }
  char* write(int64_t row, char* out) const {
    for (int64_t i = array.value_offset(row); i < array.value_offset(row + 1); ++i) {
      *out++ = 1;
      out = write_key(*array.values(), i, out);
    }
    *out++ = 0;
    return out;
  }
};

struct NoBytes {  // of the null type: every value is null
  size_t size(int64_t) const { return 0; }
  char* write(int64_t, char* out) const { return out; }
};

template <typename F>
auto with_key(const arrow::Array& array, F&& use) {
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return use(BooleanBytes{static_cast<const arrow::BooleanArray&>(array)});
    case arrow::Type::INT8:
      return use(IntegerKey<arrow::Int8Array>{static_cast<const arrow::Int8Array&>(array)});
    case arrow::Type::INT16:
      return use(IntegerKey<arrow::Int16Array>{static_cast<const arrow::Int16Array&>(array)});
    case arrow::Type::INT32:
      return use(IntegerKey<arrow::Int32Array>{static_cast<const arrow::Int32Array&>(array)});
    case arrow::Type::DATE32:
      return use(IntegerKey<arrow::Date32Array>{static_cast<const arrow::Date32Array&>(array)});
    case arrow::Type::INT64:
      return use(IntegerKey<arrow::Int64Array>{static_cast<const arrow::Int64Array&>(array)});
    case arrow::Type::TIMESTAMP:
      return use(
          IntegerKey<arrow::TimestampArray>{static_cast<const arrow::TimestampArray&>(array)});
    case arrow::Type::DURATION:
      return use(IntegerKey<arrow::DurationArray>{static_cast<const arrow::DurationArray&>(array)});
    case arrow::Type::FLOAT:
      return use(
          FloatKey<arrow::FloatArray, uint32_t>{static_cast<const arrow::FloatArray&>(array)});
    case arrow::Type::DOUBLE:
      return use(
          FloatKey<arrow::DoubleArray, uint64_t>{static_cast<const arrow::DoubleArray&>(array)});
    case arrow::Type::DECIMAL128:
      return use(DecimalKey{static_cast<const arrow::Decimal128Array&>(array)});
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return use(TextKey{static_cast<const arrow::BinaryArray&>(array)});
    case arrow::Type::STRUCT:
      return use(StructKey{static_cast<const arrow::StructArray&>(array)});
    case arrow::Type::LIST:
      return use(ListKey{static_cast<const arrow::ListArray&>(array)});
    default:
      return use(NoBytes{});
  }
}

size_t key_size(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return 1;
  return 1 + with_key(array, [&](const auto& bytes) { return bytes.size(row); });
}

char* write_key(const arrow::Array& array, int64_t row, char* out) {
  *out = array.IsNull(row) ? 0 : 1;
  if (*out++ == 0) return out;
  return with_key(array, [&](const auto& bytes) { return bytes.write(row, out); });
}

// --- values

template <typename Array>
struct VarintValue {
  const Array& array;
  size_t size(int64_t row) const { return varint_size(zigzag(array.Value(row))); }
  char* write(int64_t row, char* out) const { return write_varint(out, zigzag(array.Value(row))); }
};

template <typename Array>
struct PlainValue {
  const Array& array;
  using Value = std::decay_t<decltype(array.Value(0))>;
  size_t size(int64_t) const { return sizeof(Value); }
  char* write(int64_t row, char* out) const {
    const Value value = array.Value(row);
    std::memcpy(out, &value, sizeof(Value));
    return out + sizeof(Value);
  }
};

struct DecimalValue {
  const arrow::Decimal128Array& array;
  size_t size(int64_t) const { return 16; }
  char* write(int64_t row, char* out) const {
    std::memcpy(out, array.Value(row), 16);
    return out + 16;
  }
};

struct TextValue {
  const arrow::BinaryArray& array;
  size_t size(int64_t row) const {
    const auto length = static_cast<size_t>(array.value_length(row));
    return varint_size(length) + length;
  }
  char* write(int64_t row, char* out) const {
    const std::string_view text = array.GetView(row);
    out = write_varint(out, text.size());
    if (!text.empty()) std::memcpy(out, text.data(), text.size());
    return out + text.size();
  }
};

size_t value_size(const arrow::Array& array, int64_t row);
char* write_value(const arrow::Array& array, int64_t row, char* out);

struct StructValue {
  const arrow::StructArray& array;
  size_t size(int64_t row) const {
    size_t size = (static_cast<size_t>(array.num_fields()) + 7) / 8;
    for (int i = 0; i < array.num_fields(); ++i)
      if (array.field(i)->IsValid(row)) size += value_size(*array.field(i), row);
    return size;
  }
  char* write(int64_t row, char* out) const {
    const auto fields = static_cast<size_t>(array.num_fields());
    char* bitmap = out;
    std::memset(bitmap, 0, (fields + 7) / 8);
    out += (fields + 7) / 8;
    for (size_t i = 0; i < fields; ++i) {
      const arrow::Array& field = *array.field(static_cast<int>(i));
      if (field.IsNull(row)) {
        bitmap[i / 8] = static_cast<char>(bitmap[i / 8] | (1 << (i % 8)));
      } else {
        out = write_value(field, row, out);
      }
    }
    return out;
  }
};

// Lists, and maps as lists of entries.
struct ListValue {
  const arrow::ListArray& array;
  size_t size(int64_t row) const {
    const int64_t begin = array.value_offset(row);
    const int64_t end = array.value_offset(row + 1);
    const auto count = static_cast<size_t>(end - begin);
    size_t size = varint_size(count) + (count + 7) / 8;
    for (int64_t i = begin; i < end; ++i)
      if (array.values()->IsValid(i)) size += value_size(*array.values(), i);
    return size;
  }
  char* write(int64_t row, char* out) const {
    const int64_t begin = array.value_offset(row);
    const auto count = static_cast<size_t>(array.value_offset(row + 1) - begin);
    out = write_varint(out, count);
    char* bitmap = out;
    std::memset(bitmap, 0, (count + 7) / 8);
    out += (count + 7) / 8;
    for (size_t i = 0; i < count; ++i) {
      const int64_t at = begin + static_cast<int64_t>(i);
      if (array.values()->IsNull(at)) {
        bitmap[i / 8] = static_cast<char>(bitmap[i / 8] | (1 << (i % 8)));
      } else {
        out = write_value(*array.values(), at, out);
      }
    }
    return out;
  }
};

template <typename F>
auto with_value(const arrow::Array& array, F&& use) {
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return use(BooleanBytes{static_cast<const arrow::BooleanArray&>(array)});
    case arrow::Type::INT8:
      return use(PlainValue<arrow::Int8Array>{static_cast<const arrow::Int8Array&>(array)});
    case arrow::Type::INT16:
      return use(PlainValue<arrow::Int16Array>{static_cast<const arrow::Int16Array&>(array)});
    case arrow::Type::INT32:
      return use(VarintValue<arrow::Int32Array>{static_cast<const arrow::Int32Array&>(array)});
    case arrow::Type::DATE32:
      return use(VarintValue<arrow::Date32Array>{static_cast<const arrow::Date32Array&>(array)});
    case arrow::Type::INT64:
      return use(VarintValue<arrow::Int64Array>{static_cast<const arrow::Int64Array&>(array)});
    case arrow::Type::TIMESTAMP:
      return use(
          VarintValue<arrow::TimestampArray>{static_cast<const arrow::TimestampArray&>(array)});
    case arrow::Type::DURATION:
      return use(
          VarintValue<arrow::DurationArray>{static_cast<const arrow::DurationArray&>(array)});
    case arrow::Type::FLOAT:
      return use(PlainValue<arrow::FloatArray>{static_cast<const arrow::FloatArray&>(array)});
    case arrow::Type::DOUBLE:
      return use(PlainValue<arrow::DoubleArray>{static_cast<const arrow::DoubleArray&>(array)});
    case arrow::Type::DECIMAL128:
      return use(DecimalValue{static_cast<const arrow::Decimal128Array&>(array)});
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return use(TextValue{static_cast<const arrow::BinaryArray&>(array)});
    case arrow::Type::STRUCT:
      return use(StructValue{static_cast<const arrow::StructArray&>(array)});
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      return use(ListValue{static_cast<const arrow::ListArray&>(array)});
    default:
      return use(NoBytes{});
  }
}

size_t value_size(const arrow::Array& array, int64_t row) {
  return with_value(array, [&](const auto& bytes) { return bytes.size(row); });
}

char* write_value(const arrow::Array& array, int64_t row, char* out) {
  return with_value(array, [&](const auto& bytes) { return bytes.write(row, out); });
}

// --- checks

Result<void> check_key_type(const DataType& type, const std::string& path) {
  if (type.is(TypeKind::kMap))
    return error(ErrorKind::kUnsupported, "{}: a map cannot be a key of state", path);
  if (type.is(TypeKind::kArray)) return check_key_type(type.element(), path + ".element");
  if (type.is(TypeKind::kStruct))
    for (const auto& field : type.fields())
      WEIR_TRY(check_key_type(field.type(), path + "." + field.name));
  return {};
}

bool same_layout(const arrow::DataType& a, const arrow::DataType& b) {
  if (a.id() != b.id() || a.num_fields() != b.num_fields()) return false;
  if (a.id() == arrow::Type::DECIMAL128 || a.id() == arrow::Type::TIMESTAMP ||
      a.id() == arrow::Type::DURATION) {
    if (a.id() == arrow::Type::DECIMAL128) return a.Equals(b);
    const auto unit = [](const arrow::DataType& type) {
      return type.id() == arrow::Type::TIMESTAMP
                 ? static_cast<const arrow::TimestampType&>(type).unit()
                 : static_cast<const arrow::DurationType&>(type).unit();
    };
    return unit(a) == unit(b);
  }
  for (int i = 0; i < a.num_fields(); ++i)
    if (!same_layout(*a.field(i)->type(), *b.field(i)->type())) return false;
  return true;
}

Result<int64_t> check_columns(const columnar::Schema& schema, std::span<const ArrayPtr> columns) {
  const auto& fields = schema.fields();
  if (columns.size() != fields.size())
    return error(ErrorKind::kInvalidArgument, "{} columns given for a row of state with {}",
                 columns.size(), fields.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto expected = columnar::to_arrow(fields[i].type());
    if (!same_layout(*expected, *columns[i]->type()))
      return error(ErrorKind::kInvalidArgument, "column {} of a row of state is {} instead of {}",
                   fields[i].name, columns[i]->type()->ToString(), expected->ToString());
    if (columns[i]->length() != columns[0]->length())
      return error(ErrorKind::kInvalidArgument, "columns of a row of state differ in length");
  }
  return columns.empty() ? 0 : columns[0]->length();
}

}  // namespace

Result<KeyEncoder> KeyEncoder::make(columnar::Schema schema, int prefix_columns) {
  for (const auto& field : schema.fields())
    WEIR_TRY(check_key_type(field.type(), field.name));
  const auto columns = static_cast<int>(schema.fields().size());
  if (prefix_columns < 0 || prefix_columns > columns)
    return error(ErrorKind::kInvalidArgument, "a prefix of {} columns of a key with {}",
                 prefix_columns, columns);
  return KeyEncoder(std::move(schema), prefix_columns == 0 ? columns : prefix_columns);
}

Result<void> KeyEncoder::encode(std::span<const ArrayPtr> columns, EncodedRows& keys) {
  WEIR_ASSIGN(const int64_t row_count, check_columns(schema_, columns));
  const auto rows = static_cast<size_t>(row_count);
  keys.clear();
  keys.offsets_.assign(rows + 1, 0);
  uint64_t* sizes = keys.offsets_.data() + 1;
  for (const ArrayPtr& column : columns) {
    with_key(*column, [&](const auto& bytes) {
      for (size_t i = 0; i < rows; ++i) {
        const auto row = static_cast<int64_t>(i);
        sizes[i] += column->IsNull(row) ? 1 : 1 + bytes.size(row);
      }
    });
  }
  cursor_.resize(rows);
  for (size_t i = 0; i < rows; ++i) {
    cursor_[i] = keys.offsets_[i];
    keys.offsets_[i + 1] += keys.offsets_[i];
  }
  keys.bytes_.resize(keys.offsets_.back());
  char* base = keys.bytes_.data();
  const bool whole = static_cast<size_t>(prefix_columns_) == columns.size();
  for (size_t c = 0; c < columns.size(); ++c) {
    const arrow::Array& column = *columns[c];
    with_key(column, [&](const auto& bytes) {
      for (size_t i = 0; i < rows; ++i) {
        const auto row = static_cast<int64_t>(i);
        char* out = base + cursor_[i];
        const bool null = column.IsNull(row);
        *out++ = null ? 0 : 1;
        if (!null) out = bytes.write(row, out);
        cursor_[i] = static_cast<uint64_t>(out - base);
      }
    });
    if (!whole && c + 1 == static_cast<size_t>(prefix_columns_)) {
      keys.prefixes_.resize(rows);
      for (size_t i = 0; i < rows; ++i)
        keys.prefixes_[i] = static_cast<uint32_t>(cursor_[i] - keys.offsets_[i]);
    }
  }
  keys.hashes_.resize(rows);
  for (size_t i = 0; i < rows; ++i)
    keys.hashes_[i] = hash_bytes(keys.prefix(static_cast<int64_t>(i)));
  return {};
}

Result<ValueEncoder> ValueEncoder::make(columnar::Schema schema) {
  return ValueEncoder(std::move(schema));
}

Result<void> ValueEncoder::encode(std::span<const ArrayPtr> columns, EncodedRows& values) {
  WEIR_ASSIGN(const int64_t row_count, check_columns(schema_, columns));
  const auto rows = static_cast<size_t>(row_count);
  const size_t bitmap = (columns.size() + 7) / 8;
  values.clear();
  values.offsets_.assign(rows + 1, bitmap);
  values.offsets_[0] = 0;
  uint64_t* sizes = values.offsets_.data() + 1;
  for (const ArrayPtr& column : columns) {
    with_value(*column, [&](const auto& bytes) {
      for (size_t i = 0; i < rows; ++i) {
        const auto row = static_cast<int64_t>(i);
        if (column->IsValid(row)) sizes[i] += bytes.size(row);
      }
    });
  }
  cursor_.resize(rows);
  for (size_t i = 0; i < rows; ++i) {
    cursor_[i] = values.offsets_[i] + bitmap;
    values.offsets_[i + 1] += values.offsets_[i];
  }
  values.bytes_.assign(values.offsets_.back(), '\0');
  char* base = values.bytes_.data();
  for (size_t c = 0; c < columns.size(); ++c) {
    const arrow::Array& column = *columns[c];
    with_value(column, [&](const auto& bytes) {
      for (size_t i = 0; i < rows; ++i) {
        const auto row = static_cast<int64_t>(i);
        if (column.IsNull(row)) {
          char& byte = base[values.offsets_[i] + c / 8];
          byte = static_cast<char>(byte | (1 << (c % 8)));
        } else {
          cursor_[i] = static_cast<uint64_t>(bytes.write(row, base + cursor_[i]) - base);
        }
      }
    });
  }
  return {};
}

}  // namespace weir::state
