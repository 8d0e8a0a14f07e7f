// = <=> < <= > >=, IN, NULL tests, greatest, least, nullif. NaN equals NaN and is the greatest
// number; -0.0 equals 0.0.
#include <cmath>

#include <arrow/array/concatenate.h>
#include <arrow/compute/api.h>

#include "eval/compare.h"
#include "eval/map_rows.h"
#include "eval/node.h"

namespace weir::eval {

using plan::Int128;

namespace {

template <typename T>
int order(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool a_nan = std::isnan(a), b_nan = std::isnan(b);
    if (a_nan || b_nan) return static_cast<int>(a_nan) - static_cast<int>(b_nan);
  }
  return a < b ? -1 : b < a ? 1 : 0;
}

int order(std::string_view a, std::string_view b) {
  const int by_bytes = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return by_bytes != 0 ? by_bytes : order<size_t>(a.size(), b.size());
}

// Nested values: structs field by field, arrays element by element; a NULL inside sorts first.
class NestedReader {
 public:
  NestedReader(const DataType& type, const Vector& vector)
      : valid(vector), type_(type), array_(*vector.array), constant_(vector.constant) {}
  struct Position {
    const DataType* type;
    const arrow::Array* array;
    int64_t row;
  };
  Position operator[](int64_t row) const { return {&type_, &array_, constant_ ? 0 : row}; }
  Validity valid;

 private:
  const DataType& type_;
  const arrow::Array& array_;
  bool constant_;
};

int order(const NestedReader::Position& a, const NestedReader::Position& b) {
  return compare_values(*a.type, *a.array, a.row, *b.array, b.row);
}

// Calls visit(reader_a, reader_b) with readers of the operands' type.
template <typename Visit>
Result<ArrayPtr> with_readers(const DataType& type, const Vector& a, const Vector& b,
                              Visit&& visit) {
  switch (type.kind()) {
    case TypeKind::kNull:
    case TypeKind::kBoolean:
      return visit(BoolReader(a), BoolReader(b));
    case TypeKind::kByte:
      return visit(FixedReader<int8_t>(a), FixedReader<int8_t>(b));
    case TypeKind::kShort:
      return visit(FixedReader<int16_t>(a), FixedReader<int16_t>(b));
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return visit(FixedReader<int32_t>(a), FixedReader<int32_t>(b));
    case TypeKind::kFloat:
      return visit(FixedReader<float>(a), FixedReader<float>(b));
    case TypeKind::kDouble:
      return visit(FixedReader<double>(a), FixedReader<double>(b));
    case TypeKind::kDecimal:
      return visit(FixedReader<Int128>(a), FixedReader<Int128>(b));
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary:
      return visit(TextReader(a), TextReader(b));
    case TypeKind::kArray:
    case TypeKind::kStruct:
      return visit(NestedReader(type, a), NestedReader(type, b));
    case TypeKind::kMap:
      return base::error(base::ErrorKind::kUnsupported, "maps cannot be compared");
    default:
      return visit(FixedReader<int64_t>(a), FixedReader<int64_t>(b));
  }
}

enum class Op { kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

template <Op op>
bool holds(int order_of) {
  if constexpr (op == Op::kEqual) return order_of == 0;
  if constexpr (op == Op::kLess) return order_of < 0;
  if constexpr (op == Op::kLessOrEqual) return order_of <= 0;
  if constexpr (op == Op::kGreater) return order_of > 0;
  return order_of >= 0;
}

template <Op op>
Result<ArrayPtr> compare(KernelCall& call, Operands arguments) {
  return with_readers(
      call.type_of(0), arguments[0], arguments[1],
      [&](const auto& a, const auto& b) -> Result<ArrayPtr> {
        return map_bool(
            call, [](const auto& x, const auto& y) { return holds<op>(order(x, y)); }, a, b);
      });
}

Result<ArrayPtr> null_safe_equal(KernelCall& call, Operands arguments) {
  return with_readers(
      call.type_of(0), arguments[0], arguments[1],
      [&](const auto& a, const auto& b) -> Result<ArrayPtr> {
        BoolWriter writer(call.rows);
        for (int64_t row = 0; row < call.rows; ++row) {
          const bool a_valid = a.valid[row], b_valid = b.valid[row];
          writer.set(row, a_valid && b_valid ? order(a[row], b[row]) == 0 : a_valid == b_valid);
        }
        return writer.finish();
      });
}

Result<ArrayPtr> in_list(KernelCall& call, Operands arguments) {
  enum : uint8_t { kNo, kYes, kUnknown };
  std::vector<uint8_t> found(static_cast<size_t>(call.rows), kNo);
  for (size_t i = 1; i < arguments.size(); ++i) {
    WEIR_TRY(with_readers(call.type_of(0), arguments[0], arguments[i],
                          [&](const auto& a, const auto& b) -> Result<ArrayPtr> {
                            for (int64_t row = 0; row < call.rows; ++row) {
                              auto& state = found[static_cast<size_t>(row)];
                              if (state == kYes) continue;
                              if (!a.valid[row] || !b.valid[row]) {
                                state = kUnknown;
                              } else if (order(a[row], b[row]) == 0) {
                                state = kYes;
                              }
                            }
                            return ArrayPtr();
                          }));
  }
  BoolWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    const auto state = found[static_cast<size_t>(row)];
    if (state == kUnknown) {
      writer.set_null(row);
    } else {
      writer.set(row, state == kYes);
    }
  }
  return writer.finish();
}

Result<ArrayPtr> negate(KernelCall& call, Operands arguments) {
  return map_bool(
      call, [](bool value) { return !value; }, BoolReader(arguments[0]));
}

template <bool wanted>
Result<ArrayPtr> test_null(KernelCall& call, Operands arguments) {
  const Validity valid(arguments[0]);
  BoolWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.set(row, valid[row] != wanted);
  return writer.finish();
}

Result<ArrayPtr> is_nan(KernelCall& call, Operands arguments) {
  BoolWriter writer(call.rows);
  const auto run = [&](const auto& reader) {
    for (int64_t row = 0; row < call.rows; ++row)
      writer.set(row, reader.valid[row] && std::isnan(reader[row]));
  };
  if (call.type_of(0).is(TypeKind::kFloat)) {
    run(FixedReader<float>(arguments[0]));
  } else {
    run(FixedReader<double>(arguments[0]));
  }
  return writer.finish();
}

// Takes, a row, the value of one of the operands (-1: NULL).
Result<ArrayPtr> choose(const KernelCall& call, Operands arguments,
                        const std::vector<int>& chosen) {
  arrow::ArrayVector arrays;
  std::vector<int64_t> starts;
  int64_t length = 0;
  for (const auto& argument : arguments) {
    WEIR_ASSIGN(auto array, canonical(argument.array, call.arrow_type));
    starts.push_back(length);
    length += array->length();
    arrays.push_back(std::move(array));
  }
  WEIR_ARROW_ASSIGN(auto all, arrow::Concatenate(arrays));
  FixedWriter<int64_t> indices(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    const int one = chosen[static_cast<size_t>(row)];
    if (one < 0) {
      indices.set_null(row);
    } else {
      indices.set(row, starts[static_cast<size_t>(one)] +
                           (arguments[static_cast<size_t>(one)].constant ? 0 : row));
    }
  }
  WEIR_ARROW_ASSIGN(auto taken, arrow::compute::Take(*all, *indices.finish(arrow::int64())));
  return taken;
}

template <int sign>
Result<ArrayPtr> extreme(KernelCall& call, Operands arguments) {
  std::vector<int> chosen(static_cast<size_t>(call.rows), -1);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Validity valid(arguments[i]);
    for (int64_t row = 0; row < call.rows; ++row) {
      auto& best = chosen[static_cast<size_t>(row)];
      if (!valid[row]) continue;
      if (best < 0 ||
          sign * compare_values(call.type(), *arguments[i].array, arguments[i].constant ? 0 : row,
                                *arguments[static_cast<size_t>(best)].array,
                                arguments[static_cast<size_t>(best)].constant ? 0 : row) >
              0) {
        best = static_cast<int>(i);
      }
    }
  }
  return choose(call, arguments, chosen);
}

