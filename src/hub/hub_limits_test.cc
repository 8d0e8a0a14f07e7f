// What bounds a hub: connections, memory, threads; and that no client makes it grow beyond.
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub/hub.h"
#include "hub/test_client.h"
#include "hub/test_log.h"

namespace weir::hub {
namespace {

using kafka::ApiKey;
using kafka::ErrorCode;
using test::Client;
using test::make_batch;

class HubLimitsTest : public testing::Test {
 protected:
  HubLimitsTest() {
    options_.dir = "hub";
    options_.listen = {"127.0.0.1:0"};
    options_.topics = {{"t", 4, {}}};
  }
  void start() {
    hub_ = std::make_unique<Hub>(files_, clock_, random_, options_);
    const auto started = hub_->start();
    ASSERT_TRUE(started.ok()) << started.error().message();
  }
  static kafka::ProduceRequest produce(std::string_view batch, int32_t partition = 0) {
    kafka::ProduceRequest request;
    request.acks = -1;
    request.timeout_ms = 5000;
    request.topics = {{"t", {{partition, batch}}}};
    return request;
  }
  static ErrorCode produce_error(Client& client, std::string_view batch, int32_t partition = 0) {
    return client.call<kafka::ProduceResponse>(produce(batch, partition), 8)
        .topics[0]
        .partitions[0]
        .error;
  }
  static kafka::FetchRequest fetch(int64_t offset, int32_t partition = 0,
                                   int32_t max_bytes = 1 << 20) {
    kafka::FetchRequest request;
    request.max_wait_ms = 100;
    request.min_bytes = 1;
    request.max_bytes = max_bytes;
    request.topics = {
        {"t", {{.index = partition, .fetch_offset = offset, .max_bytes = max_bytes}}}};
    return request;
  }
  template <typename Condition>
  static void wait_until(Condition condition) {
    for (int i = 0; i < 10'000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(condition());
  }

  io::ModelFileSystem files_{1};
  base::SystemClock clock_;
  base::SeededRandom random_{1};
  HubOptions options_;
  std::unique_ptr<Hub> hub_;
};

TEST_F(HubLimitsTest, SeveralThreadsServeManyClientsAtOnce) {
  options_.threads = 4;
  start();
  constexpr int kClients = 12;
  constexpr int kBatches = 50;
  std::vector<std::jthread> clients;
  clients.reserve(kClients);
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([this, c] {
      Client client(hub_->port());
      const int32_t partition = c % 4;
      for (int i = 0; i < kBatches; ++i)
        EXPECT_EQ(produce_error(client, make_batch({.records = 2}), partition), ErrorCode::kNone);
      int64_t seen = 0;
      for (int64_t offset = 0; seen < 2 * kBatches;) {
        const auto answer = client.call<kafka::FetchResponse>(fetch(offset, partition), 11);
        const auto& part = answer.topics[0].partitions[0];
        ASSERT_EQ(part.error, ErrorCode::kNone);
        for (std::string_view bytes = part.records.value_or(""); !bytes.empty();) {
          const auto header = kafka::validate_record_batch(bytes);
          ASSERT_TRUE(header.ok());
          ASSERT_EQ(header->base_offset, offset) << "batches stand one behind the other";
          offset = header->next_offset();
          seen += header->record_count;
          bytes.remove_prefix(header->size());
        }
      }
    });
  }
  clients.clear();
  EXPECT_EQ(hub_->metrics().snapshot().total.incoming_messages, kClients * kBatches * 2);
  Client client(hub_->port());
  for (int32_t partition = 0; partition < 4; ++partition) {
    EXPECT_EQ(client.call<kafka::FetchResponse>(fetch(0, partition), 11)
                  .topics[0]
                  .partitions[0]
                  .high_watermark,
              kClients / 4 * kBatches * 2);
  }
}

TEST_F(HubLimitsTest, ConnectionsOverTheLimitAreClosedAndPlacesComeFree) {
  options_.connections_max = 3;
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(hub_->port()));
    EXPECT_EQ(produce_error(*clients.back(), make_batch({})), ErrorCode::kNone);
  }
  Client refused(hub_->port());
  EXPECT_TRUE(refused.closed());
  EXPECT_EQ(hub_->metrics().snapshot().refused_by_error.at("TOO_MANY_CONNECTIONS"), 1);
  EXPECT_EQ(produce_error(*clients.front(), make_batch({})), ErrorCode::kNone);
  clients.pop_back();
  wait_until([&] { return hub_->metrics().snapshot().connections == 2; });
  Client next(hub_->port());
  EXPECT_EQ(produce_error(next, make_batch({})), ErrorCode::kNone);
}

