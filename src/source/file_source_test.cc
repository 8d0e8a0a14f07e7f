#include "source/file_source.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/model_file_system.h"
#include "source/file_listing.h"
#include "source/file_source_log.h"
#include "source/option_text.h"
#include "source/partition_folders.h"
#include "source/rate_source.h"

namespace weir::source {
namespace {

using base::ErrorKind;
using testing::HasSubstr;
using Names = std::vector<std::string>;

TEST(Glob, AsHadoop) {
  EXPECT_TRUE(glob_matches("*.json", "a.json"));
  EXPECT_FALSE(glob_matches("*.json", "a.jsonl"));
  EXPECT_TRUE(glob_matches("a?[0-9][^x]*", "ab7yz"));
  EXPECT_FALSE(glob_matches("a?[0-9][^x]*", "ab7x"));
  EXPECT_TRUE(glob_matches("{jan,feb-{1,2}}.csv", "feb-2.csv"));
  EXPECT_FALSE(glob_matches("{jan,feb}.csv", "mar.csv"));
  EXPECT_TRUE(glob_matches("\\*", "*"));
}

TEST(OptionText, DurationsAndSizes) {
  EXPECT_EQ(parse_duration_us("10s", "x").value(), 10'000'000);
  EXPECT_EQ(parse_duration_us("2 Weeks", "x").value(), 1'209'600'000'000);
  EXPECT_EQ(parse_duration_us("250", "x").value(), 250'000);
  EXPECT_FALSE(parse_duration_us("-1s", "x").ok());
  EXPECT_FALSE(parse_duration_us("99999999999d", "x").ok());
  EXPECT_EQ(parse_byte_size("10mb", "x").value(), 10 << 20);
  EXPECT_FALSE(parse_byte_size("ten", "x").ok());
}

TEST(RateSource, RowsGrowAsSparks) {
  Names rows;
  for (int64_t second = 0; second <= 6; ++second)
    rows.push_back(std::to_string(rate_rows_until(second, 10, 4)));
  EXPECT_EQ(rows, (Names{"0", "2", "6", "12", "20", "30", "40"}));
}

TEST(FileSourceLog, TextIsSparks) {
  const std::string text =
      "v1\n{\"path\":\"file:///in/a%20b.json\",\"timestamp\":1480730949000,\"batchId\":0}";
  const auto entries = parse_file_entries(text, "x").value();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].path, "/in/a b.json");
  EXPECT_EQ(file_entries_text(entries), text);
  EXPECT_EQ(parse_file_entries("v1\n{\"path\":\"/a/b/0\",\"timestamp\":1,\"batchId\":0}", "x")
                ->at(0)
                .path,
            "/a/b/0");
}

TEST(FileSourceLog, NamesOfAnyBytesAreReadBack) {
  for (const std::string path :
       {"/in/\xc3\xa4.json", "/in/\x80.json", "/in/\xc3", "/in/\xed\xa0\x80",
        "/in/\xf0\x9f\x98\x80 100%25\n", "/in/\xc0\xaf\xf5"}) {
    const std::string text = file_entries_text({{path, 5, 1}});
    const auto entries = parse_file_entries(text, "x");
    ASSERT_TRUE(entries.ok()) << entries.error().to_string();
    EXPECT_EQ(entries->at(0).path, path);
  }
  EXPECT_THAT(file_entries_text({{"/\xc3\xa4\x80", 5, 1}}),
              ::testing::HasSubstr("file:///\xc3\xa4%80\""));
}

TEST(FileSourceLog, CompactsEveryTenthEntryAndReadsThemBack) {
  io::ModelFileSystem files(1);
  FileSourceLog log(files, "/cp/sources/0");
  ASSERT_TRUE(log.open().ok());
  for (int64_t id = 0; id < 25; ++id)
    ASSERT_TRUE(log.add({{fmt::format("/in/{}", id), id, id}}).ok());
  EXPECT_TRUE(files.exists("/cp/sources/0/9.compact").value());
  EXPECT_TRUE(files.exists("/cp/sources/0/19.compact").value());
  EXPECT_FALSE(files.exists("/cp/sources/0/19").value());
  FileSourceLog again(files, "/cp/sources/0");
  EXPECT_EQ(again.open()->size(), 25U);
  EXPECT_EQ(again.latest(), 24);
  const auto some = again.get(18, 20).value();
  ASSERT_EQ(some.size(), 3U);
  EXPECT_EQ(some[1].path, "/in/19");
}

TEST(FileSourceLog, NamesWithLeadingZeroesAreNotOfTheLog) {
  io::ModelFileSystem files(1);
  FileSourceLog log(files, "/cp");
  ASSERT_TRUE(log.open().ok());
  for (int64_t id = 0; id < 12; ++id)
    ASSERT_TRUE(log.add({{fmt::format("/in/{}", id), id, id}}).ok());
  ASSERT_TRUE(files.create_if_absent("/cp/09.compact", "v1").ok());
  FileSourceLog again(files, "/cp");
  EXPECT_EQ(again.open()->size(), 12U);
  EXPECT_EQ(again.latest(), 11);
}

TEST(FileSourceLog, OldEntriesGo) {
  io::ModelFileSystem files(1);
  FileSourceLog log(files, "/cp");
  ASSERT_TRUE(log.open().ok());
  for (int64_t id = 0; id < 130; ++id)
    ASSERT_TRUE(log.add({{fmt::format("/in/{}", id), id, id}}).ok());
  EXPECT_FALSE(files.exists("/cp/20").value());
  EXPECT_TRUE(files.exists("/cp/29.compact").value());
  EXPECT_TRUE(files.exists("/cp/30").value());
  FileSourceLog again(files, "/cp");
  EXPECT_EQ(again.open()->size(), 130U);
}

class FileSourceTest : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(files.make_dirs(io::parent_path(path)).ok());
    ASSERT_TRUE(files.create_if_absent(path, text).ok());
  }
  void open(std::map<std::string, std::string> options = {}, const std::string& path = "/in") {
    auto made = make_file_source(
        files, clock,
        {.path = path, .format = "text", .schema = {}, .options = std::move(options)});
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    source = std::move(made).value();
    ASSERT_TRUE(source->open("/cp/sources/0").ok());
    position = source->initial_offset().value();
  }
  Result<Names> read(const std::string& from, const std::string& until) {
    Names lines;
    WEIR_ASSIGN(auto readers, source->plan(from, until, {"value"}));
    for (auto& reader : readers)
      while (true) {
        WEIR_ASSIGN(const auto rows, reader->next({}));
        if (rows == nullptr) break;
        const auto& column = static_cast<const arrow::StringArray&>(*rows->column(0));
        for (int64_t row = 0; row < column.length(); ++row)
          lines.emplace_back(column.GetView(row));
      }
    return lines;
  }
  Names batch() {
    const auto latest = source->latest_offset(position, false);
    EXPECT_TRUE(latest.ok()) << latest.error().to_string();
    const std::string from = std::exchange(position, latest->end);
    return read(from, position).value();
  }

  io::ModelFileSystem files{1};
  base::ManualClock clock;
  std::unique_ptr<Source> source;
  std::string position;
};

