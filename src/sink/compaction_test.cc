// Compaction: which files are merged, what is in the table afterwards, who wins a race, and that a
// failure at any call leaves the table as it was.
#include "delta/compaction.h"

#include <algorithm>
#include <map>
#include <thread>

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/logging.h"
#include "columnar/arrow_types.h"
#include "delta/log_segment.h"
#include "delta/scan.h"
#include "delta/transaction.h"
#include "io/model_file_system.h"
#include "sink/delta_sink.h"

namespace weir::sink {
namespace {

using base::ErrorKind;
using base::TableVersion;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kPath[] = "/t";

const Schema& row_schema() {
  static const Schema schema = *columnar::parse_ddl_schema("part STRING, id LONG");
  return schema;
}

std::shared_ptr<arrow::RecordBatch> rows(int64_t first, int64_t count, int64_t parts = 2) {
  arrow::StringBuilder part;
  arrow::Int64Builder id;
  for (int64_t i = first; i < first + count; ++i) {
    EXPECT_TRUE(part.Append("p " + std::to_string(i % parts)).ok());
    EXPECT_TRUE(id.Append(i).ok());
  }
  return arrow::RecordBatch::Make(columnar::to_arrow_schema(row_schema()), count,
                                  {*part.Finish(), *id.Finish()});
}

// A table on a disk of its own, and what may be asked of it.
struct Disk {
  explicit Disk(uint64_t seed) : fs(seed), random(seed) {}

  delta::Environment environment() { return {fs, clock, random}; }

  std::unique_ptr<Sink> sink(DeltaSinkOptions options = {}, const std::string& query = "query-1") {
    options.path = kPath;
    auto made = make_delta_sink(environment(), options);
    EXPECT_TRUE(made.ok());
    auto prepared = (*made)->prepare({query, "run", "name"}, row_schema());
    EXPECT_TRUE(prepared.ok()) << prepared.error().to_string();
    return std::move(*made);
  }
  static Result<SinkCommit> write(Sink& sink, int64_t batch,
                                  const std::shared_ptr<arrow::RecordBatch>& rows) {
    WEIR_ASSIGN(auto writer, sink.begin(BatchId(batch), 1));
    WEIR_TRY(writer->write(0, rows));
    return writer->commit();
  }
  void write_batches(Sink& sink, int64_t first, int64_t batches) {
    for (int64_t batch = first; batch < first + batches; ++batch) {
      auto committed = write(sink, batch, rows(batch * 10, 10));
      ASSERT_TRUE(committed.ok()) << committed.error().to_string();
      clock.advance_us(100'000);
    }
  }

  std::shared_ptr<const delta::TableSnapshot> snapshot() {
    auto found = delta::Table::snapshot_at(fs, kPath);
    EXPECT_TRUE(found.ok()) << found.error().to_string();
    return *found;
  }
  std::vector<std::string> paths() {
    std::vector<std::string> found;
    const auto now = snapshot();
    for (const auto& file : now->files())
      found.push_back(file->path);
    return found;
  }
  // The ids in the table, sorted.
  std::vector<int64_t> ids() {
    auto scan = delta::Scan::plan(fs, snapshot());
    std::vector<int64_t> found;
    auto read =
        scan->for_each([&](const std::shared_ptr<arrow::RecordBatch>& batch) -> Result<void> {
          const auto& part = static_cast<const arrow::StringArray&>(*batch->column(0));
          const auto& id = static_cast<const arrow::Int64Array&>(*batch->column(1));
          for (int64_t i = 0; i < id.length(); ++i) {
            EXPECT_EQ(part.GetString(i), "p " + std::to_string(id.Value(i) % 2));
            found.push_back(id.Value(i));
          }
          return {};
        });
    EXPECT_TRUE(read.ok()) << read.error().to_string();
    std::sort(found.begin(), found.end());
    return found;
  }
  static std::vector<int64_t> numbers(int64_t count) {
    std::vector<int64_t> all;
    for (int64_t i = 0; i < count; ++i)
      all.push_back(i);
    return all;
  }
  std::vector<delta::Action> actions(int64_t version) {
    const auto path = delta::commit_path(kPath, TableVersion(version));
    return *delta::parse_actions(*fs.read_all(path), path);
  }
  void commit_lines(int64_t version, const std::string& lines) {
    auto created = fs.create_if_absent(delta::commit_path(kPath, TableVersion(version)), lines);
    ASSERT_TRUE(created.ok() && *created == io::CreateOutcome::kCreated);
  }
  size_t data_files() {
    size_t count = 0;
    const auto files = fs.list_recursive(kPath);
    for (const auto& file : *files)
      count += file.path.find("_delta_log") == std::string::npos ? 1 : 0;
    return count;
  }

  io::ModelFileSystem fs;
  base::ManualClock clock;
  base::SeededRandom random;
};

DeltaSinkOptions off() {
  DeltaSinkOptions options;
  options.compaction.enabled = false;
  return options;
}
DeltaSinkOptions after(int64_t files) {
  DeltaSinkOptions options;
  options.compaction.files_min = files;
  return options;
}

class CompactionTest : public testing::Test {
 protected:
  Result<delta::CompactionOutcome> compact(delta::Table& table, std::vector<std::string> paths) {
    return delta::compact_files(table, {std::move(paths), {}, "query-1"}, {});
  }
  static std::string removal(const std::string& path) {
    return R"({"remove":{"path":")" + path +
           R"(","deletionTimestamp":1600000000000,"dataChange":true}})"
           "\n";
  }
  Disk disk_{7};
};

