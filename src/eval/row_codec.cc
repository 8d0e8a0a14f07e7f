#include "eval/row_codec.h"

#include <cmath>
#include <limits>

#include <arrow/api.h>

#include "columnar/arrow_types.h"
#include "columnar/fixed_value.h"
#include "eval/node.h"

namespace weir::eval {

using columnar::DataType;
using columnar::TypeKind;

namespace {

constexpr uint32_t kMaxVariable = INT32_MAX;

bool is_text_kind(TypeKind kind) {
  return kind == TypeKind::kString || kind == TypeKind::kChar || kind == TypeKind::kVarchar ||
         kind == TypeKind::kBinary;
}

// Bytes of a value of fixed width; -1 for others.
int width_of(const DataType& type) {
  switch (type.kind()) {
    case TypeKind::kBoolean:
    case TypeKind::kByte:
      return 1;
    case TypeKind::kShort:
      return 2;
    case TypeKind::kInteger:
    case TypeKind::kFloat:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return 4;
    case TypeKind::kLong:
    case TypeKind::kDouble:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
    case TypeKind::kDayTimeInterval:
      return 8;
    case TypeKind::kDecimal:
      return 16;
    default:
      return -1;
  }
}

template <typename T>
T normal(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return std::numeric_limits<T>::quiet_NaN();
    if (value == 0) return 0;
  }
  return value;
}

// Calls use(T{}) with a C++ type as wide as the Spark type's values.
template <typename Use>
auto with_type(const DataType& type, Use use) {
  if (type.is(TypeKind::kFloat)) return use(float{});
  if (type.is(TypeKind::kDouble)) return use(double{});
  switch (width_of(type)) {
    case 1:
      return use(int8_t{});
    case 2:
      return use(int16_t{});
    case 4:
      return use(int32_t{});
    case 8:
      return use(int64_t{});
    default:
      return use(plan::Int128{});
  }
}

template <typename T>
void append_raw(T value, std::string& out) {
  value = normal(value);
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void append_elements(const DataType& type, const arrow::Array& array, int64_t row,
                     std::string& out);

// A byte that says whether there is a value, then the value. Arrays in the layout of to_arrow().
void append_element(const DataType& type, const arrow::Array& array, int64_t row,
                    std::string& out) {
  if (array.type_id() == arrow::Type::NA || array.IsNull(row)) {
    out.push_back('\0');
    return;
  }
  out.push_back('\1');
  if (type.is(TypeKind::kBoolean)) {
    out.push_back(static_cast<const arrow::BooleanArray&>(array).Value(row) ? '\1' : '\0');
  } else if (is_text_kind(type.kind())) {
    const auto text = static_cast<const arrow::BinaryArray&>(array).GetView(row);
    append_raw(static_cast<uint32_t>(text.size()), out);
    out += text;
  } else if (type.is(TypeKind::kStruct)) {
    const auto& structure = static_cast<const arrow::StructArray&>(array);
    for (size_t i = 0; i < type.fields().size(); ++i)
      append_element(type.fields()[i].type(), *structure.field(static_cast<int>(i)), row, out);
  } else if (type.is(TypeKind::kArray) || type.is(TypeKind::kMap)) {
    append_elements(type, array, row, out);
  } else {
    with_type(type, [&](auto sample) {
      append_raw(columnar::fixed_at<decltype(sample)>(array, row), out);
    });
  }
}

void append_elements(const DataType& type, const arrow::Array& array, int64_t row,
                     std::string& out) {
  const auto& list = static_cast<const arrow::ListArray&>(array);  // a map is a list of entries
  append_raw(static_cast<uint32_t>(list.value_length(row)), out);
  for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
    if (type.is(TypeKind::kArray)) {
      append_element(type.element(), *list.values(), i, out);
    } else {
      const auto& map = static_cast<const arrow::MapArray&>(array);
      append_element(type.key(), *map.keys(), i, out);
      append_element(type.value(), *map.items(), i, out);
    }
  }
}

base::Error damaged() {
  return base::error(base::ErrorKind::kCorruption, "an encoded row ends early");
}

// Reads what append_element() wrote.
class ElementReader {
 public:
  explicit ElementReader(std::string_view bytes) : bytes_(bytes) {}

