// Transactions against a small broker in this process: who owns them, what readers see.
#include "kafka/transactions.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/stepping_clock.h"
#include "kafka/test_broker.h"

namespace weir::kafka {
namespace {

using base::ErrorKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class KafkaTransactionsTest : public test::ClientOfTestBroker {
 protected:
  ProducerOptions options(Properties properties = {}) {
    properties["bootstrap.servers"] = broker_.address();
    properties.try_emplace("retry.backoff.ms", "1");
    properties.try_emplace("linger.ms", "0");
    return *ProducerOptions::from_properties(properties);
  }
  std::shared_ptr<Transactions> transactions(Properties properties = {}) {
    return *Transactions::open(options(std::move(properties)), "id", 60'000, clock_, random_);
  }
  // A producer in a transaction of its own.
  std::unique_ptr<Producer> in_transaction(const std::shared_ptr<Transactions>& transactions,
                                           const ProducerIdentity& identity,
                                           Properties properties = {}) {
    return std::move(Producer::open(options(std::move(properties)), clock_, random_, nullptr,
                                    TransactionalSession{transactions, identity}))
        .value();
  }
  std::vector<std::string> committed_values() { return values("read_committed"); }
  std::vector<std::string> values(const std::string& isolation) {
    auto reader = client({{"isolation.level", isolation}});
    const auto end = reader->list_offsets(std::vector<OffsetQuery>{{{"t", 0}, kLatestTimestamp}});
    EXPECT_TRUE(end.ok());
    auto read_values = read(*reader, 0, 0, end->at(0));
    EXPECT_TRUE(read_values.ok()) << read_values.error().to_string();
    return read_values.ok() ? *read_values : std::vector<std::string>();
  }
  static std::string failure(const base::Result<void>& result) {
    return result.ok() ? "ok" : result.error().to_string();
  }
};

TEST_F(KafkaTransactionsTest, ReadersOfWhatIsCommittedSeeWholeTransactionsOnly) {
  const auto ours = transactions();
  const auto identity = ours->take_over();
  ASSERT_TRUE(identity.ok()) << identity.error().to_string();
  auto p = in_transaction(ours, *identity, {{"batch.size", "100"}});
  send_numbers(*p, 0, 50);
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_THAT(committed_values(), IsEmpty());
  EXPECT_EQ(values("read_uncommitted"), numbers(0, 50));
  ASSERT_TRUE(ours->commit(*identity).ok());
  p->next_transaction();
  EXPECT_EQ(committed_values(), numbers(0, 50));

  // The next one of the same producer is rolled back by whoever takes over.
  send_numbers(*p, 50, 60);
  ASSERT_TRUE(p->flush(20000).ok());
  const auto theirs = transactions();
  const auto next = theirs->take_over();
  ASSERT_TRUE(next.ok()) << next.error().to_string();
  EXPECT_EQ(next->id, identity->id);
  EXPECT_GT(next->epoch, identity->epoch);
  auto q = in_transaction(theirs, *next);
  send_numbers(*q, 60, 70);
  ASSERT_TRUE(q->flush(20000).ok());
  ASSERT_TRUE(theirs->commit(*next).ok());
  auto expected = numbers(0, 50);
  for (int i = 60; i < 70; ++i)
    expected.push_back(std::to_string(i));
  EXPECT_EQ(committed_values(), expected);
  EXPECT_EQ(values("read_uncommitted"), numbers(0, 70));
}

TEST_F(KafkaTransactionsTest, WhoWasTakenOverFromIsRefused) {
  const auto ours = transactions();
  const auto identity = *ours->take_over();
  auto p = in_transaction(ours, identity);
  send_numbers(*p, 0, 5);
  ASSERT_TRUE(p->flush(20000).ok());
  ASSERT_TRUE(transactions()->take_over().ok());
  const auto late = ours->commit(identity);
  EXPECT_EQ(late.error().kind(), ErrorKind::kConflict);
  EXPECT_TRUE(late.error().retryable());
  send_numbers(*p, 5, 6);
  const auto flushed = p->flush(20000);
  ASSERT_FALSE(flushed.ok());
  EXPECT_THAT(failure(flushed), HasSubstr("INVALID_PRODUCER_EPOCH"));
  // Such a producer is over.
  ProduceRecord record;
  record.topic = "t";
  EXPECT_FALSE(p->send(record).ok());
  EXPECT_THAT(committed_values(), IsEmpty());
}

TEST_F(KafkaTransactionsTest, OffsetsAreCommittedWithTheRecordsOrNotAtAll) {
  const auto ours = transactions();
  auto identity = *ours->take_over();
  ASSERT_TRUE(ours->add_offsets(identity, "g", {{{"t", 0}, 7, "seven"}}).ok());
  EXPECT_THAT(*ours->offsets("g", false), IsEmpty());
  ASSERT_TRUE(ours->commit(identity).ok());
  auto committed = *ours->offsets("g", true);
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].offset, 7);
  EXPECT_EQ(committed[0].metadata, "seven");

