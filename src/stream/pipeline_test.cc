#include "stream/pipeline.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/kafka_rows.h"
#include "source/memory_source.h"

namespace weir::stream {
namespace {

using base::ErrorKind;

PipelineSpec messages(std::string select, std::string where,
                      std::map<std::string, std::string> options = {}) {
  PipelineSpec spec{.source_schema = source::kafka_schema(false),
                    .json = {},
                    .select = std::move(select),
                    .where = std::move(where)};
  spec.json =
      JsonMessages{columnar::parse_ddl_schema("a BIGINT NOT NULL, b STRING, offset STRING").value(),
                   std::move(options)};
  return spec;
}

// Messages at offsets 10, 11, … of partition 3, run through the pipeline.
Result<std::string> run(const PipelineSpec& spec, const std::vector<std::string>& values,
                        TransformCounters* counted = nullptr) {
  WEIR_ASSIGN(const auto pipeline, compile_pipeline(spec));
  arrow::BinaryBuilder value;
  arrow::Int32Builder partition;
  arrow::Int64Builder offset;
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_TRUE(value.Append(values[i]).ok() && partition.Append(3).ok() &&
                offset.Append(10 + static_cast<int64_t>(i)).ok());
  const auto all = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("value", arrow::binary()),
                     arrow::field("partition", arrow::int32()),
                     arrow::field("offset", arrow::int64())}),
      static_cast<int64_t>(values.size()),
      {value.Finish().ValueOrDie(), partition.Finish().ValueOrDie(), offset.Finish().ValueOrDie()});
  WEIR_ASSIGN(const auto rows, source::select_columns(all, pipeline->source_columns()));
  WEIR_ASSIGN(const auto transform, pipeline->make_transform());
  TransformCounters counters;
  WEIR_ASSIGN(const auto out,
              transform->apply(rows, {base::BatchId(0), 1'600'000'000'000'000}, counters));
  if (counted != nullptr) *counted = counters;
  std::string text;
  for (int64_t row = 0; row < out->num_rows(); ++row) {
    for (int column = 0; column < out->num_columns(); ++column)
      text +=
          (column > 0 ? "," : "") + out->column(column)->GetScalar(row).ValueOrDie()->ToString();
    text += ';';
  }
  return text;
}

TEST(Pipeline, MessagesBecomeTheSchemasColumns) {
  const auto pipeline = compile_pipeline(messages("", "")).value();
  EXPECT_EQ(pipeline->source_columns(), (std::vector<std::string>{"value"}));
  EXPECT_EQ(pipeline->output_schema().simple_string(), "struct<a:bigint,b:string,offset:string>");
  TransformCounters counters;
  EXPECT_EQ(
      run(messages("", ""), {R"({"a":1,"b":"x"})", "not json", R"({"offset":"o"})"}, &counters)
          .value(),
      "1,x,null;null,null,null;null,null,o;");
  EXPECT_EQ(counters.corrupt_rows, 1);
}

TEST(Pipeline, SelectAndWhereSeeTheMessageAndWhatCameWithIt) {
  const PipelineSpec spec = messages("a + 1 AS next, _partition, _offset, `offset`", "a >= 2");
  EXPECT_EQ(compile_pipeline(spec).value()->source_columns(),
            (std::vector<std::string>{"value", "partition", "offset"}));
  EXPECT_EQ(run(spec, {R"({"a":1})", R"({"a":2,"offset":"mine"})", R"({"a":3})"}).value(),
            "3,3,11,mine;4,3,12,null;");
}

TEST(Pipeline, StarIsTheMessagesFields) {
  EXPECT_EQ(compile_pipeline(messages("*, _offset", "")).value()->output_schema().simple_string(),
            "struct<a:bigint,b:string,offset:string,_offset:bigint>");
}

TEST(Pipeline, DroppedRowsTakeTheirOffsetsAlong) {
  TransformCounters counters;
  EXPECT_EQ(run(messages("a, _offset", "", {{"mode", "DROPMALFORMED"}}),
                {R"({"a":1})", "{", R"({"a":3})"}, &counters)
                .value(),
            "1,10;3,12;");
  EXPECT_EQ(counters.dropped_rows, 1);
}

TEST(Pipeline, CurrentTimestampIsTheBatchs) {
  EXPECT_THAT(run(messages("current_timestamp() AS t", ""), {"{}"}).value(),
              testing::HasSubstr("2020-09-13 12:26:40"));
}

TEST(Pipeline, ErrorsCarrySparksClass) {
  EXPECT_EQ(compile_pipeline(messages("nosuch", "")).error().error_class(),
            "UNRESOLVED_COLUMN.WITH_SUGGESTION");
  EXPECT_FALSE(compile_pipeline(messages("", "a")).ok());
  EXPECT_EQ(compile_pipeline(messages("", "", {{"nosuch", "1"}})).error().kind(),
            ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace weir::stream