  Result<void> element(const DataType& type, arrow::ArrayBuilder& builder) {
    WEIR_ASSIGN(const auto present, take<uint8_t>());
    if (!present) return columnar::from_arrow(builder.AppendNull());
    if (type.is(TypeKind::kBoolean)) {
      WEIR_ASSIGN(const auto value, take<uint8_t>());
      return columnar::from_arrow(static_cast<arrow::BooleanBuilder&>(builder).Append(value != 0));
    }
    if (is_text_kind(type.kind())) {
      WEIR_ASSIGN(const auto size, take<uint32_t>());
      if (bytes_.size() < size) return damaged();
      const auto text = bytes_.substr(0, size);
      bytes_.remove_prefix(size);
      return columnar::from_arrow(static_cast<arrow::BinaryBuilder&>(builder).Append(text));
    }
    if (type.is(TypeKind::kStruct)) {
      auto& structure = static_cast<arrow::StructBuilder&>(builder);
      WEIR_ARROW_TRY(structure.Append());
      for (size_t i = 0; i < type.fields().size(); ++i)
        WEIR_TRY(element(type.fields()[i].type(), *structure.field_builder(static_cast<int>(i))));
      return {};
    }
    if (type.is(TypeKind::kArray) || type.is(TypeKind::kMap)) return elements(type, builder);
    return with_type(type, [&](auto sample) -> Result<void> {
      WEIR_ASSIGN(const auto value, take<decltype(sample)>());
      return append_fixed(type, value, builder);
    });
  }

  Result<void> elements(const DataType& type, arrow::ArrayBuilder& builder) {
    WEIR_ASSIGN(const auto count, take<uint32_t>());
    if (count > bytes_.size()) return damaged();
    if (type.is(TypeKind::kArray)) {
      auto& list = static_cast<arrow::ListBuilder&>(builder);
      WEIR_ARROW_TRY(list.Append());
      for (uint32_t i = 0; i < count; ++i)
        WEIR_TRY(element(type.element(), *list.value_builder()));
      return {};
    }
    auto& map = static_cast<arrow::MapBuilder&>(builder);
    WEIR_ARROW_TRY(map.Append());
    for (uint32_t i = 0; i < count; ++i) {
      WEIR_TRY(element(type.key(), *map.key_builder()));
      WEIR_TRY(element(type.value(), *map.item_builder()));
    }
    return {};
  }

 private:
  template <typename T>
  Result<T> take() {
    if (bytes_.size() < sizeof(T)) return damaged();
    T value;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }

  template <typename T>
  static Result<void> append_fixed(const DataType& type, T value, arrow::ArrayBuilder& builder) {
    const auto to = [&](auto& typed) { return columnar::from_arrow(typed.Append(value)); };
    if constexpr (std::is_same_v<T, plan::Int128>) {
      arrow::Decimal128 decimal(reinterpret_cast<const uint8_t*>(&value));
      return columnar::from_arrow(static_cast<arrow::Decimal128Builder&>(builder).Append(decimal));
    } else if constexpr (std::is_same_v<T, double>) {
      return to(static_cast<arrow::DoubleBuilder&>(builder));
    } else if constexpr (std::is_same_v<T, float>) {
      return to(static_cast<arrow::FloatBuilder&>(builder));
    } else if constexpr (sizeof(T) == 1) {
      return to(static_cast<arrow::Int8Builder&>(builder));
    } else if constexpr (sizeof(T) == 2) {
      return to(static_cast<arrow::Int16Builder&>(builder));
    } else if constexpr (sizeof(T) == 4) {
      if (type.is(TypeKind::kDate)) return to(static_cast<arrow::Date32Builder&>(builder));
      return to(static_cast<arrow::Int32Builder&>(builder));
    } else {
      if (type.is(TypeKind::kLong)) return to(static_cast<arrow::Int64Builder&>(builder));
      if (type.is(TypeKind::kDayTimeInterval))
        return to(static_cast<arrow::DurationBuilder&>(builder));
      return to(static_cast<arrow::TimestampBuilder&>(builder));
    }
  }

