#include "sink/delta_sink.h"

#include <thread>

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "columnar/arrow_types.h"
#include "delta/log_segment.h"
#include "delta/scan.h"
#include "io/model_file_system.h"

namespace weir::sink {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

const Schema& event_schema() {
  static const Schema schema =
      *columnar::parse_ddl_schema("device STRING, value LONG, at TIMESTAMP");
  return schema;
}

std::shared_ptr<arrow::RecordBatch> events(int64_t first, int64_t count) {
  arrow::StringBuilder device;
  arrow::Int64Builder value;
  arrow::TimestampBuilder at(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                             arrow::default_memory_pool());
  for (int64_t i = first; i < first + count; ++i) {
    EXPECT_TRUE(device.Append("d-" + std::to_string(i % 3)).ok());
    EXPECT_TRUE(value.Append(i).ok());
    EXPECT_TRUE(at.Append(1'700'000'000'000'000 + i * 1001).ok());
  }
  return arrow::RecordBatch::Make(columnar::to_arrow_schema(event_schema()), count,
                                  {*device.Finish(), *value.Finish(), *at.Finish()});
}

class DeltaSinkTest : public testing::Test {
 protected:
  static constexpr char kPath[] = "/tables/events";

  DeltaSinkTest() { EXPECT_TRUE(fs_.make_dirs("/tables").ok()); }

  delta::Environment environment() { return {fs_, clock_, random_}; }

  std::unique_ptr<Sink> sink(DeltaSinkOptions options = {}, const std::string& query = "query-1",
                             const Schema& schema = event_schema()) {
    options.path = kPath;
    auto made = make_delta_sink(environment(), options);
    EXPECT_TRUE(made.ok());
    auto prepared = (*made)->prepare({query, "run", "name"}, schema);
    EXPECT_TRUE(prepared.ok()) << prepared.error().to_string();
    return std::move(*made);
  }

  static Result<SinkCommit> write(Sink& sink, int64_t batch,
                                  const std::vector<std::shared_ptr<arrow::RecordBatch>>& parts) {
    WEIR_ASSIGN(auto writer, sink.begin(BatchId(batch), static_cast<int>(parts.size())));
    for (size_t part = 0; part < parts.size(); ++part)
      WEIR_TRY(writer->write(static_cast<int>(part), parts[part]));
    return writer->commit();
  }

  // The values of the column `value`, in order.
  std::vector<int64_t> values(std::optional<int64_t> version = std::nullopt) {
    auto at = version ? std::optional(base::TableVersion(*version)) : std::nullopt;
    auto snapshot = delta::Table::snapshot_at(fs_, kPath, at);
    EXPECT_TRUE(snapshot.ok()) << snapshot.error().to_string();
    delta::ScanOptions options;
    options.columns = {"value"};
    auto scan = delta::Scan::plan(fs_, *snapshot, options);
    EXPECT_TRUE(scan.ok());
    std::vector<int64_t> result;
    auto read =
        scan->for_each([&](const std::shared_ptr<arrow::RecordBatch>& batch) -> Result<void> {
          const auto& column = static_cast<const arrow::Int64Array&>(*batch->column(0));
          for (int64_t i = 0; i < column.length(); ++i)
            result.push_back(column.Value(i));
          return {};
        });
    EXPECT_TRUE(read.ok()) << read.error().to_string();
    std::sort(result.begin(), result.end());
    return result;
  }

  static std::vector<int64_t> numbers(int64_t first, int64_t count) {
    std::vector<int64_t> result;
    for (int64_t i = 0; i < count; ++i)
      result.push_back(first + i);
    return result;
  }

  std::vector<std::string> data_files() {
    std::vector<std::string> names;
    auto files = fs_.list_recursive(kPath);
    if (!files.ok()) return names;
    for (const auto& file : *files) {
      if (file.path.find("_delta_log") == std::string::npos) names.push_back(file.path);
    }
    return names;
  }

  void write_log(int64_t version, const std::string& text) {
    ASSERT_TRUE(fs_.make_dirs(delta::log_path(kPath)).ok());
    auto created =
        fs_.create_if_absent(delta::commit_path(kPath, base::TableVersion(version)), text);
    ASSERT_TRUE(created.ok() && *created == io::CreateOutcome::kCreated);
  }

  io::ModelFileSystem fs_{42};
  base::ManualClock clock_;
  base::SeededRandom random_{42};
};

TEST_F(DeltaSinkTest, CreatesTheTableAndAppends) {
  auto delta = sink();
  auto first = write(*delta, 0, {events(0, 10), events(10, 5)});
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  EXPECT_EQ(first->rows, 15);
  EXPECT_EQ(first->details["tableVersion"].get_int64(), 0);
  EXPECT_EQ(first->details["files"].get_int64(), 1) << "two small parts become one file";
  ASSERT_TRUE(write(*delta, 1, {events(15, 5)}).ok());
  EXPECT_EQ(values(), numbers(0, 20));
  EXPECT_EQ(values(0), numbers(0, 15));
  auto snapshot = *delta::Table::snapshot_at(fs_, kPath);
  EXPECT_EQ(snapshot->protocol().min_reader_version, 1);
  EXPECT_EQ(snapshot->protocol().min_writer_version, 2);
  EXPECT_EQ(snapshot->transaction_version("query-1"), 1);
}

TEST_F(DeltaSinkTest, ABatchThatComesAgainTakesNoSecondEffect) {
  auto delta = sink();
  ASSERT_TRUE(write(*delta, 0, {events(0, 10)}).ok());
  ASSERT_TRUE(write(*delta, 1, {events(10, 10)}).ok());
  const auto files = data_files();
  auto restarted = sink();
  for (const int64_t batch : {0, 1}) {
    auto again = write(*restarted, batch, {events(batch * 10, 10)});
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(again->already_done);
  }
  EXPECT_EQ(values(), numbers(0, 20));
  EXPECT_EQ(data_files(), files);
}

TEST_F(DeltaSinkTest, ABatchThatAnotherCopyOfTheQueryCommittedMeanwhileIsDone) {
  ASSERT_TRUE(write(*sink(), 0, {events(0, 10)}).ok());
  auto late = sink();
  auto writer = *late->begin(BatchId(1), 1);
  ASSERT_TRUE(writer->write(0, events(10, 10)).ok());
  ASSERT_TRUE(write(*sink(), 1, {events(10, 10)}).ok());
  auto commit = writer->commit();
  ASSERT_TRUE(commit.ok()) << commit.error().to_string();
  EXPECT_TRUE(commit->already_done);
  EXPECT_EQ(values(), numbers(0, 20));
  EXPECT_EQ(data_files().size(), 2u) << "the files of the lost attempt are removed";
}

TEST_F(DeltaSinkTest, ConcurrentAppendsOfDifferentQueriesAllArrive) {
  ASSERT_TRUE(write(*sink(), 0, {events(0, 1)}).ok());
  std::vector<std::jthread> threads;
  for (int64_t query = 0; query < 4; ++query) {
    threads.emplace_back([this, query] {
      auto delta = sink({}, "other-" + std::to_string(query));
      for (int64_t batch = 0; batch < 10; ++batch) {
        auto commit = write(*delta, batch, {events(1 + query * 10 + batch, 1)});
        EXPECT_TRUE(commit.ok()) << commit.error().to_string();
      }
    });
  }
  threads.clear();
  EXPECT_EQ(values(), numbers(0, 41));
}

TEST_F(DeltaSinkTest, QueriesThatCreateTheTableAtOnceAgree) {
  auto one = sink({}, "one");
  auto two = sink({}, "two");
  auto first = *one->begin(BatchId(0), 1);
  auto second = *two->begin(BatchId(0), 1);
  ASSERT_TRUE(first->write(0, events(0, 3)).ok());
  ASSERT_TRUE(second->write(0, events(3, 3)).ok());
  ASSERT_TRUE(first->commit().ok());
  auto commit = second->commit();
  ASSERT_TRUE(commit.ok()) << commit.error().to_string();
  EXPECT_EQ(values(), numbers(0, 6));
}

TEST_F(DeltaSinkTest, CompleteModeReplacesTheRows) {
  DeltaSinkOptions options;
  options.output_mode = DeltaSinkOptions::OutputMode::kComplete;
  auto delta = sink(options);
  ASSERT_TRUE(write(*delta, 0, {events(0, 10)}).ok());
  ASSERT_TRUE(write(*delta, 1, {events(5, 3)}).ok());
  EXPECT_EQ(values(), numbers(5, 3));
  EXPECT_EQ(values(0), numbers(0, 10)) << "the older version stays readable";
}

TEST_F(DeltaSinkTest, RowsThatAnOverwriteHasNotSeenAreAConflict) {
  DeltaSinkOptions options;
  options.output_mode = DeltaSinkOptions::OutputMode::kComplete;
  ASSERT_TRUE(write(*sink(), 0, {events(0, 10)}).ok());
  auto complete = sink(options, "complete");
  auto writer = *complete->begin(BatchId(0), 1);
  ASSERT_TRUE(writer->write(0, events(100, 1)).ok());
  ASSERT_TRUE(write(*sink(), 1, {events(10, 10)}).ok());
  auto commit = writer->commit();
  ASSERT_FALSE(commit.ok());
  EXPECT_EQ(commit.error().kind(), ErrorKind::kConflict);
  EXPECT_THAT(commit.error().message(), HasSubstr("ConcurrentAppendException"));
  EXPECT_EQ(values(), numbers(0, 20));
}

TEST_F(DeltaSinkTest, NewColumnsNeedMergeSchema) {
  ASSERT_TRUE(write(*sink(), 0, {events(0, 2)}).ok());
  const Schema wider =
      *columnar::parse_ddl_schema("device STRING, value LONG, at TIMESTAMP, note STRING");
  DeltaSinkOptions options;
  options.path = kPath;
  auto refusing = *make_delta_sink(environment(), options);
  auto refused = refusing->prepare({"query-1", "run", ""}, wider);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("note"));
  EXPECT_THAT(refused.error().message(), HasSubstr("mergeSchema"));

  options.merge_schema = true;
  auto merging = sink(options, "query-1", wider);
  arrow::StringBuilder note;
  ASSERT_TRUE(note.AppendValues({"x", "y"}).ok());
  auto rows = events(2, 2);
  rows = *rows->AddColumn(3, "note", *note.Finish());
  auto commit = write(*merging, 1, {rows});
  ASSERT_TRUE(commit.ok()) << commit.error().to_string();
  EXPECT_EQ(values(), numbers(0, 4));
  auto snapshot = *delta::Table::snapshot_at(fs_, kPath);
  EXPECT_EQ(columnar::schema_to_ddl(snapshot->schema()),
            "device STRING,value BIGINT,at TIMESTAMP,note STRING");
}

TEST_F(DeltaSinkTest, WideningAColumnIsRefusedByName) {
  const Schema narrow = *columnar::parse_ddl_schema("device STRING, value INT, at TIMESTAMP");
  DeltaSinkOptions options;
  options.path = kPath;
  options.merge_schema = true;
  auto creating = sink(options, "query-0", narrow);
  auto rows = *events(0, 1)->RemoveColumn(1);
  ASSERT_TRUE(write(*creating, 0, {rows}).ok());
  auto wide = *make_delta_sink(environment(), options);
  auto refused = wide->prepare({"query-1", "run", ""}, event_schema());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(refused.error().message(), HasSubstr("typeWidening"));
}

TEST_F(DeltaSinkTest, TablesWithFeaturesThatWeLackAreRefusedBeforeAByteIsWritten) {
  write_log(
      0,
      R"({"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["rowTracking","domainMetadata"]}})"
      "\n"
      R"({"metaData":{"id":"i","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"value\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":[],"configuration":{}}})"
      "\n");
  DeltaSinkOptions options;
  options.path = kPath;
  auto delta = *make_delta_sink(environment(), options);
  const int64_t calls = fs_.calls();
  auto prepared = delta->prepare({"query-1", "run", ""}, event_schema());
  ASSERT_FALSE(prepared.ok());
  EXPECT_EQ(prepared.error().kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(prepared.error().message(), HasSubstr("rowTracking"));
  EXPECT_EQ(fs_.calls(), calls);
}

