// Checkpoints that Spark 2.1 … 4.0.1 wrote (Apache Spark's own test resources, where they are at
// hand) are read, and texts written by Spark come out again byte for byte.
#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stream/stream_test_kit.h"

namespace weir::stream {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;

// Unpacked once beside the test's other temporary files; empty where the archive is not there.
fs::path spark_checkpoints() {
  const fs::path archive = fs::current_path() / "../shared/data/spark-streaming-resources.tar.xz";
  const fs::path folder = fs::path(testing::TempDir()) / "weir-spark-checkpoints";
  if (fs::exists(folder / "done")) return folder / "spark-streaming-resources";
  if (!fs::exists(archive)) return {};
  fs::create_directories(folder);
  const std::string command = "tar xJf '" + archive.string() + "' -C '" + folder.string() +
                              "' && touch '" + (folder / "done").string() + "'";
  if (std::system(command.c_str()) != 0) return {};
  return folder / "spark-streaming-resources";
}

std::string read(const fs::path& path) {
  return io::local_file_system()->read_all(path.string()).value();
}

bool is_number(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

TEST(CheckpointFormat, SparksOffsetLogsParseAndComeOutTheSame) {
  const fs::path root = spark_checkpoints();
  if (root.empty()) GTEST_SKIP() << "Spark's checkpoints are not here";
  int read_count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const fs::path& path = entry.path();
    if (!entry.is_regular_file() || path.parent_path().filename() != "offsets" ||
        !is_number(path.filename()))
      continue;
    SCOPED_TRACE(path.string());
    std::string text = read(path);
    const auto parsed = parse_offset_log(text, path.string());
    if (text.starts_with("v2")) {
      EXPECT_EQ(parsed.error().kind(), ErrorKind::kUnsupported);
      continue;
    }
    ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
    EXPECT_GT(parsed->batch_timestamp_ms, 0);
    while (text.ends_with('\n'))
      text.pop_back();
    const auto again = parse_offset_log(offset_log_text(*parsed), "again");
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->conf, parsed->conf);
    EXPECT_EQ(again->offsets, parsed->offsets);
    EXPECT_EQ(again->batch_watermark_ms, parsed->batch_watermark_ms);
    ++read_count;
  }
  EXPECT_GT(read_count, 20);
}

TEST(CheckpointFormat, SparksCommitLogsParse) {
  const fs::path root = spark_checkpoints();
  if (root.empty()) GTEST_SKIP() << "Spark's checkpoints are not here";
  int read_count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const fs::path& path = entry.path();
    if (!entry.is_regular_file() || path.parent_path().filename() != "commits" ||
        !is_number(path.filename()))
      continue;
    SCOPED_TRACE(path.string());
    const std::string text = read(path);
    const auto parsed = parse_commit_log(text, path.string());
    if (text.starts_with("v2")) continue;  // Spark's state: refused or empty
    ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
    ++read_count;
  }
  EXPECT_GT(read_count, 15);
  EXPECT_EQ(
      parse_commit_log(read(root / "testCommitLogV1/testCommitLog"), "v1")->next_batch_watermark_ms,
      1);
  EXPECT_EQ(parse_commit_log(read(root / "testCommitLogV2/testCommitLog"), "v2").error().kind(),
            ErrorKind::kUnsupported);
}

TEST(CheckpointFormat, TextOfSparksMemoryQueryIsOursToTheByte) {
  const std::string offsets =
      "v1\n{\"batchWatermarkMs\":5000,\"batchTimestampMs\":1531292030005,\"conf\":{\"spark.sql."
      "shuffle.partitions\":\"5\"}}\n1";
  EXPECT_EQ(offset_log_text(parse_offset_log(offsets, "x").value()), offsets);
  const std::string commits = "v1\n{\"nextBatchWatermarkMs\":11000}";
  EXPECT_EQ(commit_log_text(parse_commit_log(commits, "x").value()), commits);
}

// The folder of a checkpoint on disk, as a query over the model file system would find it.
void copy_into(io::ModelFileSystem& files, const fs::path& from, const std::string& to) {
  for (const auto& entry : fs::recursive_directory_iterator(from)) {
    if (!entry.is_regular_file()) continue;
    const std::string target = to + "/" + fs::relative(entry.path(), from).string();
    ASSERT_TRUE(files.make_dirs(io::parent_path(target)).ok());
    ASSERT_TRUE(files.create_if_absent(target, read(entry.path())).ok());
  }
}

TEST(CheckpointFormat, ACheckpointWithAHoleIsRefused) {
  const fs::path root = spark_checkpoints();
  if (root.empty()) GTEST_SKIP() << "Spark's checkpoints are not here";
  StreamScript script;
  copy_into(script.files, root / "checkpoint-test-offsetId-commitId-inconsistent", "/checkpoint");
  auto refused = script.try_start();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kCorruption);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("/checkpoint"));
}

TEST(CheckpointFormat, AStatelessQueryGoesOnWhereSparkStopped) {
  for (const char* commit : {"v1\n{}", "v1\n{\"nextBatchWatermarkMs\":0}",
                             "v1\n{\"nextBatchWatermarkMs\":0,\"stateUniqueIds\":{}}"}) {
    StreamScript script;
    for (int64_t i = 0; i < 4; ++i)
      script.add({i});
    const std::string conf =
        "{\"batchWatermarkMs\":0,\"batchTimestampMs\":1531292029003,\"conf\":{\"spark.sql.shuffle."
        "partitions\":\"5\"}}";
    ASSERT_TRUE(script.files.make_dirs("/checkpoint/offsets").ok());
    ASSERT_TRUE(script.files.make_dirs("/checkpoint/commits").ok());
    ASSERT_TRUE(script.files
                    .create_if_absent("/checkpoint/metadata",
                                      "{\"id\":\"d366a8bf-db79-42ca-b5a4-d9ca0a11d63e\"}")
                    .ok());
    ASSERT_TRUE(script.files.create_if_absent("/checkpoint/offsets/0", "v1\n" + conf + "\n0").ok());
    ASSERT_TRUE(script.files.create_if_absent("/checkpoint/commits/0", commit).ok());
    ASSERT_TRUE(script.files.create_if_absent("/checkpoint/offsets/1", "v1\n" + conf + "\n2").ok());
    script.start();
    script.process();
    EXPECT_EQ(script.query->id(), "d366a8bf-db79-42ca-b5a4-d9ca0a11d63e");
    script.expect({1, 2, 3});
    EXPECT_EQ((script.store->batches[{script.query->id(), 1}]), (std::vector<int64_t>{1, 2}));
  }
}

TEST(CheckpointFormat, DamagedFilesAreNamed) {
  EXPECT_EQ(parse_offset_log("", "offsets/3").error().kind(), ErrorKind::kCorruption);
  EXPECT_THAT(parse_offset_log("v9\n{}\n1", "offsets/3").error().message(),
              testing::HasSubstr("offsets/3"));
  EXPECT_EQ(parse_offset_log("v1\n{", "offsets/3").error().kind(), ErrorKind::kCorruption);
  EXPECT_EQ(parse_commit_log("garbage", "commits/3").error().kind(), ErrorKind::kCorruption);
}

}  // namespace
}  // namespace weir::stream
