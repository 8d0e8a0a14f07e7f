#include "codec/file_format.h"

#include <filesystem>
#include <unistd.h>
#include <zlib.h>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include "columnar/arrow_adapter.h"

namespace weir::codec {
namespace {

class FileFormatTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() / fmt::format("weir-file-format-{}", ::getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  io::FileInfo write(const std::string& name, std::string_view text) {
    const std::string path = io::join_path(folder_.string(), name);
    WEIR_CHECK(fs_->replace(path, text).ok());
    return *fs_->stat(path);
  }

  static FileFormatRequest request(std::string format, std::string_view ddl,
                                   std::map<std::string, std::string> options = {}) {
    FileFormatRequest made;
    made.format = std::move(format);
    made.file_schema = *columnar::parse_ddl_schema(ddl);
    made.options = std::move(options);
    return made;
  }

  // Rows as texts, values parted by '|'.
  std::vector<std::string> rows(const FileFormatRequest& request, const io::FileInfo& file,
                                FileRange range = {}) {
    auto format = make_file_format(request);
    if (!format.ok()) return {format.error().to_string()};
    auto reader = (*format)->open(*fs_, file, range);
    if (!reader.ok()) return {reader.error().to_string()};
    std::vector<std::string> texts;
    while (true) {
      auto batch = (*reader)->next({});
      if (!batch.ok()) return {batch.error().to_string()};
      if (!*batch) break;
      const auto valid = (*batch)->ValidateFull();
      EXPECT_TRUE(valid.ok()) << valid.ToString();
      for (int64_t i = 0; i < (*batch)->num_rows(); ++i) {
        std::string text;
        for (int c = 0; c < (*batch)->num_columns(); ++c)
          text += (c ? "|" : "") + (*(*batch)->column(c)->GetScalar(i))->ToString();
        texts.push_back(text);
      }
    }
    counters_ = (*reader)->counters();
    return texts;
  }

  std::filesystem::path folder_;
  std::unique_ptr<io::FileSystem> fs_ = io::local_file_system();
  RecordCounters counters_;
};

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(FileFormatTest, PartsGiveEveryLineOnce) {
  std::string json, csv = "n,t\n", text;
  for (int i = 0; i < 200; ++i) {
    json += fmt::format("{{\"n\":{},\"t\":\"{}\"}}{}", i,
                        std::string(static_cast<size_t>(i % 7), 'x'), i % 3 ? "\n" : "\r\n");
    csv += fmt::format("{},{}\n", i, std::string(static_cast<size_t>(i % 7), 'x'));
    text += fmt::format("{}\n", i);
  }
  const auto check = [&](const FileFormatRequest& r, const io::FileInfo& file) {
    const auto whole = rows(r, file);
    EXPECT_EQ(whole.size(), 200u) << whole[0];
    for (int64_t step : {1, 7, 64, 1000}) {
      std::vector<std::string> parts;
      for (int64_t begin = 0; begin < file.size; begin += step) {
        for (auto& row : rows(r, file, {begin, begin + step}))
          parts.push_back(row);
      }
      EXPECT_EQ(parts, whole) << r.format << " in steps of " << step;
    }
  };
  check(request("json", "n int, t string"), write("a.json", json));
  check(request("CSV", "n int, t string", {{"HEADER", "true"}}), write("a.csv", csv));
  check(request("text", ""), write("a.txt", text));
}

TEST_F(FileFormatTest, JsonOfManyLinesAndArrays) {
  const auto file = write("a.json", "[\n {\"a\": 1,\n  \"b\": \"x\"},\n {\"a\": \"bad\"} ]\n");
  EXPECT_THAT(rows(request("json", "a int, b string", {{"multiLine", "true"}}), file),
              ElementsAre("1|x", "null|null"));
  EXPECT_EQ(counters_.corrupt_rows, 2);
  const auto lines = write("b.json", "[{\"a\":1},{\"a\":2}]\n[]\n{\"a\":3}\n");
  EXPECT_THAT(rows(request("json", "a int"), lines), ElementsAre("1", "2", "3"));
}

TEST_F(FileFormatTest, Gzip) {
  const auto path = io::join_path(folder_.string(), "a.json.gz");
  for (const char* mode : {"wb", "ab"}) {  // two members
    gzFile out = gzopen(path.c_str(), mode);
    for (int i = 0; i < 1000; ++i)
      gzprintf(out, "{\"a\":%d}\n", i);
    gzclose(out);
  }
  const auto file = *fs_->stat(path);
  EXPECT_EQ(rows(request("json", "a int"), file).size(), 2000u);
  EXPECT_EQ(rows(request("json", "a int"), file, {10, 20}).size(), 0u);
  const std::string bytes = *fs_->read_all(path);
  EXPECT_THAT(rows(request("json", "a int"),
                   write("cut.json.gz", std::string_view(bytes).substr(0, bytes.size() / 3)))
                  .back(),
              HasSubstr("ends too soon"));
}

TEST_F(FileFormatTest, Text) {
  EXPECT_THAT(rows(request("text", ""), write("a.txt", "a\n\r\nb\rc\n\nd")),
              ElementsAre("a", "", "b", "c", "", "d"));
  EXPECT_THAT(rows(request("text", "", {{"wholetext", "true"}}), write("b.txt", "a\nb\n")),
              ElementsAre("a\nb\n"));
  EXPECT_THAT(
      rows(request("text", "line string", {{"lineSep", "||"}}), write("c.txt", "a||b\n||c")),
      ElementsAre("a", "b\n", "c"));
  EXPECT_THAT(rows(request("text", "n int"), write("d.txt", "a"))[0],
              HasSubstr("one column of type STRING"));
}

// The answers are those of Spark 4.2 for the same texts.
TEST_F(FileFormatTest, CsvQuotes) {
  const auto file = write("a.csv", R"(a,,c
a,"",c
"a""b",x,y
"a\"b",x,y
"a\\b",x,y
"a\nb",x,y
a"b,"x"y,z
"un,closed,x
 a , "b" ,c
,,
a,b
a,b,c,d
"a" ,b,c
"x","y"z",w
"q\\",b,c
'a',b,c
"a,b","c","d
a,"b\\",c
a,"b\",c
a,b\,c
"\\\"",b,c
)");
  EXPECT_THAT(
      rows(request("csv", "a string, b string, c string, _corrupt_record string"), file),
      ElementsAre("a|null|c|null", "a|null|c|null", R"("a""b"|x|y|null)", R"(a"b|x|y|null)",
                  R"(a\b|x|y|null)", R"(a\nb|x|y|null)", R"(a"b|"x"y|z|null)",
                  R"(un,closed,x|null|null|"un,closed,x)", R"( a | "b" |c|null)",
                  "null|null|null|null", "a|b|null|a,b", "a|b|c|a,b,c,d", "a|b|c|null",
                  R"(x|"y"z"|w|null)", R"(q\|b|c|null)", "'a'|b|c|null", "a,b|c|d|null",
                  R"(a|b\|c|null)", R"(a|b",c|null|a,"b\",c)", R"(a|b\|c|null)", R"(\"|b|c|null)"));
  EXPECT_EQ(counters_.corrupt_rows, 4);
  const auto doubled = write("b.csv",
                             "\"a\"\"b\",x,y\n\"a\\\"b\",x,y\n\"he said \"\"hi, "
                             "there\"\"\",b,c\n\"a\"b\",x,y\n\"\"\"\",x,y\n\"\"\"a\"\"\",x,y\n");
  EXPECT_THAT(rows(request("csv", "a string, b string, c string", {{"escape", "\""}}), doubled),
              ElementsAre("a\"b|x|y", "\"a\\\"b\"|x|y", "he said \"hi, there\"|b|c", "\"a\"b\"|x|y",
                          "\"|x|y", "\"a\"|x|y"));
}