TEST_F(CompactionTest, ManyFilesBecomeOneAndNoRowChanges) {
  disk_.write_batches(*disk_.sink(off()), 0, 5);
  auto table = *delta::Table::open(disk_.environment(), kPath);
  const auto before = disk_.paths();
  auto outcome = compact(*table, before);
  ASSERT_TRUE(outcome.ok()) << outcome.error().to_string();
  const auto& done = std::get<delta::Compacted>(*outcome);
  EXPECT_EQ(done.files_removed, 5);
  EXPECT_EQ(done.version.value(), 5);
  EXPECT_THAT(disk_.paths(), SizeIs(1));
  EXPECT_EQ(disk_.ids(), Disk::numbers(50));
  const auto file = disk_.snapshot()->files()[0];
  EXPECT_THAT(file->stats, HasSubstr(R"("numRecords":50)"));
  EXPECT_THAT(file->stats, HasSubstr(R"("maxValues":{"part":"p 1","id":49})"));
  for (const auto& action : disk_.actions(5)) {
    if (const auto* add = std::get_if<delta::AddFile>(&action)) {
      EXPECT_FALSE(add->data_change);
    }
    if (const auto* remove = std::get_if<delta::RemoveFile>(&action)) {
      EXPECT_FALSE(remove->data_change);
    }
    if (const auto* info = std::get_if<delta::CommitInfo>(&action)) {
      EXPECT_EQ(info->fields.at("operation").get_string(), "OPTIMIZE");
    }
    EXPECT_FALSE(std::holds_alternative<delta::SetTransaction>(action));
  }
  auto older = *delta::Table::snapshot_at(disk_.fs, kPath, TableVersion(4));
  EXPECT_THAT(older->files(), SizeIs(5)) << "older versions stay readable";
}

TEST_F(CompactionTest, AppendOnlyTablesMayBeRearranged) {
  disk_.write_batches(*disk_.sink(off()), 0, 3);
  auto metadata = disk_.snapshot()->metadata();
  metadata.configuration["delta.appendOnly"] = "true";
  disk_.commit_lines(3, delta::action_text(metadata) + "\n");
  auto table = *delta::Table::open(disk_.environment(), kPath);
  ASSERT_TRUE(std::holds_alternative<delta::Compacted>(*compact(*table, disk_.paths())));
  EXPECT_EQ(disk_.ids(), Disk::numbers(30));
}

TEST_F(CompactionTest, WhoeverTouchesAFileMeanwhileWins) {
  disk_.write_batches(*disk_.sink(off()), 0, 5);
  const auto paths = disk_.paths();
  const std::string vector =
      R"({"add":{"path":")" + paths[1] +
      R"(","partitionValues":{},"size":7,"modificationTime":9,"dataChange":true,"deletionVector":{"storageType":"i","pathOrInlineDv":"^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L","sizeInBytes":44,"cardinality":6}}})"
      "\n";
  auto metadata = disk_.snapshot()->metadata();
  metadata.configuration["x"] = "y";
  const std::map<std::string, std::pair<std::string, delta::ConflictKind>> winners = {
      {"a delete", {removal(paths[0]), delta::ConflictKind::kConcurrentDelete}},
      {"a deletion vector", {removal(paths[1]) + vector, delta::ConflictKind::kConcurrentDelete}},
      {"other metadata",
       {delta::action_text(metadata) + "\n", delta::ConflictKind::kMetadataChanged}}};
  for (const auto& [what, winner] : winners) {
    auto table = *delta::Table::open(disk_.environment(), kPath);
    const int64_t next = table->version()->value() + 1;
    const size_t files = disk_.data_files();
    const auto live = disk_.paths();
    disk_.commit_lines(next, winner.first);  // the handle has not seen it
    auto outcome = compact(*table, live);
    ASSERT_TRUE(outcome.ok()) << what << ": " << outcome.error().to_string();
    const auto* conflict = std::get_if<delta::Conflict>(&*outcome);
    ASSERT_NE(conflict, nullptr) << what;
    EXPECT_EQ(conflict->kind, winner.second) << what;
    EXPECT_EQ(disk_.data_files(), files) << what << ": the work is dropped";
    EXPECT_FALSE(*disk_.fs.exists(delta::commit_path(kPath, TableVersion(next + 1)))) << what;
  }
  // The files that nobody touched are free again; the one with a deletion vector is left alone.
  auto table = *delta::Table::open(disk_.environment(), kPath);
  auto outcome = compact(*table, paths);
  ASSERT_TRUE(outcome.ok()) << outcome.error().to_string();
  EXPECT_EQ(std::get<delta::Compacted>(*outcome).files_removed, 3);
  EXPECT_THAT(disk_.paths(), testing::Contains(paths[1]));
}

