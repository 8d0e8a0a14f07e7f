#include "session/file_table.h"

#include <filesystem>
#include <fstream>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relational/duck_engine.h"

namespace weir::session {
namespace {

FileTableRequest of(const std::string& format, TextMap options = {},
                    std::vector<std::string> paths = {}) {
  FileTableRequest request;
  request.format = format;
  request.options = std::move(options);
  request.paths = std::move(paths);
  return request;
}

// Files in a folder of their own, read as a table.
class FileTableTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("weir_file_table_" + base::uuid(random_));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void put(const std::string& name, const std::string& text) {
    const auto path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  Result<std::shared_ptr<const relational::ScanSource>> open(FileTableRequest request) {
    auto& engine = *reinterpret_cast<relational::DuckEngine*>(this);  // nobody looks at it
    if (request.paths.empty()) request.paths = {folder_.string()};
    return open_file_table({*fs_, clock_, random_, engine, 2}, std::move(request));
  }
  static std::string ddl(const relational::ScanSource& table) {
    return columnar::schema_to_ddl(table.schema());
  }
  // Every row as text, in ascending order.
  std::vector<std::string> rows(const relational::ScanSource& table, std::vector<int> columns) {
    std::vector<std::string> all;
    auto streams = table.scan(columns, nullptr, 2);
    EXPECT_TRUE(streams.ok()) << (streams.ok() ? "" : streams.error().to_string());
    if (!streams.ok()) return all;
    for (const auto& stream : *streams) {
      while (true) {
        const auto batch = stream->next({});
        EXPECT_TRUE(batch.ok()) << (batch.ok() ? "" : batch.error().to_string());
        if (!batch.ok() || !*batch) break;
        for (int64_t row = 0; row < (*batch)->num_rows(); ++row) {
          std::string text;
          for (const auto& column : (*batch)->columns())
            text += (text.empty() ? "" : "|") + column->GetScalar(row).ValueOrDie()->ToString();
          all.push_back(text);
        }
      }
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  std::filesystem::path folder_;
  std::unique_ptr<io::FileSystem> fs_ = io::local_file_system();
  base::SystemClock clock_;
  base::SystemRandom random_;
};

TEST_F(FileTableTest, json_types_are_those_that_all_records_fit) {
  put("a.json", "{\"b\":1,\"a\":\"x\",\"n\":{\"z\":1,\"y\":[1,2.5]}}\n{\"b\":2.5,\"c\":null}\n");
  put("b.json", "{\"b\":3,\"n\":{\"w\":true},\"big\":12345678901234567890}\n\n");
  const auto table = open(of("json"));
  ASSERT_TRUE(table.ok()) << table.error().to_string();
  EXPECT_EQ(
      ddl(**table),
      "a STRING,b DOUBLE,big DECIMAL(20,0),c STRING,n STRUCT<w: BOOLEAN, y: ARRAY<DOUBLE>, z: "
      "BIGINT>");
  EXPECT_THAT(rows(**table, {1, 0}), testing::ElementsAre("1|x", "2.5|null", "3|null"));
}

TEST_F(FileTableTest, a_bad_json_record_gives_the_corrupt_column) {
  put("a.json", "{\"a\":1}\nnonsense\n");
  const auto table = open(of("json"));
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(ddl(**table), "_corrupt_record STRING,a BIGINT");
}

TEST_F(FileTableTest, csv_columns_are_texts_unless_asked_otherwise) {
  put("a.csv",
      "id,price,at,day,,id\n1,1.5,2024-01-02 03:04:05,2024-01-02,x,7\n22222222222,3,"
      "2024-01-02T03:04:05,2024-01-03,,8\n");
  auto plain = open(of("csv"));
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(ddl(**plain), "_c0 STRING,_c1 STRING,_c2 STRING,_c3 STRING,_c4 STRING,_c5 STRING");
  auto typed = open(of("csv", {{"header", "true"}, {"inferSchema", "true"}}));
  ASSERT_TRUE(typed.ok()) << typed.error().to_string();
  EXPECT_EQ(ddl(**typed), "id0 BIGINT,price DOUBLE,at TIMESTAMP,day DATE,_c4 STRING,id5 INT");
  EXPECT_THAT(rows(**typed, {0}), testing::ElementsAre("1", "22222222222"));
}

TEST_F(FileTableTest, partition_folders_are_columns_behind_the_files_own) {
  put("day=2024-01-02/n=1/a.json", "{\"x\":1}\n");
  put("day=2024-01-03/n=__HIVE_DEFAULT_PARTITION__/a.json", "{\"x\":2}\n");
  put("day=2024-01-03/n=30/b%20.json", "{\"x\":3}\n");
  put("_SUCCESS", "");
  const auto table = open(of("json"));
  ASSERT_TRUE(table.ok()) << table.error().to_string();
  EXPECT_EQ(ddl(**table), "x BIGINT,day DATE,n INT");
  EXPECT_THAT(rows(**table, {2, 0}), testing::ElementsAre("1|1", "30|3", "null|2"));
  EXPECT_THAT(rows(**table, {2}), testing::ElementsAre("1", "30", "null"));
}

TEST_F(FileTableTest, folders_that_disagree_are_an_error) {
  put("a=1/x.json", "{}");
  put("b=1/x.json", "{}");
  const auto table = open(of("json"));
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.error().error_class(), "CONFLICTING_PARTITION_COLUMN_NAMES");
}

TEST_F(FileTableTest, globs_and_lists_of_paths) {
  put("in/a1.txt", "one\n");
  put("in/a2.txt", "two\n");
  put("in/b.txt", "three\n");
  const std::string in = (folder_ / "in").string();
  auto globbed = open(of("text", {}, {in + "/a*.txt"}));
  ASSERT_TRUE(globbed.ok());
  EXPECT_THAT(rows(**globbed, {0}), testing::ElementsAre("one", "two"));
  auto listed = open(of("text", {}, {"file://" + in + "/b.txt", in + "/a1.txt"}));
  ASSERT_TRUE(listed.ok());
  EXPECT_THAT(rows(**listed, {0}), testing::ElementsAre("one", "three"));
}

TEST_F(FileTableTest, what_is_not_there_or_not_read_is_told_by_name) {
  auto missing = open(of("json", {}, {(folder_ / "no").string()}));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().error_class(), "PATH_NOT_FOUND");
  auto empty = open(of("json"));
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().error_class(), "UNABLE_TO_INFER_SCHEMA");
  EXPECT_EQ(open(of("orc")).error().error_class(), "UNSUPPORTED_FEATURE");
  EXPECT_EQ(open(of("nonsense")).error().error_class(), "DATA_SOURCE_NOT_FOUND");
}

}  // namespace
}  // namespace weir::session
