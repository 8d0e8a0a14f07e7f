// The log: actions and their JSON, file names, segments, reconciliation, checkpoints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "delta/actions.h"
#include "delta/checkpoint_reader.h"
#include "delta/checkpoint_writer.h"
#include "delta/log_segment.h"
#include "delta/table.h"
#include "delta/table_features.h"
#include "delta/transaction.h"
#include "io/model_file_system.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

constexpr char kMetadataLine[] =
    R"({"metaData":{"id":"m","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":[],"configuration":{"x":"y"},"createdTime":5}})";
constexpr char kProtocolLine[] = R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})";

// What is written is read back as it was, byte for byte when written again.
class ActionRoundTrip : public testing::TestWithParam<const char*> {};

TEST_P(ActionRoundTrip, KeepsTheText) {
  auto action = parse_action(GetParam(), "test");
  ASSERT_TRUE(action.ok()) << action.error().to_string();
  ASSERT_TRUE(action->has_value());
  EXPECT_EQ(action_text(**action), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    All, ActionRoundTrip,
    testing::Values(
        kProtocolLine, kMetadataLine,
        R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors","appendOnly"]}})",
        R"({"add":{"path":"p=a%20b/x.parquet","partitionValues":{"p":"a b","q":null},"size":7,"modificationTime":9,"dataChange":true,"stats":"{\"numRecords\":1}","tags":{"k":"v"},"deletionVector":{"storageType":"u","pathOrInlineDv":"ab^-aqEH.-t@S}K{vb[*k^","offset":4,"sizeInBytes":40,"cardinality":6},"baseRowId":1,"defaultRowCommitVersion":2,"clusteringProvider":"liquid"}})",
        R"({"remove":{"path":"x","deletionTimestamp":1,"dataChange":false,"extendedFileMetadata":true,"partitionValues":{},"size":3}})",
        R"({"txn":{"appId":"q","version":3,"lastUpdated":4}})",
        R"({"commitInfo":{"operation":"WRITE","n":{"a":[1,2.5]}}})",
        R"({"domainMetadata":{"domain":"d","configuration":"{}","removed":true}})",
        R"({"cdc":{"path":"_change_data/x","partitionValues":{},"size":1,"dataChange":false}})",
        R"({"sidecar":{"path":"s.parquet","sizeInBytes":3}})",
        R"({"checkpointMetadata":{"version":3}})"));

TEST(Actions, UnknownOnesAndUnknownFieldsAreIgnored) {
  auto unknown = parse_action(R"({"futureAction":{"a":1}})", "test");
  ASSERT_TRUE(unknown.ok());
  EXPECT_FALSE(unknown->has_value());
  auto field = parse_action(R"({"txn":{"appId":"q","version":3,"future":{}},"add":null})", "test");
  ASSERT_TRUE(field.ok() && field->has_value());
  EXPECT_EQ(std::get<SetTransaction>(**field).version, 3);
}

TEST(Actions, WhatIsMissingIsNamedWithItsLine) {
  auto actions = parse_actions(
      "{\"txn\":{\"appId\":\"q\",\"version\":1}}\n\n{\"add\":{\"size\":1}}\n", "00.json");
  ASSERT_FALSE(actions.ok());
  EXPECT_EQ(actions.error().kind(), ErrorKind::kCorruption);
  EXPECT_THAT(actions.error().message(), HasSubstr("line 3"));
  EXPECT_THAT(actions.error().message(), HasSubstr("path"));
}

