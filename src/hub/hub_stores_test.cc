// Topics, producer ids, group offsets, metrics: what they keep over a restart and a power loss.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub/offset_store.h"
#include "hub/producer_ids.h"
#include "hub/topic_store.h"
#include "io/model_file_system.h"

namespace weir::hub {
namespace {

using kafka::ErrorCode;

TEST(ProducerIds, AreNeverReusedOverPowerLosses) {
  io::ModelFileSystem files(7);
  ASSERT_TRUE(files.make_dirs("hub").ok());
  int64_t greatest = -1;
  for (int life = 0; life < 20; ++life) {
    ProducerIds ids(files, "hub");
    ASSERT_TRUE(ids.open().ok());
    for (int i = 0; i < 3; ++i) {
      const int64_t id = ids.next().value();
      EXPECT_GT(id, greatest);
      greatest = id;
    }
    files.cut_power();
    files.restart();
  }
}

TEST(OffsetStore, KeepsWhatWasAnsweredOverPowerLosses) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    io::ModelFileSystem files(seed);
    base::ManualClock clock;
    base::SeededRandom random(seed);
    std::map<base::TopicPartition, int64_t> promised;
    int64_t next = 0;
    ASSERT_TRUE(files.make_dirs("hub").ok());
    for (int life = 0; life < 5; ++life) {
      Flusher flusher(clock, FlushPolicy::kAlways, 1, nullptr);
      OffsetStore store(files, clock, flusher, "hub", false);
      const auto opened = store.open();
      ASSERT_TRUE(opened.ok()) << opened.error().message();
      for (const auto& [partition, offset] : promised)
        EXPECT_GE(store.fetch("g", partition).value_or(CommittedOffset{}).offset, offset);
      files.inject(static_cast<int64_t>(random.below(30)), io::Fault::kPowerLoss);
      for (int i = 0; i < 20; ++i) {
        const base::TopicPartition partition{"t", static_cast<int32_t>(random.below(3))};
        const int64_t offset = ++next;
        store.commit("g", {{partition, {offset, 0, "m", clock.now_ms()}}},
                     [&, partition, offset](bool durable) {
                       if (durable) promised[partition] = offset;
                     });
        if (random.below(2) == 0) flusher.flush_all();
      }
      files.cut_power();
      files.restart();
    }
  }
}

TEST(OffsetStore, OldOffsetsOfUnusedGroupsAreForgotten) {
  io::ModelFileSystem files(1);
  base::ManualClock clock;
  Flusher flusher(clock, FlushPolicy::kNever, 1, nullptr);
  OffsetStore store(files, clock, flusher, "hub", false);
  ASSERT_TRUE(files.make_dirs("hub").ok());
  ASSERT_TRUE(store.open().ok());
  store.commit("old", {{{"t", 0}, {5, 0, "", 1000}}}, [](bool) {});
  store.commit("used", {{{"t", 0}, {6, 0, "", 1000}}}, [](bool) {});
  store.expire(2000, [](const std::string& group) { return group == "used"; });
  EXPECT_FALSE(store.fetch("old", {"t", 0}).has_value());
  EXPECT_EQ(store.fetch("used", {"t", 0})->offset, 6);
}

class TopicStoreTest : public testing::Test {
 protected:
  std::unique_ptr<TopicStore> open() {
    auto store = std::make_unique<TopicStore>(files_, clock_, random_, flusher_, nullptr, options_);
    EXPECT_TRUE(store->open().ok());
    return store;
  }
  TopicStoreTest() {
    options_.dir = "hub";
    options_.partitions_max = 20;
  }
  io::ModelFileSystem files_{3};
  base::ManualClock clock_;
  base::SeededRandom random_{3};
  HubOptions options_;
  Flusher flusher_{clock_, FlushPolicy::kAlways, 1, nullptr};
};

TEST_F(TopicStoreTest, TopicsAreThereAfterAPowerLoss) {
  TopicSpec spec{"events", 3, {}};
  spec.config.retention_ms = 1234;
  ASSERT_EQ(open()->create(spec).error, ErrorCode::kNone);
  files_.cut_power();
  files_.restart();
  const auto store = open();
  const auto topic = store->find("events");
  ASSERT_TRUE(topic);
  EXPECT_EQ(topic->partitions.size(), 3u);
  EXPECT_EQ(topic->config.retention_ms, 1234);
  EXPECT_EQ(store->create(spec).error, ErrorCode::kTopicAlreadyExists);
}

TEST_F(TopicStoreTest, ATopicIsThereWhollyOrNotAtAll) {
  for (int call = 0; call < 60; ++call) {
    SCOPED_TRACE(call);
    const TopicSpec spec{fmt::format("t{}", call), 2, {}};
    {
      const auto store = open();
      files_.inject(call, io::Fault::kPowerLoss);
      const bool made = store->create(spec).error == ErrorCode::kNone;
      files_.cut_power();
      files_.restart();
      const auto after = open();
      const auto topic = after->find(spec.name);
      ASSERT_TRUE(topic || !made);
      if (topic) {
        ASSERT_EQ(topic->partitions.size(), 2u);
        for (const auto& log : topic->partitions)
          EXPECT_FALSE(log->offline()) << log->offline_reason();
      }
    }
    ASSERT_TRUE(files_.remove_tree("hub").ok());
  }
}

TEST_F(TopicStoreTest, WrongTopicsAreRefused) {
  const auto store = open();
  EXPECT_EQ(store->create({"../x", 1, {}}).error, ErrorCode::kInvalidTopicException);
  EXPECT_EQ(store->create({"", 1, {}}).error, ErrorCode::kInvalidTopicException);
  EXPECT_EQ(store->create({"x", 0, {}}).error, ErrorCode::kInvalidPartitions);
  EXPECT_EQ(store->create({"x", 21, {}}).error, ErrorCode::kInvalidPartitions);
}

TEST(TopicConfig, HonoursOrNamesWhatItRefuses) {
  TopicConfig config;
  EXPECT_TRUE(set_topic_config(config, "retention.ms", "60000").ok());
  EXPECT_EQ(config.retention_ms, 60'000);
  EXPECT_TRUE(set_topic_config(config, "retention.bytes", "-1").ok());
  EXPECT_THAT(set_topic_config(config, "min.insync.replicas", "2").error().message(),
              testing::HasSubstr("min.insync.replicas"));
  EXPECT_FALSE(set_topic_config(config, "cleanup.policy", "compact").ok());
  EXPECT_FALSE(set_topic_config(config, "segment.bytes", "12x").ok());
  EXPECT_EQ(topic_config_from_json(topic_config_json(config)).value(), config);
}

TEST(HubMetrics, CountsByInterval) {
  base::ManualClock clock(120'000'000);
  HubMetrics metrics(clock);
  metrics.count_incoming(10, 1000);
  clock.advance_us(60'000'000);
  metrics.count_incoming(5, 500);
  metrics.count_outgoing(7, 700);
  EXPECT_EQ(metrics.intervals(0, 60).back().traffic.incoming_messages, 10);
  clock.advance_us(60'000'000);
  const auto minutes = metrics.intervals(120'000'000, 60);
  ASSERT_EQ(minutes.size(), 2u);
  EXPECT_EQ(minutes[0].traffic.incoming_messages, 10);
  EXPECT_EQ(minutes[1].traffic.incoming_bytes, 500);
  EXPECT_EQ(minutes[1].traffic.outgoing_messages, 7);
  EXPECT_EQ(metrics.snapshot().total.incoming_messages, 15);
}

}  // namespace
}  // namespace weir::hub
