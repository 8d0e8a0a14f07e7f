#include <map>

#include <gmock/gmock.h>

#include "base/random.h"
#include "operators/operator_test_kit.h"

namespace weir::operators {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Rows = std::vector<std::vector<Cell>>;

const std::vector<TestColumn> kTimed{{"id"}, {"ts", "t", true}};

plan::OperatorPtr deduplicate(const plan::OperatorPtr& child, std::vector<int> keys,
                              bool within = false) {
  return plan::make_operator(plan::op::Deduplicate{child, std::move(keys), within}, child->columns,
                             true);
}

int64_t newest(const arrow::RecordBatch& batch) {
  int64_t most = INT64_MIN;
  const auto& times =
      static_cast<const arrow::TimestampArray&>(*batch.column(batch.num_columns() - 1));
  for (int64_t row = 0; row < times.length(); ++row)
    most = std::max(most, times.Value(row) / kSecond);
  return most;
}

TEST(Deduplication, WithoutWatermarkRemembersForGood) {
  const std::vector<TestColumn> columns{{"a"}, {"b", "s"}};
  Drive drive(deduplicate(source(columns), {0}), OutputMode::kAppend);
  EXPECT_THAT(drive.batch(rows_of(columns, {{1, 1}, {1, 2}, {2, 3}})), ElementsAre("1,s1", "2,s3"));
  drive.restart();
  EXPECT_THAT(drive.batch(rows_of(columns, {{2, 1}, {3, 2}, {std::nullopt, 1}, {std::nullopt, 2}})),
              ElementsAre("3,s2", "null,s1"));
  drive.threads = 2;
  drive.restart();
  EXPECT_THAT(drive.batch({{rows_of(columns, {{4, 1}}), rows_of(columns, {{4, 2}, {5, 2}})}}),
              ElementsAre("4,s1", "5,s2"));
}

TEST(Deduplication, WatermarkAmongTheKeysEvictsAndDropsLateRows) {
  const std::vector<TestColumn> columns{{"ts", "t", true}};
  Drive drive(deduplicate(source(columns), {0}), OutputMode::kAppend, 10);
  drive.latest = newest;
  Rows five;
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t second = 10; second <= 15; ++second)
      five.push_back({second});
  }
  EXPECT_THAT(drive.batch(rows_of(columns, five)), ElementsAre("10", "11", "12", "13", "14", "15"));
  EXPECT_EQ(drive.rows(), 6);
  EXPECT_THAT(drive.batch(rows_of(columns, {{25}})), ElementsAre("25"));
  EXPECT_EQ(drive.rows(), 1);
  EXPECT_THAT(drive.batch(rows_of(columns, {{10}})), IsEmpty());
  EXPECT_EQ(drive.dropped, 1);
  EXPECT_THAT(drive.batch(rows_of(columns, {{45}})), ElementsAre("45"));
  EXPECT_EQ(drive.rows(), 1);
}

TEST(Deduplication, WithoutBatchesWithoutRowsStateStaysUntilTheNext) {
  const std::vector<TestColumn> columns{{"ts", "t", true}};
  Drive drive(deduplicate(source(columns), {0}), OutputMode::kAppend, 10);
  drive.latest = newest;
  drive.batches_without_rows = false;
  drive.batch(rows_of(columns, {{10}, {11}, {12}, {13}, {14}, {15}}));
  EXPECT_THAT(drive.batch(rows_of(columns, {{25}})), ElementsAre("25"));
  EXPECT_EQ(drive.rows(), 7);
}

TEST(Deduplication, LateRowsByTheTimeKeyWhateverTheOrderOfColumns) {
  Drive drive(deduplicate(source(kTimed), {0, 1}), OutputMode::kAppend, 1);
  drive.latest = newest;
  EXPECT_THAT(drive.batch(rows_of(kTimed, {{1, 1}, {1, 1}, {1, 2}})), ElementsAre("1,1", "1,2"));
  EXPECT_THAT(drive.batch(rows_of(kTimed, {{1, 1}, {2, 3}, {2, 4}})), ElementsAre("2,3", "2,4"));
  EXPECT_THAT(drive.batch(rows_of(kTimed, {{1, 0}, {1, 1}, {3, 5}, {3, 6}})),
              ElementsAre("3,5", "3,6"));
}