TEST_F(DeltaSinkTest, CheckConstraintsAreRefused) {
  write_log(
      0,
      R"({"protocol":{"minReaderVersion":1,"minWriterVersion":3}})"
      "\n"
      R"({"metaData":{"id":"i","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"value\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":[],"configuration":{"delta.constraints.positive":"value > 0"}}})"
      "\n");
  DeltaSinkOptions options;
  options.path = kPath;
  options.merge_schema = true;
  auto delta = *make_delta_sink(environment(), options);
  auto prepared = delta->prepare({"query-1", "run", ""}, event_schema());
  ASSERT_FALSE(prepared.ok());
  EXPECT_THAT(prepared.error().message(), HasSubstr("checkConstraints"));
}

TEST_F(DeltaSinkTest, PartitionsByColumns) {
  DeltaSinkOptions options;
  options.partition_by = {"device"};
  auto delta = sink(options);
  auto commit = write(*delta, 0, {events(0, 9)});
  ASSERT_TRUE(commit.ok()) << commit.error().to_string();
  EXPECT_EQ(commit->details["files"].get_int64(), 3);
  EXPECT_EQ(values(), numbers(0, 9));
  auto snapshot = *delta::Table::snapshot_at(fs_, kPath);
  delta::ScanOptions scan_options;
  scan_options.predicate = {{{"device"}, delta::ComparisonOp::kEqual, std::string("d-1")}};
  auto scan = *delta::Scan::plan(fs_, snapshot, scan_options);
  ASSERT_EQ(scan.files().size(), 1u);
  EXPECT_THAT(scan.files()[0]->path, HasSubstr("device=d-1/part-"));
}