TEST_F(HubLimitsTest, OnlyProduceMayBeLarge) {
  options_.control_frame_bytes_max = 100'000;
  start();
  kafka::MetadataRequest many;
  many.topics.emplace(60'000, "t");
  const std::string frame = kafka::encode_request_frame({ApiKey::kMetadata, 8, 1, "x"}, many);
  ASSERT_GT(frame.size(), 100'000u);
  for (const size_t first : {size_t{4}, size_t{5}, size_t{6}, size_t{1000}}) {
    Client client(hub_->port());
    client.send_bytes(std::string_view(frame).substr(0, first));
    if (first < 6) client.send_bytes(std::string_view(frame).substr(first, 100));
    EXPECT_TRUE(client.closed()) << first;
  }
  Client client(hub_->port());
  EXPECT_EQ(produce_error(client, make_batch({.value = std::string(500'000, 'x')})),
            ErrorCode::kNone);
}

TEST_F(HubLimitsTest, ATopicThatIsNamedOftenIsDescribedOnce) {
  start();
  Client client(hub_->port());
  kafka::MetadataRequest many;
  many.topics.emplace(100'000, "t");
  EXPECT_EQ(client.call<kafka::MetadataResponse>(many, 8).topics.size(), 1u);
}

TEST_F(HubLimitsTest, RequestsWaitForRoomInTheirBudget) {
  options_.request_memory_bytes_max = 1'000'000;
  start();
  const std::string batch = make_batch({.value = std::string(700'000, 'x')});
  const std::string frame =
      kafka::encode_request_frame({ApiKey::kProduce, 8, 1, "x"}, produce(batch));
  auto slow = std::make_unique<Client>(hub_->port());
  slow->send_bytes(std::string_view(frame).substr(0, 300'000));
  wait_until([&] { return hub_->memory().request_bytes >= 600'000; });
  Client second(hub_->port());
  std::jthread sender([&] { second.send_bytes(frame); });
  // Small requests need none of it.
  Client small(hub_->port());
  EXPECT_EQ(produce_error(small, make_batch({})), ErrorCode::kNone);
  EXPECT_LE(hub_->memory().request_bytes, 1'000'000);
  EXPECT_FALSE(second.has_answer());
  slow.reset();
  EXPECT_EQ(second.answer<kafka::ProduceResponse>(8).topics[0].partitions[0].error,
            ErrorCode::kNone);
  EXPECT_LE(hub_->memory().request_bytes, 1'000'000);
}

TEST_F(HubLimitsTest, ReadersThatTakeNoAnswersHoldNoMoreThanTheBudget) {
  constexpr int64_t kBudget = 8 << 20;
  options_.response_memory_bytes_max = kBudget;
  start();
  Client client(hub_->port());
  for (int i = 0; i < 8; ++i)
    ASSERT_EQ(produce_error(client, make_batch({.value = std::string(900'000, 'x')})),
              ErrorCode::kNone);
  std::vector<std::unique_ptr<Client>> readers;
  for (int i = 0; i < 10; ++i) {
    readers.push_back(std::make_unique<Client>(hub_->port()));
    for (int k = 0; k < 40; ++k)
      readers.back()->send(fetch(0, 0, 8 << 20), 11);
  }
  // A fetch that finds no room is answered without records, one that has room with some.
  wait_until([&] { return hub_->memory().response_bytes > kBudget / 2; });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(produce_error(client, make_batch({}), 1), ErrorCode::kNone);
    EXPECT_LE(hub_->memory().response_bytes, kBudget + (1 << 20));
  }
  readers.clear();
  wait_until([&] { return hub_->memory().response_bytes < (1 << 20); });
  EXPECT_GT(client.call<kafka::FetchResponse>(fetch(0), 11).topics[0].partitions[0].records->size(),
            900'000u);
}

TEST_F(HubLimitsTest, CommittedOffsetsAreBoundedAndKnownOnesGoOn) {
  options_.offset_memory_bytes_max = 10'000;
  start();
  Client client(hub_->port());
  auto commit = [&](const std::string& group, int64_t offset, size_t metadata_bytes) {
    kafka::OffsetCommitRequest request;
    request.group_id = group;
    request.topics = {{"t", {{0, offset, 0, std::string(metadata_bytes, 'm')}}}};
    return client.call<kafka::OffsetCommitResponse>(request, 7).topics[0].partitions[0].error;
  };
  int taken = 0;
  while (taken < 100 && commit(std::to_string(taken), 1, 500) == ErrorCode::kNone)
    ++taken;
  EXPECT_GT(taken, 5);
  EXPECT_LT(taken, 20);
  EXPECT_EQ(commit("another", 1, 500), ErrorCode::kGroupMaxSizeReached);
  EXPECT_EQ(commit("0", 2, 500), ErrorCode::kNone);
  EXPECT_EQ(commit("0", 3, 0), ErrorCode::kNone);
  EXPECT_EQ(commit("another", 1, 100), ErrorCode::kNone) << "the room that became free";
}

TEST_F(HubLimitsTest, ZstdIsForVersionsOfFetchThatHaveIt) {
  start();
  Client client(hub_->port());
  kafka::RecordBatchBuilder builder;
  builder.add(std::nullopt, "value", 1);
  const std::string zstd = builder.finish({.compression = kafka::Compression::kZstd}).value();
  EXPECT_EQ(client.call<kafka::ProduceResponse>(produce(zstd), 5).topics[0].partitions[0].error,
            ErrorCode::kUnsupportedCompressionType);
  EXPECT_EQ(produce_error(client, make_batch({})), ErrorCode::kNone);
  EXPECT_EQ(produce_error(client, zstd), ErrorCode::kNone);
  for (int16_t version = 4; version <= 11; ++version) {
    const auto answer = client.call<kafka::FetchResponse>(fetch(0), version);
    const auto& partition = answer.topics[0].partitions[0];
    EXPECT_EQ(partition.error,
              version < 10 ? ErrorCode::kUnsupportedCompressionType : ErrorCode::kNone)
        << version;
    EXPECT_EQ(partition.records.value_or("").empty(), version < 10);
    EXPECT_EQ(partition.high_watermark, 2);
  }
}

TEST_F(HubLimitsTest, ACompressedBatchMayNotLieAboutItsOffsets) {
  start();
  Client client(hub_->port());
  kafka::RecordBatchBuilder builder;
  for (int i = 0; i < 3; ++i)
    builder.add(std::nullopt, "value", 1);
  std::string batch = builder.finish({.compression = kafka::Compression::kLz4}).value();
  kafka::store_big<int32_t>(batch.data() + 23, 1'000'000);     // last offset delta
  kafka::stamp_producer(batch, kafka::kNoProducerId, -1, -1);  // its CRC anew
  EXPECT_EQ(produce_error(client, batch), ErrorCode::kInvalidRecord);
}

}  // namespace
}  // namespace weir::hub
