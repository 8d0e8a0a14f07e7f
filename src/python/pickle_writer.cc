#include <algorithm>
#include <cstring>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/json.h"
#include "columnar/arrow_types.h"
#include "columnar/client_arrow.h"
#include "python/pickled_rows.h"
#include "python/run_header.h"

namespace weir::python {

namespace {

using columnar::DataType;
using columnar::TypeKind;

// PySpark's DataType.needConversion.
bool needs_conversion(const DataType& type) {
  switch (type.kind()) {
    case TypeKind::kDate:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
    case TypeKind::kDayTimeInterval:
    case TypeKind::kStruct:
      return true;
    case TypeKind::kArray:
      return needs_conversion(type.element());
    case TypeKind::kMap:
      return needs_conversion(type.key()) || needs_conversion(type.value());
    default:
      return false;
  }
}

// Opcodes of protocol 4, little-endian.
class Pickler {
 public:
  explicit Pickler(std::string& out) : out_(out) {}
  void code(char opcode) { out_.push_back(opcode); }
  void raw(std::string_view bytes) { out_.append(bytes); }
  void none() { code('N'); }
  void boolean(bool value) { code(value ? '\x88' : '\x89'); }
  void number(int64_t value) {
    if (value >= INT32_MIN && value <= INT32_MAX) {
      code('J');
      fixed(static_cast<int32_t>(value));
    } else {
      code('\x8a');
      code(8);
      fixed(value);
    }
  }
  void real(double value) {
    code('G');
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    for (int shift = 56; shift >= 0; shift -= 8)
      code(static_cast<char>(bits >> shift));
  }
  void text(std::string_view value) { sized('X', '\x8d', value); }
  void bytes(std::string_view value) { sized('B', '\x8e', value); }
  void global(std::string_view module, std::string_view name) {
    code('c');
    raw(module);
    code('\n');
    raw(name);
    code('\n');
  }

 private:
  template <typename T>
  void fixed(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));  // little-endian, as this machine
    out_.append(bytes, sizeof(T));
  }
  void sized(char narrow, char wide, std::string_view value) {
    if (value.size() <= UINT32_MAX) {
      code(narrow);
      fixed(static_cast<uint32_t>(value.size()));
    } else {
      code(wide);
      fixed(static_cast<uint64_t>(value.size()));
    }
    raw(value);
  }
  std::string& out_;
};

class ValueWriter {
 public:
  explicit ValueWriter(Pickler& out) : out_(out) {}

  Result<void> write(const arrow::Array& array, int64_t row, const DataType& type) {
    if (array.IsNull(row)) {
      out_.none();
      return {};
    }
    switch (type.kind()) {
      case TypeKind::kNull:
        out_.none();
        return {};
      case TypeKind::kBoolean:
        out_.boolean(static_cast<const arrow::BooleanArray&>(array).Value(row));
        return {};
      case TypeKind::kByte:
        out_.number(static_cast<const arrow::Int8Array&>(array).Value(row));
        return {};
      case TypeKind::kShort:
        out_.number(static_cast<const arrow::Int16Array&>(array).Value(row));
        return {};
      case TypeKind::kInteger:
      case TypeKind::kYearMonthInterval:
        out_.number(static_cast<const arrow::Int32Array&>(array).Value(row));
        return {};
      case TypeKind::kDate:
        out_.number(static_cast<const arrow::Date32Array&>(array).Value(row));
        return {};
      case TypeKind::kLong:
        out_.number(static_cast<const arrow::Int64Array&>(array).Value(row));
        return {};
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampNtz:
        out_.number(static_cast<const arrow::TimestampArray&>(array).Value(row));
        return {};
      case TypeKind::kDayTimeInterval:
        out_.number(static_cast<const arrow::DurationArray&>(array).Value(row));
        return {};
      case TypeKind::kFloat:
        out_.real(static_cast<const arrow::FloatArray&>(array).Value(row));
        return {};
      case TypeKind::kDouble:
        out_.real(static_cast<const arrow::DoubleArray&>(array).Value(row));
        return {};
      case TypeKind::kDecimal:
        out_.global("decimal", "Decimal");
        out_.text(static_cast<const arrow::Decimal128Array&>(array).FormatValue(row));
        out_.raw("\x85R");  // a tuple of one, called
        return {};
      case TypeKind::kString:
        out_.text(static_cast<const arrow::StringArray&>(array).GetView(row));
        return {};
      case TypeKind::kBinary:
        out_.bytes(static_cast<const arrow::BinaryArray&>(array).GetView(row));
        return {};
      case TypeKind::kArray:
        return list(static_cast<const arrow::ListArray&>(array), row, type);
      case TypeKind::kMap:
        return map(static_cast<const arrow::MapArray&>(array), row, type);
      case TypeKind::kStruct: {
        const auto& parts = static_cast<const arrow::StructArray&>(array);
        out_.code('(');
        for (size_t i = 0; i < type.fields().size(); ++i)
          WEIR_TRY(write(*parts.field(static_cast<int>(i)), row, type.fields()[i].type()));
        out_.code('t');
        return {};
      }
      default:
        return base::error(base::ErrorKind::kUnsupported,
                           "an argument of type {} of a Python function", type.simple_string())
            .with_class("UNSUPPORTED_FEATURE")
            .with_sql_state("0A000");
    }
  }

