#include <map>

#include <gmock/gmock.h>

#include "base/random.h"
#include "operators/operator_test_kit.h"

namespace weir::operators {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<TestColumn> kValues{{"value"}};

BatchPtr values(const std::vector<int64_t>& all) {
  std::vector<std::vector<Cell>> rows;
  for (const auto value : all)
    rows.push_back({value});
  return rows_of(kValues, rows);
}

plan::OperatorPtr count_by_value() {
  const auto child = source(kValues);
  return aggregate(child, {column(child, 0)}, {count_rows()});
}

TEST(Aggregation, UpdateGivesChangedGroupsOverRestarts) {
  Drive drive(count_by_value(), OutputMode::kUpdate);
  EXPECT_THAT(drive.batch(values({3})), ElementsAre("3,1"));
  EXPECT_THAT(drive.batch(values({3, 2})), ElementsAre("2,1", "3,2"));
  drive.restart();
  EXPECT_THAT(drive.batch(values({3, 2, 1})), ElementsAre("1,1", "2,2", "3,3"));
  EXPECT_THAT(drive.batch(values({4, 4, 4, 4})), ElementsAre("4,4"));
}

TEST(Aggregation, CompleteGivesAllGroups) {
  Drive drive(count_by_value(), OutputMode::kComplete);
  EXPECT_THAT(drive.batch(values({3})), ElementsAre("3,1"));
  EXPECT_THAT(drive.batch(values({2})), ElementsAre("2,1", "3,1"));
  drive.restart();
  EXPECT_THAT(drive.batch(values({3, 2, 1})), ElementsAre("1,1", "2,2", "3,2"));
  EXPECT_THAT(drive.batch(values({4, 4, 4, 4})), ElementsAre("1,1", "2,2", "3,2", "4,4"));
}

TEST(Aggregation, GroupsByTwoExpressions) {
  const auto child = source(kValues);
  const auto next =
      call("+", {column(child, 0), literal(DataType::of(TypeKind::kInteger), int64_t{1})},
           DataType::of(TypeKind::kInteger));
  Drive drive(aggregate(child, {column(child, 0), next}, {count_rows()}), OutputMode::kUpdate);
  EXPECT_THAT(drive.batch(values({1, 2})), ElementsAre("1,2,1", "2,3,1"));
  EXPECT_THAT(drive.batch(values({1, 2})), ElementsAre("1,2,2", "2,3,2"));
}

TEST(Aggregation, ThreadsAndAskedShardsMayChangeBetweenRuns) {
  Drive drive(count_by_value(), OutputMode::kUpdate);
  drive.shards = 2;
  EXPECT_THAT(drive.batch(values({1, 2})), ElementsAre("1,1", "2,1"));
  drive.shards = 16;
  drive.threads = 3;
  drive.restart();
  EXPECT_THAT(drive.batch({{values({1}), values({2, 3})}}), ElementsAre("1,2", "2,2", "3,1"));
  drive.shards = 1;
  drive.threads = 1;
  drive.restart();
  EXPECT_THAT(drive.batch(values({2, 3})), ElementsAre("2,3", "3,2"));
}

TEST(Aggregation, WithoutKeysGivesOneRowEvenWithoutInput) {
  const auto child = source(kValues);
  Drive drive(
      aggregate(child, {},
                {count_rows(), call("sum", {column(child, 0)}, DataType::of(TypeKind::kLong))}),
      OutputMode::kComplete);
  EXPECT_THAT(drive.batch(std::vector<std::vector<BatchPtr>>{}), ElementsAre("0,null"));
  EXPECT_THAT(drive.batch(values({1, 2})), ElementsAre("2,3"));
  drive.restart();
  EXPECT_THAT(drive.batch(values({5})), ElementsAre("3,8"));
}

// Counts by a window of so many seconds.
struct Windows {
  explicit Windows(const std::string& kind = "w5") : columns{{"window", kind, true}, {"ts", "t"}} {}
  std::vector<TestColumn> columns;
  BatchPtr rows(const std::vector<int64_t>& seconds) const {
    std::vector<std::vector<Cell>> all;
    for (const auto second : seconds)
      all.push_back({second, second});
    return rows_of(columns, all);
  }
  Drive drive(OutputMode mode, int64_t delay = 10) const {
    const auto child = source(columns);
    Drive made(aggregate(child, {column(child, 0)}, {count_rows()}), mode, delay);
    made.latest = [](const arrow::RecordBatch& batch) {
      int64_t most = INT64_MIN;
      const auto& times = static_cast<const arrow::TimestampArray&>(*batch.column(1));
      for (int64_t row = 0; row < times.length(); ++row)
        most = std::max(most, times.Value(row) / kSecond);
      return most;
    };
    return made;
  }
};

TEST(Aggregation, AppendGivesClosedWindowsOnceAndDropsLateRows) {
  const Windows windows;
  auto drive = windows.drive(OutputMode::kAppend);
  EXPECT_THAT(drive.batch(windows.rows({10, 11, 12, 13, 14, 15})), IsEmpty());
  drive.restart();
  EXPECT_THAT(drive.batch(windows.rows({25})), ElementsAre("10,5"));
  EXPECT_EQ(drive.rows(), 2);
  EXPECT_THAT(drive.batch(windows.rows({10})), IsEmpty());
  EXPECT_EQ(drive.dropped, 1);
  EXPECT_THAT(drive.batch(windows.rows({40})), ElementsAre("15,1", "25,1"));
}

TEST(Aggregation, UpdateWithWatermarkDropsLateRows) {
  const Windows windows;
  auto drive = windows.drive(OutputMode::kUpdate);
  EXPECT_THAT(drive.batch(windows.rows({10, 11, 12, 13, 14, 15})), ElementsAre("10,5", "15,1"));
  EXPECT_THAT(drive.batch(windows.rows({25})), ElementsAre("25,1"));
  EXPECT_THAT(drive.batch(windows.rows({10, 25})), ElementsAre("25,2"));
  EXPECT_EQ(drive.dropped, 1);
  EXPECT_THAT(drive.batch(windows.rows({10})), IsEmpty());
  EXPECT_EQ(drive.dropped, 1);
}

TEST(Aggregation, CompleteWithWatermarkKeepsLateRows) {
  const Windows windows;
  auto drive = windows.drive(OutputMode::kComplete);
  EXPECT_THAT(drive.batch(windows.rows({10, 11, 12})), ElementsAre("10,3"));
  EXPECT_THAT(drive.batch(windows.rows({25})), ElementsAre("10,3", "25,1"));
  EXPECT_THAT(drive.batch(windows.rows({25})), ElementsAre("10,3", "25,2"));
  EXPECT_THAT(drive.batch(windows.rows({10})), ElementsAre("10,4", "25,2"));
}

TEST(Aggregation, WithoutBatchesWithoutRowsTheNextBatchGivesClosedWindows) {
  const Windows windows;
  auto drive = windows.drive(OutputMode::kAppend);
  drive.batches_without_rows = false;
  EXPECT_THAT(drive.batch(windows.rows({15})), IsEmpty());
  EXPECT_THAT(drive.batch(windows.rows({10, 12, 14})), IsEmpty());
  EXPECT_THAT(drive.batch(windows.rows({25})), IsEmpty());
  EXPECT_THAT(drive.batch(windows.rows({50})), ElementsAre("10,3"));
  EXPECT_THAT(drive.batch(windows.rows({50})), ElementsAre("15,1", "25,1"));
}

TEST(Aggregation, AppendWithoutWatermarkIsRefused) {
  Drive drive(count_by_value(), OutputMode::kAppend);
  const auto started = drive.start();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().error_class(), "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION");
}

