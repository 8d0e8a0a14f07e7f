#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stream/query_manager.h"
#include "stream/stream_test_kit.h"

namespace weir::stream {
namespace {

using base::ErrorKind;
using testing::HasSubstr;
using testing::StartsWith;

TEST(MicroBatchQuery, NewRowsReachTheSinkAndARestartGoesOn) {
  StreamScript script;
  script.add({1, 2, 3});
  script.start();
  script.process();
  script.expect({1, 2, 3});
  script.add({4});
  script.process();
  script.expect({1, 2, 3, 4});
  script.stop();
  script.add({5, 6});
  script.start();
  script.process();
  script.expect({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(script.store->batches.size(), 3U);
}

TEST(MicroBatchQuery, LogsAreSparksText) {
  StreamScript script;
  script.add({1});
  script.start();
  script.process();
  script.stop();
  EXPECT_THAT(script.text_of("metadata"), testing::MatchesRegex("\\{\"id\":\"[-0-9a-f]+\"\\}"));
  EXPECT_THAT(script.text_of("offsets/0"),
              StartsWith("v1\n{\"batchWatermarkMs\":0,\"batchTimestampMs\":1600000000000,\"conf\":{"
                         "\"weir.runId\":\""));
  EXPECT_THAT(script.text_of("offsets/0"), testing::EndsWith("\n0"));
  EXPECT_EQ(script.text_of("commits/0"), "v1\n{\"nextBatchWatermarkMs\":0}");
}

TEST(MicroBatchQuery, AvailableNowTakesWhatIsThereInBatchesAndEnds) {
  StreamScript script;
  for (int64_t i = 0; i < 5; ++i)
    script.add({i});
  script.batches_per_trigger = 2;
  script.start(Trigger::available_now());
  ASSERT_TRUE(script.query->wait().ok());
  script.expect({0, 1, 2, 3, 4});
  EXPECT_EQ(script.store->batches.size(), 3U);
}

TEST(MicroBatchQuery, OnceTakesAllInOneBatch) {
  StreamScript script;
  for (int64_t i = 0; i < 5; ++i)
    script.add({i});
  script.batches_per_trigger = 2;
  script.start(Trigger::once());
  ASSERT_TRUE(script.query->wait().ok());
  EXPECT_EQ(script.store->batches.size(), 1U);
  script.expect({0, 1, 2, 3, 4});
}

TEST(MicroBatchQuery, ProcessingTimeWaitsForTheInterval) {
  StreamScript script;
  script.add({1});
  script.start(Trigger::processing_time(10'000'000));
  script.wait_for_batches(1);
  script.add({2});
  script.expect({1});
  script.advance(9'000'000);
  script.expect({1});
  script.advance(1'000'000);
  script.wait_for_batches(2);
  script.expect({1, 2});
  const auto progress = script.query->recent_progress();
  ASSERT_EQ(progress.size(), 2U);
  EXPECT_EQ(progress[1].timestamp_us - progress[0].timestamp_us, 10'000'000);
  EXPECT_EQ(progress[1].sources[0].input_rows_per_second, 0.1);
}

TEST(MicroBatchQuery, ABatchThatWasNotCommittedRunsAgainWithItsRangeAndTimestamp) {
  StreamScript script;
  script.add({1});
  script.store->fail_for_good = "disk on fire";
  script.start();
  EXPECT_FALSE(script.query->wait().ok());
  const std::string planned = script.text_of("offsets/0");
  script.stop();
  script.store->fail_for_good.clear();
  script.add({2});
  script.clock.advance_us(60'000'000);
  script.start();
  script.process();
  EXPECT_EQ(script.text_of("offsets/0"), planned);
  script.expect({1, 2});
  const auto id = script.query->id();
  EXPECT_EQ((script.store->batches[{id, 0}]), (std::vector<int64_t>{1}));
  EXPECT_EQ((script.store->batches[{id, 1}]), (std::vector<int64_t>{2}));
}

TEST(MicroBatchQuery, ErrorsThatPassAreRetriedWithTheSameBatch) {
  StreamScript script;
  script.add({1});
  script.store->writes_to_fail = 3;
  script.start();
  script.let_time_pass();
  script.expect({1});
  EXPECT_EQ(script.query->last_progress()->batch_id, 0);
}

TEST(MicroBatchQuery, RetriesEnd) {
  StreamScript script;
  script.add({1});
  script.options.retry.attempts = 2;
  script.store->writes_to_fail = 100;
  script.start();
  script.let_time_pass();
  auto ended = script.query->wait();
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().kind(), ErrorKind::kUnavailable);
}

TEST(MicroBatchQuery, ASecondStartOnTheCheckpointIsRefusedAndNamesTheHolder) {
  StreamScript script;
  script.options.name = "first";
  script.start();
  auto holder = std::move(script.query);
  script.options.name = "second";
  auto refused = script.try_start();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("query 'first' with id " + holder->id() + " in process"));
  holder.reset();
  EXPECT_TRUE(script.try_start().ok());
}

TEST(MicroBatchQuery, ACheckpointOfAnotherTableIsRefused) {
  StreamScript script;
  script.add({1});
  script.start();
  script.process();
  script.stop();
  script.store->id = "store-2";
  auto refused = script.try_start();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_THAT(refused.error().message(), HasSubstr("belongs to another table"));
}

TEST(MicroBatchQuery, AnotherQuerysFileStopsTheQuery) {
  StreamScript script;
  script.add({1});
  script.start();
  script.process();
  ASSERT_TRUE(script.files.create_if_absent("/checkpoint/offsets/1", "v1\n{}\n7").ok());
  script.add({2});
  auto ended = script.query->process_all_available();
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(script.text_of("offsets/1"), "v1\n{}\n7");
  script.expect({1});
}

TEST(MicroBatchQuery, OldEntriesArePurgedWithSparksChecksums) {
  StreamScript script;
  script.options.batches_retained = 3;
  ASSERT_TRUE(script.files.make_dirs("/checkpoint/offsets").ok());
  ASSERT_TRUE(script.files.create_if_absent("/checkpoint/offsets/.0.crc", "crc").ok());
  script.batches_per_trigger = 1;
  for (int64_t i = 0; i < 10; ++i)
    script.add({i});
  script.start(Trigger::available_now());
  ASSERT_TRUE(script.query->wait().ok());
  std::vector<std::string> names;
  const auto listed = script.files.list("/checkpoint/offsets");
  for (const auto& entry : *listed)
    names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string>{"7", "8", "9"}));
}