TEST_F(DeltaSinkTest, StatisticsChooseFiles) {
  auto delta = sink();
  ASSERT_TRUE(write(*delta, 0, {events(0, 10)}).ok());
  ASSERT_TRUE(write(*delta, 1, {events(10, 10)}).ok());
  auto snapshot = *delta::Table::snapshot_at(fs_, kPath);
  const auto files_for = [&](delta::Comparison comparison) {
    delta::ScanOptions options;
    options.predicate = {comparison};
    return delta::Scan::plan(fs_, snapshot, options)->files().size();
  };
  using Op = delta::ComparisonOp;
  EXPECT_EQ(files_for({{"value"}, Op::kGreaterOrEqual, int64_t{10}}), 1u);
  EXPECT_EQ(files_for({{"value"}, Op::kGreater, int64_t{19}}), 0u);
  EXPECT_EQ(files_for({{"VALUE"}, Op::kLess, 10.5}), 2u);
  EXPECT_EQ(files_for({{"at"}, Op::kGreater, int64_t{1'700'000'000'000'000 + 9 * 1001}}), 2u)
      << "maxima are rounded up";
  EXPECT_EQ(files_for({{"at"}, Op::kGreater, int64_t{1'700'000'000'000'000 + 11 * 1001}}), 1u);
  EXPECT_EQ(files_for({{"device"}, Op::kIsNull, {}}), 0u);
  EXPECT_EQ(files_for({{"device"}, Op::kEqual, std::string("zzz")}), 0u);
}

TEST_F(DeltaSinkTest, CheckpointsKeepEverythingThatTheLogSaid) {
  DeltaSinkOptions options;
  options.checkpoint_commits = 3;
  auto delta = sink(options);
  for (int64_t batch = 0; batch < 12; ++batch) {
    ASSERT_TRUE(write(*delta, batch, {events(batch, 1)}).ok());
    clock_.advance_us(61'000'000);
  }
  delta.reset();  // waits for the checkpoint under way
  auto segment = *delta::list_log_segment(fs_, kPath, std::nullopt);
  ASSERT_TRUE(segment && segment->checkpoint);
  EXPECT_EQ(values(), numbers(0, 12));
  ASSERT_TRUE(fs_.exists("/tables/events/_delta_log/_last_checkpoint").value());
  // The log before the checkpoint may go: the table reads the same, and replays are still known.
  for (int64_t version = 0; version < segment->checkpoint->version.value(); ++version) {
    ASSERT_TRUE(fs_.remove(delta::commit_path(kPath, base::TableVersion(version))).ok());
  }
  EXPECT_EQ(values(), numbers(0, 12));
  auto again = write(*sink(options), 11, {events(11, 1)});
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->already_done);
}

TEST_F(DeltaSinkTest, LargeBatchesAreWrittenFromSeveralThreads) {
  DeltaSinkOptions options;
  options.small_batch_bytes = 1000;
  auto delta = sink(options);
  auto writer = *delta->begin(BatchId(0), 4);
  std::vector<std::jthread> threads;
  for (int part = 0; part < 4; ++part) {
    threads.emplace_back([&writer, part] {
      for (int i = 0; i < 20; ++i)
        EXPECT_TRUE(writer->write(part, events(part * 2000 + i * 100, 100)).ok());
    });
  }
  threads.clear();
  auto commit = writer->commit();
  ASSERT_TRUE(commit.ok()) << commit.error().to_string();
  EXPECT_LE(commit->details["files"].get_int64(), 4);
  EXPECT_EQ(values(), numbers(0, 8000));
}

TEST_F(DeltaSinkTest, ATableThatWasDeletedUnderTheQueryIsNotWrittenWithAGap) {
  auto delta = sink();
  for (int64_t batch = 0; batch < 3; ++batch)
    ASSERT_TRUE(write(*delta, batch, {events(batch, 1)}).ok());
  ASSERT_TRUE(fs_.rename(kPath, "/tables/away").ok());
  ASSERT_TRUE(write(*sink({}, "other"), 0, {events(100, 1)}).ok());
  auto commit = write(*delta, 3, {events(3, 1)});
  ASSERT_FALSE(commit.ok());
  EXPECT_EQ(commit.error().kind(), ErrorKind::kDataLoss);
  EXPECT_EQ(values(), numbers(100, 1));
}

TEST_F(DeltaSinkTest, AnAbortedBatchLeavesNoFiles) {
  DeltaSinkOptions options;
  options.small_batch_bytes = 1;
  auto delta = sink(options);
  {
    auto writer = *delta->begin(BatchId(0), 1);
    ASSERT_TRUE(writer->write(0, events(0, 100)).ok());
    EXPECT_FALSE(data_files().empty());
    ASSERT_TRUE(writer->abort().ok());
  }
  EXPECT_TRUE(data_files().empty());
}

// A batch meets each fault at each call; afterwards (and after a power loss) the batch is there
// once or can be delivered again, and every file that the log names is whole.
class DeltaSinkFaultTest : public testing::TestWithParam<io::Fault> {};

TEST_P(DeltaSinkFaultTest, EveryCallMayFail) {
  constexpr uint64_t kSeedsPerCall = 8;
  bool past_the_end = false;
  for (uint64_t seed = 0; !past_the_end || seed % kSeedsPerCall != 0; ++seed) {
    io::ModelFileSystem fs(seed + 1);
    base::ManualClock clock;
    base::SeededRandom random(seed);
    const delta::Environment environment{fs, clock, random};
    DeltaSinkOptions options;
    options.path = "/t";
    options.checkpoint_commits = 0;
    const auto deliver = [&](int64_t batch) -> Result<SinkCommit> {
      WEIR_ASSIGN(auto sink, make_delta_sink(environment, options));
      WEIR_TRY(sink->prepare({"query", "run", ""}, event_schema()));
      WEIR_ASSIGN(auto writer, sink->begin(BatchId(batch), 1));
      WEIR_TRY(writer->write(0, events(batch * 10, 10)));
      return writer->commit();
    };
    ASSERT_TRUE(deliver(0).ok());
    fs.inject(static_cast<int64_t>(seed / kSeedsPerCall), GetParam());
    auto faulty = deliver(1);
    const bool reached = fs.fault_reached();
    fs.cut_power();
    fs.restart();
    fs.free_space();
    if (faulty.ok()) {
      auto snapshot = delta::Table::snapshot_at(fs, "/t");
      ASSERT_TRUE(snapshot.ok()) << "seed " << seed << " " << snapshot.error().to_string();
      ASSERT_EQ((*snapshot)->transaction_version("query"), 1)
          << "seed " << seed << ": a commit that was answered is gone";
    }
    auto again = deliver(1);
    ASSERT_TRUE(again.ok()) << "seed " << seed << " " << again.error().to_string();
    fs.cut_power();
    fs.restart();
    auto snapshot = delta::Table::snapshot_at(fs, "/t");
    ASSERT_TRUE(snapshot.ok()) << "seed " << seed << " " << snapshot.error().to_string();
    int64_t rows = 0;
    auto scan = *delta::Scan::plan(fs, *snapshot);
    auto read =
        scan.for_each([&](const std::shared_ptr<arrow::RecordBatch>& batch) -> Result<void> {
          rows += batch->num_rows();
          return {};
        });
    ASSERT_TRUE(read.ok()) << "seed " << seed << " " << read.error().to_string();
    ASSERT_EQ(rows, 20) << "seed " << seed;
    past_the_end = !reached;
  }
}

std::string fault_name(const testing::TestParamInfo<io::Fault>& fault) {
  constexpr const char* kNames[] = {"Error", "NoSpace", "ShortWrite", "PowerLoss"};
  return kNames[static_cast<int>(fault.param)];
}

INSTANTIATE_TEST_SUITE_P(Faults, DeltaSinkFaultTest,
                         testing::Values(io::Fault::kError, io::Fault::kNoSpace,
                                         io::Fault::kShortWrite, io::Fault::kPowerLoss),
                         fault_name);

TEST(DeltaSinkOptionsTest, RefusesByName) {
  auto unknown = parse_delta_sink_options({{"path", "/t"}, {"zorder", "x"}});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(unknown.error().message(), HasSubstr("zorder"));
  EXPECT_FALSE(parse_delta_sink_options({}).ok());
  EXPECT_FALSE(parse_delta_sink_options({{"path", "/t"}, {"outputMode", "update"}}).ok());
  auto good = parse_delta_sink_options({{"path", "/t"},
                                        {"targetFileSize", "64mb"},
                                        {"partitionBy", "a, b"},
                                        {"compression", "ZSTD"}});
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good->files.target_file_bytes, 64 << 20);
  EXPECT_EQ(good->partition_by, (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace weir::sink