 private:
  Result<void> list(const arrow::ListArray& array, int64_t row, const DataType& type) {
    out_.raw("](");
    for (int64_t i = array.value_offset(row); i < array.value_offset(row + 1); ++i)
      WEIR_TRY(write(*array.values(), i, type.element()));
    out_.code('e');
    return {};
  }
  Result<void> map(const arrow::MapArray& array, int64_t row, const DataType& type) {
    out_.raw("}(");
    for (int64_t i = array.value_offset(row); i < array.value_offset(row + 1); ++i) {
      WEIR_TRY(write(*array.keys(), i, type.key()));
      WEIR_TRY(write(*array.items(), i, type.value()));
    }
    out_.code('u');
    return {};
  }
  Pickler& out_;
};

bool any_conversion(const columnar::Schema& schema) {
  return std::any_of(schema.fields().begin(), schema.fields().end(),
                     [](const auto& field) { return needs_conversion(field.type()); });
}

// Leaves what makes a row of a tuple in memo 0.
void begin_rows(Pickler& out, const std::string& json) {
  out.global("pyspark.sql.types", "_create_row_inbound_converter");
  out.global("pyspark.sql.types", "_parse_datatype_json_string");
  out.text(json);
  out.raw(
      "\x85R\x85R\x94"
      "0");
}

}  // namespace

Result<std::string> pickle_struct(const arrow::Array& structs, int64_t row,
                                  const columnar::Schema& schema) {
  const bool converted = any_conversion(schema);
  std::string pickle;
  Pickler out(pickle);
  out.raw("\x80\x04");
  if (converted) {
    begin_rows(out, base::json_text(schema.to_json()));
    out.raw({"h\0", 2});
  }
  WEIR_TRY(ValueWriter(out).write(structs, row, schema));
  if (converted) out.code('R');
  out.code('.');
  return pickle;
}

Result<std::string> pickle_named_row(const arrow::Array& structs, int64_t row,
                                     const columnar::Schema& schema) {
  if (any_conversion(schema)) return pickle_struct(structs, row, schema);
  std::string pickle;
  Pickler out(pickle);
  out.raw("\x80\x04");
  out.global("pyspark.sql.types", "_create_row");
  out.raw("](");
  for (const auto& field : schema.fields())
    out.text(field.name);
  out.code('e');
  WEIR_TRY(ValueWriter(out).write(structs, row, schema));
  out.raw("\x86R.");
  return pickle;
}

Result<std::string> pickle_rows(const arrow::RecordBatch& given, const columnar::Schema& schema,
                                bool named) {
  constexpr int64_t kFrameRows = 100;
  const auto whole = arrow::RecordBatch::Make(given.schema(), given.num_rows(), given.columns());
  WEIR_ASSIGN(const auto rows, columnar::conform(whole, columnar::to_arrow_schema(schema)));
  const bool converted = named || any_conversion(schema);
  const auto json = converted ? base::json_text(schema.to_json()) : std::string();
  WireBytes all;
  std::string frame;
  for (int64_t begin = 0; begin < rows->num_rows(); begin += kFrameRows) {
    frame.clear();
    Pickler out(frame);
    ValueWriter values(out);
    out.raw("\x80\x04");
    if (converted) begin_rows(out, json);
    out.raw("](");
    const int64_t end = std::min(rows->num_rows(), begin + kFrameRows);
    for (int64_t row = begin; row < end; ++row) {
      if (converted) out.raw({"h\0", 2});
      out.code('(');
      for (int i = 0; i < rows->num_columns(); ++i)
        WEIR_TRY(
            values.write(*rows->column(i), row, schema.fields()[static_cast<size_t>(i)].type()));
      out.code('t');
      if (converted) out.code('R');
    }
    out.raw("e.");
    all.put_text(frame);
  }
  return all.take();
}

std::string pickles_end() {
  WireBytes bytes;
  bytes.put_int(kEndOfDataSection);
  return bytes.take();
}

}  // namespace weir::python