TEST_F(CompactionTest, AppendsMeanwhileDoNotMatter) {
  auto sink = disk_.sink(off());
  disk_.write_batches(*sink, 0, 3);
  auto table = *delta::Table::open(disk_.environment(), kPath);
  const auto paths = disk_.paths();
  disk_.write_batches(*sink, 3, 2);
  auto outcome = compact(*table, paths);
  ASSERT_TRUE(outcome.ok()) << outcome.error().to_string();
  EXPECT_EQ(std::get<delta::Compacted>(*outcome).version.value(), 5);
  disk_.write_batches(*sink, 5, 1);  // and the query goes on over the compaction
  EXPECT_THAT(disk_.paths(), SizeIs(4));
  EXPECT_EQ(disk_.ids(), Disk::numbers(60));
}

TEST_F(CompactionTest, ATableStaysCompactWhileItIsWritten) {
  auto sink = disk_.sink(after(5));
  for (int64_t batch = 0; batch < 200; ++batch)
    disk_.write_batches(*sink, batch, 1);
  sink.reset();  // ends the merge under way
  EXPECT_LE(disk_.paths().size(), 25U);
  EXPECT_EQ(disk_.ids(), Disk::numbers(2000));
}

TEST_F(CompactionTest, EachPartitionIsMergedOnItsOwn) {
  auto options = after(4);
  options.partition_by = {"part"};
  for (int64_t batch = 0; batch < 20; ++batch)
    disk_.write_batches(*disk_.sink(options), batch, 1);  // each in a run of its own
  EXPECT_EQ(disk_.ids(), Disk::numbers(200));
  const auto snapshot = disk_.snapshot();
  EXPECT_LE(snapshot->files().size(), 20U);
  for (const auto& file : snapshot->files()) {
    const auto value = file->partition_values.at("part");
    ASSERT_TRUE(value.has_value());
    EXPECT_THAT(file->path, HasSubstr(*value == "p 0" ? "part=p%200/" : "part=p%201/"));
  }
}

TEST_F(CompactionTest, OnlyTheQuerysOwnFilesAreMerged) {
  auto other = disk_.sink(off(), "other");
  for (int64_t batch = 0; batch < 10; ++batch)
    ASSERT_TRUE(Disk::write(*other, batch, rows(batch, 1)).ok());
  const auto of_other = disk_.paths();
  {
    auto own = disk_.sink(after(3));
    for (int64_t batch = 0; batch < 10; ++batch)
      ASSERT_TRUE(Disk::write(*own, batch, rows(10 + batch, 1)).ok());
  }
  EXPECT_EQ(disk_.ids(), Disk::numbers(20));
  const auto now = disk_.paths();
  EXPECT_LT(now.size(), 20U);
  for (const auto& path : of_other)
    EXPECT_THAT(now, testing::Contains(path));
}