TEST(LogFileNames, TellKindAndVersion) {
  EXPECT_EQ(parse_log_file_name("00000000000000000007.json").kind, LogFileKind::kCommit);
  EXPECT_EQ(parse_log_file_name("00000000000000000007.json").version.value(), 7);
  EXPECT_EQ(parse_log_file_name("00000000000000000010.checkpoint.parquet").kind,
            LogFileKind::kCheckpoint);
  const auto part =
      parse_log_file_name("00000000000000000010.checkpoint.0000000002.0000000003.parquet");
  EXPECT_EQ(part.kind, LogFileKind::kCheckpoint);
  EXPECT_EQ(part.part, 2);
  EXPECT_EQ(part.parts, 3);
  EXPECT_TRUE(parse_log_file_name(
                  "00000000000000000010.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json")
                  .uuid_named);
  for (const char* other :
       {"_last_checkpoint", "00000000000000000007.crc", "7.json",
        "00000000000000000004.00000000000000000006.compacted.json", ".weir-tmp-x",
        "00000000000000000010.checkpoint.0000000004.0000000003.parquet"}) {
    EXPECT_EQ(parse_log_file_name(other).kind, LogFileKind::kOther) << other;
  }
}

class LogTest : public testing::Test {
 protected:
  LogTest() { EXPECT_TRUE(fs_.make_dirs(log_path("/t")).ok()); }
  Environment environment() { return {fs_, clock_, random_}; }
  void commit(int64_t version, const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines)
      text += line + "\n";
    ASSERT_TRUE(fs_.create_if_absent(commit_path("/t", TableVersion(version)), text).ok());
  }
  static std::string add(const std::string& path, const std::string& rest = "") {
    return R"({"add":{"path":")" + path +
           R"(","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true)" + rest +
           "}}";
  }
  static std::string remove(const std::string& path) {
    return R"({"remove":{"path":")" + path +
           R"(","deletionTimestamp":1600000000000,"dataChange":true}})";
  }
  // Of the newest checkpoint.
  std::vector<std::string> tombstones() {
    const auto segment = *list_log_segment(fs_, "/t", std::nullopt);
    std::vector<std::string> paths;
    auto read = read_checkpoint(
        fs_, "/t", *segment->checkpoint,
        [&](const std::vector<Action>& actions) {
          for (const Action& action : actions)
            if (const auto* remove = std::get_if<RemoveFile>(&action))
              paths.push_back(remove->path);
        },
        CheckpointActions::kRemoves);
    EXPECT_TRUE(read.ok()) << read.error().to_string();
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  std::vector<std::string> files(std::optional<int64_t> version = std::nullopt) {
    auto at = version ? std::optional(TableVersion(*version)) : std::nullopt;
    auto snapshot = Table::snapshot_at(fs_, "/t", at);
    EXPECT_TRUE(snapshot.ok()) << snapshot.error().to_string();
    std::vector<std::string> paths;
    for (const auto& file : (*snapshot)->files())
      paths.push_back(file->path);
    return paths;
  }
  using Paths = std::vector<std::string>;

  io::ModelFileSystem fs_{7};
  base::ManualClock clock_;
  base::SeededRandom random_{7};
};

TEST_F(LogTest, ReplaysCommits) {
  commit(0, {kProtocolLine, kMetadataLine, add("a"), add("b")});
  commit(1, {remove("a"), add("c")});
  commit(2, {add("a"), remove("b"), add("b")});
  EXPECT_EQ(files(), (Paths{"a", "b", "c"})) << "removed and added in one commit stays";
  EXPECT_EQ(files(1), (Paths{"b", "c"}));
  EXPECT_EQ(files(0), (Paths{"a", "b"}));
  auto later = Table::snapshot_at(fs_, "/t", TableVersion(3));
  ASSERT_FALSE(later.ok());
  EXPECT_EQ(later.error().kind(), ErrorKind::kNotFound);
}

TEST_F(LogTest, AFileWithAnotherDeletionVectorIsAnotherFile) {
  const std::string vector =
      R"(,"deletionVector":{"storageType":"i","pathOrInlineDv":"x","sizeInBytes":1,"cardinality":1})";
  commit(0, {kProtocolLine, kMetadataLine, add("a")});
  commit(1, {remove("a"), add("a", vector)});
  auto snapshot = *Table::snapshot_at(fs_, "/t");
  ASSERT_EQ(snapshot->files().size(), 1u);
  EXPECT_TRUE(snapshot->files()[0]->deletion_vector);
}

