// Client and fetcher against a small broker in this process, which misbehaves as told.
#include "kafka/client.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kafka/test_broker.h"

namespace weir::kafka {
namespace {

using base::ErrorKind;
using ::testing::HasSubstr;

class KafkaClientTest : public test::ClientOfTestBroker {};

TEST_F(KafkaClientTest, DescribesTopicsAndOffsets) {
  broker_.append(1, batch_of(0, 7));
  auto c = client();
  auto topics = c->describe_topics({"t"});
  ASSERT_TRUE(topics.ok()) << topics.error().to_string();
  EXPECT_EQ((*topics)[0].partitions, (std::vector<int32_t>{0, 1}));
  auto missing = c->describe_topics({"nosuch"});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind(), ErrorKind::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("nosuch"));
  EXPECT_EQ(c->match_topics("[s-u]")->size(), 1u);
  EXPECT_EQ(c->match_topics("x.*")->size(), 0u);
  EXPECT_EQ(c->match_topics("(").error().kind(), ErrorKind::kInvalidArgument);
  std::vector<OffsetQuery> queries{
      {{"t", 0}, kLatestTimestamp}, {{"t", 1}, kLatestTimestamp}, {{"t", 1}, kEarliestTimestamp}};
  auto offsets = c->list_offsets(queries);
  ASSERT_TRUE(offsets.ok()) << offsets.error().to_string();
  EXPECT_EQ(*offsets, (std::vector<int64_t>{0, 7, 0}));
  EXPECT_EQ(c->list_offsets(std::vector<OffsetQuery>{{{"t", 9}, kLatestTimestamp}}).error().kind(),
            ErrorKind::kNotFound);
}

TEST_F(KafkaClientTest, FetchesARangeThatBeginsAndEndsInsideBatches) {
  for (int i = 0; i < 100; i += 10)
    broker_.append(0, batch_of(i, 10, i % 20 ? Compression::kLz4 : Compression::kNone));
  auto c = client({{"max.partition.fetch.bytes", "1024"}});
  auto values = read(*c, 0, 13, 87);
  ASSERT_TRUE(values.ok()) << values.error().to_string();
  EXPECT_EQ(*values, numbers(13, 87));
  EXPECT_EQ(*read(*c, 0, 5, 5), numbers(0, 0));
}

TEST_F(KafkaClientTest, FetchGoesOnAfterErrorsThatPass) {
  broker_.append(0, batch_of(0, 10));
  broker_.fetch_errors = 3;
  auto values = read(*client(), 0, 0, 10);
  ASSERT_TRUE(values.ok()) << values.error().to_string();
  EXPECT_EQ(*values, numbers(0, 10));
}

TEST_F(KafkaClientTest, FetchEndsWithAnErrorThatDoesNot) {
  broker_.append(0, batch_of(0, 10));
  broker_.fetch_errors = 1000;
  broker_.fetch_error = ErrorCode::kTopicAuthorizationFailed;
  auto values = read(*client(), 0, 0, 10);
  ASSERT_FALSE(values.ok());
  EXPECT_EQ(values.error().kind(), ErrorKind::kPermissionDenied);
  EXPECT_THAT(values.error().message(), HasSubstr("t-0 at offset 0"));
}

TEST_F(KafkaClientTest, AnOffsetThatIsGoneIsAnOutcome) {
  broker_.append(0, batch_of(0, 10));
  broker_.append(0, batch_of(10, 10));
  broker_.log_start = 10;
  auto c = client();
  auto fetcher = c->fetch({{{"t", 0}, 3, 20}});
  auto outcome = (*fetcher)->next(20000);
  ASSERT_TRUE(outcome.ok()) << outcome.error().to_string();
  ASSERT_EQ(outcome->status, FetchStatus::kOffsetOutOfRange);
  EXPECT_EQ(outcome->requested_offset, 3);
  EXPECT_EQ(outcome->log_start_offset, 10);
  EXPECT_EQ(outcome->log_end_offset, 20);
  (*fetcher)->seek(0, 10);
  outcome = (*fetcher)->next(20000);
  ASSERT_EQ(outcome->status, FetchStatus::kBatches);
  EXPECT_EQ(outcome->fetched.batches[0].header.base_offset, 10);
  EXPECT_EQ((*fetcher)->next(20000)->status, FetchStatus::kFinished);
}

TEST_F(KafkaClientTest, ADamagedBatchIsAnErrorThatNamesItsPlace) {
  broker_.append(0, batch_of(0, 10));
  broker_.append(0, batch_of(10, 10));
  broker_.log(0).back() = 'x';
  auto values = read(*client(), 0, 0, 20);
  ASSERT_FALSE(values.ok());
  EXPECT_EQ(values.error().kind(), ErrorKind::kCorruption);
  EXPECT_THAT(values.error().message(), HasSubstr("t-0 at offset 10"));
}

TEST_F(KafkaClientTest, ReadAheadIsBounded) {
  std::string value(1000, 'x');
  for (int i = 0; i < 300; ++i) {
    RecordBatchBuilder builder;
    builder.add(std::nullopt, value, 0);
    broker_.append(0, std::move(builder.finish({})).value());
  }
  auto c = client({{"weir.read.ahead.bytes", "5000"}, {"max.partition.fetch.bytes", "2048"}});
  auto values = read(*c, 0, 0, 300);
  ASSERT_TRUE(values.ok()) << values.error().to_string();
  EXPECT_EQ(values->size(), 300u);
}

TEST_F(KafkaClientTest, StopWakesAWaitingReader) {
  auto c = client();
  auto fetcher = std::move(c->fetch({{{"t", 0}, 0, std::nullopt}})).value();
  std::thread stopper([&] { fetcher->stop(); });
  while (true) {
    auto outcome = fetcher->next(60000);
    if (outcome.ok()) continue;
    EXPECT_EQ(outcome.error().kind(), ErrorKind::kCancelled);
    break;
  }
  stopper.join();
}

TEST_F(KafkaClientTest, ABrokerThatIsNotThereIsUnavailable) {
  auto options = ClientOptions::from_properties(
      {{"bootstrap.servers", "127.0.0.1:1"}, {"default.api.timeout.ms", "50"}});
  auto c = Client::open(*options, clock_, random_);
  auto topics = (*c)->list_topics();
  ASSERT_FALSE(topics.ok());
  EXPECT_EQ(topics.error().kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(topics.error().message(), HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace weir::kafka