TEST(Deduplication, WithinWatermarkForgetsAfterTheDelay) {
  auto child = source(kTimed);
  plan::op::Watermark watermark{child, 1, 2 * kSecond, 0};
  child = plan::make_operator(std::move(watermark), child->columns, true);
  Drive drive(deduplicate(child, {0}, true), OutputMode::kAppend, 2);
  drive.latest = newest;
  EXPECT_THAT(drive.batch(rows_of(kTimed, {{1, 17}, {1, 18}})), ElementsAre("1,17"));
  EXPECT_THAT(drive.batch(rows_of(kTimed, {{1, 18}, {2, 19}})), ElementsAre("2,19"));
  // The event time reaches 20: the first row's key (17 + 2) is gone.
  EXPECT_THAT(drive.batch(rows_of(kTimed, {{3, 22}})), ElementsAre("3,22"));
  EXPECT_THAT(drive.batch(rows_of(kTimed, {{1, 21}, {2, 21}})), ElementsAre("1,21"));
}

TEST(Deduplication, WithinWatermarkNeedsAWatermark) {
  Drive drive(deduplicate(source({{"id"}}), {0}, true), OutputMode::kAppend);
  EXPECT_FALSE(drive.start().ok());
}

// Against a model that goes row by row: the first row of each key, late rows out, a key forgotten
// within a watermark once the event time has reached its first row's time and the delay.
TEST(Deduplication, RandomRunsEqualAModelRowByRow) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    base::SeededRandom random(seed);
    const bool within = random.below(2) == 0;
    auto child = source(kTimed);
    child =
        plan::make_operator(plan::op::Watermark{child, 1, 6 * kSecond, 0}, child->columns, true);
    Drive drive(deduplicate(child, within ? std::vector<int>{0} : std::vector<int>{0, 1}, within),
                OutputMode::kAppend, 6);
    drive.latest = newest;
    drive.retry_each_batch = random.below(2) == 0;
    drive.batches_without_rows = random.below(2) == 0;
    if (seed % 5 == 0) drive.provider = "rocksdb";
    std::map<std::pair<int64_t, int64_t>, int64_t> known;  // key: when it leaves
    int64_t now = 100, dropped = 0;
    for (int batch = 0; batch < 12; ++batch) {
      if (random.below(3) == 0) drive.restart();
      drive.threads = 1 + static_cast<int>(random.below(3));
      const int64_t late = drive.late();
      std::vector<BatchPtr> inputs;
      std::vector<std::string> expected;
      dropped = 0;
      for (uint64_t piece = random.below(4); piece > 0; --piece) {
        Rows rows;
        for (uint64_t i = random.below(20); i > 0; --i) {
          now += random.below(6) == 0;
          const int64_t id = static_cast<int64_t>(random.below(12));
          const int64_t ts = now - static_cast<int64_t>(random.below(12));
          rows.push_back({id, ts});
          if (late != INT64_MIN && ts <= late) {
            ++dropped;
            continue;
          }
          if (!known.emplace(std::pair(id, within ? 0 : ts), within ? ts + 6 : ts).second) continue;
          expected.push_back(fmt::format("{},{}", id, ts));
        }
        inputs.push_back(rows_of(kTimed, rows));
      }
      std::sort(expected.begin(), expected.end());
      EXPECT_EQ(drive.batch({{inputs}}), expected);
      EXPECT_EQ(drive.dropped, dropped);
      // What the last run of this batch has evicted by.
      std::erase_if(known, [&](const auto& one) {
        return drive.evicted() != INT64_MIN && one.second <= drive.evicted();
      });
      EXPECT_EQ(drive.rows(), static_cast<int64_t>(known.size()));
      if (HasFailure()) return;
    }
  }
}

TEST(StreamLimit, GivesSoManyRowsOverAllBatches) {
  const std::vector<TestColumn> columns{{"v"}};
  const auto child = source(columns);
  Drive drive(plan::make_operator(plan::op::Limit{child, 4, 0}, child->columns, true),
              OutputMode::kAppend);
  EXPECT_THAT(drive.batch(rows_of(columns, {{1}, {2}})), ElementsAre("1", "2"));
  drive.restart();
  EXPECT_THAT(drive.batch(rows_of(columns, {{3}, {4}, {5}, {6}})), ElementsAre("3", "4"));
  drive.restart();
  EXPECT_THAT(drive.batch(rows_of(columns, {{7}, {8}, {9}})), IsEmpty());
}

}  // namespace
}  // namespace weir::operators