TEST_F(FileFormatTest, CsvOptions) {
  const std::string abc = "a string, b string, c string";
  EXPECT_THAT(
      rows(request("csv", abc,
                   {{"ignoreLeadingWhiteSpace", "true"}, {"ignoreTrailingWhiteSpace", "true"}}),
           write("a", " a , \"b\" ,c \n")),
      ElementsAre("a|b|c"));
  EXPECT_THAT(rows(request("csv", abc, {{"nullValue", "NA"}}), write("a", "a,NA,\"\"\n")),
              ElementsAre("a|null|"));
  EXPECT_THAT(rows(request("csv", abc, {{"nullValue", "NA"}, {"emptyValue", "EMPTY"}}),
                   write("a", "a,,\"\"\n")),
              ElementsAre("a|null|EMPTY"));
  EXPECT_THAT(rows(request("csv", abc, {{"multiLine", "true"}}),
                   write("a", "\"a\nb\",x,y\n\"p\r\nq\",r,s\n")),
              ElementsAre("a\nb|x|y", "p\r\nq|r|s"));
  EXPECT_THAT(rows(request("csv", abc, {{"comment", "#"}}), write("a", "#c\na,b,c\n\n  \nd,e,f\n")),
              ElementsAre("a|b|c", "d|e|f"));
  EXPECT_THAT(rows(request("csv", abc, {{"sep", "||"}}), write("a", "a||b||c\n")),
              ElementsAre("a|b|c"));
  EXPECT_THAT(rows(request("csv", abc, {{"sep", "\\t"}}), write("a", "a\tb\tc\n")),
              ElementsAre("a|b|c"));
  EXPECT_THAT(rows(request("csv", abc, {{"quote", ""}}), write("a", "\"a\",b,c\n")),
              ElementsAre("\"a\"|b|c"));
  EXPECT_THAT(rows(request("csv", abc), write("a",
                                              "\xef\xbb\xbf"
                                              "a,b,c\rd,e,f\r")),
              ElementsAre("a|b|c", "d|e|f"));
  EXPECT_THAT(
      rows(request("csv", abc, {{"mode", "dropMalformed"}}), write("a", "a,b\na,b,c,d\na,b,c\n")),
      ElementsAre("a|b|c"));
  EXPECT_THAT(rows(request("csv", abc, {{"mode", "FAILFAST"}}), write("a", "a,b\n"))[0],
              HasSubstr("MALFORMED_RECORD_IN_PARSING"));
  EXPECT_THAT(rows(request("csv", abc, {{"header", "true"}, {"enforceSchema", "false"}}),
                   write("a", "a,x,c\n1,2,3\n"))[0],
              HasSubstr("header"));
  auto pruned = request("csv", abc);
  pruned.columns = {"c", "a"};
  EXPECT_THAT(rows(pruned, write("a", "1,2\n3,4,5,6\n")), ElementsAre("null|1", "5|3"));
}

