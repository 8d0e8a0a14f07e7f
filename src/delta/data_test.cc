// Data files: statistics, partition values, deletion vectors, types.
#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "columnar/arrow_types.h"
#include "delta/civil_time.h"
#include "delta/conform.h"
#include "delta/deletion_vector.h"
#include "delta/partition_values.h"
#include "delta/schema_evolution.h"
#include "delta/statistics.h"
#include "io/model_file_system.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using columnar::Schema;
using testing::HasSubstr;

template <typename Builder, typename Value>
std::shared_ptr<arrow::Array> array_of(const std::vector<std::optional<Value>>& values,
                                       Builder builder = Builder()) {
  for (const auto& value : values)
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  return *builder.Finish();
}

std::string statistics(const std::string& ddl,
                       const std::vector<std::shared_ptr<arrow::Array>>& columns,
                       const StringMap& configuration = {}) {
  Metadata metadata;
  metadata.configuration = configuration;
  StatisticsCollector collector(*columnar::parse_ddl_schema(ddl), metadata);
  collector.update(columns, columns[0]->length());
  return collector.json();
}

TEST(Statistics, NumbersAndNulls) {
  EXPECT_EQ(statistics("a LONG", {array_of<arrow::Int64Builder, int64_t>({5, std::nullopt, -3})}),
            R"({"numRecords":3,"minValues":{"a":-3},"maxValues":{"a":5},"nullCount":{"a":1}})");
  EXPECT_EQ(statistics("a LONG", {array_of<arrow::Int64Builder, int64_t>({std::nullopt})}),
            R"({"numRecords":1,"minValues":{},"maxValues":{},"nullCount":{"a":1}})");
}

TEST(Statistics, FloatsAreCarefulWithNanZeroAndInfinity) {
  using D = std::vector<std::optional<double>>;
  const auto of = [](const D& values) {
    return statistics("d DOUBLE", {array_of<arrow::DoubleBuilder, double>(values)});
  };
  EXPECT_EQ(of({1.5, 0.1}),
            R"({"numRecords":2,"minValues":{"d":0.1},"maxValues":{"d":1.5},"nullCount":{"d":0}})");
  EXPECT_EQ(of({0.0, -0.0}),
            R"({"numRecords":2,"minValues":{"d":-0.0},"maxValues":{"d":0.0},"nullCount":{"d":0}})");
  EXPECT_EQ(of({1.5, std::nan("")}),
            R"({"numRecords":2,"minValues":{},"maxValues":{},"nullCount":{"d":0}})");
  EXPECT_EQ(of({1.0, INFINITY}),
            R"({"numRecords":2,"minValues":{"d":1.0},"maxValues":{},"nullCount":{"d":0}})");
}