TEST_F(CompactionTest, OptionThenTablePropertySaysWhether) {
  disk_.write_batches(*disk_.sink(off()), 0, 1);
  auto metadata = disk_.snapshot()->metadata();
  const auto policy = [&](const char* property, DeltaCompactionOptions options = {}) {
    if (property != nullptr)
      metadata.configuration["delta.autoOptimize.autoCompact"] = property;
    else
      metadata.configuration.erase("delta.autoOptimize.autoCompact");
    return compaction_policy(options, metadata);
  };
  EXPECT_TRUE(policy(nullptr)->has_value()) << "on by itself";
  EXPECT_TRUE(policy("auto")->has_value());
  EXPECT_FALSE(policy("false")->has_value());
  EXPECT_TRUE(policy("false", {.enabled = true})->has_value());
  EXPECT_FALSE(policy("true", {.enabled = false})->has_value());
  EXPECT_THAT(policy("maybe").error().message(), HasSubstr("delta.autoOptimize.autoCompact"));
  metadata.configuration["delta.targetFileSize"] = "16mb";
  EXPECT_EQ((*policy("true"))->target_file_bytes, 16 << 20);
  EXPECT_EQ((*policy("true", {.target_file_bytes = 1 << 20}))->target_file_bytes, 1 << 20);

  disk_.commit_lines(1, delta::action_text(metadata) + "\n");
  auto property_says_true = disk_.sink(off());
  disk_.write_batches(*property_says_true, 1, 60);
  property_says_true.reset();
  EXPECT_THAT(disk_.paths(), SizeIs(61)) << "the option off goes before the property";
}

TEST_F(CompactionTest, OtherWritersAndCompactionDoNotHurtEachOther) {
  base::set_log_level(base::LogLevel::kOff);
  disk_.write_batches(*disk_.sink(off()), 0, 1);
  std::vector<std::jthread> threads;
  for (int64_t query = 0; query < 3; ++query) {
    threads.emplace_back([this, query] {
      auto sink = disk_.sink(after(3), "q-" + std::to_string(query));
      for (int64_t batch = 0; batch < 30; ++batch) {
        auto commit = Disk::write(*sink, batch, rows(10 + query * 30 + batch, 1));
        EXPECT_TRUE(commit.ok()) << commit.error().to_string();
      }
    });
  }
  threads.clear();
  EXPECT_EQ(disk_.ids(), Disk::numbers(100));
  EXPECT_LE(disk_.paths().size(), 60U);
}

// A merge meets each fault at each call: the rows stay as they are, before and after a power loss.
class CompactionFaultTest : public testing::TestWithParam<io::Fault> {};

TEST_P(CompactionFaultTest, EveryCallMayFail) {
  bool reached = true;
  for (uint64_t seed = 0; reached; ++seed) {
    Disk disk(seed + 1);
    disk.write_batches(*disk.sink(off()), 0, 3);
    auto table = *delta::Table::open(disk.environment(), kPath);
    disk.fs.inject(static_cast<int64_t>(seed / 4), GetParam());
    auto outcome = delta::compact_files(*table, {disk.paths(), {}, "query-1"}, {});
    reached = disk.fs.fault_reached();
    disk.fs.cut_power();
    disk.fs.restart();
    disk.fs.free_space();
    ASSERT_EQ(disk.ids(), Disk::numbers(30)) << "seed " << seed;
    if (outcome.ok() && !reached) {
      EXPECT_THAT(disk.paths(), SizeIs(1)) << "seed " << seed;
    }
    disk.write_batches(*disk.sink(after(2)), 3, 1);
    ASSERT_EQ(disk.ids(), Disk::numbers(40)) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, CompactionFaultTest,
                         testing::Values(io::Fault::kError, io::Fault::kNoSpace,
                                         io::Fault::kShortWrite, io::Fault::kPowerLoss));

// Files of one size come one by one and are merged when due; sizes add up.
TEST(CompactionCandidatesTest, FilesStayFewAndRowsAreWrittenFewTimes) {
  delta::CompactionPolicy policy{.files_min = 10, .target_file_bytes = 1'000'000};
  delta::CompactionCandidates candidates;
  candidates.set_policy(policy);
  int64_t written = 0;
  int64_t large = 0;
  int64_t most = 0;
  constexpr int64_t kFiles = 20'000;
  constexpr int64_t kSize = 1'000;
  for (int64_t i = 0; i < kFiles; ++i) {
    delta::AddFile file;
    file.path = std::to_string(i);
    file.size = kSize;
    ASSERT_TRUE(candidates.add(file));
    while (true) {
      const auto due = candidates.take_due();
      if (due.empty()) break;
      delta::AddFile merged;
      for (const auto& one : due)
        merged.size += one.size;
      written += merged.size;
      merged.path = "m" + std::to_string(i);
      if (merged.size >= policy.target_file_bytes / 2) ++large;
      ASSERT_TRUE(candidates.add(merged));
    }
    most = std::max(most, static_cast<int64_t>(candidates.size()));
  }
  EXPECT_LE(most, 4 * policy.files_min);
  EXPECT_GE(large, kFiles * kSize / (2 * policy.target_file_bytes));
  EXPECT_LE(written, 4 * kFiles * kSize);
}

}  // namespace
}  // namespace weir::sink
