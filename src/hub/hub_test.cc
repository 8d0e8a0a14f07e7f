// The hub as a client sees it: over a socket, with good and with bad bytes.
#include "hub/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub/test_client.h"
#include "hub/test_log.h"

namespace weir::hub {
namespace {

using kafka::ApiKey;
using kafka::ErrorCode;
using test::Client;
using test::make_batch;

class HubTest : public testing::Test {
 protected:
  void start(FlushPolicy flush = FlushPolicy::kAlways) {
    HubOptions options;
    options.dir = "hub";
    options.listen = {"127.0.0.1:0"};
    options.topics = {{"t", 2, {}}};
    options.topics[0].config.message_bytes_max = 10'000;
    options.frame_bytes_max = 1 << 20;
    options.flush = flush;
    options.in_flight_max = 8;
    hub_ = std::make_unique<Hub>(files_, clock_, random_, options);
    const auto started = hub_->start();
    ASSERT_TRUE(started.ok()) << started.error().message();
  }
  void SetUp() override { start(); }

  static kafka::ProduceRequest produce(std::string_view batch, const std::string& topic = "t",
                                       int16_t acks = -1) {
    kafka::ProduceRequest request;
    request.acks = acks;
    request.timeout_ms = 5000;
    request.topics = {{topic, {{0, batch}}}};
    return request;
  }
  ErrorCode produce_error(Client& client, std::string_view batch, const std::string& topic = "t") {
    return client.call<kafka::ProduceResponse>(produce(batch, topic), 8)
        .topics[0]
        .partitions[0]
        .error;
  }
  static kafka::FetchRequest fetch(int64_t offset, int32_t max_wait_ms = 0) {
    kafka::FetchRequest request;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = 1;
    request.topics = {{"t", {{.index = 0, .fetch_offset = offset, .max_bytes = 1 << 20}}}};
    return request;
  }

  io::ModelFileSystem files_{1};
  base::SystemClock clock_;
  base::SeededRandom random_{1};
  std::unique_ptr<Hub> hub_;
};

TEST_F(HubTest, WhatIsProducedIsFetched) {
  Client client(hub_->port());
  const std::string batch = make_batch({.records = 3});
  for (const int16_t version : {3, 5, 7, 8}) {
    const auto answer =
        client.call<kafka::ProduceResponse>(produce(batch), version).topics[0].partitions[0];
    EXPECT_EQ(answer.error, ErrorCode::kNone);
  }
  for (int16_t version = 4; version <= 11; ++version) {
    const auto response = client.call<kafka::FetchResponse>(fetch(4), version);
    const auto& partition = response.topics[0].partitions[0];
    EXPECT_EQ(partition.high_watermark, 12);
    const auto header = kafka::validate_record_batch(partition.records.value());
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->base_offset, 3);
    EXPECT_EQ(partition.records->size(), 3 * batch.size());
  }
  EXPECT_EQ(hub_->metrics().snapshot().total.incoming_messages, 12);
  EXPECT_EQ(hub_->metrics().snapshot().total.outgoing_messages, 8 * 9);
}

TEST_F(HubTest, AnswersComeInTheOrderOfTheRequests) {
  Client client(hub_->port());
  const std::string batch = make_batch({});
  for (int i = 0; i < 50; ++i)
    client.send(produce(batch), 7);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.answer<kafka::ProduceResponse>(7).topics[0].partitions[0].base_offset, i);
    EXPECT_EQ(client.last_correlation_id(), i + 1);
  }
}