TEST(Statistics, TimestampsAreRoundedOutward) {
  arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                  arrow::default_memory_pool());
  ASSERT_TRUE(builder.AppendValues({-1, 1'500'000'000'000'001}).ok());
  EXPECT_EQ(
      statistics("t TIMESTAMP", {*builder.Finish()}),
      R"({"numRecords":2,"minValues":{"t":"1969-12-31T23:59:59.999Z"},"maxValues":{"t":"2017-07-14T02:40:00.001Z"},"nullCount":{"t":0}})");
}

TEST(Statistics, StructsAreNestedAndANullStructCountsInItsLeaves) {
  const Schema schema = *columnar::parse_ddl_schema("s STRUCT<x: INT, y: STRING>");
  auto x = array_of<arrow::Int32Builder, int32_t>({1, 2});
  auto y = array_of<arrow::StringBuilder, std::string>({"a", std::nullopt});
  auto validity = array_of<arrow::BooleanBuilder, bool>({true, false})->data()->buffers[1];
  auto structure = std::make_shared<arrow::StructArray>(
      columnar::to_arrow(schema.fields()[0].type()), 2, arrow::ArrayVector{x, y}, validity, 1);
  EXPECT_EQ(
      statistics("s STRUCT<x: INT, y: STRING>", {structure}),
      R"({"numRecords":2,"minValues":{"s":{"x":1,"y":"a"}},"maxValues":{"s":{"x":1,"y":"a"}},"nullCount":{"s":{"x":1,"y":1}}})");
}

TEST(Statistics, OnlyTheColumnsThatTheTableAsksFor) {
  const auto a = array_of<arrow::Int64Builder, int64_t>({1});
  EXPECT_EQ(statistics("a LONG, b LONG", {a, a}, {{"delta.dataSkippingNumIndexedCols", "1"}}),
            R"({"numRecords":1,"minValues":{"a":1},"maxValues":{"a":1},"nullCount":{"a":0}})");
  EXPECT_EQ(statistics("a LONG, b LONG", {a, a}, {{"delta.dataSkippingStatsColumns", "`b`"}}),
            R"({"numRecords":1,"minValues":{"b":1},"maxValues":{"b":1},"nullCount":{"b":0}})");
  std::string ddl = "c0 LONG";
  std::vector<std::shared_ptr<arrow::Array>> columns = {a};
  for (int i = 1; i < 40; ++i) {
    ddl += ", c" + std::to_string(i) + " LONG";
    columns.push_back(a);
  }
  const std::string json = statistics(ddl, columns);
  EXPECT_THAT(json, HasSubstr("\"c31\""));
  EXPECT_THAT(json, testing::Not(HasSubstr("\"c32\"")));
}

TEST(Statistics, LongTextsAreCutAndStayBounds) {
  const std::string prefix(31, 'a');
  EXPECT_EQ(upper_bound_text(prefix + "b"), prefix + "b") << "32 characters are kept";
  EXPECT_EQ(upper_bound_text(prefix + "bz"), prefix + "b\x7F");
  EXPECT_EQ(lower_bound_text(prefix + "bz"), prefix + "b");
  for (const std::string tail :
       {"\x7F", "ä", "語", "\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBFz"}) {
    const std::string text = prefix + "b" + tail + "more";
    const auto bound = upper_bound_text(text);
    ASSERT_TRUE(bound);
    EXPECT_GT(*bound, text);
    EXPECT_LE(lower_bound_text(text), text);
  }
  const std::string umlauts = "ääääääääääääääääääääääääääääääääXX";  // 34 characters of two bytes
  EXPECT_EQ(lower_bound_text(umlauts).size(), 64u) << "characters, not bytes; none is split";
}

TEST(PartitionValues, TextsOfEveryType) {
  const auto round_trip = [](const std::string& ddl, const std::string& text) {
    const columnar::DataType type = *columnar::parse_ddl_type(ddl);
    auto scalar = partition_scalar(type, text);
    EXPECT_TRUE(scalar.ok()) << ddl << " " << text;
    auto array = *arrow::MakeArrayFromScalar(**scalar, 1);
    return partition_text(type, *array, 0)->value_or("NULL");
  };
  EXPECT_EQ(round_trip("INT", "-7"), "-7");
  EXPECT_EQ(round_trip("BOOLEAN", "true"), "true");
  EXPECT_EQ(round_trip("DATE", "1582-10-15"), "1582-10-15");
  EXPECT_EQ(round_trip("DECIMAL(10,2)", "1.50"), "1.50");
  EXPECT_EQ(round_trip("DOUBLE", "0.1"), "0.1");
  EXPECT_EQ(round_trip("STRING", "a b"), "a b");
  EXPECT_EQ(round_trip("STRING", ""), "NULL");
  EXPECT_EQ(round_trip("TIMESTAMP", "2024-01-01 01:02:03.5"), "2024-01-01T01:02:03.500000Z");
  EXPECT_EQ(round_trip("TIMESTAMP", "2024-01-01T01:02:03+01:00"), "2024-01-01T00:02:03.000000Z");
  EXPECT_EQ(round_trip("TIMESTAMP_NTZ", "2024-01-01 01:02:03"), "2024-01-01 01:02:03.000000");
  EXPECT_EQ(partition_scalar(*columnar::parse_ddl_type("INT"), "x").error().kind(),
            ErrorKind::kCorruption);
  EXPECT_EQ(partition_scalar(*columnar::parse_ddl_type("TINYINT"), "300").error().kind(),
            ErrorKind::kCorruption);
}

TEST(PartitionValues, FoldersAndPaths) {
  EXPECT_EQ(partition_folder("p", "a/b:c=d%"), "p=a%2Fb%3Ac%3Dd%25");
  EXPECT_EQ(partition_folder("p", std::nullopt), "p=__HIVE_DEFAULT_PARTITION__");
  EXPECT_EQ(encode_log_path("p=a%2Fb c/ä.parquet"), "p=a%252Fb%20c/%C3%A4.parquet");
  EXPECT_EQ(*data_file_path("/t", "p=a%252Fb%20c/%C3%A4.parquet"), "/t/p=a%2Fb c/ä.parquet");
  EXPECT_EQ(*data_file_path("/t", "file:///x/y%20z"), "/x/y z");
  EXPECT_EQ(*data_file_path("/t", "/x/y"), "/x/y");
  EXPECT_EQ(data_file_path("/t", "s3://b/x").error().kind(), ErrorKind::kUnsupported);
}

// The rows of PROTOCOL.md's example 3, in today's form of the bytes (the page's own text has an
// older magic number).
TEST(DeletionVectors, TheRowsOfTheProtocolsExample) {
  io::ModelFileSystem none(1);  // an inline vector needs no file
  DeletionVectorDescriptor descriptor;
  descriptor.storage_type = "i";
  descriptor.path_or_inline = "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L";
  descriptor.size_in_bytes = 44;
  descriptor.cardinality = 6;
  auto rows = read_deletion_vector(none, "/t", descriptor);
  ASSERT_TRUE(rows.ok()) << rows.error().to_string();
  EXPECT_EQ(*rows, (std::vector<int64_t>{3, 4, 7, 11, 18, 29}));
  descriptor.cardinality = 5;
  EXPECT_EQ(read_deletion_vector(none, "/t", descriptor).error().kind(), ErrorKind::kCorruption);
}

TEST(DeletionVectors, CutBytesAreCorruption) {
  const std::string whole =
      decode_z85("^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L")->substr(0, 44);
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(parse_deletion_vector(whole.substr(0, length), 6).ok()) << length;
  }
  EXPECT_EQ(decode_z85("ab\"de"), std::nullopt);
}

TEST(CivilTime, BothWays) {
  for (const int64_t days : {-719162, -1, 0, 59, 60, 19782, 2932896}) {
    EXPECT_EQ(parse_date(date_text(days)), days);
  }
  EXPECT_EQ(timestamp_text(-1, 'T', 6), "1969-12-31T23:59:59.999999");
  EXPECT_EQ(parse_timestamp("1969-12-31T23:59:59.999999Z"), -1);
  EXPECT_EQ(parse_timestamp("2024-01-01"), 1'704'067'200'000'000);
  for (const char* bad : {"", "2024", "2024-13-01", "2024-01-01 25:00:00", "2024-01-01T00:00:00X",
                          "2024-01-01T00:00"}) {
    EXPECT_EQ(parse_timestamp(bad), std::nullopt) << bad;
  }
}

TEST(Conform, WidensAndFillsButLosesNothing) {
  const auto type = [](const std::string& ddl) { return *columnar::parse_ddl_type(ddl); };
  const std::shared_ptr<arrow::Array> small =
      array_of<arrow::Int32Builder, int32_t>({1, std::nullopt});
  auto wide = conform(small, type("BIGINT"), FieldMatch::kName);
  ASSERT_TRUE(wide.ok());
  EXPECT_EQ((*wide)->type_id(), arrow::Type::INT64);
  const std::shared_ptr<arrow::Array> big =
      array_of<arrow::Int64Builder, int64_t>({int64_t{1} << 40});
  EXPECT_FALSE(conform(big, type("INT"), FieldMatch::kName).ok())
      << "a value that does not fit is an error, never wrapped";
  auto structure = *arrow::StructArray::Make({small}, std::vector<std::string>{"X"});
  auto filled =
      conform(structure->Slice(1), type("STRUCT<y: STRING, x: BIGINT>"), FieldMatch::kName);
  ASSERT_TRUE(filled.ok());
  EXPECT_TRUE((*filled)->ValidateFull().ok());
  EXPECT_EQ(static_cast<const arrow::StructArray&>(**filled).field(1)->null_count(), 1);
}

TEST(SchemaEvolution, NamesThatTablesCannotHave) {
  EXPECT_FALSE(delta_schema(columnar::DataType::structure({columnar::make_field(
                                "a b", columnar::DataType::of(columnar::TypeKind::kLong))}))
                   .ok());
  auto twice = delta_schema(*columnar::parse_ddl_schema("a INT, A INT"));
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().error_class(), "DELTA_DUPLICATE_COLUMNS_FOUND");
  auto text = delta_schema(*columnar::parse_ddl_schema("v VARCHAR(10)"));
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->fields()[0].type().kind(), columnar::TypeKind::kString);
}

TEST(SchemaEvolution, AddsNestedColumnsAsNullable) {
  const Schema table =
      *columnar::parse_ddl_schema("a INT NOT NULL, s STRUCT<x: INT>, l ARRAY<STRUCT<p: INT>>");
  const Schema rows = *columnar::parse_ddl_schema(
      "A INT, s STRUCT<x: INT, y: STRING NOT NULL>, l ARRAY<STRUCT<p: INT, q: INT>>, n LONG NOT "
      "NULL");
  auto merged = merged_schema(table, rows, true);
  ASSERT_TRUE(merged.ok()) << merged.error().to_string();
  EXPECT_EQ(columnar::schema_to_ddl(*merged),
            "a INT NOT NULL,s STRUCT<x: INT, y: STRING>,l ARRAY<STRUCT<p: INT, q: INT>>,n BIGINT");
  EXPECT_THAT(merged_schema(table, rows, false).error().message(), HasSubstr("s.y"));
  EXPECT_EQ(merged_schema(table, *columnar::parse_ddl_schema("a STRING"), true).error().kind(),
            ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace weir::delta