// Against a model that goes row by row: sums and counts by key and window, late rows included,
// restarts and repeated batches at random places.
TEST(Aggregation, RandomRunsEqualAModelRowByRow) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    base::SeededRandom random(seed);
    const auto mode = static_cast<OutputMode>(seed % 3);
    const std::vector<TestColumn> columns{
        {"window", "w5", true}, {"key", "s"}, {"ts", "t"}, {"value"}};
    const auto child = source(columns);
    const auto value = column(child, 3);
    Drive drive(aggregate(child, {column(child, 0), column(child, 1)},
                          {count_rows(), call("sum", {value}, DataType::of(TypeKind::kLong)),
                           call("max", {value}, DataType::of(TypeKind::kInteger)),
                           call("count", {value}, DataType::of(TypeKind::kLong), true),
                           call("min", {column(child, 1)}, DataType::of(TypeKind::kString))}),
                mode, 10);
    drive.latest = [](const arrow::RecordBatch& batch) {
      int64_t most = INT64_MIN;
      const auto& times = static_cast<const arrow::TimestampArray&>(*batch.column(2));
      for (int64_t row = 0; row < times.length(); ++row)
        most = std::max(most, times.Value(row) / kSecond);
      return most;
    };
    drive.retry_each_batch = random.below(2) == 0;
    if (seed % 5 == 0) drive.provider = "rocksdb";
    drive.batches_without_rows = random.below(2) == 0;
    struct Group {
      int64_t count = 0;
      std::vector<int64_t> values;
    };
    std::map<std::pair<int64_t, std::string>, Group> groups;
    const auto text = [](const std::pair<int64_t, std::string>& key, Group group) {
      std::string sum = "null", most = "null";
      if (!group.values.empty()) {
        int64_t total = 0;
        for (const auto one : group.values)
          total += one;
        sum = std::to_string(total);
        std::sort(group.values.begin(), group.values.end());
        most = std::to_string(group.values.back());
      }
      const auto distinct =
          std::unique(group.values.begin(), group.values.end()) - group.values.begin();
      return fmt::format("{},{},{},{},{},{},{}", key.first, key.second, group.count, sum, most,
                         distinct, key.second);
    };
    int64_t now = 100, late = INT64_MIN, watermark = INT64_MIN;
    for (int batch = 0; batch < 12; ++batch) {
      drive.threads = 1 + static_cast<int>(random.below(3));
      if (random.below(3) == 0) drive.restart();
      std::vector<BatchPtr> inputs;
      std::map<std::pair<int64_t, std::string>, bool> touched;
      int64_t newest = INT64_MIN, dropped = 0;
      const auto pieces = random.below(4);
      for (uint64_t piece = 0; piece < pieces; ++piece) {
        std::vector<std::vector<Cell>> rows;
        for (uint64_t i = random.below(30); i > 0; --i) {
          now += random.below(8) == 0;
          const int64_t time = now - static_cast<int64_t>(random.below(30));
          const auto key = static_cast<int64_t>(random.below(4));
          Cell number = static_cast<int64_t>(random.below(5));
          if (random.below(5) == 0) number.reset();
          newest = std::max(newest, time);
          rows.push_back({time, key, time, number});
          const int64_t begin = time - time % 5;
          if (mode != OutputMode::kComplete && late != INT64_MIN && begin + 5 <= late) {
            ++dropped;
            continue;
          }
          auto& group = groups[{begin, fmt::format("s{}", key)}];
          touched[{begin, fmt::format("s{}", key)}] = true;
          ++group.count;
          if (number) group.values.push_back(*number);
        }
        inputs.push_back(rows_of(columns, rows));
      }
      std::vector<std::string> expected;
      if (mode == OutputMode::kUpdate) {
        for (const auto& [key, yes] : touched)
          expected.push_back(text(key, groups[key]));
      }
      const auto evict = [&] {
        for (auto it = groups.begin(); mode != OutputMode::kComplete && it != groups.end();) {
          if (watermark == INT64_MIN || it->first.first + 5 > watermark) {
            ++it;
            continue;
          }
          if (mode == OutputMode::kAppend) expected.push_back(text(it->first, it->second));
          it = groups.erase(it);
        }
        if (mode == OutputMode::kComplete) {
          for (const auto& [key, group] : groups)
            expected.push_back(text(key, group));
        }
      };
      evict();
      late = watermark;
      if (newest != INT64_MIN && newest - 10 > watermark) {
        watermark = newest - 10;
        bool closes = false;
        for (const auto& [key, group] : groups)
          closes = closes || key.first + 5 <= watermark;
        if (drive.batches_without_rows && closes && mode != OutputMode::kComplete) {
          evict();
          late = watermark;
        }
      }
      std::sort(expected.begin(), expected.end());
      EXPECT_EQ(drive.batch({{inputs}}), expected);
      EXPECT_EQ(drive.dropped, dropped);
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace weir::operators