TEST_F(HubTest, AFetchWaitsForData) {
  Client consumer(hub_->port());
  Client producer(hub_->port());
  consumer.send(fetch(0, 20'000), 11);
  EXPECT_EQ(produce_error(producer, make_batch({})), ErrorCode::kNone);
  EXPECT_GT(consumer.answer<kafka::FetchResponse>(11).topics[0].partitions[0].records->size(), 0u);
}

TEST_F(HubTest, WrongBatchesGetTheirErrors) {
  Client client(hub_->port());
  std::string corrupt = make_batch({});
  corrupt.back() ^= 1;
  EXPECT_EQ(produce_error(client, corrupt), ErrorCode::kCorruptMessage);
  EXPECT_EQ(produce_error(client, "garbage"), ErrorCode::kCorruptMessage);
  EXPECT_EQ(produce_error(client, make_batch({}).substr(0, 65)), ErrorCode::kCorruptMessage);
  EXPECT_EQ(produce_error(client, make_batch({.value = std::string(20'000, 'x')})),
            ErrorCode::kMessageTooLarge);
  EXPECT_EQ(produce_error(client, make_batch({}) + make_batch({})), ErrorCode::kInvalidRecord);
  EXPECT_EQ(produce_error(client, make_batch({}), "missing"), ErrorCode::kUnknownTopicOrPartition);
  const auto wrong_acks = client.call<kafka::ProduceResponse>(produce(make_batch({}), "t", 2), 7);
  EXPECT_EQ(wrong_acks.topics[0].partitions[0].error, ErrorCode::kInvalidRequiredAcks);
  EXPECT_EQ(produce_error(client, make_batch({.producer_id = 9, .epoch = 4})), ErrorCode::kNone);
  EXPECT_EQ(produce_error(client, make_batch({.producer_id = 9, .epoch = 3, .sequence = 1})),
            ErrorCode::kInvalidProducerEpoch);
  EXPECT_EQ(produce_error(client, make_batch({.producer_id = 9, .epoch = 4, .sequence = 5})),
            ErrorCode::kOutOfOrderSequenceNumber);
  EXPECT_EQ(hub_->metrics().snapshot().refused_by_error.at("CORRUPT_MESSAGE"), 3);
}

TEST_F(HubTest, BadFramesEndTheConnectionAndNothingElse) {
  const std::string half =
      kafka::encode_request_frame({ApiKey::kMetadata, 4, 1, "x"}, kafka::MetadataRequest{});
  std::string unknown_api = half;
  kafka::store_big<int16_t>(unknown_api.data() + 4, 999);
  std::string unknown_version = half;
  kafka::store_big<int16_t>(unknown_version.data() + 6, 99);
  std::string cut = half.substr(0, half.size() - 1);
  kafka::store_big<int32_t>(cut.data(), static_cast<int32_t>(cut.size() - 4));
  for (const std::string& bytes :
       {std::string("\x7f\xff\xff\xff", 4), std::string("\xff\xff\xff\xff", 4),
        std::string("GET / HTTP/1.1\r\n\r\n"), std::string(8, '\0'), unknown_api, unknown_version,
        cut}) {
    Client client(hub_->port());
    client.send_bytes(bytes);
    EXPECT_TRUE(client.closed());
  }
  {
    Client gone(hub_->port());
    gone.send_bytes(half.substr(0, 10));
  }
  Client client(hub_->port());
  EXPECT_EQ(client.call<kafka::MetadataResponse>(kafka::MetadataRequest{}, 8).topics.size(), 1u);
}

TEST_F(HubTest, RandomBytesNeverStopTheHub) {
  base::SeededRandom random(42);
  for (int round = 0; round < 300; ++round) {
    std::string frame =
        kafka::encode_request_frame({ApiKey::kProduce, 7, 1, "x"}, produce(make_batch({})));
    for (int flips = 0; flips < 4; ++flips)
      frame[4 + random.below(frame.size() - 4)] = static_cast<char>(random.next());
    if (random.below(2) == 0)
      kafka::store_big<int16_t>(frame.data() + 4, static_cast<int16_t>(random.below(24)));
    if (random.below(2) == 0)
      kafka::store_big<int16_t>(frame.data() + 6, static_cast<int16_t>(random.below(12)));
    Client client(hub_->port());
    client.send_bytes(frame);
  }
  Client client(hub_->port());
  EXPECT_EQ(produce_error(client, make_batch({})), ErrorCode::kNone);
}

TEST_F(HubTest, ApiVersionsOfALaterVersionIsAnsweredInTheFirstLayout) {
  Client client(hub_->port());
  std::string frame = kafka::encode_request_frame({ApiKey::kApiVersions, 3, 5, "x"},
                                                  kafka::ApiVersionsRequest{"n", "1"});
  kafka::store_big<int16_t>(frame.data() + 6, 4);
  client.send_bytes(frame);
  const auto response = client.answer<kafka::ApiVersionsResponse>(0);
  EXPECT_EQ(response.error, ErrorCode::kUnsupportedVersion);
  const auto known =
      client.call<kafka::ApiVersionsResponse>(kafka::ApiVersionsRequest{"n", "1"}, 3);
  EXPECT_EQ(known.error, ErrorCode::kNone);
  EXPECT_EQ(known.api_keys.size(), 14u);
}

TEST_F(HubTest, TopicsAreMadeOnRequestAndSettingsChecked) {
  Client client(hub_->port());
  kafka::CreateTopicsRequest request;
  request.topics = {{"new", 3, 1, {}, {{"retention.ms", "1000"}}},
                    {"odd", 1, 1, {}, {{"min.insync.replicas", "1"}}},
                    {"t", 1, 1, {}, {}},
                    {"rf", 1, 3, {}, {}}};
  const auto response = client.call<kafka::CreateTopicsResponse>(request, 4);
  EXPECT_EQ(response.topics[0].error, ErrorCode::kNone);
  EXPECT_EQ(response.topics[1].error, ErrorCode::kInvalidConfig);
  EXPECT_THAT(response.topics[1].error_message.value_or(""),
              testing::HasSubstr("min.insync.replicas"));
  EXPECT_EQ(response.topics[2].error, ErrorCode::kTopicAlreadyExists);
  EXPECT_EQ(response.topics[3].error, ErrorCode::kInvalidReplicationFactor);
  kafka::MetadataRequest metadata;
  metadata.topics = {"new", "missing"};
  const auto described = client.call<kafka::MetadataResponse>(metadata, 8);
  EXPECT_EQ(described.topics[0].partitions.size(), 3u);
  EXPECT_EQ(described.topics[1].error, ErrorCode::kUnknownTopicOrPartition);
}

TEST_F(HubTest, ProducerIdsDifferOverRestarts) {
  auto next = [&] {
    Client client(hub_->port());
    return client.call<kafka::InitProducerIdResponse>(kafka::InitProducerIdRequest{}, 1)
        .producer_id;
  };
  const int64_t first = next();
  EXPECT_GT(next(), first);
  hub_.reset();
  start();
  EXPECT_GT(next(), first + 1);
}

TEST_F(HubTest, AckedRecordsAndOffsetsOutliveAPowerLoss) {
  {
    Client client(hub_->port());
    EXPECT_EQ(produce_error(client, make_batch({.records = 4, .producer_id = 3})),
              ErrorCode::kNone);
    kafka::OffsetCommitRequest commit;
    commit.group_id = "g";
    commit.topics = {{"t", {{0, 3, 0, "note"}, {9, 1, 0, {}}, {1, 1, 0, std::string(2000, 'm')}}}};
    const auto committed = client.call<kafka::OffsetCommitResponse>(commit, 7);
    EXPECT_EQ(committed.topics[0].partitions[0].error, ErrorCode::kNone);
    EXPECT_EQ(committed.topics[0].partitions[1].error, ErrorCode::kUnknownTopicOrPartition);
    EXPECT_EQ(committed.topics[0].partitions[2].error, ErrorCode::kOffsetMetadataTooLarge);
  }
  files_.cut_power();
  hub_.reset();
  files_.restart();
  start();
  Client client(hub_->port());
  const auto again =
      client.call<kafka::ProduceResponse>(produce(make_batch({.records = 4, .producer_id = 3})), 7);
  EXPECT_EQ(again.topics[0].partitions[0].base_offset, 0) << "a retry of what was stored before";
  EXPECT_EQ(client.call<kafka::FetchResponse>(fetch(0), 11).topics[0].partitions[0].high_watermark,
            4);
  kafka::OffsetFetchRequest request;
  request.group_id = "g";
  const auto fetched = client.call<kafka::OffsetFetchResponse>(request, 5);
  ASSERT_EQ(fetched.topics.size(), 1u);
  EXPECT_EQ(fetched.topics[0].partitions[0].offset, 3);
  EXPECT_EQ(fetched.topics[0].partitions[0].metadata, "note");
}

TEST_F(HubTest, OneFolderHasOneHub) {
  HubOptions options;
  options.dir = "hub";
  options.listen = {"127.0.0.1:0"};
  Hub second(files_, clock_, random_, options);
  EXPECT_EQ(second.start().error().kind(), base::ErrorKind::kConflict);
}

TEST_F(HubTest, AFailedSyncIsAnsweredAsAStorageError) {
  Client client(hub_->port());
  EXPECT_EQ(produce_error(client, make_batch({})), ErrorCode::kNone);
  files_.inject(1, io::Fault::kError);  // the append is call 0
  EXPECT_EQ(produce_error(client, make_batch({})), ErrorCode::kKafkaStorageError);
  EXPECT_EQ(produce_error(client, make_batch({})), ErrorCode::kKafkaStorageError);
  EXPECT_EQ(client.call<kafka::FetchResponse>(fetch(0), 11).topics[0].partitions[0].error,
            ErrorCode::kKafkaStorageError);
  EXPECT_EQ(hub_->warnings().size(), 1u);
}

}  // namespace
}  // namespace weir::hub
