#include "state/row_codec.h"

#include <cmath>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "columnar/arrow_types.h"
#include "state/key_prefix.h"

namespace weir::state {
namespace {

using columnar::DataType;
using columnar::make_field;
using columnar::TypeKind;

columnar::Schema every_type(bool with_map) {
  std::vector<columnar::Field> fields;
  int number = 0;
  const auto add = [&](DataType type) {
    fields.push_back(make_field("c" + std::to_string(number++), std::move(type)));
  };
  for (const TypeKind kind :
       {TypeKind::kBoolean, TypeKind::kByte, TypeKind::kShort, TypeKind::kInteger, TypeKind::kLong,
        TypeKind::kFloat, TypeKind::kDouble, TypeKind::kString, TypeKind::kBinary, TypeKind::kDate,
        TypeKind::kTimestamp, TypeKind::kTimestampNtz, TypeKind::kDayTimeInterval,
        TypeKind::kYearMonthInterval, TypeKind::kNull})
    add(DataType::of(kind));
  add(DataType::decimal(20, 3));
  add(DataType::array(DataType::of(TypeKind::kString)));
  add(DataType::structure({make_field("x", DataType::of(TypeKind::kLong)),
                           make_field("y", DataType::array(DataType::of(TypeKind::kInteger)))}));
  if (with_map) add(DataType::map(DataType::of(TypeKind::kString), DataType::of(TypeKind::kLong)));
  return DataType::structure(std::move(fields));
}

// Values near each other and near the limits, so that order has something to go wrong with.
int64_t some_integer(base::Random& random) {
  switch (random.below(4)) {
    case 0:
      return static_cast<int64_t>(random.below(5)) - 2;
    case 1:
      return static_cast<int64_t>(random.next());
    case 2:
      return INT64_MIN;
    default:
      return static_cast<int64_t>(random.below(100000)) - 50000;
  }
}

std::string some_text(base::Random& random) {
  std::string text;
  for (uint64_t i = random.below(5); i > 0; --i)
    text.push_back("\0\1a\xffz"[random.below(5)]);
  return text;
}

void append_random(base::Random& random, const DataType& type, arrow::ArrayBuilder& builder) {
  if (random.below(6) == 0 || type.is(TypeKind::kNull)) {
    ASSERT_TRUE(builder.AppendNull().ok());
    return;
  }
  const int64_t integer = some_integer(random);
  const auto plain = [&]<typename B, typename V>(B*, V value) {
    ASSERT_TRUE(static_cast<B&>(builder).Append(value).ok());
  };
  constexpr double kDoubles[] = {0.0, -0.0, 1.5, -1.5, 1e300, -1e300, INFINITY, -INFINITY, 1e-320};
  const double real = kDoubles[random.below(std::size(kDoubles))];
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return plain(static_cast<arrow::BooleanBuilder*>(nullptr), integer % 2 == 0);
    case TypeKind::kByte:
      return plain(static_cast<arrow::Int8Builder*>(nullptr), static_cast<int8_t>(integer));
    case TypeKind::kShort:
      return plain(static_cast<arrow::Int16Builder*>(nullptr), static_cast<int16_t>(integer));
    case TypeKind::kInteger:
    case TypeKind::kYearMonthInterval:
      return plain(static_cast<arrow::Int32Builder*>(nullptr), static_cast<int32_t>(integer));
    case TypeKind::kDate:
      return plain(static_cast<arrow::Date32Builder*>(nullptr), static_cast<int32_t>(integer));
    case TypeKind::kLong:
      return plain(static_cast<arrow::Int64Builder*>(nullptr), integer);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
      return plain(static_cast<arrow::TimestampBuilder*>(nullptr), integer);
    case TypeKind::kDayTimeInterval:
      return plain(static_cast<arrow::DurationBuilder*>(nullptr), integer);
    case TypeKind::kFloat:
      return plain(static_cast<arrow::FloatBuilder*>(nullptr), static_cast<float>(real));
    case TypeKind::kDouble:
      return plain(static_cast<arrow::DoubleBuilder*>(nullptr), real);
    case TypeKind::kDecimal:
      return plain(static_cast<arrow::Decimal128Builder*>(nullptr), arrow::Decimal128(integer));
    case TypeKind::kString:
      return plain(static_cast<arrow::StringBuilder*>(nullptr), some_text(random));
    case TypeKind::kBinary:
      return plain(static_cast<arrow::BinaryBuilder*>(nullptr), some_text(random));
    case TypeKind::kArray: {
      auto& list = static_cast<arrow::ListBuilder&>(builder);
      ASSERT_TRUE(list.Append().ok());
      for (uint64_t i = random.below(4); i > 0; --i)
        append_random(random, type.element(), *list.value_builder());
      return;
    }
    case TypeKind::kMap: {
      auto& map = static_cast<arrow::MapBuilder&>(builder);
      ASSERT_TRUE(map.Append().ok());
      for (uint64_t i = random.below(4); i > 0; --i) {
        ASSERT_TRUE(
            static_cast<arrow::StringBuilder*>(map.key_builder())->Append(some_text(random)).ok());
        append_random(random, type.value(), *map.item_builder());
      }
      return;
    }
    default: {
      auto& fields = static_cast<arrow::StructBuilder&>(builder);
      ASSERT_TRUE(fields.Append().ok());
      for (size_t i = 0; i < type.fields().size(); ++i)
        append_random(random, type.fields()[i].type(), *fields.field_builder(static_cast<int>(i)));
    }
  }
}

std::vector<ArrayPtr> random_columns(base::Random& random, const columnar::Schema& schema,
                                     int64_t rows) {
  std::vector<ArrayPtr> columns;
  for (const auto& field : schema.fields()) {
    auto builder = arrow::MakeBuilder(columnar::to_arrow(field.type())).ValueOrDie();
    for (int64_t i = 0; i < rows; ++i)
      append_random(random, field.type(), *builder);
    columns.push_back(builder->Finish().ValueOrDie());
  }
  return columns;
}

std::vector<std::string_view> rows_of(const EncodedRows& rows) {
  std::vector<std::string_view> views;
  for (int64_t i = 0; i < rows.rows(); ++i)
    views.push_back(rows.at(i));
  return views;
}

TEST(RowCodec, ValuesComeBackAsTheyWere) {
  base::SeededRandom random(1);
  const auto schema = every_type(true);
  auto encoder = ValueEncoder::make(schema);
  ASSERT_TRUE(encoder.ok());
  EncodedRows rows;
  for (int round = 0; round < 50; ++round) {
    auto columns = random_columns(random, schema, 40);
    for (auto& column : columns)
      column = column->Slice(3);  // offsets count
    ASSERT_TRUE(encoder->encode(columns, rows).ok());
    auto back = decode_values(schema, rows_of(rows));
    ASSERT_TRUE(back.ok()) << back.error().message();
    for (size_t i = 0; i < columns.size(); ++i)
      ASSERT_TRUE((*back)[i]->Equals(columns[i]))
          << (*back)[i]->ToString() << columns[i]->ToString();
  }
}

TEST(RowCodec, KeysComeBackAndKeepTheOrder) {
  base::SeededRandom random(2);
  const auto schema = every_type(false);
  for (const auto& field : schema.fields()) {
    if (field.type().is(TypeKind::kNull)) continue;
    const auto one = DataType::structure({field});
    auto encoder = KeyEncoder::make(one);
    ASSERT_TRUE(encoder.ok());
    const auto columns = random_columns(random, one, 200);
    EncodedRows rows;
    ASSERT_TRUE(encoder->encode(columns, rows).ok());
    auto back = decode_keys(one, rows_of(rows));
    ASSERT_TRUE(back.ok()) << back.error().message();
    // -0.0 comes back as 0.0, which is equal.
    ASSERT_TRUE((*back)[0]->ApproxEquals(columns[0])) << field.type().sql();
    if (field.type().is_nested()) continue;
    for (int64_t i = 0; i < 200; ++i) {
      for (int64_t j = 0; j < 200; ++j) {
        const auto a = columns[0]->GetScalar(i).ValueOrDie();
        const auto b = columns[0]->GetScalar(j).ValueOrDie();
        if (a->is_valid != b->is_valid) {
          ASSERT_EQ(rows.at(i) < rows.at(j), !a->is_valid);
        } else if (a->is_valid && field.type().is(TypeKind::kLong)) {
          const int64_t x = static_cast<const arrow::Int64Scalar&>(*a).value;
          const int64_t y = static_cast<const arrow::Int64Scalar&>(*b).value;
          ASSERT_EQ(rows.at(i) < rows.at(j), x < y);
          ASSERT_EQ(rows.at(i) == rows.at(j), x == y);
        } else if (a->is_valid && field.type().is(TypeKind::kDouble)) {
          const double x = static_cast<const arrow::DoubleScalar&>(*a).value;
          const double y = static_cast<const arrow::DoubleScalar&>(*b).value;
          ASSERT_EQ(rows.at(i) < rows.at(j), x < y);
          ASSERT_EQ(rows.at(i) == rows.at(j), x == y);
        } else if (a->is_valid && field.type().is(TypeKind::kString)) {
          const std::string x = a->ToString();
          const std::string y = b->ToString();
          ASSERT_EQ(rows.at(i) < rows.at(j), x < y);
        } else if (a->is_valid && field.type().is(TypeKind::kDecimal)) {
          const auto x = static_cast<const arrow::Decimal128Scalar&>(*a).value;
          const auto y = static_cast<const arrow::Decimal128Scalar&>(*b).value;
          ASSERT_EQ(rows.at(i) < rows.at(j), x < y);
        }
      }
    }
  }
}

TEST(RowCodec, PrefixesShareTheirHash) {
  const auto schema = DataType::structure({make_field("k", DataType::of(TypeKind::kString)),
                                           make_field("t", DataType::of(TypeKind::kLong))});
  auto encoder = KeyEncoder::make(schema, 1);
  ASSERT_TRUE(encoder.ok());
  arrow::StringBuilder names;
  arrow::Int64Builder times;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(names.Append(i % 2 == 0 ? "a" : "b").ok());
    ASSERT_TRUE(times.Append(i).ok());
  }
  const std::vector<ArrayPtr> columns{names.Finish().ValueOrDie(), times.Finish().ValueOrDie()};
  EncodedRows keys;
  ASSERT_TRUE(encoder->encode(columns, keys).ok());
  RowsByShard split;
  split_by_shard(keys, 64, split);
  size_t shards_with_rows = 0;
  for (int s = 0; s < 64; ++s)
    if (!split.of(s).empty()) ++shards_with_rows;
  EXPECT_LE(shards_with_rows, 2U);
  EXPECT_EQ(keys.hash(0), keys.hash(2));
  EXPECT_NE(keys.at(0), keys.at(2));
  EXPECT_TRUE(keys.at(2).starts_with(keys.prefix(0)));
}

