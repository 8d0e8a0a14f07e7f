// The Kafka sink with exactlyOnce against a small broker in this process: what readers of committed
// records see, whatever goes wrong.
#include "sink/kafka_exact_sink.h"

#include <thread>

#include <arrow/array/builder_binary.h>
#include <arrow/record_batch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "columnar/arrow_types.h"
#include "kafka/test_broker.h"
#include "sink/kafka_sink.h"

namespace weir::sink {
namespace {

using base::BatchId;
using base::ErrorKind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ExactKafkaSinkTest : public kafka::test::ClientOfTestBroker {
 protected:
  using Options = std::map<std::string, std::string>;

  std::unique_ptr<Sink> make(Options options = {}) {
    options.emplace("kafka.bootstrap.servers", broker_.address());
    options.emplace("kafka.retry.backoff.ms", "1");
    options.emplace("topic", "t");
    options.emplace("exactlyOnce", "true");
    std::erase_if(options, [](const auto& option) { return option.second.empty(); });
    auto sink = make_kafka_sink(clock_, random_, options);
    EXPECT_TRUE(sink.ok()) << sink.error().to_string();
    return std::move(sink).value();
  }
  // The query's process started once more, as `run`.
  std::unique_ptr<Sink> start(const std::string& run, Options options = {},
                              const std::string& ddl = "value STRING") {
    auto sink = make(std::move(options));
    const auto prepared =
        sink->prepare({"query-1", run, ""}, columnar::parse_ddl_schema(ddl).value());
    EXPECT_TRUE(prepared.ok()) << prepared.error().to_string();
    EXPECT_TRUE(sink->exactly_once());
    return sink;
  }
  static std::shared_ptr<arrow::RecordBatch> rows(
      const std::vector<std::vector<std::string>>& columns,
      const std::string& ddl = "value STRING") {
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (const auto& column : columns) {
      arrow::StringBuilder builder;
      EXPECT_TRUE(builder.AppendValues(column).ok());
      arrays.push_back(*builder.Finish());
    }
    return arrow::RecordBatch::Make(
        columnar::to_arrow_schema(columnar::parse_ddl_schema(ddl).value()), arrays[0]->length(),
        arrays);
  }
  static Result<SinkCommit> deliver(Sink& sink, int64_t batch,
                                    const std::vector<std::string>& values) {
    WEIR_ASSIGN(auto writer, sink.begin(BatchId(batch), 1));
    WEIR_TRY(writer->write(0, rows({values})));
    return writer->commit();
  }
  // What a reader of committed records sees in both partitions, sorted.
  std::vector<std::string> seen() {
    auto reader = client({{"isolation.level", "read_committed"}});
    std::vector<std::string> all;
    for (const int partition : {0, 1}) {
      const auto end = reader->list_offsets(
          std::vector<kafka::OffsetQuery>{{{"t", partition}, kafka::kLatestTimestamp}});
      auto values = read(*reader, partition, 0, end->at(0));
      EXPECT_TRUE(values.ok()) << values.error().to_string();
      all.insert(all.end(), values->begin(), values->end());
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  static std::string failure(const Result<SinkCommit>& done) {
    return done.ok() ? "committed" : done.error().to_string();
  }
};

TEST_F(ExactKafkaSinkTest, ABatchThatAMarkCoversIsSkipped) {
  auto first = start("run-1");
  auto done = deliver(*first, 0, {"a", "b"});
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(done->rows, 2);
  EXPECT_FALSE(done->already_done);
  first.reset();  // before the commit log

  auto second = start("run-2");
  done = deliver(*second, 0, {"a", "b"});
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_TRUE(done->already_done);
  ASSERT_TRUE(deliver(*second, 1, {"c"}).ok());
  EXPECT_THAT(seen(), ElementsAre("a", "b", "c"));
}

TEST_F(ExactKafkaSinkTest, TheProcessThatWasTakenOverFromStopsAndNamesTheOther) {
  auto first = start("run-1");
  auto writer = std::move(first->begin(BatchId(0), 1)).value();
  ASSERT_TRUE(writer->write(0, rows({{"a", "b"}})).ok());
  auto second = start("run-2");
  const auto late = writer->commit();
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().kind(), ErrorKind::kConflict);
  EXPECT_FALSE(late.error().retryable());
  EXPECT_THAT(late.error().message(), HasSubstr("run run-2 in process"));
  EXPECT_THAT(late.error().message(), HasSubstr("has committed no batch yet"));
  writer.reset();
  EXPECT_FALSE(first->begin(BatchId(0), 1).ok());
  first.reset();  // leaves the other's alone

  ASSERT_TRUE(deliver(*second, 0, {"a", "b"}).ok());
  EXPECT_THAT(seen(), ElementsAre("a", "b"));
}

TEST_F(ExactKafkaSinkTest, WhatADeadProcessLeftOpenIsRolledBack) {
  auto dead = start("run-1");
  auto writer = std::move(dead->begin(BatchId(0), 1)).value();
  ASSERT_TRUE(writer->write(0, rows({{"a"}})).ok());
  auto second = start("run-2");
  ASSERT_TRUE(deliver(*second, 0, {"a"}).ok());
  EXPECT_THAT(seen(), ElementsAre("a"));
}

TEST_F(ExactKafkaSinkTest, WhetherATransactionEndedIsFoundOutByItsMark) {
  auto sink = start("run-1", {{"kafka.max.block.ms", "200"}});
  broker_.lost_ends = 1'000'000;
  const auto unknown = deliver(*sink, 0, {"a"});
  ASSERT_FALSE(unknown.ok());
  EXPECT_TRUE(unknown.error().retryable()) << failure(unknown);
  broker_.lost_ends = 0;
  const auto again = deliver(*sink, 0, {"a"});
  ASSERT_TRUE(again.ok()) << failure(again);
  EXPECT_TRUE(again->already_done);
  EXPECT_THAT(seen(), ElementsAre("a"));
}

TEST_F(ExactKafkaSinkTest, ABatchThatTookTooLongIsRunAgain) {
  auto sink = start("run-1");
  auto writer = std::move(sink->begin(BatchId(0), 1)).value();
  ASSERT_TRUE(writer->write(0, rows({{"a"}})).ok());
  while (broker_.end_offset(0) + broker_.end_offset(1) == 0)
    std::this_thread::yield();  // lingers
  broker_.time_out_transaction("weir-query-1");
  const auto late = writer->commit();
  ASSERT_FALSE(late.ok());
  EXPECT_TRUE(late.error().retryable());
  EXPECT_THAT(late.error().message(), HasSubstr("kafka.transaction.timeout.ms (300000 ms)"));
  writer.reset();
  ASSERT_TRUE(deliver(*sink, 0, {"a"}).ok());
  EXPECT_THAT(seen(), ElementsAre("a"));
}

TEST_F(ExactKafkaSinkTest, ABatchThatIsGivenUpHoldsUpNoReader) {
  auto sink = start("run-1");
  auto writer = std::move(sink->begin(BatchId(0), 1)).value();
  ASSERT_TRUE(writer->write(0, rows({{"a", "b"}})).ok());
  ASSERT_TRUE(writer->abort().ok());
  writer.reset();
  auto other = producer({}, nullptr);
  send_numbers(*other, 1);
  ASSERT_TRUE(other->flush(20000).ok());
  EXPECT_THAT(seen(), ElementsAre("0"));
  ASSERT_TRUE(deliver(*sink, 0, {"a"}).ok());
  EXPECT_THAT(seen(), ElementsAre("0", "a"));
}

TEST_F(ExactKafkaSinkTest, ABatchWithoutRowsNeedsNoTransaction) {
  auto sink = start("run-1");
  ASSERT_TRUE(deliver(*sink, 0, {}).ok());
  const auto again = deliver(*sink, 0, {});
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->already_done);
  ASSERT_TRUE(deliver(*sink, 1, {"a"}).ok());
  EXPECT_THAT(seen(), ElementsAre("a"));
}

TEST_F(ExactKafkaSinkTest, RowsMayNameTheirTopics) {
  const std::string ddl = "value STRING, topic STRING";
  const auto write = [&](Sink& sink) -> Result<SinkCommit> {
    WEIR_ASSIGN(auto writer, sink.begin(BatchId(0), 1));
    WEIR_TRY(writer->write(0, rows({{"a"}, {"t"}}, ddl)));
    return writer->commit();
  };
  auto first = start("run-1", {{"topic", ""}}, ddl);
  ASSERT_TRUE(write(*first).ok());
  auto second = start("run-2", {{"topic", ""}}, ddl);
  const auto again = write(*second);
  ASSERT_TRUE(again.ok()) << failure(again);
  EXPECT_TRUE(again->already_done);
  EXPECT_THAT(seen(), ElementsAre("a"));
}

TEST_F(ExactKafkaSinkTest, AnOldCopyOfACheckpointIsRefused) {
  auto first = start("run-1");
  for (int batch = 0; batch < 3; ++batch)
    ASSERT_TRUE(deliver(*first, batch, {std::to_string(batch)}).ok());
  auto second = start("run-2");
  EXPECT_TRUE(second->confirm_committed(BatchId(2)).ok());
  EXPECT_TRUE(second->confirm_committed(BatchId(1)).ok());
  const auto old = second->confirm_committed(BatchId(0));
  ASSERT_FALSE(old.ok());
  EXPECT_THAT(old.error().message(), HasSubstr("batch 2 of this query is in Kafka"));
}

TEST_F(ExactKafkaSinkTest, InterruptEndsWhatWaitsForABroker) {
  auto sink = start("run-1");
  broker_.produce_errors = 1'000'000;
  std::thread interrupter([&] { sink->interrupt(); });
  const auto done = deliver(*sink, 0, {"a"});
  interrupter.join();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind(), ErrorKind::kCancelled);
  EXPECT_EQ(deliver(*sink, 0, {"a"}).error().kind(), ErrorKind::kCancelled);
}

TEST_F(ExactKafkaSinkTest, RefusesByName) {
  broker_.has_transactions = false;
  const auto refused =
      make()->prepare({"q", "r", ""}, columnar::parse_ddl_schema("value STRING").value());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().error_class(), "UNSUPPORTED_FEATURE");
  EXPECT_THAT(refused.error().message(), HasSubstr("exactlyOnce"));
  EXPECT_THAT(refused.error().message(), HasSubstr("has no transactions"));

  const auto refusal = [&](Options options) {
    options.emplace("kafka.bootstrap.servers", "127.0.0.1:1");
    options.emplace("topic", "t");
    const auto sink = make_kafka_sink(clock_, random_, options);
    return sink.ok() ? "made" : sink.error().to_string();
  };
  EXPECT_THAT(refusal({{"exactlyOnce", "true"}, {"kafka.acks", "1"}}), HasSubstr("acks=all"));
  EXPECT_THAT(refusal({{"exactlyOnce", "true"}, {"kafka.transactional.id", "x"}}),
              HasSubstr("transactional.id"));
  EXPECT_THAT(refusal({{"exactlyOnce", "true"}, {"kafka.transaction.timeout.ms", "soon"}}),
              HasSubstr("transaction.timeout.ms"));
  EXPECT_THAT(refusal({{"kafka.transaction.timeout.ms", "1000"}}),
              HasSubstr("transaction.timeout.ms"));
}

}  // namespace
}  // namespace weir::sink