TEST(MicroBatchQuery, ProgressIsSparksJson) {
  StreamScript script;
  script.add({1, 2});
  script.start();
  script.process();
  const base::JsonObject json = progress_json(*script.query->last_progress());
  std::vector<std::string> keys;
  for (const auto& [key, value] : json)
    keys.emplace_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"id", "runId", "name", "timestamp", "batchId",
                                            "batchDuration", "numInputRows", "inputRowsPerSecond",
                                            "processedRowsPerSecond", "durationMs",
                                            "stateOperators", "sources", "sink"}));
  EXPECT_EQ(json.at("numInputRows").as_int64(), 2);
  EXPECT_EQ(json.at("timestamp").as_string(), "2020-09-13T12:26:40.000Z");
  EXPECT_EQ(json.at("sources").as_array()[0].as_object().at("endOffset").as_int64(), 0);
  EXPECT_TRUE(json.at("sources").as_array()[0].as_object().at("startOffset").is_null());
  EXPECT_EQ(json.at("sink").as_object().at("numOutputRows").as_int64(), 2);
  for (const char* phase : {"latestOffset", "walCommit", "getBatch", "queryPlanning", "addBatch",
                            "commitOffsets", "triggerExecution"})
    EXPECT_TRUE(json.at("durationMs").as_object().contains(phase)) << phase;
}

