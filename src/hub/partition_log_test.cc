#include "hub/partition_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub/test_log.h"

namespace weir::hub {
namespace {

using kafka::ErrorCode;
using test::TestLog;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class PartitionLogTest : public testing::Test {
 protected:
  PartitionLogTest() { EXPECT_TRUE(TestLog::create(files_).ok()); }

  std::unique_ptr<TestLog> open(TopicConfig config = {}, FlushPolicy policy = FlushPolicy::kAlways,
                                bool repair = false) {
    auto log = std::make_unique<TestLog>(files_, clock_, config, policy, repair);
    recovered_ = (*log)->recover();
    return log;
  }
  void overwrite(const std::string& path, size_t at, char with) {
    std::string bytes = files_.read_all(path).value();
    bytes[at] = with;
    ASSERT_TRUE(files_.replace(path, bytes).ok());
  }
  static TopicConfig small_segments() {
    TopicConfig config;
    config.segment_bytes = 1024;
    return config;
  }

  io::ModelFileSystem files_{1};
  base::ManualClock clock_;
  base::Result<void> recovered_;
  const std::string first_segment_ = "log/00000000000000000000.log";
};

TEST_F(PartitionLogTest, ConsumersSeeOnlyWhatIsDurable) {
  auto log = open();
  EXPECT_EQ(log->append({.value = "a"}).base_offset, 0);
  EXPECT_EQ(log->append({.records = 3, .value = "b"}).base_offset, 1);
  EXPECT_EQ((*log)->high_watermark(), 0);
  EXPECT_THAT(log->values(), SizeIs(0));
  int answered = 0;
  (*log)->when_durable(4, [&](bool durable) { answered += durable; });
  EXPECT_EQ(answered, 0);
  log->flush();
  EXPECT_EQ(answered, 1);
  EXPECT_EQ((*log)->high_watermark(), 4);
  EXPECT_THAT(log->values(), ElementsAre("a", "b", "b", "b"));
  EXPECT_THAT(log->values(2), ElementsAre("b", "b"));
}

TEST_F(PartitionLogTest, PolicyNeverShowsWhatIsWritten) {
  auto log = open({}, FlushPolicy::kNever);
  log->append({.value = "a"});
  EXPECT_THAT(log->values(), ElementsAre("a"));
}

TEST_F(PartitionLogTest, OffsetsOutOfRangeAreRefused) {
  auto log = open();
  log->append({});
  log->flush();
  kafka::PaddedBuffer buffer;
  EXPECT_EQ((*log)->read(-1, 100, true, buffer).error, ErrorCode::kOffsetOutOfRange);
  EXPECT_EQ((*log)->read(2, 100, true, buffer).error, ErrorCode::kOffsetOutOfRange);
  EXPECT_EQ((*log)->read(1, 100, true, buffer).error, ErrorCode::kNone);
}

TEST_F(PartitionLogTest, AReadGivesWholeBatchesWithinItsLimit) {
  auto log = open();
  for (int i = 0; i < 5; ++i)
    log->append({.value = std::string(1000, 'x')});
  log->flush();
  kafka::PaddedBuffer buffer;
  EXPECT_EQ((*log)->read(0, 2500, true, buffer).messages, 2);
  EXPECT_EQ((*log)->read(0, 10, true, buffer).messages, 1)
      << "one batch, though it is larger than the limit";
  EXPECT_EQ((*log)->read(0, 10, false, buffer).messages, 0);
  EXPECT_EQ(buffer.size(), 0u);
}

TEST_F(PartitionLogTest, ReopensAfterStopAndAfterProcessDeath) {
  for (const bool clean : {true, false}) {
    auto log = open(small_segments());
    ASSERT_TRUE(recovered_.ok());
    const int64_t before = (*log)->end_offset();
    for (int i = 0; i < 20; ++i)
      log->append({.value = std::to_string(before + i) + std::string(100, '.')});
    log->flush();
    EXPECT_TRUE(!clean || (*log)->close().ok());
  }
  auto log = open(small_segments());
  const auto values = log->values();
  ASSERT_THAT(values, SizeIs(40));
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_TRUE(values[i].starts_with(std::to_string(i) + ".")) << values[i];
  EXPECT_EQ(log->append({}).base_offset, 40);
}

TEST_F(PartitionLogTest, AnUnfinishedEndIsCutOff) {
  {
    auto log = open();
    log->append({.value = "kept"});
    log->flush();
  }
  {
    auto file = files_.open_append(first_segment_).value();
    ASSERT_TRUE(file->append(test::make_batch({.value = "torn"}).substr(0, 70)).ok());
    ASSERT_TRUE(file->sync().ok());
  }
  auto log = open();
  ASSERT_TRUE(recovered_.ok());
  EXPECT_THAT(log->values(), ElementsAre("kept"));
  EXPECT_EQ(log->append({.value = "next"}).base_offset, 1);
  log->flush();
  EXPECT_THAT(log->values(), ElementsAre("kept", "next"));
}

TEST_F(PartitionLogTest, DamageBeforeTheDurablePointStopsThePartitionUntilRepaired) {
  {
    auto log = open();
    for (const char* value : {"a", "b", "c"})
      log->append({.value = value});
    log->flush();
  }
  const size_t size = files_.read_all(first_segment_).value().size();
  overwrite(first_segment_, size / 2, '\x7f');
  {
    auto log = open();
    ASSERT_FALSE(recovered_.ok());
    EXPECT_THAT(recovered_.error().message(), HasSubstr("--repair"));
    EXPECT_EQ(log->append({}).error, ErrorCode::kKafkaStorageError);
    kafka::PaddedBuffer buffer;
    EXPECT_EQ((*log)->read(0, 100, true, buffer).error, ErrorCode::kKafkaStorageError);
  }
  {
    auto log = open({}, FlushPolicy::kAlways, true);
    ASSERT_TRUE(recovered_.ok()) << recovered_.error().message();
    EXPECT_THAT(log->values(), ElementsAre("a"));
    EXPECT_TRUE(files_.exists(first_segment_ + ".damaged").value());
  }
  auto log = open();
  EXPECT_TRUE(recovered_.ok());
  EXPECT_THAT(log->values(), ElementsAre("a"));
}

TEST_F(PartitionLogTest, AMissingSegmentStopsThePartition) {
  {
    auto log = open(small_segments());
    for (int i = 0; i < 20; ++i)
      log->append({.value = std::string(200, 'x')});
    log->flush();
  }
  const auto listed = files_.list("log").value();
  std::vector<std::string> segments;
  for (const auto& file : listed)
    if (file.name.ends_with(".log")) segments.push_back(file.path);
  ASSERT_GT(segments.size(), 3u);
  ASSERT_TRUE(files_.remove(segments[1]).ok());
  open(small_segments());
  EXPECT_FALSE(recovered_.ok());
}

TEST_F(PartitionLogTest, ALostIndexIsRebuilt) {
  {
    auto log = open(small_segments());
    for (int i = 0; i < 20; ++i)
      log->append({.value = std::to_string(i) + std::string(200, '.')});
    log->flush();
    ASSERT_TRUE((*log)->close().ok());
  }
  const auto listed = files_.list("log").value();
  for (const auto& file : listed) {
    if (file.name.ends_with(".index") || file.name.ends_with(".producers")) {
      ASSERT_TRUE(files_.remove(file.path).ok());
    }
  }
  auto log = open(small_segments());
  ASSERT_TRUE(recovered_.ok());
  EXPECT_THAT(log->values(), SizeIs(20));
  EXPECT_THAT(log->values(13), SizeIs(7));
}

TEST_F(PartitionLogTest, DamageInASealedSegmentIsToldToItsReadersOnly) {
  int64_t second = 0;
  {
    auto log = open(small_segments());
    for (int i = 0; i < 20; ++i)
      log->append({.value = std::to_string(i) + std::string(200, '.')});
    log->flush();
    ASSERT_TRUE((*log)->close().ok());
    const auto listed = files_.list("log").value();
    for (const auto& file : listed) {
      const int64_t base = parse_offset_file_name(file.name, ".log");
      if (base > 0 && (second == 0 || base < second)) second = base;
    }
  }
  ASSERT_GT(second, 1);
  overwrite(first_segment_, 8, 0x7f);  // the first batch's length
  auto log = open(small_segments());
  ASSERT_TRUE(recovered_.ok()) << "sealed segments are read when they are asked for";
  kafka::PaddedBuffer buffer;
  for (int i = 0; i < 2; ++i) {
    const ReadOutcome damaged = (*log)->read(0, 1 << 20, true, buffer);
    EXPECT_EQ(damaged.error, ErrorCode::kCorruptMessage);
    EXPECT_EQ(buffer.size(), 0u);
  }
  EXPECT_FALSE((*log)->offline());
  EXPECT_THAT(log->values(second), SizeIs(static_cast<size_t>(20 - second)));
  EXPECT_EQ(log->append({}).error, ErrorCode::kNone);
  log->flush();
  EXPECT_EQ((*log)->high_watermark(), 21);
}

TEST_F(PartitionLogTest, AFailedSyncTakesThePartitionOffline) {
  auto log = open();
  log->append({});
  bool told = false;
  (*log)->when_durable(1, [&](bool durable) { told = !durable; });
  files_.inject(0, io::Fault::kError);
  log->flush();
  EXPECT_TRUE(told);
  EXPECT_TRUE((*log)->offline());
  EXPECT_EQ(log->append({}).error, ErrorCode::kKafkaStorageError);
}

TEST_F(PartitionLogTest, ADuplicateIsAnsweredWithItsFirstOffset) {
  auto log = open();
  EXPECT_EQ(log->append({.records = 2, .producer_id = 7, .sequence = 0}).base_offset, 0);
  EXPECT_EQ(log->append({.records = 3, .producer_id = 7, .sequence = 2}).base_offset, 2);
  const AppendOutcome again = log->append({.records = 2, .producer_id = 7, .sequence = 0});
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.base_offset, 0);
  EXPECT_EQ((*log)->end_offset(), 5);
}

TEST_F(PartitionLogTest, RetriesAreKnownAfterRestartOfEachKind) {
  TopicConfig config = small_segments();
  {
    auto log = open(config);
    for (int i = 0; i < 12; ++i)
      log->append({.producer_id = 7, .sequence = i, .value = std::string(200, 'x')});
    log->flush();
  }
  for (const bool clean : {false, true, false}) {
    auto log = open(config);
    EXPECT_EQ(
        log->append({.producer_id = 7, .sequence = 11, .value = std::string(200, 'x')}).base_offset,
        11);
    EXPECT_EQ(log->append({.producer_id = 7, .sequence = 13}).error,
              ErrorCode::kOutOfOrderSequenceNumber);
    EXPECT_EQ((*log)->end_offset(), 12);
    EXPECT_TRUE(!clean || (*log)->close().ok());
  }
}

TEST_F(PartitionLogTest, ProducerEpochsAndSequencesAreChecked) {
  auto log = open();
  log->append({.producer_id = 7, .epoch = 3, .sequence = 0});
  EXPECT_EQ(log->append({.producer_id = 7, .epoch = 2, .sequence = 1}).error,
            ErrorCode::kInvalidProducerEpoch);
  EXPECT_EQ(log->append({.producer_id = 7, .epoch = 3, .sequence = 2}).error,
            ErrorCode::kOutOfOrderSequenceNumber);
  EXPECT_EQ(log->append({.producer_id = 7, .epoch = 4, .sequence = 5}).error,
            ErrorCode::kOutOfOrderSequenceNumber);
  EXPECT_EQ(log->append({.producer_id = 7, .epoch = 4, .sequence = 0}).base_offset, 1);
  EXPECT_EQ(log->append({.producer_id = 7, .epoch = 4, .sequence = 1}).base_offset, 2);
  EXPECT_EQ(log->append({.producer_id = 8, .sequence = 40}).base_offset, 3)
      << "a producer that has been forgotten";
}

TEST_F(PartitionLogTest, RetentionBySizeAndTimeRemovesWholeSegments) {
  TopicConfig config = small_segments();
  config.retention_bytes = 3000;
  auto log = open(config);
  for (int i = 0; i < 40; ++i)
    log->append({.timestamp_ms = clock_.now_ms(), .value = std::string(200, 'x')});
  log->flush();
  ASSERT_GT((*log)->apply_retention(clock_.now_ms()).value(), 0);
  EXPECT_GT((*log)->log_start_offset(), 0);
  EXPECT_GE((*log)->bytes(), 3000);
  kafka::PaddedBuffer buffer;
  EXPECT_EQ((*log)->read(0, 100, true, buffer).error, ErrorCode::kOffsetOutOfRange);
  // A week later everything is gone, but the offsets go on.
  clock_.advance_us(8LL * 24 * 3600 * 1'000'000);
  ASSERT_TRUE((*log)->apply_retention(clock_.now_ms()).ok());
  EXPECT_EQ((*log)->log_start_offset(), 40);
  EXPECT_EQ((*log)->bytes(), 0);
  log.reset();
  log = open(config);
  ASSERT_TRUE(recovered_.ok()) << recovered_.error().message();
  EXPECT_EQ((*log)->log_start_offset(), 40);
  EXPECT_EQ(log->append({}).base_offset, 40);
}

TEST_F(PartitionLogTest, FindsTheFirstRecordByTime) {
  auto log = open(small_segments());
  for (int i = 0; i < 30; ++i)
    log->append({.records = 2, .timestamp_ms = 1000 + 10 * i, .value = std::string(100, 'x')});
  log->flush();
  EXPECT_EQ((*log)->offset_for_time(0)->offset, 0);
  EXPECT_EQ((*log)->offset_for_time(1001)->offset, 1);
  EXPECT_EQ((*log)->offset_for_time(1100)->offset, 20);
  EXPECT_EQ((*log)->offset_for_time(1095)->offset, 20);
  EXPECT_EQ((*log)->offset_for_time(1095)->timestamp, 1100);
  EXPECT_EQ((*log)->offset_for_time(9999)->offset, -1);
}

TEST_F(PartitionLogTest, LogAppendTimeIsStampedWithAValidChecksum) {
  TopicConfig config;
  config.timestamp_type = TimestampType::kLogAppendTime;
  auto log = open(config);
  EXPECT_EQ(log->append({.timestamp_ms = 5}).log_append_time_ms, clock_.now_ms());
  log->flush();
  kafka::PaddedBuffer buffer;
  (*log)->read(0, 1 << 20, true, buffer);
  const auto header = kafka::validate_record_batch(buffer.view());
  ASSERT_TRUE(header.ok());
  EXPECT_TRUE(header->is_log_append_time());
  EXPECT_EQ(header->max_timestamp, clock_.now_ms());
}

}  // namespace
}  // namespace weir::hub