  std::string_view bytes_;
};

}  // namespace

RowCodec::RowCodec(std::vector<DataType> columns) : columns_(std::move(columns)) {
  for (size_t i = 0; i < columns_.size(); ++i)
    add_leaves(columns_[i], {static_cast<int>(i)});
  bitmap_ = (leaves_.size() + 7) / 8;
  fixed_ = bitmap_;
  for (auto& leaf : leaves_) {
    leaf.at = fixed_;
    if (leaf.width > 0) fixed_ += static_cast<size_t>(leaf.width);
    variable_ = variable_ || leaf.width < 0;
  }
}

void RowCodec::add_leaves(const DataType& type, std::vector<int> path) {
  Leaf leaf{type, path};
  leaf.structure = type.is(TypeKind::kStruct);
  leaf.width = leaf.structure ? 0 : width_of(type);
  leaf.nested = leaf.width < 0 && !is_text_kind(type.kind());
  leaves_.push_back(leaf);
  if (!leaf.structure) return;
  for (size_t i = 0; i < type.fields().size(); ++i) {
    path.push_back(static_cast<int>(i));
    add_leaves(type.fields()[i].type(), path);
    path.pop_back();
  }
}

Result<void> RowCodec::encode(std::span<const ArrayPtr> arrays, int64_t rows,
                              EncodedRows& out) const {
  WEIR_CHECK(arrays.size() == columns_.size(), "rows of another shape");
  std::vector<ArrayPtr> leaves(leaves_.size());
  std::vector<std::string> nested(leaves_.size());
  std::vector<std::vector<size_t>> nested_ends(leaves_.size());
  auto& offsets = out.offsets_;
  const auto count = static_cast<size_t>(rows);
  offsets.resize(count + 1);
  for (size_t i = 0; i <= count; ++i)
    offsets[i] = fixed_;
  for (size_t l = 0; l < leaves_.size(); ++l) {
    const auto& leaf = leaves_[l];
    ArrayPtr array = arrays[static_cast<size_t>(leaf.path[0])];
    if (leaf.path.size() > 1) {
      // The parent's leaf stands before; its fields with its NULLs.
      size_t parent = l - 1;
      while (leaves_[parent].path.size() != leaf.path.size() - 1)
        --parent;
      if (leaves[parent]->type_id() == arrow::Type::NA) {
        array = leaves[parent];
      } else {
        const auto& structure = static_cast<const arrow::StructArray&>(*leaves[parent]);
        if (structure.null_count() == 0) {
          array = structure.field(leaf.path.back());
        } else {
          WEIR_ARROW_ASSIGN(array, structure.GetFlattenedField(leaf.path.back()));
        }
      }
    }
    if (array->type_id() == arrow::Type::DICTIONARY || leaf.nested) {
      WEIR_ASSIGN(array, canonical(array, columnar::to_arrow(leaf.type)));
    }
    leaves[l] = array;
    if (leaf.width >= 0) continue;
    const Vector vector{array, false};
    if (leaf.nested) {
      const Validity valid(vector);
      auto& ends = nested_ends[l];
      ends.resize(count);
      for (size_t row = 0; row < count; ++row) {
        if (valid[static_cast<int64_t>(row)])
          append_elements(leaf.type, *array, static_cast<int64_t>(row), nested[l]);
        ends[row] = nested[l].size();
        offsets[row + 1] += 4 + ends[row] - (row ? ends[row - 1] : 0);
      }
      continue;
    }
    const TextReader text(vector);
    if (text.valid.no_nulls()) {
      for (size_t row = 0; row < count; ++row)
        offsets[row + 1] += 4 + text[static_cast<int64_t>(row)].size();
    } else {
      for (size_t row = 0; row < count; ++row)
        offsets[row + 1] +=
            4 +
            (text.valid[static_cast<int64_t>(row)] ? text[static_cast<int64_t>(row)].size() : 0);
    }
  }
  offsets[0] = 0;
  for (size_t row = 0; row < count; ++row)
    offsets[row + 1] += offsets[row];
  if (offsets[count] > out.capacity_) {
    out.capacity_ = std::max(offsets[count], 2 * out.capacity_);
    out.bytes_.reset(new char[out.capacity_]);
  }
  char* const bytes = out.bytes_.get();
  if (bitmap_ == 1) {
    for (size_t row = 0; row < count; ++row)
      bytes[offsets[row]] = 0;
  } else {
    for (size_t row = 0; row < count; ++row)
      std::memset(bytes + offsets[row], 0, bitmap_);
  }
  std::vector<uint32_t> cursor;
  if (variable_) cursor.assign(count, static_cast<uint32_t>(fixed_));
  for (size_t l = 0; l < leaves_.size(); ++l) {
    const auto& leaf = leaves_[l];
    const Vector vector{leaves[l], false};
    const Validity valid(vector);
    const size_t null_byte = l / 8;
    const char null_bit = static_cast<char>(1 << (l % 8));
    if (!valid.no_nulls()) {
      for (size_t row = 0; row < count; ++row) {
        if (!valid[static_cast<int64_t>(row)]) bytes[offsets[row] + null_byte] |= null_bit;
      }
    }
    if (leaf.structure) continue;
    if (leaf.width < 0) {
      const auto put = [&](size_t row, std::string_view piece) {
        const auto size = static_cast<uint32_t>(piece.size());
        char* const to = bytes + offsets[row] + cursor[row];
        std::memcpy(to, &size, 4);
        piece.copy(to + 4, piece.size());  // no bytes may have no address
        cursor[row] += 4 + size;
      };
      if (leaf.nested) {
        const std::string_view all = nested[l];
        for (size_t row = 0; row < count; ++row) {
          const size_t begin = row ? nested_ends[l][row - 1] : 0;
          put(row, all.substr(begin, nested_ends[l][row] - begin));
        }
        continue;
      }
      const TextReader text(vector);
      const bool all = text.valid.no_nulls();
      for (size_t row = 0; row < count; ++row) {
        const auto i = static_cast<int64_t>(row);
        put(row, all || text.valid[i] ? text[i] : std::string_view());
      }
      continue;
    }
    if (leaf.type.is(TypeKind::kBoolean)) {
      const BoolReader reader(vector);
      for (size_t row = 0; row < count; ++row) {
        const auto i = static_cast<int64_t>(row);
        bytes[offsets[row] + leaf.at] = valid[i] && reader[i] ? 1 : 0;
      }
      continue;
    }
    with_type(leaf.type, [&](auto sample) {
      using T = decltype(sample);
      const FixedReader<T> reader(vector);
      const bool all = valid.no_nulls();
      for (size_t row = 0; row < count; ++row) {
        const auto i = static_cast<int64_t>(row);
        const T value = all || valid[i] ? normal(reader[i]) : T{};
        std::memcpy(bytes + offsets[row] + leaf.at, &value, sizeof(T));
      }
    });
  }
  return {};
}

