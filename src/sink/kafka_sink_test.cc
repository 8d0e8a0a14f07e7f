#include "sink/kafka_sink.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "columnar/arrow_types.h"

namespace weir::sink {
namespace {

using base::BatchId;
using base::ErrorKind;
using testing::ElementsAre;
using testing::HasSubstr;

// What reached the brokers.
struct FakeBrokers {
  std::vector<std::string> acknowledged;
  std::vector<std::string> waiting;
  bool failing = false;
  bool stopped = false;
};

class FakeProducer final : public kafka::Producer {
 public:
  FakeProducer(FakeBrokers& brokers, Callback callback)
      : brokers_(brokers), callback_(std::move(callback)) {}
  base::Result<void> send(const kafka::ProduceRecord& record) override {
    std::string text = std::string(record.topic) + "/" +
                       (record.partition ? std::to_string(*record.partition) : "*") + " " +
                       std::string(record.key.value_or("NULL")) + "=" +
                       std::string(record.value.value_or("NULL"));
    for (const auto& header : record.headers)
      text += " " + std::string(header.key) + ":" + std::string(header.value.value_or("NULL"));
    brokers_.waiting.push_back(text);
    return {};
  }
  base::Result<void> flush(int64_t) override {
    const base::Error error = base::error(ErrorKind::kTimeout, "no answer");
    kafka::Delivery delivery;
    if (brokers_.failing)
      delivery.error = &error;
    else
      brokers_.acknowledged.insert(brokers_.acknowledged.end(), brokers_.waiting.begin(),
                                   brokers_.waiting.end());
    if (!brokers_.waiting.empty()) callback_(delivery);
    brokers_.waiting.clear();
    return {};
  }
  void close(int64_t) override {}
  void stop() override { brokers_.stopped = true; }
  void next_transaction() override {}
  kafka::ProducerCounters counters() const override { return {}; }
  base::Result<int32_t> partition_count(std::string_view) override { return 1; }

 private:
  FakeBrokers& brokers_;
  Callback callback_;
};

class KafkaSinkTest : public testing::Test {
 protected:
  using Options = std::map<std::string, std::string>;
  Result<std::unique_ptr<Sink>> open(Options options, const std::string& ddl) {
    options.emplace("kafka.bootstrap.servers", "127.0.0.1:1");
    WEIR_ASSIGN(auto sink,
                make_kafka_sink(clock_, options,
                                [&](kafka::ProducerOptions, kafka::Producer::Callback callback)
                                    -> Result<std::unique_ptr<kafka::Producer>> {
                                  return std::unique_ptr<kafka::Producer>(
                                      std::make_unique<FakeProducer>(brokers_, callback));
                                }));
    WEIR_TRY(sink->prepare({}, columnar::parse_ddl_schema(ddl).value()));
    return sink;
  }
  std::string refusal(const Options& options, const std::string& ddl) {
    const auto sink = open(options, ddl);
    return sink.ok() ? "opened" : sink.error().to_string();
  }
  static std::shared_ptr<arrow::Array> texts(const std::vector<const char*>& values) {
    arrow::StringBuilder builder;
    for (const char* value : values)
      EXPECT_TRUE((value == nullptr ? builder.AppendNull() : builder.Append(value)).ok());
    return *builder.Finish();
  }
  static std::shared_ptr<arrow::RecordBatch> rows(
      const std::string& ddl, std::vector<std::shared_ptr<arrow::Array>> arrays) {
    const int64_t count = arrays[0]->length();
    return arrow::RecordBatch::Make(
        columnar::to_arrow_schema(columnar::parse_ddl_schema(ddl).value()), count,
        std::move(arrays));
  }
  static Result<SinkCommit> deliver(Sink& sink, const std::shared_ptr<arrow::RecordBatch>& batch) {
    WEIR_ASSIGN(auto writer, sink.begin(BatchId(0), 1));
    WEIR_TRY(writer->write(0, batch));
    return writer->commit();
  }

