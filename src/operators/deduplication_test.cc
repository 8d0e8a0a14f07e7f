#include <gmock/gmock.h>

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