Result<std::vector<ArrayPtr>> RowCodec::decode(std::span<const std::string_view> rows) const {
  for (const auto& row : rows) {
    if (!row.empty() && row.size() < fixed_) return damaged();
  }
  std::vector<uint32_t> cursor;
  if (variable_) cursor.assign(rows.size(), static_cast<uint32_t>(fixed_));
  std::vector<ArrayPtr> made;
  made.reserve(columns_.size());
  size_t leaf = 0;
  for (const auto& type : columns_) {
    WEIR_ASSIGN(auto column, decode_column(type, leaf, rows, cursor));
    made.push_back(std::move(column));
  }
  return made;
}

Result<ArrayPtr> RowCodec::decode_column(const DataType& type, size_t& leaf,
                                         std::span<const std::string_view> rows,
                                         std::vector<uint32_t>& cursor) const {
  const size_t own = leaf++;
  if (!leaves_[own].structure) return decode_leaf(own, rows, cursor);
  const auto count = static_cast<int64_t>(rows.size());
  NullWriter nulls(count);
  for (int64_t row = 0; row < count; ++row) {
    const auto& bytes = rows[static_cast<size_t>(row)];
    if (bytes.empty() || (bytes[own / 8] >> (own % 8) & 1)) nulls.set_null(row);
  }
  std::vector<std::shared_ptr<arrow::ArrayData>> fields;
  for (const auto& field : type.fields()) {
    WEIR_ASSIGN(const auto made, decode_column(field.type(), leaf, rows, cursor));
    fields.push_back(made->data());
  }
  return arrow::MakeArray(arrow::ArrayData::Make(columnar::to_arrow(type), count, {nulls.buffer()},
                                                 std::move(fields), nulls.count()));
}