  base::ManualClock clock_;
  FakeBrokers brokers_;
};

TEST_F(KafkaSinkTest, WritesRowsAsRecords) {
  const std::string ddl = "key STRING, value STRING, topic STRING, partition INT";
  arrow::Int32Builder partitions;
  ASSERT_TRUE(partitions.Append(2).ok());
  ASSERT_TRUE(partitions.AppendNull().ok());
  const auto sink = open({}, ddl).value();
  EXPECT_FALSE(sink->exactly_once());
  const auto done = deliver(*sink, rows(ddl, {texts({"k", nullptr}), texts({"v", nullptr}),
                                              texts({"a", "b"}), *partitions.Finish()}));
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(done->rows, 2);
  EXPECT_THAT(brokers_.acknowledged, ElementsAre("a/2 k=v", "b/* NULL=NULL"));
  const auto null_topic = deliver(*sink, rows(ddl, {texts({"k"}), texts({"v"}), texts({nullptr}),
                                                    *arrow::MakeArrayOfNull(arrow::int32(), 1)}));
  EXPECT_THAT(null_topic.error().to_string(), HasSubstr("null topic present in the data"));
}

TEST_F(KafkaSinkTest, TheOptionNamesTheTopicAndHeadersGoAlong) {
  const std::string ddl =
      "value STRING, topic STRING, headers ARRAY<STRUCT<key: STRING, value: BINARY>>";
  const auto type =
      columnar::to_arrow_schema(columnar::parse_ddl_schema(ddl).value())->field(2)->type();
  auto keys = std::make_shared<arrow::StringBuilder>();
  auto values = std::make_shared<arrow::BinaryBuilder>();
  auto entry = std::make_shared<arrow::StructBuilder>(
      static_cast<const arrow::ListType&>(*type).value_type(), arrow::default_memory_pool(),
      std::vector<std::shared_ptr<arrow::ArrayBuilder>>{keys, values});
  arrow::ListBuilder headers(arrow::default_memory_pool(), entry, type);
  ASSERT_TRUE(headers.Append().ok() && entry->Append().ok() && keys->Append("h").ok() &&
              values->Append("1").ok());
  const auto sink = open({{"topic", "t"}}, ddl).value();
  ASSERT_TRUE(deliver(*sink, rows(ddl, {texts({"v"}), texts({"x"}), *headers.Finish()})).ok());
  EXPECT_THAT(brokers_.acknowledged, ElementsAre("t/* NULL=v h:1"));
}

TEST_F(KafkaSinkTest, ABatchFailsWhereARecordDoesAndRunsAgain) {
  const std::string ddl = "value BINARY";
  const auto sink = open({{"topic", "t"}}, ddl).value();
  arrow::BinaryBuilder value;
  ASSERT_TRUE(value.Append("v").ok());
  const auto batch = rows(ddl, {*value.Finish()});
  brokers_.failing = true;
  EXPECT_EQ(deliver(*sink, batch).error().kind(), ErrorKind::kTimeout);
  brokers_.failing = false;
  ASSERT_TRUE(deliver(*sink, batch).ok());
  EXPECT_THAT(brokers_.acknowledged, ElementsAre("t/* NULL=v"));
}

TEST_F(KafkaSinkTest, OtherColumnsAreLeftOutAndOtherOptionsIgnored) {
  const std::string ddl = "colour STRING, value STRING";
  const auto sink = open({{"topic", "t"}, {"colour", "red"}}, ddl).value();
  ASSERT_TRUE(deliver(*sink, rows(ddl, {texts({"red"}), texts({"v"})})).ok());
  EXPECT_THAT(brokers_.acknowledged, ElementsAre("t/* NULL=v"));
}

TEST_F(KafkaSinkTest, AnInterruptStopsTheProducer) {
  const auto sink = open({{"topic", "t"}}, "value STRING").value();
  sink->interrupt();
  EXPECT_TRUE(brokers_.stopped);
}

TEST_F(KafkaSinkTest, RefusesByName) {
  EXPECT_THAT(refusal({}, "value STRING"), HasSubstr("topic option required"));
  EXPECT_THAT(refusal({{"topic", "t"}}, "key STRING"), HasSubstr("'value' not found"));
  EXPECT_THAT(refusal({{"topic", "t"}}, "value INT"), HasSubstr("value attribute type must be"));
  EXPECT_THAT(refusal({{"topic", "t"}, {"exactlyOnce", "true"}}, "value STRING"),
              HasSubstr("exactlyOnce"));
  EXPECT_THAT(refusal({{"topic", "t"}, {"kafka.key.serializer", "x"}}, "value STRING"),
              HasSubstr("key.serializer"));
  EXPECT_THAT(make_kafka_sink(clock_, {{"topic", "t"}}, KafkaProducerFactory()).error().to_string(),
              HasSubstr("kafka.bootstrap.servers"));
}

}  // namespace
}  // namespace weir::sink