TEST_F(LogTest, AMissingCommitIsAnError) {
  commit(0, {kProtocolLine, kMetadataLine});
  commit(2, {add("a")});
  auto snapshot = Table::snapshot_at(fs_, "/t");
  ASSERT_FALSE(snapshot.ok());
  EXPECT_EQ(snapshot.error().kind(), ErrorKind::kCorruption);
}

TEST_F(LogTest, ATableReadsOnlyWhatIsNew) {
  commit(0, {kProtocolLine, kMetadataLine, add("a")});
  auto table = *Table::open(environment(), "/t");
  ASSERT_TRUE(fs_.remove(commit_path("/t", TableVersion(0))).ok());
  commit(1, {add("b")});
  ASSERT_EQ(table->refresh().value()->value(), 1);
  EXPECT_EQ((*table->snapshot())->files().size(), 2u);
}

TEST_F(LogTest, AProtocolThatGrowsBeyondUsStopsAnOpenTable) {
  commit(0, {kProtocolLine, kMetadataLine, add("a")});
  auto table = *Table::open(environment(), "/t");
  commit(
      1,
      {R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["variantType"],"writerFeatures":["variantType"]}})"});
  for (int i = 0; i < 2; ++i) {
    auto refreshed = table->refresh();
    ASSERT_FALSE(refreshed.ok());
    EXPECT_THAT(refreshed.error().message(), HasSubstr("variantType"));
  }
}