TEST_F(FileSourceTest, EachFileOnceInTheOrderOfTime) {
  write("/in/b", "first\n");
  write("/in/a", "second\n");
  write("/in/_hidden", "x\n");
  write("/in/.hidden", "x\n");
  open();
  EXPECT_EQ(batch(), (Names{"first", "second"}));
  EXPECT_EQ(position, "{\"logOffset\":0}");
  EXPECT_EQ(batch(), Names{});
  write("/in/c", "third\n");
  EXPECT_EQ(batch(), (Names{"third"}));
}

TEST_F(FileSourceTest, AnOffsetMeansTheSameFilesAfterARestart) {
  write("/in/a", "1\n");
  open();
  EXPECT_EQ(batch(), (Names{"1"}));
  write("/in/b", "2\n");
  // Logged by the source, and then the process dies before the query's offset log has it.
  ASSERT_EQ(source->latest_offset(position, false)->end, "{\"logOffset\":1}");
  write("/in/c", "3\n");
  open();
  position = "{\"logOffset\":0}";
  EXPECT_EQ(batch(), (Names{"2"}));
  EXPECT_EQ(batch(), (Names{"3"}));
  EXPECT_EQ(read("{\"logOffset\":-1}", "{\"logOffset\":0}").value(), (Names{"1"}));
}