Result<ArrayPtr> null_if(KernelCall& call, Operands arguments) {
  std::vector<int> chosen(static_cast<size_t>(call.rows), 0);
  WEIR_TRY(with_readers(call.type_of(0), arguments[0], arguments[1],
                        [&](const auto& a, const auto& b) -> Result<ArrayPtr> {
                          for (int64_t row = 0; row < call.rows; ++row) {
                            if (!a.valid[row] || (b.valid[row] && order(a[row], b[row]) == 0))
                              chosen[static_cast<size_t>(row)] = -1;
                          }
                          return ArrayPtr();
                        }));
  return choose(call, arguments.first(1), chosen);
}

constexpr KernelEntry kKernels[] = {
    {"=", compare<Op::kEqual>},
    {"<=>", null_safe_equal},
    {"<", compare<Op::kLess>},
    {"<=", compare<Op::kLessOrEqual>},
    {">", compare<Op::kGreater>},
    {">=", compare<Op::kGreaterOrEqual>},
    {"in", in_list},
    {"not", negate},
    {"isnull", test_null<true>},
    {"isnotnull", test_null<false>},
    {"isnan", is_nan},
    {"greatest", extreme<1>},
    {"least", extreme<-1>},
    {"nullif", null_if},
};

}  // namespace

int compare_values(const DataType& type, const arrow::Array& a, int64_t a_row,
                   const arrow::Array& b, int64_t b_row) {
  const bool a_null = a.IsNull(a_row), b_null = b.IsNull(b_row);
  if (a_null || b_null) return static_cast<int>(b_null) - static_cast<int>(a_null);
  if (type.is(TypeKind::kStruct)) {
    const auto& left = static_cast<const arrow::StructArray&>(a);
    const auto& right = static_cast<const arrow::StructArray&>(b);
    for (int i = 0; i < left.num_fields(); ++i) {
      const int field = compare_values(type.fields()[static_cast<size_t>(i)].type(), *left.field(i),
                                       a_row, *right.field(i), b_row);
      if (field != 0) return field;
    }
    return 0;
  }
  if (type.is(TypeKind::kArray)) {
    const auto& left = static_cast<const arrow::ListArray&>(a);
    const auto& right = static_cast<const arrow::ListArray&>(b);
    const int64_t count = std::min(left.value_length(a_row), right.value_length(b_row));
    for (int64_t i = 0; i < count; ++i) {
      const int element =
          compare_values(type.element(), *left.values(), left.value_offset(a_row) + i,
                         *right.values(), right.value_offset(b_row) + i);
      if (element != 0) return element;
    }
    return order<int64_t>(left.value_length(a_row), right.value_length(b_row));
  }
  const Vector one{a.Slice(a_row, 1), true}, other{b.Slice(b_row, 1), true};
  int result = 0;
  auto compared =
      with_readers(type, one, other, [&](const auto& x, const auto& y) -> Result<ArrayPtr> {
        result = order(x[0], y[0]);
        return ArrayPtr();
      });
  WEIR_CHECK(compared.ok(), "a type without order was compared");
  return result;
}

std::span<const KernelEntry> comparison_kernels() { return kKernels; }

}  // namespace weir::eval