  ASSERT_TRUE(ours->add_offsets(identity, "g", {{{"t", 0}, 8, "eight"}}).ok());
  ours->roll_back("g", [](const auto& offsets) { return offsets.at(0).metadata == "seven"; });
  identity = *ours->take_over();
  EXPECT_EQ(ours->offsets("g", true)->at(0).metadata, "seven");
  EXPECT_THAT(*ours->offsets("other", true), IsEmpty());
}

TEST_F(KafkaTransactionsTest, WhatBelongsToAnotherIsNotRolledBack) {
  const auto ours = transactions();
  const auto identity = *ours->take_over();
  ASSERT_TRUE(ours->add_offsets(identity, "g", {{{"t", 0}, 1, "one"}}).ok());
  ours->roll_back("g", [](const auto&) { return false; });
  EXPECT_EQ(failure(ours->commit(identity)), "ok");
}

TEST_F(KafkaTransactionsTest, AnAnswerThatIsLostIsAskedForAgain) {
  const auto ours = transactions();
  const auto identity = *ours->take_over();
  auto p = in_transaction(ours, identity);
  broker_.lost_answers = 1;
  send_numbers(*p, 0, 5);
  ASSERT_TRUE(p->flush(20000).ok());
  broker_.lost_ends = 1;
  EXPECT_EQ(failure(ours->commit(identity)), "ok");
  EXPECT_EQ(committed_values(), numbers(0, 5));
}

TEST_F(KafkaTransactionsTest, TheEndOfTheOneBeforeIsWaitedFor) {
  const auto ours = transactions();
  const auto identity = *ours->take_over();
  auto p = in_transaction(ours, identity);
  for (int i = 0; i < 3; ++i) {
    broker_.busy = 3;
    send_numbers(*p, i, i + 1);
    ASSERT_TRUE(p->flush(20000).ok());
    ASSERT_EQ(failure(ours->commit(identity)), "ok");
    p->next_transaction();
  }
  EXPECT_EQ(committed_values(), numbers(0, 3));
}

TEST_F(KafkaTransactionsTest, ABrokerWithoutTransactionsIsNamed) {
  broker_.has_transactions = false;
  const auto refused = transactions()->take_over();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(refused.error().message(), HasSubstr("has no transactions"));
}

TEST_F(KafkaTransactionsTest, NoBrokerIsKnownAfterTenSeconds) {
  const auto waited_ms = [&](Properties properties) {
    properties["bootstrap.servers"] = "127.0.0.1:1";
    base::SteppingClock clock(0);
    const auto made = *Transactions::open(*ProducerOptions::from_properties(properties), "id",
                                          60'000, clock, random_);
    const auto refused = made->take_over();
    EXPECT_EQ(refused.error().kind(), ErrorKind::kUnavailable);
    EXPECT_THAT(refused.error().to_string(), HasSubstr("no broker of the Kafka cluster answered"));
    EXPECT_THAT(refused.error().to_string(), HasSubstr("127.0.0.1:1"));
    return clock.monotonic_us() / 1000;
  };
  EXPECT_LE(waited_ms({}), 10'000);
  EXPECT_GT(waited_ms({}), 5'000);
  EXPECT_GT(waited_ms({{"max.block.ms", "30000"}}), 20'000);
  EXPECT_LE(waited_ms({{"max.block.ms", "2000"}}), 2'000);
}

TEST_F(KafkaTransactionsTest, StopEndsTheWaitForABroker) {
  Properties properties{{"bootstrap.servers", "127.0.0.1:1"}, {"max.block.ms", "600000"}};
  const auto made = *Transactions::open(*ProducerOptions::from_properties(properties), "id", 60'000,
                                        clock_, random_);
  std::thread stopper([&] { made->stop(); });
  EXPECT_EQ(made->take_over().error().kind(), ErrorKind::kCancelled);
  stopper.join();
}

TEST_F(KafkaTransactionsTest, ABatchThatFailsEndsTheSession) {
  const auto ours = transactions();
  const auto identity = *ours->take_over();
  auto p = in_transaction(ours, identity);
  broker_.produce_error = ErrorCode::kMessageTooLarge;
  broker_.produce_errors = 1;
  send_numbers(*p, 0, 1);
  EXPECT_THAT(failure(p->flush(20000)), HasSubstr("MESSAGE_TOO_LARGE"));
}

TEST_F(KafkaTransactionsTest, BatchesThatAreTooLargeStayInTheTransaction) {
  const auto ours = transactions();
  const auto identity = *ours->take_over();
  auto p = in_transaction(ours, identity, {{"batch.size", "10000"}, {"linger.ms", "50"}});
  broker_.batch_bytes_max = 300;
  send_numbers(*p, 0, 200);
  ASSERT_EQ(failure(p->flush(20000)), "ok");
  EXPECT_GT(broker_.too_large, 0);
  ASSERT_EQ(failure(ours->commit(identity)), "ok");
  EXPECT_EQ(committed_values(), numbers(0, 200));
}

TEST_F(KafkaTransactionsTest, StopEndsWhatWaits) {
  const auto ours = transactions();
  const auto identity = *ours->take_over();
  auto p = in_transaction(ours, identity);
  broker_.produce_errors = 1'000'000;
  send_numbers(*p, 0, 1);
  std::thread stopper([&] {
    p->stop();
    ours->stop();
  });
  EXPECT_THAT(failure(p->flush(600'000)), HasSubstr("stopped"));
  stopper.join();
  EXPECT_EQ(ours->commit(identity).error().kind(), ErrorKind::kCancelled);
}

TEST_F(KafkaTransactionsTest, AnOpenEndedRangeLearnsOfOffsetsWithoutRecords) {
  broker_.append(0, test::control_batch(1, 0, true));
  auto reader = client();
  auto fetcher = reader->fetch({{{"t", 0}, 0, std::nullopt}});
  ASSERT_TRUE(fetcher.ok());
  const auto outcome = (*fetcher)->next(20000);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->status, FetchStatus::kBatches);
  EXPECT_THAT(outcome->fetched.batches, IsEmpty());
  EXPECT_EQ(outcome->fetched.next_offset, 1);
}

}  // namespace
}  // namespace weir::kafka