Result<ArrayPtr> RowCodec::decode_leaf(size_t index, std::span<const std::string_view> rows,
                                       std::vector<uint32_t>& cursor) const {
  const auto& leaf = leaves_[index];
  const auto count = static_cast<int64_t>(rows.size());
  const auto is_null = [&](std::string_view row) {
    return row.empty() || (row[index / 8] >> (index % 8) & 1);
  };
  if (leaf.width > 0) {
    if (leaf.type.is(TypeKind::kBoolean)) {
      BoolWriter writer(count);
      for (int64_t i = 0; i < count; ++i) {
        const auto& row = rows[static_cast<size_t>(i)];
        if (is_null(row)) {
          writer.set_null(i);
        } else {
          writer.set(i, row[leaf.at] != 0);
        }
      }
      return writer.finish();
    }
    return with_type(leaf.type, [&](auto sample) -> Result<ArrayPtr> {
      using T = decltype(sample);
      FixedWriter<T> writer(count);
      for (int64_t i = 0; i < count; ++i) {
        const auto& row = rows[static_cast<size_t>(i)];
        if (is_null(row)) {
          writer.set_null(i);
        } else {
          T value;
          std::memcpy(&value, row.data() + leaf.at, sizeof(T));
          writer.set(i, value);
        }
      }
      return writer.finish(columnar::to_arrow(leaf.type));
    });
  }
  const auto take = [&](size_t i) -> Result<std::string_view> {
    const auto& row = rows[i];
    if (row.empty()) return std::string_view();
    uint32_t size = 0;
    if (row.size() < cursor[i] + 4ul) return damaged();
    std::memcpy(&size, row.data() + cursor[i], 4);
    if (size > kMaxVariable || row.size() < cursor[i] + 4ul + size) return damaged();
    const auto piece = row.substr(cursor[i] + 4ul, size);
    cursor[i] += 4 + size;
    return piece;
  };
  if (!leaf.nested) {
    TextWriter writer(count);
    for (size_t i = 0; i < rows.size(); ++i) {
      WEIR_ASSIGN(const auto piece, take(i));
      if (is_null(rows[i])) {
        writer.add_null();
      } else {
        writer.add(piece);
      }
    }
    return writer.finish(columnar::to_arrow(leaf.type));
  }
  std::unique_ptr<arrow::ArrayBuilder> builder;
  WEIR_ARROW_TRY(
      arrow::MakeBuilder(arrow::default_memory_pool(), columnar::to_arrow(leaf.type), &builder));
  for (size_t i = 0; i < rows.size(); ++i) {
    WEIR_ASSIGN(const auto piece, take(i));
    if (is_null(rows[i])) {
      WEIR_ARROW_TRY(builder->AppendNull());
    } else {
      WEIR_TRY(ElementReader(piece).elements(leaf.type, *builder));
    }
  }
  std::shared_ptr<arrow::Array> made;
  WEIR_ARROW_TRY(builder->Finish(&made));
  return made;
}

}  // namespace weir::eval
