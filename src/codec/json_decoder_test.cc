#include "codec/json_decoder.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::codec {
namespace {

std::unique_ptr<JsonDecoder> make(std::string_view ddl, JsonOptions options = {}) {
  auto schema = columnar::parse_ddl_schema(ddl);
  WEIR_CHECK(schema.ok());
  auto decoder = JsonDecoder::create(*schema, std::move(options));
  WEIR_CHECK(decoder.ok());
  return std::move(decoder).value();
}

std::string column_text(JsonDecoder& decoder, int column = 0) {
  auto batch = decoder.finish();
  WEIR_CHECK(batch.ok());
  const auto valid = (*batch)->ValidateFull();
  EXPECT_TRUE(valid.ok()) << valid.ToString();
  std::string text;
  for (int64_t i = 0; i < (*batch)->num_rows(); ++i) {
    if (i > 0) text += "; ";
    text += (*(*batch)->column(column)->GetScalar(i))->ToString();
  }
  return text;
}

TEST(JsonDecoderTest, FastAndSlowRecordsMix) {
  auto decoder = make(
      "a bigint, s struct<x: double, l: array<string>>, m map<string, int>, _corrupt_record "
      "string");
  for (std::string_view record :
       {R"({"a":1,"s":{"x":1.5,"l":["p","q"]},"m":{"k":1}})",
        R"({"a":"bad","s":{"x":2,"l":["r",null,"s"]},"m":{}})", R"({'s':{'l':[]},'a':3})",
        "not json", R"({"m":{"z":7,"y":8},"s":{"l":["t"],"x":-0.0},"a":5})"}) {
    ASSERT_TRUE(decoder->append(record, 0).ok());
  }
  using enum RecordOutcome;
  EXPECT_THAT(std::vector<RecordOutcome>(decoder->outcomes().begin(), decoder->outcomes().end()),
              testing::ElementsAre(kGood, kCorrupt, kGood, kCorrupt, kGood));
  EXPECT_EQ(decoder->counters().corrupt_rows, 2);
  EXPECT_EQ(decoder->slow_records(), 3);
  auto batch = *decoder->finish();
  ASSERT_TRUE(batch->ValidateFull().ok()) << batch->ValidateFull().ToString();
  EXPECT_EQ((*batch->column(3)->GetScalar(1))->ToString(),
            R"({"a":"bad","s":{"x":2,"l":["r",null,"s"]},"m":{}})");
  EXPECT_TRUE(batch->column(3)->IsNull(0));
  EXPECT_EQ((*batch->column(1)->GetScalar(4))->ToString(),
            "{x:double = -0, l:list<element: string> = list<element: string>[t]}");
  EXPECT_TRUE(batch->column(0)->IsNull(1));
  EXPECT_TRUE(batch->column(2)->IsNull(3));
}

TEST(JsonDecoderTest, SchemaOrderDoesNotMatter) {
  auto decoder = make("b string, a int");
  for (int i = 0; i < 200; ++i) {
    const std::string record =
        i % 3 == 0   ? R"({"a":1,"b":"x"})"
        : i % 3 == 1 ? R"({"b":"x","other":[1,{"deep":"}"}],"a":1})"
                     : R"({"a_key_that_is_much_longer_than_thirty_two_bytes":null,"a":1,"b":"x"})";
    ASSERT_TRUE(decoder->append(record, 0).ok());
  }
  EXPECT_EQ(decoder->slow_records(), 0);
  const std::string text = column_text(*decoder, 1);
  EXPECT_EQ(std::count(text.begin(), text.end(), '1'), 200);
}

TEST(JsonDecoderTest, SkippedPartsAreChecked) {
  for (std::string_view bad :
       {R"({"x":[1,,2],"a":1})", R"({"x":tru,"a":1})", R"({"x":01,"a":1})",
        R"({"x":{"y" 1},"a":1})", R"({"x":"\q","a":1})", R"({"x":[1}, "a":1})", R"({"x":1.,"a":1})",
        R"({"a":1)", R"({"a":1,})", R"({"x":{"y":[}]},"a":1})"}) {
    auto decoder = make("a int");
    // What is behind the record's end must not matter.
    const std::string arena = std::string(bad) + "}" + std::string(100, '}');
    ASSERT_TRUE(decoder->append(std::string_view(arena).substr(0, bad.size()), 64).ok());
    EXPECT_EQ(decoder->counters().corrupt_rows, 1) << bad;
    EXPECT_EQ(column_text(*decoder), "null") << bad;
  }
}

TEST(JsonDecoderTest, ModesAndBlanks) {
  JsonOptions options;
  options.mode = ParseMode::kDropMalformed;
  auto dropping = make("a int", options);
  ASSERT_TRUE(dropping->append_lines("{\"a\":1}\n\n{\"a\":\"x\"}\r\n   \n{\"a\":2}", 0).ok());
  EXPECT_EQ(column_text(*dropping), "1; 2");
  EXPECT_EQ(dropping->counters().dropped_rows, 1);
  options.mode = ParseMode::kFailFast;
  auto failing = make("a int", options);
  auto failed = failing->append("{\"a\":\"x\"}", 0);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().error_class(), "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION");
  auto blank = make("a int");
  ASSERT_TRUE(make("a int")->append("", 0).ok());
  ASSERT_TRUE(blank->append("  ", 0).ok());
  EXPECT_EQ(blank->outcomes()[0], RecordOutcome::kNull);
  EXPECT_EQ(column_text(*blank), "null");
}

TEST(JsonDecoderTest, ArraysOfPayloads) {
  arrow::BinaryBuilder builder;
  ASSERT_TRUE(builder.Append("{\"a\":1}").ok() && builder.AppendNull().ok() &&
              builder.Append("{\"a\":2}").ok());
  auto array = *builder.Finish();
  auto decoder = make("a int");
  ASSERT_TRUE(decoder->append_array(*array, false).ok());
  EXPECT_EQ(column_text(*decoder), "1; null; 2");
}

TEST(JsonDecoderTest, PayloadsOfAnArrayEndWhereTheyEnd) {
  // What a neighbour begins with would make some of them whole.
  const std::vector<std::string> records = {
      R"({"a":1)",
      "}",
      R"({"a":1)",
      R"(2,"b":"a text of more than twelve bytes"})",
      R"({"a":3,"b":"x)",
      R"("})",
      R"({"b":"the last of them, also longer than twelve bytes"})"};
  arrow::BinaryBuilder plain;
  arrow::BinaryViewBuilder views;
  for (const std::string& record : records)
    ASSERT_TRUE(plain.Append(record).ok() && views.Append(record).ok());
  for (const auto& array : {*plain.Finish(), *views.Finish()}) {
    auto decoder = make("a int, b string");
    ASSERT_TRUE(decoder->append_array(*array, false).ok());
    EXPECT_EQ(decoder->counters().corrupt_rows, 6);
    EXPECT_EQ(
        column_text(*decoder, 1),
        "null; null; null; null; null; null; the last of them, also longer than twelve bytes");
  }
}

TEST(JsonDecoderTest, RefusesWhatItCannotRead) {
  auto schema = *columnar::parse_ddl_schema("a interval day to second");
  EXPECT_EQ(JsonDecoder::create(schema, {}).error().kind(), base::ErrorKind::kUnsupported);
  JsonOptions options;
  options.time_zone = "Mars/Base";
  EXPECT_EQ(JsonDecoder::create(*columnar::parse_ddl_schema("a int"), options).error().kind(),
            base::ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace weir::codec