TEST_F(FileFormatTest, CsvTypes) {
  EXPECT_THAT(
      rows(
          request("csv", "a int, b double, c string, _corrupt_record string"),
          write(
              "a",
              "1,2,x\n 1 ,2.5,y\n+1,1e3,y\n1_0,NaN,y\n,-Inf,y\n9999999999,Infinity,y\n1.0,1f,y\n")),
      ElementsAre("1|2|x|null", "null|2.5|y| 1 ,2.5,y", "1|1000|y|null", "null|nan|y|1_0,NaN,y",
                  "null|-inf|y|null", "null|inf|y|9999999999,Infinity,y", "null|1|y|1.0,1f,y"));
  EXPECT_THAT(
      rows(request("csv", "a boolean, b decimal(6,2), c timestamp, d date"),
           write("a", "TRUE,2.345,2015-03-18 12:03:17.5,2015-3-8\n1,\"1,000.5\",x,123\n")),
      ElementsAre("true|2.35|2015-03-18 12:03:17.500000Z|2015-03-08", "null|1000.50|null|null"));
}

TEST_F(FileFormatTest, Parquet) {
  auto schema =
      *columnar::parse_ddl_schema("id int, name string, s struct<x: int, y: string>, l array<int>");
  arrow::Int32Builder ids;
  arrow::StringBuilder names;
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(ids.Append(i).ok() && names.Append("n" + std::to_string(i)).ok());
  auto id = *ids.Finish();
  auto name = *names.Finish();
  auto table = arrow::Table::Make(
      arrow::schema({arrow::field("id", arrow::int32()), arrow::field("Name", arrow::utf8()),
                     arrow::field("s", arrow::struct_({arrow::field("y", arrow::utf8()),
                                                       arrow::field("z", arrow::int32())}))}),
      {id, name, *arrow::StructArray::Make({name, id}, std::vector<std::string>{"y", "z"})});
  const std::string path = io::join_path(folder_.string(), "a.parquet");
  auto out = *arrow::io::FileOutputStream::Open(path);
  ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, 100).ok());
  ASSERT_TRUE(out->Close().ok());
  const auto file = *fs_->stat(path);
  auto wanted =
      request("parquet", "id bigint, name string, s struct<x: int, y: string>, l array<int>");
  const auto whole = rows(wanted, file);
  ASSERT_EQ(whole.size(), 1000u) << whole[0];
  EXPECT_EQ(whole[7], "7|n7|{x:int32 = null, y:string = n7}|null");
  std::vector<std::string> parts;
  for (int64_t begin = 0; begin < file.size; begin += 1000) {
    for (auto& row : rows(wanted, file, {begin, begin + 1000}))
      parts.push_back(row);
  }
  EXPECT_EQ(parts, whole);
  wanted.columns = std::vector<std::string>{};
  EXPECT_EQ(rows(wanted, file).size(), 1000u);
  EXPECT_THAT(rows(request("parquet", "name int"), file)[0],
              HasSubstr("PARQUET_COLUMN_DATA_TYPE_MISMATCH"));
  EXPECT_THAT(
      rows(request("parquet", "a int"), write("b.parquet", "PAR1 this is no parquet file PAR1"))[0],
      HasSubstr("b.parquet"));
}

TEST_F(FileFormatTest, Options) {
  auto odd = request("json", "a int",
                     {{"colour", "red"}, {"maxFilesPerTrigger", "1"}, {"MODE", "permissive"}});
  auto format = make_file_format(odd);
  ASSERT_TRUE(format.ok());
  EXPECT_THAT((*format)->unknown_options(), ElementsAre("colour"));
  EXPECT_EQ(make_file_format(request("json", "a int", {{"encoding", "UTF-16"}})).error().kind(),
            base::ErrorKind::kUnsupported);
  EXPECT_EQ(make_file_format(request("json", "a int", {{"mode", "sloppy"}})).error().kind(),
            base::ErrorKind::kInvalidArgument);
  EXPECT_EQ(make_file_format(request("csv", "a array<int>")).error().kind(),
            base::ErrorKind::kUnsupported);
  EXPECT_EQ(make_file_format(request("orc", "a int")).error().kind(),
            base::ErrorKind::kUnsupported);
  EXPECT_THAT(
      make_file_format(request("csv", "a int", {{"timestampFormat", "YYYY"}})).error().message(),
      HasSubstr("timestampFormat"));
}

}  // namespace
}  // namespace weir::codec