TEST(RowCodec, TheEndOfAPrefixIsFoundInAKey) {
  base::SeededRandom random(11);
  const auto schema = every_type(false);
  const size_t all = schema.fields().size();
  for (size_t columns = 1; columns <= all; ++columns) {
    auto encoder = KeyEncoder::make(schema, static_cast<int>(columns));
    ASSERT_TRUE(encoder.ok());
    EncodedRows keys;
    ASSERT_TRUE(encoder->encode(random_columns(random, schema, 40), keys).ok());
    for (int64_t row = 0; row < keys.rows(); ++row) {
      const size_t expected = keys.prefix(row).size();
      EXPECT_EQ(key_prefix_bytes(schema, columns, keys.at(row)), expected);
      EXPECT_EQ(key_prefix_bytes(schema, columns, keys.prefix(row)), expected);
      EXPECT_EQ(key_prefix_bytes(schema, columns, keys.at(row).substr(0, expected - 1)),
                std::nullopt);
    }
  }
  EXPECT_EQ(key_prefix_bytes(schema, 1, "neither null nor a value"), std::nullopt);
}

TEST(RowCodec, RefusesWhatCannotBe) {
  const auto map = DataType::structure({make_field(
      "m", DataType::map(DataType::of(TypeKind::kString), DataType::of(TypeKind::kLong)))});
  EXPECT_EQ(KeyEncoder::make(map).error().kind(), base::ErrorKind::kUnsupported);
  const auto longs = DataType::structure({make_field("n", DataType::of(TypeKind::kLong))});
  auto encoder = ValueEncoder::make(longs);
  arrow::Int32Builder other;
  ASSERT_TRUE(other.Append(1).ok());
  EncodedRows rows;
  const std::vector<ArrayPtr> columns{other.Finish().ValueOrDie()};
  EXPECT_EQ(encoder->encode(columns, rows).error().kind(), base::ErrorKind::kInvalidArgument);
  // Bytes of another schema are an error, never a crash.
  base::SeededRandom random(5);
  const auto schema = every_type(true);
  auto good = ValueEncoder::make(schema);
  ASSERT_TRUE(good->encode(random_columns(random, schema, 30), rows).ok());
  for (int i = 0; i < 3000; ++i) {
    std::string row(rows.at(static_cast<int64_t>(random.below(30))));
    for (uint64_t flips = 1 + random.below(3); flips > 0; --flips)
      row[random.below(row.size())] = static_cast<char>(random.next());
    row.resize(random.below(row.size() + 1));
    const std::string_view views[] = {row};
    (void)decode_values(schema, views).ok();
    (void)decode_keys(every_type(false), views).ok();
  }
}

}  // namespace
}  // namespace weir::state