TEST_F(LogTest, ACheckpointStandsForItsCommits) {
  commit(0, {kProtocolLine, kMetadataLine, add("a"),
             add("b", R"(,"stats":"{\"numRecords\":2}","tags":{"t":"u"})")});
  commit(1, {remove("a"), R"({"txn":{"appId":"q","version":9}})",
             R"({"domainMetadata":{"domain":"d","configuration":"c","removed":false}})"});
  auto table = *Table::open(environment(), "/t");
  auto written = write_checkpoint(environment(), "/t", *table->checkpoint_content());
  ASSERT_TRUE(written.ok()) << written.error().to_string();
  ASSERT_TRUE(fs_.remove(commit_path("/t", TableVersion(0))).ok());
  ASSERT_TRUE(fs_.remove(commit_path("/t", TableVersion(1))).ok());
  auto snapshot = *Table::snapshot_at(fs_, "/t");
  EXPECT_EQ(snapshot->version().value(), 1);
  EXPECT_EQ(snapshot->transaction_version("q"), 9);
  ASSERT_EQ(snapshot->files().size(), 1u);
  EXPECT_EQ(snapshot->files()[0]->stats, R"({"numRecords":2})");
  EXPECT_EQ(snapshot->files()[0]->tags->at("t"), "u");
  EXPECT_EQ(snapshot->metadata().configuration.at("x"), "y");
  auto reopened = *Table::open(environment(), "/t");
  EXPECT_EQ(reopened->checkpoint_content()->domains.size(), 1u);
  EXPECT_EQ(tombstones(), Paths{"a"}) << "a tombstone stays until it expires";
  commit(2, {remove("b"), add("c")});
  ASSERT_TRUE(reopened->refresh().ok());
  ASSERT_TRUE(write_checkpoint(environment(), "/t", *reopened->checkpoint_content()).ok());
  EXPECT_EQ(tombstones(), (Paths{"a", "b"})) << "one from the checkpoint before, one from the log";
  commit(3, {add("a")});
  ASSERT_TRUE(reopened->refresh().ok());
  ASSERT_TRUE(write_checkpoint(environment(), "/t", *reopened->checkpoint_content()).ok());
  EXPECT_EQ(tombstones(), Paths{"b"}) << "what was put back is no tombstone";
  EXPECT_EQ(files(), (Paths{"a", "c"}));
  clock_.advance_us(8LL * 86'400'000'000);
  commit(4, {add("d")});
  ASSERT_TRUE(reopened->refresh().ok());
  ASSERT_TRUE(write_checkpoint(environment(), "/t", *reopened->checkpoint_content()).ok());
  EXPECT_EQ(tombstones(), Paths{});
}

TEST_F(LogTest, AnIncompleteCheckpointIsLeftAside) {
  commit(0, {kProtocolLine, kMetadataLine, add("a")});
  ASSERT_TRUE(
      fs_.create_if_absent(
             "/t/_delta_log/00000000000000000000.checkpoint.0000000001.0000000002.parquet", "x")
          .ok());
  EXPECT_EQ(files(), Paths{"a"});
}

TEST_F(LogTest, ADamagedCheckpointIsAClearError) {
  commit(0, {kProtocolLine, kMetadataLine, add("a")});
  ASSERT_TRUE(fs_.create_if_absent("/t/_delta_log/00000000000000000000.checkpoint.parquet",
                                   "PAR1 this is none PAR1")
                  .ok());
  auto snapshot = Table::snapshot_at(fs_, "/t");
  ASSERT_FALSE(snapshot.ok());
  EXPECT_EQ(snapshot.error().kind(), ErrorKind::kCorruption);
}

// Power goes at every call of a checkpoint: the table stays what it was.
TEST_F(LogTest, ACheckpointMayFailAtAnyCall) {
  bool reached = true;
  for (int64_t call = 0; reached; ++call) {
    io::ModelFileSystem fs(static_cast<uint64_t>(call) + 1);
    const Environment where{fs, clock_, random_};
    ASSERT_TRUE(fs.make_dirs(log_path("/t")).ok());
    for (int64_t version = 0; version < 3; ++version) {
      const std::string first =
          version == 0 ? std::string(kProtocolLine) + "\n" + kMetadataLine + "\n" : "";
      ASSERT_TRUE(fs.create_if_absent(commit_path("/t", TableVersion(version)),
                                      first + add("f" + std::to_string(version)) + "\n")
                      .ok());
    }
    auto table = *Table::open(where, "/t");
    fs.inject(call, io::Fault::kPowerLoss);
    (void)write_checkpoint(where, "/t", *table->checkpoint_content());
    reached = fs.fault_reached();
    fs.cut_power();
    fs.restart();
    auto snapshot = Table::snapshot_at(fs, "/t");
    ASSERT_TRUE(snapshot.ok()) << "call " << call << ": " << snapshot.error().to_string();
    ASSERT_EQ((*snapshot)->files().size(), 3u) << "call " << call;
  }
}

TEST_F(LogTest, CleanUpKeepsWhatYoungVersionsNeed) {
  commit(0, {kProtocolLine, kMetadataLine, add("a")});
  commit(1, {add("b")});
  auto table = *Table::open(environment(), "/t");
  ASSERT_TRUE(write_checkpoint(environment(), "/t", *table->checkpoint_content()).ok());
  commit(2, {add("c")});
  const Metadata metadata = (*Table::snapshot_at(fs_, "/t"))->metadata();
  EXPECT_EQ(*clean_up_log(environment(), "/t", metadata), 0);
  clock_.advance_us(4000LL * 86'400'000'000);  // past any time that the model may give to files
  EXPECT_EQ(*clean_up_log(environment(), "/t", metadata), 1)
      << "commit 0; version 1 stays as the base";
  EXPECT_EQ(files(), (Paths{"a", "b", "c"}));
}

TEST(Intervals, AreReadAsSparkWritesThem) {
  EXPECT_EQ(parse_interval_ms("interval 1 week"), 604'800'000);
  EXPECT_EQ(parse_interval_ms("interval 36 hours 5 minutes"), 129'900'000);
  EXPECT_EQ(parse_interval_ms("1 week"), std::nullopt);
  EXPECT_EQ(parse_interval_ms("interval a week"), std::nullopt);
}

TEST(TablePaths, AreLocal) {
  EXPECT_EQ(*table_path("file:///a/b/"), "/a/b");
  EXPECT_EQ(*table_path("file:/a"), "/a");
  EXPECT_EQ(*table_path("t"), "t");
  auto remote = table_path("s3://bucket/t");
  ASSERT_FALSE(remote.ok());
  EXPECT_EQ(remote.error().kind(), ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace weir::delta