// Power goes at every call that changes a file; after the restart every row is in the sink once.
TEST(MicroBatchQuery, PowerLossAtEveryStepLosesAndRepeatsNothing) {
  const auto run = [](StreamScript& script) {
    script.batches_per_trigger = 1;
    if (!script.try_start(Trigger::available_now()).ok()) return;
    (void)script.query->wait();
    script.stop();
  };
  int64_t calls = 0;
  {
    StreamScript dry;
    for (int64_t i = 0; i < 3; ++i)
      dry.add({10 * i, 10 * i + 1});
    run(dry);
    calls = dry.files.calls();
    dry.expect({0, 1, 10, 11, 20, 21});
  }
  ASSERT_GT(calls, 20);
  int64_t replays = 0;
  for (int64_t at = 0; at < calls; ++at) {
    for (const uint64_t seed : {1, 2, 3}) {
      SCOPED_TRACE(fmt::format("call {} seed {}", at, seed));
      StreamScript script(seed);
      for (int64_t i = 0; i < 3; ++i)
        script.add({10 * i, 10 * i + 1});
      script.files.inject(at, io::Fault::kPowerLoss);
      run(script);
      script.files.restart();
      ASSERT_TRUE(script.try_start(Trigger::available_now()).ok());
      auto ended = script.query->wait();
      ASSERT_TRUE(ended.ok()) << ended.error().to_string();
      script.expect({0, 1, 10, 11, 20, 21});
      replays += script.store->duplicates_refused;
    }
  }
  EXPECT_GT(replays, 0);  // some power losses fell between the sink and the commit log
}

// A write, sync or link that fails stops the query with an error; nothing is lost or doubled once
// it is started again.
TEST(MicroBatchQuery, FileErrorsStopTheQueryAndARestartRecovers) {
  for (const io::Fault fault : {io::Fault::kError, io::Fault::kShortWrite, io::Fault::kNoSpace}) {
    for (int64_t at = 0; at < 40; ++at) {
      SCOPED_TRACE(fmt::format("fault {} at call {}", static_cast<int>(fault), at));
      StreamScript script;
      script.batches_per_trigger = 1;
      for (int64_t i = 0; i < 2; ++i)
        script.add({i});
      script.files.inject(at, fault);
      if (script.try_start(Trigger::available_now()).ok()) (void)script.query->wait();
      script.stop();
      if (!script.files.fault_reached()) break;  // fewer calls than that
      script.files.free_space();
      ASSERT_TRUE(script.try_start(Trigger::available_now()).ok());
      auto ended = script.query->wait();
      ASSERT_TRUE(ended.ok()) << ended.error().to_string();
      script.expect({0, 1});
    }
  }
}

TEST(QueryManager, FindsByNameAndRefusesANameThatIsTaken) {
  StreamScript script;
  QueryManager manager({script.files, script.clock, script.random});
  const auto parts = [&] {
    QueryParts made;
    made.source = std::make_unique<source::MemorySource>(script.data);
    made.pipeline = identity_pipeline(made.source->schema());
    made.sink = std::make_unique<StoreSink>(script.store, &script.files);
    return made;
  };
  auto first = manager.start(parts(), script.options);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(manager.find("test"), *first);
  EXPECT_EQ(manager.find((*first)->id()), *first);
  QueryOptions other = script.options;
  other.checkpoint = "/other";
  auto second = manager.start(parts(), other);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind(), ErrorKind::kAlreadyExists);
  (*first)->stop();
  EXPECT_TRUE(manager.active().empty());
  EXPECT_TRUE(manager.start(parts(), other).ok());
}

TEST(Trigger, Texts) {
  EXPECT_EQ(parse_trigger("0s")->interval_us, 0);
  EXPECT_EQ(parse_trigger("1 minute")->interval_us, 60'000'000);
  EXPECT_EQ(to_string(*parse_trigger("1 us")), "1us");
  EXPECT_EQ(parse_trigger("availableNow")->kind, Trigger::Kind::kAvailableNow);
  EXPECT_EQ(parse_trigger("continuous 1s").error().kind(), ErrorKind::kUnsupported);
  EXPECT_EQ(parse_trigger("soon").error().kind(), ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace weir::stream
