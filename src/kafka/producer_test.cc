// The producer against a small broker in this process, which misbehaves as told.
#include "kafka/producer.h"

#include <algorithm>
#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kafka/test_broker.h"

namespace weir::kafka {
namespace {

using base::ErrorKind;
using ::testing::HasSubstr;

class KafkaProducerTest : public test::ClientOfTestBroker {};

TEST_F(KafkaProducerTest, WhatIsProducedIsRead) {
  for (std::string compression : {"none", "gzip", "snappy", "lz4", "zstd"}) {
    int64_t before = broker_.end_offset(0);
    std::atomic<int64_t> acknowledged{0};
    auto p = producer(
        {{"compression.type", compression}, {"batch.size", "500"}}, [&](const Delivery& delivery) {
          EXPECT_EQ(delivery.error, nullptr);
          EXPECT_EQ(delivery.tags.size(), static_cast<size_t>(delivery.record_count));
          EXPECT_EQ(delivery.base_offset - before, static_cast<int64_t>(delivery.tags.front()));
          acknowledged += delivery.record_count;
        });
    send_numbers(*p, 1000);
    ASSERT_TRUE(p->flush(20000).ok());
    EXPECT_EQ(acknowledged, 1000);
    EXPECT_EQ(p->counters().buffered_bytes, 0u);
    auto values = read(*client(), 0, before, before + 1000);
    ASSERT_TRUE(values.ok()) << values.error().to_string();
    EXPECT_EQ(*values, numbers(0, 1000));
  }
}

TEST_F(KafkaProducerTest, ProducerKeepsOrderOverErrorsThatPass) {
  broker_.produce_errors = 4;
  auto p = producer({{"batch.size", "200"}},
                    [](const Delivery& delivery) { EXPECT_EQ(delivery.error, nullptr); });
  send_numbers(*p, 500);
  broker_.produce_errors = 3;
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(*read(*client(), 0, 0, broker_.end_offset(0)), numbers(0, 500));
}

TEST_F(KafkaProducerTest, ABatchWhoseAnswerIsLostIsWrittenOnce) {
  broker_.lost_answers = 3;
  auto p = producer({{"batch.size", "200"}},
                    [](const Delivery& delivery) { EXPECT_EQ(delivery.error, nullptr); });
  send_numbers(*p, 500);
  broker_.lost_answers = 2;
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(*read(*client(), 0, 0, broker_.end_offset(0)), numbers(0, 500));
  EXPECT_GT(broker_.duplicates, 0);
  EXPECT_EQ(p->counters().records_acknowledged, 500u);
}

TEST_F(KafkaProducerTest, ABatchThatIsRefusedFailsAndTheNextOnesGo) {
  broker_.produce_error = ErrorCode::kMessageTooLarge;
  broker_.produce_errors = 1;
  std::atomic<int> failed{0};
  auto p = producer({}, [&](const Delivery& delivery) {
    if (!delivery.error) return;
    failed += delivery.record_count;
    EXPECT_THAT(delivery.error->message(), HasSubstr("MESSAGE_TOO_LARGE"));
  });
  send_numbers(*p, 1);
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(failed, 1);
  send_numbers(*p, 20);
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(*read(*client(), 0, 0, 20), numbers(0, 20));
}

TEST_F(KafkaProducerTest, ProducerNamesATopicThatIsNotThere) {
  auto p = producer({{"max.block.ms", "50"}}, nullptr);
  ProduceRecord record;
  record.topic = "nosuch";
  auto sent = p->send(record);
  ASSERT_FALSE(sent.ok());
  EXPECT_THAT(sent.error().message(), HasSubstr("nosuch"));
}

TEST_F(KafkaProducerTest, ABrokerThatNeverAnswersFailsTheBatchInTime) {
  broker_.produce_errors = 1'000'000;
  std::atomic<int> failed{0};
  std::atomic<bool> answers{false};
  auto p = producer({{"delivery.timeout.ms", "100"}}, [&](const Delivery& delivery) {
    ASSERT_EQ(delivery.error == nullptr, answers.load());
    if (!delivery.error) return;
    EXPECT_EQ(delivery.error->kind(), ErrorKind::kTimeout);
    failed += delivery.record_count;
  });
  send_numbers(*p, 50);
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(failed, 50);
  // It goes on afterwards, under a new producer id where sequences have a hole.
  broker_.produce_errors = 0;
  answers = true;
  for (int i = 50; i < 100; i += 10) {
    send_numbers(*p, i, i + 10);
    ASSERT_TRUE(p->flush(20000).ok());
  }
  EXPECT_EQ(failed, 50);
  EXPECT_EQ(p->counters().records_acknowledged, 50u);
  EXPECT_EQ(*read(*client(), 0, 0, broker_.end_offset(0)), numbers(50, 100));
}

TEST_F(KafkaProducerTest, NoMoreRequestsAreInFlightThanAllowed) {
  for (int allowed : {1, 2, 5}) {
    const int64_t before = broker_.end_offset(0);
    auto p = producer(
        {{"batch.size", "200"}, {"max.in.flight.requests.per.connection", std::to_string(allowed)}},
        [](const Delivery& delivery) { EXPECT_EQ(delivery.error, nullptr); });
    send_numbers(*p, 1);
    ASSERT_TRUE(p->flush(20000).ok());
    broker_.held_requests = allowed;  // and the broker sees that no more come
    send_numbers(*p, 1, 500);
    ASSERT_TRUE(p->flush(20000).ok());
    EXPECT_EQ(broker_.held_requests, 0);
    EXPECT_EQ(*read(*client(), 0, before, broker_.end_offset(0)), numbers(0, 500));
  }
}

// Five batches are written and unanswered; the broker comes back and knows the last four of them.
TEST_F(KafkaProducerTest, ABatchInDoubtIsSettledByTheOneBehindIt) {
  std::atomic<int> acknowledged{0};
  std::atomic<int> without_offset{0};
  auto p = producer({{"batch.size", "200"}}, [&](const Delivery& delivery) {
    EXPECT_EQ(delivery.error, nullptr);
    acknowledged += delivery.record_count;
    without_offset += delivery.base_offset < 0 ? 1 : 0;
  });
  send_numbers(*p, 1);
  ASSERT_TRUE(p->flush(20000).ok());
  broker_.when_held = [this] { broker_.forget_oldest_batches(); };
  broker_.held_requests = 5;
  send_numbers(*p, 1, 500);
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(broker_.duplicates, 4);
  EXPECT_EQ(acknowledged, 500);
  EXPECT_EQ(without_offset, 1) << "where the first of the five stands, nobody knows";
  EXPECT_EQ(*read(*client(), 0, 0, broker_.end_offset(0)), numbers(0, 500));
}

// The broker comes back without the five, and without one that it had acknowledged: what was not
// acknowledged goes again under a new id, in order and once.
TEST_F(KafkaProducerTest, BatchesInDoubtThatWereLostAreWrittenOnce) {
  std::atomic<int> acknowledged{0};
  auto p = producer({{"batch.size", "200"}}, [&](const Delivery& delivery) {
    EXPECT_EQ(delivery.error, nullptr);
    acknowledged += delivery.record_count;
  });
  for (int i = 0; i < 10; ++i) {
    send_numbers(*p, i, i + 1);
    ASSERT_TRUE(p->flush(20000).ok());
  }
  broker_.when_held = [this] { broker_.lose_batches(0, 6); };
  broker_.held_requests = 5;
  send_numbers(*p, 10, 500);
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(acknowledged, 500);
  std::vector<std::string> expected = numbers(0, 9);  // 9 was acknowledged and lost by the broker
  for (const std::string& number : numbers(10, 500))
    expected.push_back(number);
  EXPECT_EQ(*read(*client(), 0, 0, broker_.end_offset(0)), expected);
}

TEST_F(KafkaProducerTest, ABatchThatIsTooLargeIsSplit) {
  broker_.batch_bytes_max = 300;
  for (const Properties& more :
       {Properties{}, Properties{{"compression.type", "lz4"}},
        Properties{{"enable.idempotence", "false"}}, Properties{{"acks", "1"}}}) {
    const int64_t before = broker_.end_offset(0);
    std::vector<uint64_t> tags;
    Properties properties = more;
    properties["batch.size"] = "8000";
    properties["linger.ms"] = "1000";
    auto p = producer(properties, [&](const Delivery& delivery) {
      EXPECT_EQ(delivery.error, nullptr);
      EXPECT_EQ(delivery.tags.size(), static_cast<size_t>(delivery.record_count));
      EXPECT_EQ(delivery.base_offset - before, static_cast<int64_t>(delivery.tags.front()));
      tags.insert(tags.end(), delivery.tags.begin(), delivery.tags.end());
    });
    send_numbers(*p, 2000);
    ASSERT_TRUE(p->flush(20000).ok());
    EXPECT_EQ(*read(*client(), 0, before, broker_.end_offset(0)), numbers(0, 2000));
    EXPECT_EQ(tags.size(), 2000u);
    EXPECT_TRUE(std::is_sorted(tags.begin(), tags.end()));
    EXPECT_GT(p->counters().splits, 0u);
    EXPECT_EQ(p->counters().buffered_bytes, 0u);
  }
  EXPECT_GT(broker_.too_large, 0);
}

TEST_F(KafkaProducerTest, ASplitBatchKeepsKeysHeadersAndTimes) {
  auto p = producer({{"linger.ms", "1000"}},
                    [](const Delivery& delivery) { EXPECT_EQ(delivery.error, nullptr); });
  broker_.batch_bytes_max = 200;
  for (int i = 0; i < 20; ++i) {
    const std::string text = std::to_string(i);
    const RecordHeader headers[] = {{"name", text}, {"nothing", std::nullopt}};
    ProduceRecord record;
    record.topic = "t";
    record.partition = 0;
    if (i % 2) record.key = text;
    if (i % 3) record.value = text;
    record.timestamp_ms = 1000 - i;
    record.headers = headers;
    ASSERT_TRUE(p->send(record).ok());
  }
  ASSERT_TRUE(p->flush(20000).ok());
  auto c = client();
  auto fetcher = std::move(c->fetch({{{"t", 0}, 0, 20}})).value();
  int i = 0;
  while (true) {
    auto outcome = fetcher->next(20000);
    ASSERT_TRUE(outcome.ok()) << outcome.error().to_string();
    if (outcome->status == FetchStatus::kFinished) break;
    for (const BatchView& batch : outcome->fetched.batches) {
      auto opened = open_record_batch(batch.bytes, batch.header);
      RecordIterator iterator(opened->header, opened->records);
      for (Record record; iterator.next(record); ++i) {
        const std::string text = std::to_string(i);
        EXPECT_EQ(record.has_key, i % 2 != 0);
        EXPECT_EQ(record.has_value, i % 3 != 0);
        EXPECT_EQ(record.key, i % 2 ? text : "");
        EXPECT_EQ(record.value, i % 3 ? text : "");
        EXPECT_EQ(record.timestamp_ms, 1000 - i);
        RecordHeaderIterator headers(record);
        RecordHeader header;
        ASSERT_TRUE(headers.next(header));
        EXPECT_EQ(header.value, text);
        ASSERT_TRUE(headers.next(header));
        EXPECT_EQ(header.value, std::nullopt);
      }
    }
  }
  EXPECT_EQ(i, 20);
}

TEST_F(KafkaProducerTest, ARecordThatIsTooLargeFailsAlone) {
  broker_.batch_bytes_max = 300;
  for (const char* idempotence : {"true", "false"}) {
    const int64_t before = broker_.end_offset(0);
    std::vector<uint64_t> failed;
    auto p = producer({{"enable.idempotence", idempotence}, {"batch.size", "4000"}},
                      [&](const Delivery& delivery) {
                        if (!delivery.error) return;
                        failed.insert(failed.end(), delivery.tags.begin(), delivery.tags.end());
                        EXPECT_EQ(delivery.error->kind(), ErrorKind::kResourceExhausted);
                        EXPECT_THAT(delivery.error->message(), HasSubstr("MESSAGE_TOO_LARGE"));
                        EXPECT_THAT(delivery.error->message(), HasSubstr("t-0"));
                        EXPECT_THAT(delivery.error->message(), HasSubstr("single record"));
                      });
    const std::string large(2000, 'x');
    for (int i = 0; i < 600; i += 100) {
      send_numbers(*p, i, i + 100);
      ProduceRecord record;
      record.topic = "t";
      record.partition = 0;
      record.value = large;
      record.tag = uint64_t{1000} + static_cast<uint64_t>(i);
      ASSERT_TRUE(p->send(record).ok());
    }
    ASSERT_TRUE(p->flush(20000).ok());
    std::sort(failed.begin(), failed.end());
    EXPECT_EQ(failed, (std::vector<uint64_t>{1000, 1100, 1200, 1300, 1400, 1500}));
    EXPECT_EQ(*read(*client(), 0, before, broker_.end_offset(0)), numbers(0, 600));
  }
}

TEST_F(KafkaProducerTest, ClosingFailsWhatIsLeft) {
  broker_.produce_errors = 1'000'000;
  std::atomic<int> failed{0};
  auto p = producer(
      {}, [&](const Delivery& delivery) { failed += delivery.error ? delivery.record_count : 0; });
  send_numbers(*p, 50);
  p->close(0);
  EXPECT_EQ(failed, 50);
  ProduceRecord record;
  record.topic = "t";
  EXPECT_EQ(p->send(record).error().kind(), ErrorKind::kCancelled);
}

}  // namespace
}  // namespace weir::kafka