TEST_F(FileSourceTest, Limits) {
  for (int i = 0; i < 5; ++i)
    write(fmt::format("/in/{}", i), fmt::format("{}\n", i));
  open({{"maxFilesPerTrigger", "2"}});
  EXPECT_EQ(batch(), (Names{"0", "1"}));
  EXPECT_EQ(batch(), (Names{"2", "3"}));
  EXPECT_EQ(batch(), (Names{"4"}));
  ASSERT_TRUE(files.remove_tree("/cp").ok());
  open({{"maxBytesPerTrigger", "5"}});
  EXPECT_EQ(batch(), (Names{"0", "1"}));
  ASSERT_TRUE(files.remove_tree("/cp").ok());
  open({{"maxFilesPerTrigger", "1"}, {"latestFirst", "true"}});
  EXPECT_EQ(batch(), (Names{"4"}));
}

TEST_F(FileSourceTest, FiltersAndGlobs) {
  write("/in/a.txt", "a\n");
  write("/in/a.log", "log\n");
  write("/in/deep/b.txt", "b\n");
  open({{"pathGlobFilter", "*.txt"}});
  EXPECT_EQ(batch(), (Names{"a"}));
  ASSERT_TRUE(files.remove_tree("/cp").ok());
  open({{"pathGlobFilter", "*.txt"}, {"recursiveFileLookup", "true"}});
  EXPECT_EQ(batch(), (Names{"a", "b"}));
  ASSERT_TRUE(files.remove_tree("/cp").ok());
  open({}, "/in/{deep,none}/*.txt");
  EXPECT_EQ(batch(), (Names{"b"}));
}

TEST_F(FileSourceTest, AvailableNowTakesWhatWasThere) {
  write("/in/a", "1\n");
  open();
  ASSERT_TRUE(source->prepare_available_now().ok());
  write("/in/b", "2\n");
  EXPECT_EQ(batch(), (Names{"1"}));
  EXPECT_EQ(batch(), Names{});
}

TEST_F(FileSourceTest, WhatCannotBeDoneIsRefusedByName) {
  write("/in/a", "1\n");
  const auto refused = [&](std::map<std::string, std::string> options, const std::string& name) {
    const auto made = make_file_source(
        files, clock,
        {.path = "/in", .format = "text", .schema = {}, .options = std::move(options)});
    ASSERT_FALSE(made.ok()) << name;
    EXPECT_THAT(made.error().message(), HasSubstr(name));
  };
  refused({{"cleanSource", "wash"}}, "wash");
  refused({{"cleanSource", "archive"}}, "sourceArchiveDir");
  refused({{"cleanSource", "archive"}, {"sourceArchiveDir", "/in/old"}}, "source pattern");
  refused({{"ignoreCorruptFiles", "true"}}, "ignoreCorruptFiles");
  refused({{"maxFilesPerTriger", "1"}}, "maxFilesPerTriger");
  refused({{"maxFilesPerTrigger", "0"}}, "maxFilesPerTrigger");
  EXPECT_EQ(
      make_file_source(files, clock, {.path = "/in", .format = "json", .schema = {}, .options = {}})
          .error()
          .kind(),
      ErrorKind::kInvalidArgument);
  EXPECT_EQ(
      make_file_source(files, clock, {.path = "/no", .format = "text", .schema = {}, .options = {}})
          .error()
          .kind(),
      ErrorKind::kNotFound);
  refused({{"basePath", "/other"}}, "basePath");
}

TEST_F(FileSourceTest, FilesThatWereReadAreRemoved) {
  write("/in/a", "1\n");
  write("/in/b", "2\n");
  open({{"cleanSource", "DELETE"}, {"maxFilesPerTrigger", "1"}});
  EXPECT_EQ(batch(), (Names{"1"}));
  EXPECT_TRUE(*files.exists("/in/a"));  // its batch may have to run again
  ASSERT_TRUE(source->commit(position).ok());
  EXPECT_FALSE(*files.exists("/in/a"));
  EXPECT_TRUE(*files.exists("/in/b"));
  EXPECT_EQ(batch(), (Names{"2"}));
  ASSERT_TRUE(source->commit(position).ok());
  EXPECT_FALSE(*files.exists("/in/b"));
}

