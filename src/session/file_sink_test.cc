// The file sink: whole batches by its log, once each, also over failures and power losses.
#include "session/file_sink.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "columnar/arrow_types.h"
#include "io/model_file_system.h"
#include "relational/duck_engine.h"
#include "session/file_table.h"
#include "session/writers.h"
#include "source/file_listing.h"
#include "source/file_sink_log.h"

namespace weir::session {
namespace {

using base::BatchId;
using base::ErrorKind;
using testing::ElementsAre;
using testing::HasSubstr;

class FileSinkTest : public testing::Test {
 protected:
  static Schema schema() { return columnar::parse_ddl_schema("id INT, day STRING").value(); }
  static std::shared_ptr<arrow::RecordBatch> rows(
      const std::vector<std::pair<int, std::string>>& values) {
    arrow::Int32Builder ids;
    arrow::StringBuilder days;
    for (const auto& [id, day] : values) {
      EXPECT_TRUE(ids.Append(id).ok());
      EXPECT_TRUE(days.Append(day).ok());
    }
    return arrow::RecordBatch::Make(columnar::to_arrow_schema(schema()),
                                    static_cast<int64_t>(values.size()),
                                    {*ids.Finish(), *days.Finish()});
  }
  Services services() { return {*files_, clock_, random_, *engine_, 2}; }
  std::unique_ptr<sink::Sink> open(FileWrite write = {}) {
    write.path = "/out";
    if (write.format.empty()) write.format = "json";
    auto made = make_file_sink(services(), std::move(write));
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    return std::move(*made);
  }
  static Result<sink::SinkCommit> deliver(
      sink::Sink& sink, int64_t batch,
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& parts) {
    WEIR_ASSIGN(auto writer, sink.begin(BatchId(batch), static_cast<int>(parts.size())));
    for (size_t part = 0; part < parts.size(); ++part)
      WEIR_TRY(writer->write(static_cast<int>(part), parts[part]));
    return writer->commit();
  }
  // The lines of the folder's files, as readers find them.
  std::vector<std::string> lines() {
    std::vector<std::string> found;
    const auto listed = source::list_files(*files_, "/out", {});
    EXPECT_TRUE(listed.ok()) << listed.error().to_string();
    for (const auto& file : *listed) {
      std::string text = files_->read_all(file.path).value();
      while (!text.empty()) {
        found.push_back(text.substr(0, text.find('\n')));
        text.erase(0, text.find('\n') + 1);
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  std::unique_ptr<io::ModelFileSystem> files_ = std::make_unique<io::ModelFileSystem>(7);
  base::ManualClock clock_;
  base::SeededRandom random_{5};
  std::unique_ptr<relational::DuckEngine> engine_ = relational::DuckEngine::open({}).value();
};

// df.write.mode("overwrite"): wherever power is lost, the rows of before or the new ones are there.
TEST_F(FileSinkTest, OverwritingNeverLeavesAFolderWithoutRows) {
  const auto save = [&](int first) {
    FileWrite write;
    write.path = "/out";
    write.format = "json";
    write.overwrite = true;
    write.partition_by = {"day"};
    bool given = false;
    return write_files(services(), write, schema(), [&]() -> Result<relational::BatchPtr> {
      if (std::exchange(given, true)) return relational::BatchPtr();
      return rows({{first, "a"}, {first + 1, "b"}});
    });
  };
  const std::vector<std::string> before{R"({"id":1})", R"({"id":2})"};
  const std::vector<std::string> after{R"({"id":7})", R"({"id":8})"};
  bool ended = false;
  for (int64_t at = 0; !ended; ++at) {
    files_ = std::make_unique<io::ModelFileSystem>(100 + static_cast<uint64_t>(at));
    ASSERT_TRUE(save(1).ok());
    EXPECT_EQ(lines(), before);
    files_->inject(at, io::Fault::kPowerLoss);
    ended = save(7).ok();
    files_->restart();
    const auto found = lines();
    const auto has = [&](const std::vector<std::string>& all) {
      return std::includes(found.begin(), found.end(), all.begin(), all.end());
    };
    EXPECT_TRUE(has(before) || has(after)) << "power lost at call " << at;
    ASSERT_TRUE(save(7).ok());
    EXPECT_EQ(lines(), after) << "after call " << at;
    if (HasFailure()) return;
  }
}

TEST_F(FileSinkTest, ABatchAppearsWholeAndOnce) {
  const auto sink = open();
  EXPECT_TRUE(sink->exactly_once());
  ASSERT_TRUE(sink->prepare({"q", "r", ""}, schema()).ok());
  EXPECT_FALSE(files_->exists("/out").value());
  const auto done = deliver(*sink, 0, {rows({{1, "a"}}), rows({{2, "b"}, {3, "c"}})});
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(done->rows, 3);
  const std::vector<std::string> expected{R"({"id":1,"day":"a"})", R"({"id":2,"day":"b"})",
                                          R"({"id":3,"day":"c"})"};
  EXPECT_EQ(lines(), expected);
  EXPECT_TRUE(deliver(*sink, 0, {rows({{1, "a"}})})->already_done);
  {
    auto writer = sink->begin(BatchId(1), 1).value();
    ASSERT_TRUE(writer->write(0, rows({{9, "z"}})).ok());
    ASSERT_TRUE(writer->abort().ok());
  }
  EXPECT_EQ(lines(), expected);
  EXPECT_EQ(deliver(*sink, 3, {}).error().kind(), ErrorKind::kConflict);
}

TEST_F(FileSinkTest, TheLogIsSparks) {
  const auto sink = open();
  ASSERT_TRUE(sink->prepare({"q", "r", ""}, schema()).ok());
  for (int batch = 0; batch < 12; ++batch)
    ASSERT_TRUE(deliver(*sink, batch, {rows({{batch, "a"}})}).ok());
  const std::string first = files_->read_all("/out/_spark_metadata/0").value();
  EXPECT_THAT(first, testing::MatchesRegex(
                         "v1\n\\{\"path\":\"file:///out/part-00000-[0-9a-f-]+-c000.json\","
                         "\"size\":19,\"isDir\":false,\"modificationTime\":[0-9]+,"
                         "\"blockReplication\":1,\"blockSize\":33554432,\"action\":\"add\"\\}"));
  const std::string compact = files_->read_all("/out/_spark_metadata/9.compact").value();
  EXPECT_EQ(std::count(compact.begin(), compact.end(), '\n'), 10);
  EXPECT_EQ(lines().size(), 12U);
  // Files that the log does not name are nobody's.
  ASSERT_TRUE(files_->replace("/out/part-00000-lost.json", "{\"id\":77}\n").ok());
  EXPECT_EQ(lines().size(), 12U);
}

TEST_F(FileSinkTest, PartitionsBecomeFolders) {
  FileWrite write;
  write.partition_by = {"day"};
  const auto sink = open(write);
  ASSERT_TRUE(sink->prepare({"q", "r", ""}, schema()).ok());
  ASSERT_TRUE(deliver(*sink, 0, {rows({{1, "a"}, {2, "b"}, {3, "a"}})}).ok());
  EXPECT_THAT(lines(), ElementsAre(R"({"id":1})", R"({"id":2})", R"({"id":3})"));
  EXPECT_EQ(files_->list("/out/day=a").value().size(), 1U);
  FileTableRequest request;
  request.format = "json";
  request.paths = {"/out"};
  const auto table = open_file_table(services(), request);
  ASSERT_TRUE(table.ok()) << table.error().to_string();
  EXPECT_EQ(columnar::schema_to_ddl((*table)->schema()), "id BIGINT,day STRING");
  write.partition_by = {"nothing"};
  EXPECT_FALSE(open(write)->prepare({"q", "r", ""}, schema()).ok());
}

// Folders that a process made which died before their names were durable.
TEST_F(FileSinkTest, FilesInFoldersOfADeadProcessOutliveALossOfPower) {
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    files_ = std::make_unique<io::ModelFileSystem>(seed);
    ASSERT_TRUE(files_->make_dir("/out").ok() && files_->make_dir("/out/day=a").ok());
    FileWrite write;
    write.partition_by = {"day"};
    const auto sink = open(write);
    ASSERT_TRUE(sink->prepare({"q", "r", ""}, schema()).ok());
    ASSERT_TRUE(deliver(*sink, 0, {rows({{1, "a"}, {2, "a"}})}).ok());
    files_->restart();
    EXPECT_THAT(lines(), ElementsAre(R"({"id":1})", R"({"id":2})")) << seed;
  }
}

TEST_F(FileSinkTest, AFolderTakesOneQuery) {
  const auto sink = open();
  ASSERT_TRUE(sink->prepare({"q", "r", ""}, schema()).ok());
  ASSERT_TRUE(deliver(*sink, 0, {rows({{1, "a"}})}).ok());
  EXPECT_THAT(open()->prepare({"other", "r", ""}, schema()).error().to_string(),
              HasSubstr("is the log of query q, and this is query other"));
  const auto again = open();
  ASSERT_TRUE(again->prepare({"q", "r2", ""}, schema()).ok());
  EXPECT_TRUE(again->confirm_committed(BatchId(0)).ok());
  EXPECT_EQ(again->confirm_committed(BatchId(1)).error().kind(), ErrorKind::kConflict);
  for (int batch = 1; batch < 3; ++batch)
    ASSERT_TRUE(deliver(*again, batch, {rows({{batch, "a"}})}).ok());
  EXPECT_TRUE(again->confirm_committed(BatchId(1)).ok());
  EXPECT_EQ(again->confirm_committed(BatchId(0)).error().kind(), ErrorKind::kConflict);
  FileWrite write;
  write.options = {{"retention", "1d"}};
  write.format = "json";
  EXPECT_THAT(make_file_sink(services(), write).error().to_string(), HasSubstr("retention"));
}

// Power goes at every place of three batches; the query comes back and writes the batch again.
TEST_F(FileSinkTest, SurvivesPowerLoss) {
  const auto run = [&](int64_t first) -> int64_t {  // the batch that failed; 3: none
    auto sink = open();
    if (!sink->prepare({"q", "r", ""}, schema()).ok()) return first;
    for (int64_t batch = first; batch < 3; ++batch) {
      const auto day = std::to_string(batch);
      if (!deliver(*sink, batch,
                   {rows({{static_cast<int>(batch) * 2, day}}),
                    rows({{static_cast<int>(batch) * 2 + 1, day}})})
               .ok())
        return batch;
    }
    return 3;
  };
  ASSERT_EQ(run(0), 3);
  const auto expected = lines();
  ASSERT_EQ(expected.size(), 6U);
  const int64_t calls = files_->calls();
  for (int64_t at = 0; at < calls; ++at) {
    for (const uint64_t seed : {1U, 2U, 3U}) {
      files_ = std::make_unique<io::ModelFileSystem>(seed * 1000 + static_cast<uint64_t>(at));
      files_->inject(at, io::Fault::kPowerLoss);
      const int64_t failed = run(0);
      files_->restart();
      ASSERT_EQ(run(failed), 3) << "power lost at call " << at << ", seed " << seed;
      ASSERT_EQ(lines(), expected) << "power lost at call " << at << ", seed " << seed;
    }
  }
}

}  // namespace
}  // namespace weir::session