TEST_F(FileSourceTest, FilesThatWereReadAreArchived) {
  write("/in/a", "1\n");
  open({{"cleanSource", "archive"}, {"sourceArchiveDir", "/old"}});
  EXPECT_EQ(batch(), (Names{"1"}));
  ASSERT_TRUE(source->commit(position).ok());
  ASSERT_TRUE(source->commit(position).ok());
  EXPECT_FALSE(*files.exists("/in/a"));
  EXPECT_TRUE(*files.exists("/old/in/a"));
}

TEST_F(FileSourceTest, FoldersMakeColumns) {
  write("/in/day=2024-01-01/no=7/a%20b", "1\n");
  write("/in/day=2024-01-02/no=__HIVE_DEFAULT_PARTITION__/b", "2\n3\n");
  open();
  EXPECT_EQ(source->schema().simple_string(), "struct<value:string,day:date,no:int>");
  const auto rows = [&](std::vector<std::string> columns) {
    Names lines;
    const auto readers = source->plan("{\"logOffset\":-1}", position, columns);
    if (!readers.ok()) return Names{readers.error().message()};
    for (const auto& reader : *readers)
      while (const auto some = reader->next({}).value())
        for (int64_t row = 0; row < some->num_rows(); ++row) {
          lines.emplace_back();
          for (const auto& column : some->columns())
            lines.back() += column->GetScalar(row).ValueOrDie()->ToString() + " ";
        }
    return lines;
  };
  position = source->latest_offset(position, false)->end;
  EXPECT_EQ(rows({"no", "value", "day"}),
            (Names{"7 1 2024-01-01 ", "null 2 2024-01-02 ", "null 3 2024-01-02 "}));
  EXPECT_EQ(rows({"day"}), (Names{"2024-01-01 ", "2024-01-02 ", "2024-01-02 "}));
  // A file in other folders is named.
  write("/in/day=2024-01-03/c", "4\n");
  position = source->latest_offset(position, false)->end;
  EXPECT_THAT(rows({"value"})[0], HasSubstr("/in/day=2024-01-03/c"));
  // Not with recursiveFileLookup, and not above basePath.
  ASSERT_TRUE(files.remove_tree("/cp").ok());
  open({{"recursiveFileLookup", "true"}});
  EXPECT_EQ(source->schema().simple_string(), "struct<value:string>");
  ASSERT_TRUE(files.remove_tree("/in/day=2024-01-03").ok());
  open({}, "/in/day=2024-01-01");
  EXPECT_EQ(source->schema().simple_string(), "struct<value:string,no:int>");
  open({{"basePath", "/in"}}, "/in/day=2024-01-01");
  EXPECT_EQ(source->schema().simple_string(), "struct<value:string,day:date,no:int>");
}

TEST_F(FileSourceTest, TypesOfFolderColumns) {
  const auto type = [&](const Names& values, std::optional<Schema> schema = {}) {
    std::vector<io::FileInfo> found;
    for (const std::string& value : values) {
      found.emplace_back();
      found.back().path = "/in/k=" + value + "/f";
    }
    const auto folders = PartitionFolders::find(found, 1, schema);
    return folders.ok() ? folders->fields()[0].type().simple_string() : folders.error().message();
  };
  EXPECT_EQ(type({"1", "007", "-3"}), "int");
  EXPECT_EQ(type({"1", "3000000000"}), "bigint");
  EXPECT_EQ(type({"1", "1.5"}), "double");
  EXPECT_EQ(type({"2024-01-01", "2024-01-01 10%3A00%3A00"}), "timestamp");
  EXPECT_EQ(type({"2024-01-01", "1"}), "string");
  EXPECT_EQ(type({"__HIVE_DEFAULT_PARTITION__"}), "string");
  EXPECT_EQ(type({"1", "2"}, columnar::parse_ddl_schema("a INT, K STRING").value()), "string");
}

}  // namespace
}  // namespace weir::source
